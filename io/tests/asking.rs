//! Stories of what the selector is asked about: a direction in which nobody has had to wait costs nothing.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_io::{
    AsyncFd,
    net::{UdpSocket, UnixStream},
};
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    os::fd::{AsFd, AsRawFd},
    pin::pin,
};
use support::{pair, run};

const NOTHING: u32 = 0;
const TO_READ: u32 = libc::EPOLLIN.cast_unsigned();
const TO_WRITE: u32 = libc::EPOLLOUT.cast_unsigned();
const BOTH: u32 = TO_READ | TO_WRITE;

/// What the selectors of this process are asked about a descriptor (proc(5), `fdinfo` of epoll). Selectors that live beside
/// this story's know other descriptors.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[track_caller]
fn expect_asked(fd: impl AsFd, expected: u32) {
    let number = fd.as_fd().as_raw_fd().to_string();
    let asked = fs::read_dir("/proc/self/fdinfo").unwrap().flatten().fold(0, |asked, entry| {
        // Others' descriptors are closed meanwhile.
        let info = fs::read_to_string(entry.path()).unwrap_or_default();
        let about = info.lines().filter_map(|line| {
            let mut words = line.strip_prefix("tfd:")?.split_whitespace();
            (words.next() == Some(&number)).then(|| words.nth(1)).flatten()
        });
        about.fold(asked, |asked, mask| asked | u32::from_str_radix(mask, 16).unwrap())
    });
    assert_eq!(asked & BOTH, expected);
}

/// poll(2) is asked anew at each wait.
#[cfg(mio_unsupported_force_poll_poll)]
fn expect_asked(_fd: impl AsFd, _expected: u32) {
    let _ = fs::metadata("/proc/self");
}

/// Writes until there is no room.
fn fill(mut write: impl FnMut(&[u8]) -> std::io::Result<usize>) {
    loop {
        match write(&[7; 64 * 1024]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_socket_for_datagrams_that_sends_and_receives_is_never_woken_by_what_it_has_sent() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let itself = socket.local_addr().unwrap();
        expect_asked(&socket, NOTHING);
        for _ in 0..3 {
            let mut buf = [0; 16];
            let mut receiving = pin!(socket.recv(&mut buf));
            assert!(poll_once(&mut receiving).await.is_none());
            socket.send_to(b"to itself", itself).await.unwrap();
            expect_asked(&socket, TO_READ);
            assert_eq!(receiving.await.unwrap(), 9);
        }
    });
}

#[test]
fn a_writer_that_has_to_wait_is_told_of_room_and_so_is_a_reader_beside_it() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        fill(|bytes| ours.try_write(bytes));
        let mut writing = pin!(ours.write(b"more"));
        assert!(poll_once(&mut writing).await.is_none());
        expect_asked(&ours, TO_WRITE);

        let mut readable = pin!(ours.readable());
        assert!(poll_once(&mut readable).await.is_none(), "nothing is there yet");
        expect_asked(&ours, BOTH);
        theirs.write_all(b"something").await.unwrap();
        readable.await.unwrap();
        assert_eq!(ours.try_read(&mut [0; 16]).unwrap(), 9);

        while theirs.try_read(&mut [0; 64 * 1024]).is_ok() {}
        assert_eq!(writing.await.unwrap(), 4);
    });
}

#[test]
fn a_reader_that_has_to_wait_beside_a_writer_that_waited_first_is_told_too() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        fill(|bytes| ours.try_write(bytes));
        let mut writing = pin!(ours.write(b"more"));
        assert!(poll_once(&mut writing).await.is_none());
        let mut buf = [0; 16];
        let mut reading = pin!(ours.read(&mut buf));
        assert!(poll_once(&mut reading).await.is_none());
        expect_asked(&ours, BOTH);
        theirs.write_all(b"something").await.unwrap();
        assert_eq!(reading.await.unwrap(), 9);
    });
}

#[test]
fn a_short_read_proves_nothing_while_nobody_has_asked_about_reading() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.writable().await.unwrap();
        expect_asked(&ours, TO_WRITE);
        theirs.write_all(b"one").await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(ours.read(&mut buf).await.unwrap(), 3);
        let mut reading = pin!(ours.read(&mut buf));
        assert!(poll_once(&mut reading).await.is_none());
        expect_asked(&ours, BOTH);
        theirs.write_all(b"three").await.unwrap();
        assert_eq!(reading.await.unwrap(), 5);
    });
}

#[test]
fn a_write_that_is_only_tried_has_the_next_wait_told_of_room() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(poll_once(pin!(ours.read(&mut [0; 1]))).await.is_none());
        expect_asked(&ours, TO_READ);
        fill(|bytes| ours.try_write(bytes));
        expect_asked(&ours, BOTH);
        let mut writable = pin!(ours.writable());
        assert!(poll_once(&mut writable).await.is_none());
        while theirs.try_read(&mut [0; 64 * 1024]).is_ok() {}
        writable.await.unwrap();
        assert_eq!(ours.try_write(b"more").unwrap(), 4);
    });
}

#[test]
fn the_end_of_a_pipe_is_asked_about_what_it_is_for() {
    run(async {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let writer = AsyncFd::new(writer).unwrap();
        fill(|bytes| writer.try_write_with(|mut pipe| pipe.write(bytes)));
        let mut writing = pin!(writer.write_with(|mut pipe| pipe.write(b"more")));
        assert!(poll_once(&mut writing).await.is_none());
        expect_asked(&writer, TO_WRITE);
        assert_ne!(reader.read(&mut vec![0; 1 << 20]).unwrap(), 0);
        assert_eq!(writing.await.unwrap(), 4);
    });
}

#[test]
fn a_tcp_connection_is_registered_for_both_at_once() {
    run(async {
        let (ours, _theirs) = pair().await;
        assert!(poll_once(pin!(ours.read(&mut [0; 1]))).await.is_none());
        expect_asked(&ours, BOTH);
    });
}
