//! Pages fetched three at a time: by processes, by threads or by tasks; or one after the other, which takes as long as all of
//! them together. The function that fetches a page is the same each time.
//!
//! ```text
//! $ cargo run --quiet --example crawler -- --tasks 3        $ cargo run --quiet --example crawler -- --serial
//! process 4710 (main): 200 http://127.0.0.1:40123/100ms     process 4716 (main): 200 http://127.0.0.1:40127/300ms
//! process 4710 (main): 200 http://127.0.0.1:40123/200ms     process 4716 (main): 200 http://127.0.0.1:40127/200ms
//! process 4710 (main): 200 http://127.0.0.1:40123/300ms     process 4716 (main): 200 http://127.0.0.1:40127/100ms
//! 3 pages in 303 ms, written down by process 4710 (main)    3 pages in 605 ms, written down by process 4716 (main)
//!
//! $ cat db.txt
//! url:<http://127.0.0.1:40127/300ms> size:[5]
//! url:<http://127.0.0.1:40127/200ms> size:[5]
//! url:<http://127.0.0.1:40127/100ms> size:[5]
//! url:<http://127.0.0.1:40127/200ms> size:[5]
//! url:<http://127.0.0.1:40127/100ms> size:[5]
//! ```
//!
//! Without URLs it fetches from a server of its own. What comes is written to a file by callbacks in the order in which it comes.
//! They run here, in the parent and on its thread, one after the other, wherever the page was fetched: so the file needs no lock.
//! With `--in-order` there are no callbacks, but results, in the order of the URLs. With `--progress` there is a bar on standard
//! error, if that is a terminal.
//!
//! A page that cannot be fetched is said on standard error, and so is a process that dies over one: the others go on. It ends
//! with 0 if all were fetched, and otherwise with 1. (Pages alone need nothing but tasks. Processes are for what is done with
//! them, such as a parser that one does not trust.)

use indicatif::{ProgressBar, ProgressStyle};
use runtime::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    pool::{Pool, ProcessPool, Shutdown, ThreadPool},
    process, spawn,
    task::TaskPool,
    time::{Instant, sleep, timeout},
};
use serde::{Deserialize, Serialize};
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    env,
    error::Error,
    fmt::Display,
    fs::File,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    rc::Rc,
    thread,
    time::Duration,
};

