//! The programs that are tormented. Each is whole: it makes a runtime, does something with the system, checks what came of
//! it to the byte, and ends. Whatever goes wrong it returns; that its bytes are wrong is a panic.

mod accepting;
mod children;
mod datagrams;
mod files;
mod pipes;
mod proxies;
mod signals;
mod tcp;
mod time;
mod unix;

use super::calls::Call;
use futures_lite::future::try_zip;
use nix::libc;
use runtime::{Builder, net::TcpStream};
use std::io;

/// A program, and how often the short form fails it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) story: fn() -> io::Result<()>,
    /// Sentences that tell what went wrong in other words than the system's.
    pub(crate) sentences: &'static [&'static str],
    /// What it may leave behind by design is taken away.
    pub(crate) clean_up: fn(),
    /// What goes wrong, and is none of its business.
    pub(crate) survives: &'static [(Call, i32)],
    /// Runs with several faults, in the short form.
    pub(crate) seeds: u32,
}

const fn scenario(name: &'static str, story: fn() -> io::Result<()>) -> Scenario {
    Scenario { name, story, sentences: &[], clean_up: || {}, survives: &[], seeds: 100 }
}

const fn streams(name: &'static str, story: fn() -> io::Result<()>) -> Scenario {
    Scenario { survives: FOR_STREAMS, ..scenario(name, story) }
}

/// There will be memory again, and what is not spliced is copied.
const FOR_STREAMS: &[(Call, i32)] = &[
    (Call::Send, libc::ENOBUFS),
    (Call::Send, libc::ENOMEM),
    (Call::SendMessage, libc::ENOBUFS),
    (Call::SendMessage, libc::ENOMEM),
    (Call::Receive, libc::ENOMEM),
    (Call::ReceiveMessage, libc::ENOMEM),
    (Call::Splice, libc::ENOMEM),
    (Call::Splice, libc::EBADF),
    (Call::Splice, libc::EINVAL),
    (Call::Splice, libc::ENOSYS),
];

/// What the system does not divide we send one by one.
const FOR_SEGMENTS: &[(Call, i32)] = &[
    (Call::SendMessage, libc::EINVAL),
    (Call::SendMessage, libc::EMSGSIZE),
    (Call::SendMessage, libc::EOPNOTSUPP),
];

const fn child(name: &'static str, story: fn() -> io::Result<()>) -> Scenario {
    // A program that is not in this folder may be in the next.
    let sentences = &["No such file or directory"];
    Scenario { sentences, clean_up: children::reap, ..scenario(name, story) }
}

/// By name.
pub(crate) const ALL: &[Scenario] = &[
    streams("tcp_echo", tcp::echo),
    streams("tcp_many_slices_and_halves", tcp::slices_and_halves),
    // Who cannot end its side has lost its peer, as far as it knows, and closes.
    Scenario {
        sentences: &["Connection reset by peer"],
        ..streams("tcp_graceful_close", tcp::graceful_close)
    },
    streams("tcp_connect_tries_the_next_address", tcp::next_address),
    // getaddrinfo(3) has errors of its own.
    Scenario {
        sentences: &["failed to lookup address information", "the system has no thread for it"],
        ..scenario("tcp_connect_by_name", tcp::by_name)
    },
    Scenario {
        sentences: &["another process took it"],
        clean_up: unix::remove_paths,
        ..streams("unix_echo", unix::echo)
    },
    streams("unix_descriptors", unix::descriptors),
    Scenario {
        sentences: &[
            "another process took it",
            "a process listens on it",
            "a socket of another kind is bound to it",
        ],
        clean_up: unix::remove_paths,
        ..scenario("unix_stale_path", unix::stale_path)
    },
    Scenario { sentences: &["this listener has no address"], ..streams("server", accepting::server) },
    streams("accept_a_burst", accepting::burst),
    scenario("udp", datagrams::udp),
    scenario("udp_in_batches", datagrams::batches),
    Scenario { survives: FOR_SEGMENTS, ..scenario("udp_in_segments", datagrams::segments) },
    Scenario {
        sentences: &["another process took it"],
        clean_up: unix::remove_paths,
        ..scenario("unix_datagrams", datagrams::unix_datagrams)
    },
    Scenario {
        sentences: &["another process took it"],
        clean_up: unix::remove_paths,
        ..scenario("unix_packets", datagrams::packets)
    },
    streams("copy_both_ways", proxies::both_ways),
    streams("copy_spliced", proxies::spliced),
    scenario("pipe_of_ours", proxies::pipes),
    scenario("pipe", pipes::pipe),
    Scenario {
        sentences: &["standard input is closed", "standard output is closed"],
        ..scenario("standard_streams", pipes::standard_streams)
    },
    scenario("packet_pipe", pipes::packets),
    Scenario { sentences: &["it is no FIFO"], clean_up: pipes::remove_fifo, ..scenario("fifo", pipes::fifo) },
    Scenario { clean_up: files::remove, ..scenario("files_whole", files::whole) },
    Scenario { clean_up: files::remove, ..scenario("files_in_pieces", files::pieces) },
    Scenario { clean_up: files::remove, ..scenario("files_listed", files::listed) },
    child("child_by_launch", children::launched),
    child("child_talked_to", children::talked_to),
    child("child_terminated", children::terminated),
    child("child_that_cannot_start", children::cannot_start),
    scenario("signals", signals::heard),
    scenario("timers", time::timers),
    scenario("nothing_comes", time::nothing_comes),
    scenario("wake_from_a_thread", time::wake_from_a_thread),
];

/// Runs a program on a runtime of its own.
fn run<T>(program: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    Builder::new().build()?.block_on(program)
}

/// Both sides of a story. The first error ends it: the other side would only see that this one is gone.
async fn both<A, B>(
    one: impl Future<Output = io::Result<A>>,
    other: impl Future<Output = io::Result<B>>,
) -> io::Result<(A, B)> {
    try_zip(one, other).await
}

/// Bytes that show any loss, doubling or change of order.
fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Reads to the end.
async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = [0; 1500];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

/// An error of a task that has panicked, or was cancelled.
fn joined<T>(result: Result<io::Result<T>, runtime::task::JoinError>) -> io::Result<T> {
    result.unwrap_or_else(|error| Err(io::Error::other(error)))
}
