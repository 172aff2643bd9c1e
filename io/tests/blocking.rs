//! Stories of waits that take the whole thread.
#![cfg(all(unix, not(miri)))]

use runtime_io::blocking;
use std::{
    io::{self, ErrorKind, Read, Write},
    net,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    thread,
    time::Duration,
};

/// Waits on when a signal interrupts it.
fn readable(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    patiently(|| blocking::readable(fd, limit))
}

fn writable(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    patiently(|| blocking::writable(fd, limit))
}

fn patiently<T>(wait: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        match wait() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            waited => return waited,
        }
    }
}

#[test]
fn it_ends_when_something_comes_from_another_thread_or_its_limit_has_passed() {
    let (reader, mut writer) = io::pipe().unwrap();
    // Less than poll(2) can count, and yet no reason to claim that something is there.
    assert!(!readable(reader.as_fd(), Some(Duration::from_nanos(1))).unwrap());
    assert!(!readable(reader.as_fd(), Some(Duration::ZERO)).unwrap());
    #[expect(clippy::disallowed_methods, reason = "another thread, with no runtime")]
    let other = thread::spawn(move || writer.write_all(b"x").map(|()| writer));
    assert!(readable(reader.as_fd(), None).unwrap());
    assert!(readable(reader.as_fd(), Some(Duration::MAX)).unwrap());
    drop(other.join().unwrap().unwrap());
    (&reader).read_exact(&mut [0]).unwrap();
    assert!(readable(reader.as_fd(), None).unwrap(), "nobody will write any more");
}

#[test]
fn the_two_sides_are_told_apart() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    assert!(writable(ours.as_fd(), None).unwrap());
    assert!(!readable(ours.as_fd(), Some(Duration::ZERO)).unwrap());
    while (&ours).write(&[0; 4096]).is_ok() {}
    assert!(!writable(ours.as_fd(), Some(Duration::ZERO)).unwrap());
    theirs.write_all(b"x").unwrap();
    assert!(readable(ours.as_fd(), Some(Duration::ZERO)).unwrap());
}

#[test]
fn a_listener_without_a_task_is_waited_for_and_asked() {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = runtime_io::net::TcpListener::from_std(listener).unwrap();
    assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(readable(listener.as_fd(), None).unwrap());
    let (_server, peer) = listener.try_accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}