const USAGE: &str = "\
usage: crawler [--processes NUMBER | --threads NUMBER | --tasks NUMBER | --serial]
               [--in-order] [--progress] [--output FILE] [http://HOST[:PORT]/PATH]...";

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// No page is longer: nobody fills our memory.
const MAX_PAGE_BYTES: u64 = 16 << 20;

struct Arguments {
    way: Way,
    in_order: bool,
    progress: bool,
    output: PathBuf,
    urls: Vec<String>,
}

/// Who fetches, and how many of them.
enum Way {
    Processes(usize),
    Threads(usize),
    Tasks(usize),
    Serial,
}

#[runtime::main]
async fn main() -> ExitCode {
    let Some(arguments) = arguments(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match crawl(arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crawler: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all pages were fetched, and written down.
async fn crawl(arguments: Arguments) -> Result<bool, Box<dyn Error>> {
    let Arguments { way, in_order, progress, output, mut urls } = arguments;
    if urls.is_empty() {
        let site = start_fixture().await?;
        urls = [300, 200, 100].map(|millis| format!("http://{site}/{millis}ms")).into();
    }
    let pages = urls.len();
    let book = Rc::new(Book::new(File::create(output)?, progress.then_some(pages)));
    let begin = Instant::now();
    match way {
        Way::Processes(processes) => by_pool(&ProcessPool::new(processes)?, in_order, &book, urls).await,
        Way::Threads(threads) => {
            let pool = ThreadPool::builder().threads(threads).name("crawler").build();
            by_pool(&pool, in_order, &book, urls).await;
        }
        Way::Tasks(tasks) => by_tasks(&TaskPool::new(tasks), in_order, &book, urls).await,
        Way::Serial => {
            for url in urls {
                let page = fetch(url.clone()).await;
                book.enter(&url, &Ok::<_, Infallible>(page));
            }
        }
    }
    book.bar.finish_and_clear();
    println!("{pages} pages in {} ms, written down by {}", begin.elapsed().as_millis(), whoami());
    Ok(book.is_complete.get())
}

/// Pools of processes and of threads have the same methods.
async fn by_pool(pool: &impl Pool, in_order: bool, book: &Rc<Book>, urls: Vec<String>) {
    if in_order {
        let mut pages = pool.map(urls.clone(), fetch);
        for url in urls {
            let page = pages.next().await.expect("there is one for each");
            book.enter(&url, &page);
        }
    } else {
        for url in urls {
            let job = pool.submit(fetch, url.clone());
            let book = Rc::clone(book);
            job.on_done(move |page| book.enter(&url, page));
            // Its callback has all that it brings.
            job.detach();
        }
    }
    pool.shutdown(Shutdown::Wait).await;
}

/// Tasks are of this thread, so they cost next to nothing.
async fn by_tasks(pool: &TaskPool, in_order: bool, book: &Rc<Book>, urls: Vec<String>) {
    if in_order {
        let pages = pool.map(urls.clone(), fetch).await;
        urls.iter().zip(&pages).for_each(|(url, page)| book.enter(url, page));
    } else {
        for url in urls {
            let task = pool.spawn(fetch(url.clone())).await;
            let book = Rc::clone(book);
            task.on_done(move |page| book.enter(&url, page));
            task.detach();
        }
        pool.join().await;
    }
}

/// What comes back, perhaps from another process.
#[derive(Serialize, Deserialize)]
struct Page {
    status: u16,
    bytes: usize,
    fetched_by: String,
}

/// Fetches a page. In another process, or on another thread, it has a runtime there for itself.
async fn fetch(url: String) -> Result<Page, String> {
    let rest = url.strip_prefix("http://").ok_or("it does not begin with http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let path = if path.is_empty() { "/" } else { path };
    let talk = async {
        let server = TcpStream::connect(address).await?;
        // In this version a server sends the page in one piece, and closes.
        server.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        server.take(MAX_PAGE_BYTES).read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let late = |_| format!("it has not come within {} s", PATIENCE.as_secs());
    let answer = timeout(PATIENCE, talk).await.map_err(late)?.map_err(|error| error.to_string())?;
    let end_of_head = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("there is no head")?;
    let head = String::from_utf8_lossy(&answer[..end_of_head]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("there is no status")?;
    Ok(Page { status, bytes: answer.len() - end_of_head - 4, fetched_by: whoami() })
}

/// Process and thread.
fn whoami() -> String {
    let thread = thread::current();
    format!("process {} ({})", process::current().pid(), thread.name().unwrap_or("a thread without a name"))
}

/// Where pages are entered. Only this thread has it.
struct Book {
    file: RefCell<File>,
    bar: ProgressBar,
    is_complete: Cell<bool>,
}

impl Book {
    /// With a bar for so many pages, if there is to be one.
    fn new(file: File, pages: Option<usize>) -> Self {
        let style = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos}/{len} pages");
        let style = style.expect("the template is ours");
        let bar = pages.map_or_else(ProgressBar::hidden, |pages| ProgressBar::new(pages as u64));
        Self { file: file.into(), bar: bar.with_style(style), is_complete: true.into() }
    }

    /// What became of one URL: a page, the reason why there is none, or the failure of who was to fetch it.
    fn enter(&self, url: &str, page: &Result<Result<Page, String>, impl Display>) {
        let written = match page {
            Ok(Ok(page)) => {
                self.bar.suspend(|| println!("{}: {} {url}", page.fetched_by, page.status));
                writeln!(self.file.borrow_mut(), "url:<{url}> size:[{}]", page.bytes)
                    .map_err(|error| error.to_string())
            }
            Ok(Err(why)) => Err(why.clone()),
            Err(failure) => Err(failure.to_string()),
        };
        if let Err(why) = written {
            self.bar.suspend(|| eprintln!("crawler: {url}: {why}"));
            self.is_complete.set(false);
        }
        self.bar.inc(1);
    }
}

/// A server that answers `/100ms` after so long; its address.
async fn start_fixture() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    spawn(async move {
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(answer_late(stream)).detach();
        }
        #[expect(unreachable_code, reason = "the type of the block")]
        io::Result::Ok(())
    })
    .detach();
    Ok(address.to_string())
}

async fn answer_late(stream: TcpStream) -> io::Result<()> {
    let mut request = [0; 4096];
    let n = stream.read(&mut request).await?;
    let line = String::from_utf8_lossy(&request[..n]).into_owned();
    let millis = line.split(['/', 'm']).nth(1).and_then(|millis| millis.parse().ok()).unwrap_or(0);
    sleep(Duration::from_millis(millis)).await;
    stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").await
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments {
        way: Way::Processes(3),
        in_order: false,
        progress: false,
        output: PathBuf::from("db.txt"),
        urls: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut number = || -> Option<usize> { words.next()?.parse().ok().filter(|number| *number > 0) };
        match word.as_str() {
            "--processes" => arguments.way = Way::Processes(number()?),
            "--threads" => arguments.way = Way::Threads(number()?),
            "--tasks" => arguments.way = Way::Tasks(number()?),
            "--serial" => arguments.way = Way::Serial,
            "--in-order" => arguments.in_order = true,
            "--progress" => arguments.progress = true,
            "--output" => arguments.output = words.next()?.into(),
            option if option.starts_with('-') => return None,
            _ => arguments.urls.push(word),
        }
    }
    Some(arguments)
}
