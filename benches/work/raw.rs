//! Round trips between two processes over nothing but a pair of sockets.

use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

#[expect(unsafe_code, reason = "a process that is nothing but a copy")]
pub(super) fn round_trips(operations: u64) {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).expect("a pair of sockets");
    // SAFETY: this process has one thread.
    match unsafe { fork() }.expect("another process") {
        ForkResult::Child => {
            drop(ours);
            let mut buf = [0; 8];
            while let Ok(8) = recv(theirs.as_raw_fd(), &mut buf, MsgFlags::empty()) {
                send(theirs.as_raw_fd(), &buf, MsgFlags::MSG_NOSIGNAL).expect("it is sent back");
            }
            std::process::exit(0)
        }
        ForkResult::Parent { child } => {
            drop(theirs);
            let mut buf = [0; 8];
            for number in 0..operations {
                send(ours.as_raw_fd(), &number.to_le_bytes(), MsgFlags::MSG_NOSIGNAL).expect("it is sent");
                recv(ours.as_raw_fd(), &mut buf, MsgFlags::empty()).expect("it comes back");
                assert_eq!(u64::from_le_bytes(buf), number);
            }
            drop(ours);
            waitpid(child, None).expect("it ends");
        }
    }
}
