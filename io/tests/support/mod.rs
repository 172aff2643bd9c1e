//! What the story tests of this crate share: a runtime, a pair of connected sockets, ways to watch a task wait.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod pool;
pub(crate) mod sys;

use runtime_executor::{Executor, Park, task::yield_now, time::timeout};
use runtime_io::{
    Reactor,
    net::{TcpListener, TcpStream},
};
use std::{
    io, net,
    os::fd::OwnedFd,
    path::PathBuf,
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// A story that has not ended by then hangs. Miri is slow, and so may a loaded machine be.
const TOO_LONG: Duration = Duration::from_secs(if cfg!(miri) { 600 } else { 60 });

pub(crate) fn executor() -> (Executor, Rc<Reactor>) {
    let reactor = Reactor::new().expect("a selector");
    let executor = Executor::builder().park(reactor.clone()).extension(reactor.clone()).build();
    (executor, reactor)
}

/// Tells one story on a runtime of its own.
pub(crate) fn run<T>(story: impl Future<Output = T>) -> T {
    run_with(|_| story)
}

/// Tells one story that wants to look at its reactor.
pub(crate) fn run_with<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
    let (executor, reactor) = executor();
    let story = story(reactor);
    executor.block_on(async { timeout(TOO_LONG, story).await.expect("the story hangs") })
}

/// Two ends of one connection over the loopback: the one that connected, the one that was accepted.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.expect("a connection");
    let (server, peer) = listener.accept().await.expect("its other end");
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// One end of ours and one of the standard library's, which blocks: what it does is done when it returns.
pub(crate) async fn pair_with_std() -> (TcpStream, net::TcpStream) {
    let (theirs, ours) = pair().await;
    let theirs = theirs.into_std();
    theirs.set_nonblocking(false).unwrap();
    (ours, theirs)
}

/// Lets the others run until `count` of them wait for events.
pub(crate) async fn until_waiting(reactor: &Reactor, count: usize) {
    while reactor.waiters() != count {
        yield_now().await;
    }
}

/// Asks the selector until everybody who waits has been woken, and lets nobody run meanwhile.
pub(crate) fn until_all_woken(reactor: &Reactor) {
    while reactor.waiters() > 0 {
        // The first event may be about room only.
        reactor.park(Some(TOO_LONG)).unwrap();
    }
}

/// Reads to the end.
pub(crate) async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

/// Bytes that show any loss, doubling or change of order.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A child whose output goes to a descriptor, and is this.
pub(crate) fn print_into(output: OwnedFd, text: &str) -> std::process::Child {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "printf %s \"$0\"", text]).stdout(output).spawn().unwrap()
}

/// The descriptors this process has open.
#[cfg(target_os = "linux")]
pub(crate) fn open_descriptors() -> usize {
    // Listing them opens one.
    std::fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// A folder of this test's own, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("runtime-io-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
