//! How each kind of descriptor is used, above all the ways that a test's own streams would not show.
#![cfg_attr(not(target_os = "linux"), allow(unused_imports, reason = "some stories are of Linux only"))]

use super::way::{Number, Standard, Way};
use crate::{Reactor, sys};
use runtime_executor::{Executor, spawn};
use std::{
    fs::File,
    io::{ErrorKind, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

/// Both ends of a pipe that block, as those of a shell do.
fn blocking_pipe() -> (File, File) {
    let (reader, writer) = sys::pipe::pipe().unwrap();
    for end in [&reader, &writer] {
        sys::descriptor::set_blocking(end.as_fd()).unwrap();
    }
    (reader.into(), writer.into())
}

fn asked(file: File) -> Way {
    Way::Asked { file, spares_sigpipe: false }
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "Miri has no /proc")]
fn each_kind_has_its_way() {
    let kind = |fd: OwnedFd, number| match Standard::of(fd.into(), number).unwrap() {
        Standard::File(_) => "file",
        Standard::Polled(io) => match io.get_ref() {
            Way::Own { .. } => "own",
            Way::Asked { .. } => "asked",
            Way::Socket(_) => "socket",
        },
    };
    let (reader, writer) = blocking_pipe();
    assert_eq!(kind(reader.into(), Number::Stdin), "own");
    assert_eq!(kind(writer.into(), Number::Stdout), "own");
    assert_eq!(kind(UnixStream::pair().unwrap().0.into(), Number::Stdin), "socket");
    assert_eq!(kind(File::open("/dev/null").unwrap().into(), Number::Stdin), "asked");
    assert_eq!(kind(File::open("Cargo.toml").unwrap().into(), Number::Stdin), "file");
    assert_eq!(kind(File::open(".").unwrap().into(), Number::Stdin), "file");
    if let Ok(terminals) = File::options().read(true).write(true).open("/dev/ptmx") {
        assert_eq!(kind(terminals.into(), Number::Stdin), "asked", "each opening makes a terminal");
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no pipes that block")]
fn what_blocks_is_read_only_when_there_is_something() {
    let (reader, mut writer) = blocking_pipe();
    let reader = asked(reader);
    let mut buf = [0; 8];
    assert_eq!(reader.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    writer.write_all(b"bytes").unwrap();
    assert_eq!(reader.read(&mut buf).unwrap(), 5);
    assert_eq!(reader.read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(writer);
    assert_eq!(reader.read(&mut buf).unwrap(), 0);
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no pipes that block")]
fn what_blocks_is_written_little_by_little_while_there_is_room() {
    let (reader, writer) = blocking_pipe();
    let writer = asked(writer);
    let mut written = 0;
    let error = loop {
        match writer.write(&[b'x'; 10_000]) {
            Ok(n) => written += n,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(written >= 512 && written % 512 == 0, "{written}");
    drop(reader);
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no pipes that block")]
fn what_blocks_is_waited_for() {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::builder().park(reactor.clone()).extension(reactor).build();
    executor.block_on(async {
        let (reader, writer) = blocking_pipe();
        let (from, to) = (asked(reader), asked(writer));
        let from = crate::AsyncFd::new_nonblocking(from);
        let to = crate::AsyncFd::new_nonblocking(to);
        let sent = vec![b'x'; 200_000];
        let writing = spawn(async move {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let n = to.write_with(|way| way.write(rest)).await.unwrap();
                rest = &rest[n..];
            }
        });
        let (mut received, mut buf) = (0, [0; 1000]);
        while let n @ 1.. = from.read_with(|way| way.read(&mut buf)).await.unwrap() {
            received += n;
        }
        writing.await.unwrap();
        assert_eq!(received, 200_000);
    });
}
