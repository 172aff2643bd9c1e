//! `with open(…) as file`: what is opened is closed, in reverse order, at the end of the block, at an early return, at an
//! error and at a cancellation. What was accepted is written before; only `close` tells whether it could be.

use crate::support::{Folder, is_open};
use runtime::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    spawn,
    task::yield_now,
    time::{sleep, timeout},
};
use std::{
    cell::RefCell,
    io::{self, ErrorKind},
    path::Path,
    rc::Rc,
    time::Duration,
};

type Lines = Rc<RefCell<Vec<String>>>;

fn say(lines: &Lines, line: impl Into<String>) {
    lines.borrow_mut().push(line.into());
}

/// Speaks when it is entered and when it is left.
struct Echo(Lines, &'static str);

impl Echo {
    fn new(lines: &Lines, name: &'static str) -> Self {
        say(lines, format!("enter {name}"));
        Self(Rc::clone(lines), name)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        say(&self.0, format!("exit {}", self.1));
    }
}

#[runtime::test]
async fn a_file_holds_hello_world_and_is_closed_also_when_the_block_fails() {
    async fn block(path: &Path, fails: bool) -> io::Result<()> {
        let mut file = File::create(path).await?;
        file.write_all(b"hello ").await?;
        if fails {
            return Err(io::Error::other("in the block"));
        }
        file.write_all(b"world").await?;
        file.close().await
    }
    let folder = Folder::new();
    let path = folder.path("file");
    block(&path, false).await.unwrap();
    assert_eq!(fs::read_to_string(&path).await.unwrap(), "hello world");
    assert!(!is_open(&path));

    assert_eq!(block(&path, true).await.unwrap_err().to_string(), "in the block");
    // It is closed behind, once what it had accepted is written: to wait for that is what `close` is for.
    while is_open(&path) {
        yield_now().await;
    }
    assert_eq!(fs::read_to_string(&path).await.unwrap(), "hello ");
}

#[cfg(target_os = "linux")]
#[runtime::test]
async fn a_write_that_fails_is_told_before_the_file_is_closed() {
    let mut file = File::options().write(true).open("/dev/full").await.unwrap();
    file.write_all(b"hello world").await.unwrap();
    let error = file.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(error.to_string().starts_with("cannot write to /dev/full: "), "{error}");
}

/// Python's `__exit__` that swallows one kind of exception, as a function around the block.
#[runtime::test]
async fn one_kind_of_error_is_swallowed_at_the_exit_and_others_are_not() {
    async fn if_there(
        lines: &Lines,
        block: impl Future<Output = io::Result<String>>,
    ) -> io::Result<Option<String>> {
        let _echo = Echo::new(lines, "block");
        match block.await {
            Ok(text) => {
                say(lines, text.clone());
                Ok(Some(text))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
    let folder = Folder::new();
    let path = folder.path("file");
    let lines = Lines::default();
    assert_eq!(if_there(&lines, fs::read_to_string(&path)).await.unwrap(), None);
    fs::write(&path, "hello world").await.unwrap();
    assert_eq!(if_there(&lines, fs::read_to_string(&path)).await.unwrap().as_deref(), Some("hello world"));
    fs::write(&path, [0xff]).await.unwrap();
    let error = if_there(&lines, fs::read_to_string(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let expected = [
        "enter block",
        "exit block",
        "enter block",
        "hello world",
        "exit block",
        "enter block",
        "exit block",
    ];
    assert_eq!(*lines.borrow(), expected);
}

/// Python's `@contextmanager`: what comes before the `yield`, the block, and what comes after, whichever way it went.
#[runtime::test]
async fn what_stands_around_the_block_runs_on_both_ways() {
    async fn around<T>(lines: &Lines, block: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let _echo = Echo::new(lines, "block");
        block
            .await
            .inspect(|_| say(lines, "ok"))
            .inspect_err(|error| say(lines, format!("error {:?}", error.kind())))
    }
    let folder = Folder::new();
    let lines = Lines::default();
    around(&lines, fs::write(folder.path("file"), "x")).await.unwrap();
    around(&lines, fs::write(folder.path("missing/file"), "x")).await.unwrap_err();
    assert_eq!(
        *lines.borrow(),
        ["enter block", "ok", "exit block", "enter block", "error NotFound", "exit block"]
    );
}

/// Between programs: the lock is on a file.
#[runtime::test(start_paused = true)]
async fn a_loud_lock_on_a_file_is_released_at_the_end_at_a_return_and_at_a_cancellation() {
    async fn with_loud_lock(lines: Lines, path: &Path, returns_early: bool) -> io::Result<()> {
        say(&lines, "Locking");
        let file = File::create(path).await?;
        file.lock().await?;
        let is_locked = !File::open(path).await?.try_lock().await?;
        say(&lines, format!("Lock is locked: {is_locked}"));
        let _releasing = Echo(Rc::clone(&lines), "the lock");
        if returns_early {
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
        say(&lines, "Doing something that needs locking");
        Ok(())
    }
    let folder = Folder::new();
    let path = folder.path("lock");
    let lines = Lines::default();
    let is_free = async || File::create(&path).await.unwrap().try_lock().await.unwrap();
    with_loud_lock(Rc::clone(&lines), &path, false).await.unwrap();
    assert!(is_free().await);
    with_loud_lock(Rc::clone(&lines), &path, true).await.unwrap();
    assert!(is_free().await);
    let cut = timeout(Duration::from_millis(500), with_loud_lock(Rc::clone(&lines), &path, false)).await;
    assert!(cut.is_err());
    assert!(is_free().await);
    let locked = ["Locking", "Lock is locked: true"];
    let expected = locked.iter().chain(&["Doing something that needs locking", "exit the lock"]);
    let expected = expected.chain(&locked).chain(&["exit the lock"]).chain(&locked).chain(&["exit the lock"]);
    assert!(lines.borrow().iter().eq(expected), "{lines:?}");
}

/// `with open(a) as a, open(b, 'w') as b`.
#[runtime::test]
async fn of_two_open_files_the_second_is_closed_first() {
    async fn copy(lines: &Lines, from: &Path, to: &Path) -> io::Result<()> {
        let mut reader = File::open(from).await?;
        let _reader = Echo::new(lines, "from");
        let mut writer = File::create(to).await?;
        let _writer = Echo::new(lines, "to");
        let mut text = String::new();
        reader.read_to_string(&mut text).await?;
        writer.write_all(text.as_bytes()).await?;
        writer.close().await
    }
    let folder = Folder::new();
    let (from, to) = (folder.path("from"), folder.path("to"));
    let lines = Lines::default();
    fs::write(&from, "three\nlines\nof text\n").await.unwrap();
    copy(&lines, &from, &to).await.unwrap();
    assert_eq!(fs::read(&from).await.unwrap(), fs::read(&to).await.unwrap());
    assert!(!is_open(&from) && !is_open(&to));
    // The second cannot be opened: the first is closed all the same.
    assert!(copy(&lines, &from, &folder.path("missing/to")).await.is_err());
    assert!(!is_open(&from));
    assert_eq!(
        *lines.borrow(),
        ["enter from", "enter to", "exit to", "exit from", "enter from", "exit from"]
    );
}

/// `with closing(urlopen(url)) as page`, from a server that answers, and then waits for whoever asked to go.
#[runtime::test]
async fn a_page_is_read_and_its_connection_closed_after_the_block() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        let mut buf = [0; 256];
        while !request.ends_with(b"\r\n\r\n") {
            let n = stream.read(&mut buf).await.unwrap();
            request.extend_from_slice(&buf[..n]);
        }
        assert!(request.starts_with(b"GET /page HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n<h1>Hi</h1>\n").await.unwrap();
        // Nobody but the end of the block says that it is over.
        stream.read(&mut buf).await.unwrap()
    });
    let folder = Folder::new();
    {
        let page = TcpStream::connect(address).await.unwrap();
        page.write_all(b"GET /page HTTP/1.1\r\nHost: local\r\n\r\n").await.unwrap();
        let mut answer = [0; 51];
        page.read_exact(&mut answer).await.unwrap();
        let answer = std::str::from_utf8(&answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"));
        fs::write(folder.path("page.html"), body).await.unwrap();
        assert!(!server.is_finished(), "it is open as long as the block");
    }
    assert_eq!(server.await.unwrap(), 0, "and closed after it");
    assert_eq!(fs::read_to_string(folder.path("page.html")).await.unwrap(), "<h1>Hi</h1>\n");
}
