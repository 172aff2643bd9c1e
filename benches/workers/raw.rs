//! Round trips between two processes over nothing but a pair of sockets.

use std::env;
use std::io::stdin;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};

use super::RAW;

/// The row of the process that sends back what it gets on its standard input.
const ECHO: &str = "echo";

pub(super) fn run(row: &str, operations: u64) {
    if row == ECHO { echo() } else { round_trips(operations) }
}

fn echo() {
    let mut buf = [0; 8];
    let line = stdin();
    while let Ok(8) = recv(line.as_raw_fd(), &mut buf, MsgFlags::empty()) {
        send(line.as_raw_fd(), &buf, MsgFlags::MSG_NOSIGNAL).expect("it is sent back");
    }
}

fn round_trips(operations: u64) {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (ours, theirs): (OwnedFd, OwnedFd) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).expect("a pair of sockets");
    let mut echo = Command::new(env::current_exe().expect("own path"))
        .args(["--run", RAW, ECHO, "0"])
        .stdin(Stdio::from(theirs))
        .spawn()
        .expect("another process");
    let mut buf = [0; 8];
    for number in 0..operations {
        send(ours.as_raw_fd(), &number.to_le_bytes(), MsgFlags::MSG_NOSIGNAL).expect("it is sent");
        recv(ours.as_raw_fd(), &mut buf, MsgFlags::empty()).expect("it comes back");
        assert_eq!(u64::from_le_bytes(buf), number);
    }
    drop(ours);
    echo.wait().expect("it ends");
}
