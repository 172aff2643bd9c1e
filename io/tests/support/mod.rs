//! What the story tests of this crate share: a runtime, a pair of connected sockets, tasks to watch.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod sys;

use runtime_executor::{Executor, time::timeout};
use runtime_io::{
    Reactor,
    net::{TcpListener, TcpStream},
};
use std::{
    io,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A story that has not ended by then hangs. Miri is slow, and so may a loaded machine be.
const TOO_LONG: Duration = Duration::from_secs(if cfg!(miri) { 600 } else { 60 });

pub fn executor() -> (Executor, Rc<Reactor>) {
    let reactor = Reactor::new().expect("a selector");
    let executor = Executor::builder().park(reactor.clone()).extension(reactor.clone()).build();
    (executor, reactor)
}

/// Tells one story on a runtime of its own.
pub fn run<T>(story: impl Future<Output = T>) -> T {
    run_with(|_| story)
}

/// Tells one story that wants to look at its reactor.
pub fn run_with<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
    let (executor, reactor) = executor();
    let story = story(reactor);
    executor.block_on(async { timeout(TOO_LONG, story).await.expect("the story hangs") })
}

/// Two ends of one connection over the loopback: the one that connected, the one that was accepted.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.expect("a connection");
    let (server, peer) = listener.accept().await.expect("its other end");
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

/// One of ours and one of the standard library's, which blocks.
pub async fn pair_with_std() -> (TcpStream, std::net::TcpStream) {
    let (ours, theirs) = pair().await;
    let theirs = theirs.into_std();
    theirs.set_nonblocking(false).unwrap();
    (ours, theirs)
}

/// Polls a future once, with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Reads to the end.
pub async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
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
pub fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}
