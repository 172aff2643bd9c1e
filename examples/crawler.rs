//! Pages fetched by a pool of processes. What they bring is written to a file by callbacks, which run here, in the parent, one
//! after the other: so the file needs no lock.
//!
//! ```text
//! $ cargo run --quiet --example crawler -- --processes 3 --output db.txt http://127.0.0.1:8000/ http://127.0.0.1:8000/a
//! process 4712: 200 http://127.0.0.1:8000/
//! process 4711: 404 http://127.0.0.1:8000/a
//! $ cat db.txt
//! url:<http://127.0.0.1:8000/> size:[1256]
//! url:<http://127.0.0.1:8000/a> size:[335]
//! ```
//!
//! A page that cannot be fetched is said on standard error, and so is a process that dies over one: the others go on. It ends
//! with 0 if all were fetched, and otherwise with 1. (For pages alone tasks would do, see `green_fetch`: processes are for what
//! is done with them.)

use runtime::{
    pool::{JobError, ProcessPool, Shutdown},
    process,
};
use serde::{Deserialize, Serialize};
use std::{
    cell::{Cell, RefCell},
    env,
    fs::File,
    io::{self, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

const USAGE: &str = "usage: crawler [--processes NUMBER] [--output FILE] http://HOST[:PORT]/PATH...";

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// No page is longer: nobody fills our memory.
const MAX_PAGE_BYTES: u64 = 16 << 20;

/// What comes back from another process.
#[derive(Serialize, Deserialize)]
struct Page {
    status: u16,
    bytes: usize,
    fetched_by: u32,
}

struct Arguments {
    processes: usize,
    output: PathBuf,
    urls: Vec<String>,
}

#[runtime::main]
async fn main() -> ExitCode {
    let Some(Arguments { processes, output, urls }) = arguments(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match crawl(processes, File::create(&output), urls).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crawler: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all pages were fetched, and written down.
async fn crawl(
    processes: usize,
    file: io::Result<File>,
    urls: Vec<String>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let file = Rc::new(RefCell::new(file?));
    let is_complete = Rc::new(Cell::new(true));
    let pool = ProcessPool::new(processes)?;
    for url in urls {
        let job = pool.submit(fetch, url.clone());
        let (file, is_complete) = (Rc::clone(&file), Rc::clone(&is_complete));
        job.on_done(move |outcome: &Result<Result<Page, String>, JobError>| {
            let written = match outcome {
                Ok(Ok(page)) => {
                    println!("process {}: {} {url}", page.fetched_by, page.status);
                    writeln!(file.borrow_mut(), "url:<{url}> size:[{}]", page.bytes)
                        .map_err(|e| e.to_string())
                }
                Ok(Err(why)) => Err(why.clone()),
                Err(failure) => Err(failure.to_string()),
            };
            if let Err(why) = written {
                eprintln!("crawler: {url}: {why}");
                is_complete.set(false);
            }
        });
        // Its callback has all that it brings.
        job.detach();
    }
    pool.shutdown(Shutdown::Wait).await;
    Ok(is_complete.get())
}

/// Fetches a page, in blocking style: this process has nothing else to do.
#[expect(clippy::needless_pass_by_value, reason = "what goes to another process is owned there")]
fn fetch(url: String) -> Result<Page, String> {
    let rest = url.strip_prefix("http://").ok_or("it does not begin with http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let path = if path.is_empty() { "/" } else { path };
    let talk = || {
        let mut server = TcpStream::connect(address)?;
        server.set_read_timeout(Some(PATIENCE))?;
        server.set_write_timeout(Some(PATIENCE))?;
        // In this version a server sends the page in one piece, and closes.
        server.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        server.take(MAX_PAGE_BYTES).read_to_end(&mut answer)?;
        io::Result::Ok(answer)
    };
    let answer = talk().map_err(|error| error.to_string())?;
    let end_of_head = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("there is no head")?;
    let head = String::from_utf8_lossy(&answer[..end_of_head]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("there is no status")?;
    Ok(Page { status, bytes: answer.len() - end_of_head - 4, fetched_by: process::current().pid() })
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut arguments = Arguments { processes: 3, output: PathBuf::from("db.txt"), urls: Vec::new() };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--processes" => arguments.processes = words.next()?.parse().ok().filter(|number| *number > 0)?,
            "--output" => arguments.output = words.next()?.into(),
            option if option.starts_with('-') => return None,
            _ => arguments.urls.push(word),
        }
    }
    (!arguments.urls.is_empty()).then_some(arguments)
}
