//! What every kind of descriptor must live up to, told once and shown for each of them: the traps of edge-triggered
//! readiness. A read that comes short proves nothing where packets, lines or descriptors end it early; an event may be about
//! something that others took; a hang-up comes once.
//!
//! The stories look for numbers of descriptors, so they take turns.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::{Park, spawn, task::yield_now, time::Instant};
use runtime_io::{
    AsyncFd, Reactor,
    io::{PipeReader, fifo, packet_pipe, pipe},
    net::{TcpStream, UdpSocket, UnixDatagram, UnixSeqpacket, UnixStream},
};
use std::{
    fs::File,
    io::{self, Read, Write},
    net as ip,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net,
    },
    pin::pin,
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use support::{
    Folder, run_with,
    sys::{self, send_with_descriptor, terminal},
    until_all_woken, until_waiting,
};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One end of ours, which is read from.
trait Source: AsFd + 'static {
    async fn take(&self, buf: &mut [u8]) -> io::Result<usize>;
    async fn ready(&self) -> io::Result<()>;
    fn wrap(fd: OwnedFd) -> Self;
}

macro_rules! source {
    ($type:ty, $read:ident, $wrap:expr) => {
        impl Source for $type {
            async fn take(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.$read(buf).await
            }
            async fn ready(&self) -> io::Result<()> {
                self.readable().await
            }
            fn wrap(fd: OwnedFd) -> Self {
                $wrap(fd).unwrap()
            }
        }
    };
}

source!(TcpStream, read, |fd: OwnedFd| TcpStream::from_std(fd.into()));
source!(UdpSocket, recv, |fd: OwnedFd| UdpSocket::from_std(fd.into()));
source!(UnixStream, read, UnixStream::try_from);
source!(UnixDatagram, recv, UnixDatagram::try_from);
source!(UnixSeqpacket, recv, UnixSeqpacket::try_from);
source!(PipeReader, read, PipeReader::from_fd);

impl Source for AsyncFd<File> {
    async fn take(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_with(|mut file| file.read(buf)).await
    }
    async fn ready(&self) -> io::Result<()> {
        self.readable().await
    }
    fn wrap(fd: OwnedFd) -> Self {
        Self::new(fd.into()).unwrap()
    }
}

/// A source, and the other end of it, at which code that blocks does what it does.
struct Ends<S> {
    ours: S,
    /// Each `write` is a portion: a packet, a line, or merely some bytes.
    theirs: File,
    /// Whether the portions behind each other are kept when that end is closed, and then the end is seen.
    has_end: bool,
}

fn ends<S: Source>(ours: impl Into<OwnedFd>, theirs: impl Into<OwnedFd>) -> Ends<S> {
    Ends { ours: S::wrap(ours.into()), theirs: theirs.into().into(), has_end: true }
}

fn tcp() -> Ends<TcpStream> {
    let listener = ip::TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = ip::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    theirs.set_nodelay(true).unwrap();
    ends(listener.accept().unwrap().0, theirs)
}

fn udp() -> Ends<UdpSocket> {
    let (ours, theirs) =
        (ip::UdpSocket::bind("127.0.0.1:0").unwrap(), ip::UdpSocket::bind("127.0.0.1:0").unwrap());
    ours.connect(theirs.local_addr().unwrap()).unwrap();
    theirs.connect(ours.local_addr().unwrap()).unwrap();
    Ends { has_end: false, ..ends(ours, theirs) }
}

fn unix_stream() -> Ends<UnixStream> {
    let (ours, theirs) = net::UnixStream::pair().unwrap();
    ends(ours, theirs)
}

fn unix_datagram() -> Ends<UnixDatagram> {
    let (ours, theirs) = net::UnixDatagram::pair().unwrap();
    Ends { has_end: false, ..ends(ours, theirs) }
}

fn unix_seqpacket() -> Ends<UnixSeqpacket> {
    use socket2::{Domain, Socket, Type};
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    ends(ours, theirs)
}

fn anonymous_pipe() -> Ends<PipeReader> {
    let (ours, theirs) = pipe().unwrap();
    ends(ours.into_owned_fd(), theirs.into_blocking_fd().unwrap())
}

fn pipe_of_packets() -> Ends<PipeReader> {
    let (ours, theirs) = packet_pipe().unwrap();
    ends(ours.into_owned_fd(), theirs.into_blocking_fd().unwrap())
}

fn named_pipe() -> Ends<PipeReader> {
    let folder = Folder::new();
    let path = folder.path("fifo");
    fifo::create(&path, 0o600).unwrap();
    let ours = fifo::open_reader(&path).unwrap();
    ends(ours.into_owned_fd(), File::options().write(true).open(&path).unwrap())
}

/// A terminal in line mode gives one line at a time, and a foreign type reads it.
fn lines_typed() -> Ends<AsyncFd<File>> {
    let (keyboard, program) = terminal();
    // What was typed and not read is lost when the terminal goes.
    Ends { has_end: false, ..ends(program, keyboard) }
}

/// Tells one story of every kind of source.
macro_rules! of_every_kind {
    ($story:ident) => {{
        let _alone = alone();
        of_every_kind!($story: tcp udp unix_stream unix_datagram unix_seqpacket anonymous_pipe pipe_of_packets named_pipe lines_typed);
    }};
    ($story:ident: $($kind:ident)*) => {
        $(
            println!("{}", stringify!($kind));
            run_with(|reactor| $story($kind, reactor));
        )*
    };
}

/// Reads `count` bytes, each time with more room than there is.
async fn take_all<S: Source>(source: &S, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut buf = [0; 64];
        let n = source.take(&mut buf).await.unwrap();
        assert_ne!(n, 0, "the end came after {all:?}");
        all.extend_from_slice(&buf[..n]);
    }
    all
}

#[test]
fn portions_behind_one_event_all_arrive() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, mut theirs, .. } = kind();
        let reading = spawn(async move { take_all(&ours, 18).await });
        until_waiting(&reactor, 1).await;
        // Before the reactor's next turn: one event for all of them.
        for portion in [b"hello\n", b"world\n", b"again\n"] {
            theirs.write_all(portion).unwrap();
        }
        assert_eq!(reading.await.unwrap(), b"hello\nworld\nagain\n");
    }
    of_every_kind!(story);
}

#[test]
fn what_is_left_behind_needs_no_other_event() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, mut theirs, .. } = kind();
        let mut portion = [0; 2];
        assert!(poll_once(pin!(ours.take(&mut portion))).await.is_none());
        theirs.write_all(b"1\n").unwrap();
        theirs.write_all(b"2\n").unwrap();
        theirs.write_all(b"3\n").unwrap();
        for expected in [b"1\n", b"2\n", b"3\n"] {
            ours.ready().await.unwrap();
            assert_eq!(ours.take(&mut portion).await.unwrap(), 2);
            assert_eq!(&portion, expected);
            // All events there are have come, and none for what is left.
            reactor.park(Some(Duration::ZERO)).unwrap();
        }
        assert!(poll_once(pin!(ours.take(&mut portion))).await.is_none());
    }
    of_every_kind!(story);
}

#[test]
fn a_portion_and_the_end_behind_one_event_are_both_seen() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, mut theirs, has_end } = kind();
        if !has_end {
            return;
        }
        let reading = spawn(async move {
            assert_eq!(take_all(&ours, 11).await, b"last\nwords\n");
            for _ in 0..2 {
                assert_eq!(ours.take(&mut [0; 64]).await.unwrap(), 0, "the end, which stays");
            }
        });
        until_waiting(&reactor, 1).await;
        theirs.write_all(b"last\n").unwrap();
        theirs.write_all(b"words\n").unwrap();
        drop(theirs);
        reading.await.unwrap();
    }
    of_every_kind!(story);
}

#[test]
fn an_end_that_comes_after_a_short_read_is_seen() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, mut theirs, has_end } = kind();
        if !has_end {
            return;
        }
        let reading = spawn(async move {
            assert_eq!(take_all(&ours, 5).await, b"last\n");
            ours.take(&mut [0; 64]).await.unwrap()
        });
        until_waiting(&reactor, 1).await;
        theirs.write_all(b"last\n").unwrap();
        until_all_woken(&reactor);
        until_waiting(&reactor, 1).await;
        drop(theirs);
        assert_eq!(reading.await.unwrap(), 0);
    }
    of_every_kind!(story);
}

#[test]
fn of_three_tasks_that_read_one_source_none_misses_its_portion() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, mut theirs, .. } = kind();
        let ours = Rc::new(ours);
        let reader = |_| {
            let ours = Rc::clone(&ours);
            spawn(async move {
                let mut portion = [0; 2];
                assert_eq!(ours.take(&mut portion).await.unwrap(), 2);
                portion
            })
        };
        let mut readers: Vec<_> = (0..3).map(reader).collect();
        until_waiting(&reactor, 3).await;
        theirs.write_all(b"a\n").unwrap();
        theirs.write_all(b"b\n").unwrap();
        assert_eq!(&readers.remove(0).await.unwrap(), b"a\n");
        assert_eq!(&readers.remove(0).await.unwrap(), b"b\n");
        // The third has found nothing, and waits on.
        until_waiting(&reactor, 1).await;
        theirs.write_all(b"c\n").unwrap();
        assert_eq!(&readers.remove(0).await.unwrap(), b"c\n");
    }
    of_every_kind!(story);
}

#[test]
fn an_event_for_what_others_took_is_waited_over_without_spinning() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, mut theirs, .. } = kind();
        let mut thief = File::from(ours.as_fd().try_clone_to_owned().unwrap());
        let reading = spawn(async move { take_all(&ours, 5).await });
        until_waiting(&reactor, 1).await;
        for _ in 0..3 {
            theirs.write_all(b"stolen\n").unwrap();
            until_all_woken(&reactor);
            assert_eq!(thief.read(&mut [0; 64]).unwrap(), 7);
            until_waiting(&reactor, 1).await;
            for _ in 0..100 {
                yield_now().await;
                assert_eq!(reactor.waiters(), 1, "it tries again for nothing");
            }
        }
        theirs.write_all(b"real\n").unwrap();
        assert_eq!(reading.await.unwrap(), b"real\n");
    }
    of_every_kind!(story);
}

/// Another descriptor for `fd` with the number that has just become free.
fn numbered(fd: impl AsFd, number: i32) -> OwnedFd {
    let mut lower = Vec::new();
    while lower.len() < 1000 {
        let duplicate = fd.as_fd().try_clone_to_owned().unwrap();
        if duplicate.as_raw_fd() == number {
            return duplicate;
        }
        lower.push(duplicate);
    }
    panic!("number {number} is not free");
}

#[test]
fn a_number_used_again_within_one_batch_gets_no_event_of_its_former_owner() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let (mut first, mut second) = (kind(), kind());
        let mut buf = [0; 8];
        assert!(poll_once(pin!(second.ours.take(&mut buf))).await.is_none());
        let Ends { ours: third, theirs: mut to_third, .. } = kind();
        let swapped = spawn(async move {
            first.ours.take(&mut [0; 8]).await.unwrap();
            // The event for `second` has come in the same batch.
            let number = second.ours.as_fd().as_raw_fd();
            drop(second.ours);
            let again = S::wrap(numbered(&third, number));
            assert!(poll_once(pin!(again.take(&mut [0; 8]))).await.is_none());
            assert!(poll_once(pin!(again.ready())).await.is_none(), "an event that was not its own");
            again
        });
        until_waiting(&reactor, 1).await;
        second.theirs.write_all(b"2\n").unwrap();
        first.theirs.write_all(b"1\n").unwrap();
        let again = swapped.await.unwrap();
        to_third.write_all(b"3\n").unwrap();
        assert_eq!(again.take(&mut buf).await.unwrap(), 2);
        assert_eq!(&buf[..2], b"3\n");
    }
    of_every_kind!(story);
}

#[test]
fn what_somebody_else_holds_too_goes_silent_when_ours_is_closed() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        const LOOK: Duration = Duration::from_millis(1);
        let Ends { ours, mut theirs, .. } = kind();
        assert!(poll_once(pin!(ours.take(&mut [0; 8]))).await.is_none());
        reactor.park(Some(Duration::ZERO)).unwrap();
        // As a child process would.
        let held = ours.as_fd().try_clone_to_owned().unwrap();
        drop(ours);
        assert_eq!(reactor.registered(), 0);
        let is_silent = |_| {
            // Were it still registered, this would be an event.
            theirs.write_all(b"for nobody\n").unwrap();
            let begun = Instant::now();
            reactor.park(Some(LOOK)).unwrap();
            begun.elapsed() >= LOOK
        };
        // A signal may end one look early; a phantom would end all of them.
        assert!((0..20).any(is_silent), "phantom events");
        drop(held);
    }
    of_every_kind!(story);
}

/// One end of ours, which is written to.
trait Sink: 'static {
    async fn give(&self, portion: &[u8]) -> io::Result<usize>;
    fn try_give(&self, portion: &[u8]) -> io::Result<usize>;
}

macro_rules! sink {
    ($type:ty, $give:ident, $try:ident) => {
        impl Sink for $type {
            async fn give(&self, portion: &[u8]) -> io::Result<usize> {
                self.$give(portion).await
            }
            fn try_give(&self, portion: &[u8]) -> io::Result<usize> {
                self.$try(portion)
            }
        }
    };
}

sink!(TcpStream, write, try_write);
sink!(UnixStream, write, try_write);
sink!(UnixDatagram, send, try_send);
sink!(UnixSeqpacket, send, try_send);

const PORTION: [u8; 1024] = [b'.'; 1024];

fn fill(sink: &impl Sink) {
    loop {
        match sink.try_give(&PORTION) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return;
            }
        }
    }
}

/// Nobody has asked for hang-ups and errors, and they come once.
#[test]
fn a_peer_that_goes_away_wakes_who_reads_and_who_writes() {
    async fn story<S: Source + Sink>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, theirs, .. } = kind();
        let ours = Rc::new(ours);
        fill(&*ours);
        let writing = spawn({
            let ours = Rc::clone(&ours);
            async move {
                // TCP's buffer may have grown meanwhile.
                while ours.give(&PORTION).await.is_ok() {}
            }
        });
        let reading = spawn({
            let ours = Rc::clone(&ours);
            async move {
                if let Ok(n) = ours.take(&mut [0; 8]).await {
                    assert_eq!(n, 0, "nothing was sent");
                }
            }
        });
        let another = spawn({
            let ours = Rc::clone(&ours);
            async move { ours.ready().await.unwrap() }
        });
        until_waiting(&reactor, 3).await;
        drop(theirs);
        writing.await.unwrap();
        reading.await.unwrap();
        another.await.unwrap();
        assert_eq!(reactor.waiters(), 0);
    }
    let _alone = alone();
    of_every_kind!(story: tcp unix_stream unix_seqpacket);
}

/// A pipe has no readiness that says so, only an error (its writer) or a hang-up (its reader).
#[test]
fn the_two_ends_of_a_pipe_hear_that_the_other_is_gone() {
    let _alone = alone();
    run_with(|reactor| async move {
        let (reader, writer) = pipe().unwrap();
        while writer.try_write(&PORTION).is_ok() {}
        let writing = spawn(async move { writer.write(&PORTION).await.unwrap_err().kind() });
        until_waiting(&reactor, 1).await;
        drop(reader);
        assert_eq!(writing.await.unwrap(), io::ErrorKind::BrokenPipe);

        let (reader, writer) = pipe().unwrap();
        let reading = spawn(async move { reader.read(&mut [0; 8]).await.unwrap() });
        until_waiting(&reactor, 1).await;
        drop(writer);
        assert_eq!(reading.await.unwrap(), 0);

        // And a terminal that is gone, for whoever sat at it.
        let (keyboard, program) = terminal();
        let program = <AsyncFd<File>>::wrap(program);
        let reading = spawn(async move {
            if let Ok(n) = program.take(&mut [0; 8]).await {
                assert_eq!(n, 0);
            }
        });
        until_waiting(&reactor, 1).await;
        drop(keyboard);
        reading.await.unwrap();
    });
}

/// The selector may have been asked about room alone: then a short read says nothing of what comes later.
#[test]
fn who_has_waited_for_room_does_not_wait_in_vain_for_bytes() {
    async fn story<S: Source + Sink>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, mut theirs, .. } = kind();
        let ours = Rc::new(ours);
        fill(&*ours);
        let writing = spawn({
            let ours = Rc::clone(&ours);
            async move { ours.give(&PORTION).await.unwrap() }
        });
        until_waiting(&reactor, 1).await;
        theirs.write_all(b"short\n").unwrap();
        assert_eq!(take_all(&*ours, 6).await, b"short\n");
        theirs.write_all(b"again\n").unwrap();
        assert_eq!(take_all(&*ours, 6).await, b"again\n");
        let reading = spawn({
            let ours = Rc::clone(&ours);
            async move { take_all(&*ours, 4).await }
        });
        until_waiting(&reactor, 2).await;
        theirs.write_all(b"end\n").unwrap();
        assert_eq!(reading.await.unwrap(), b"end\n");
        writing.cancel();
    }
    let _alone = alone();
    of_every_kind!(story: tcp unix_stream unix_datagram unix_seqpacket);
}

#[test]
fn of_several_tasks_that_write_to_one_socket_all_get_their_turn() {
    async fn story<S: Source + Sink>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, theirs, .. } = kind();
        let (ours, theirs) = (Rc::new(ours), S::wrap(theirs.into()));
        fill(&*ours);
        let writer = |_| {
            let ours = Rc::clone(&ours);
            spawn(async move { ours.give(&PORTION).await.unwrap() })
        };
        let writers: Vec<_> = (0..3).map(writer).collect();
        until_waiting(&reactor, 3).await;
        let draining = spawn(async move {
            let mut buf = vec![0; 1 << 16];
            while theirs.take(&mut buf).await.is_ok_and(|n| n > 0) {}
        });
        for writer in writers {
            writer.await.unwrap();
        }
        draining.cancel();
    }
    let _alone = alone();
    of_every_kind!(story: tcp unix_stream unix_datagram unix_seqpacket);
}

#[test]
fn descriptors_in_the_middle_of_a_stream_cut_no_byte_off() {
    let _alone = alone();
    run_with(|reactor| async move {
        let Ends { ours, mut theirs, .. } = unix_stream();
        let (mut reading, _writing) = ours.into_split();
        let whole: String = (0..5).map(|number| format!("before {number}, beside, behind; ")).collect();
        let mut all = vec![0; whole.len()];
        let reading = spawn(async move {
            use runtime_io::io::AsyncReadExt;
            // Each read has more room than it needs, and no end of the peer's is in sight.
            let mut count = 0;
            while count < all.len() {
                let mut buf = [0; 1024];
                let n = reading.read(&mut buf).await.unwrap();
                all[count..][..n].copy_from_slice(&buf[..n]);
                count += n;
            }
            let mut nothing = String::new();
            reading.read_to_string(&mut nothing).await.unwrap();
            assert_eq!(nothing, "");
            String::from_utf8(all).unwrap()
        });
        until_waiting(&reactor, 1).await;
        for number in 0..5 {
            write!(theirs, "before {number}, ").unwrap();
            send_with_descriptor(theirs.as_fd(), b"beside, ", io::stderr().as_fd());
            write!(theirs, "behind; ").unwrap();
        }
        until_all_woken(&reactor);
        until_waiting(&reactor, 1).await;
        drop(theirs);
        assert_eq!(reading.await.unwrap(), whole);
    });
}

#[test]
fn urgent_bytes_cut_nothing_off_wherever_they_are() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        for urgent_first in [true, false] {
            let Ends { ours, mut theirs, .. } = kind();
            let reading = spawn(async move {
                let mut all = Vec::new();
                // The last urgent byte is kept aside, those before become part of the stream.
                while !all.ends_with(b"again") {
                    all.extend(take_all(&ours, 1).await);
                }
                assert_eq!(ours.take(&mut [0; 8]).await.unwrap(), 0, "and then the end");
                all
            });
            until_waiting(&reactor, 1).await;
            let urgent = |theirs: &File| socket2::SockRef::from(theirs).send_out_of_band(b"!");
            if urgent_first
                && urgent(&theirs).is_err_and(|error| error.raw_os_error() == Some(libc::EOPNOTSUPP))
            {
                // A kernel without urgent data on Unix sockets.
                return;
            }
            theirs.write_all(b"hello").unwrap();
            urgent(&theirs).unwrap();
            theirs.write_all(b"world").unwrap();
            urgent(&theirs).unwrap();
            theirs.write_all(b"again").unwrap();
            until_all_woken(&reactor);
            until_waiting(&reactor, 1).await;
            drop(theirs);
            let all = reading.await.unwrap();
            let text: Vec<_> = all.iter().copied().filter(|byte| *byte != b'!').collect();
            assert_eq!(text, b"helloworldagain");
        }
    }
    let _alone = alone();
    of_every_kind!(story: tcp unix_stream);
}

#[test]
fn an_urgent_byte_between_a_look_and_a_read_cuts_nothing_off() {
    async fn story<S: Source>(kind: fn() -> Ends<S>, reactor: Rc<Reactor>) {
        let Ends { ours, mut theirs, .. } = kind();
        let reading = spawn(async move { take_all(&ours, 10).await });
        until_waiting(&reactor, 1).await;
        theirs.write_all(b"hello").unwrap();
        until_all_woken(&reactor);
        // The event that woke the reader knew nothing of it.
        if socket2::SockRef::from(&theirs).send_out_of_band(b"!").is_err() {
            return;
        }
        theirs.write_all(b"world").unwrap();
        assert_eq!(reading.await.unwrap(), b"helloworld");
    }
    let _alone = alone();
    of_every_kind!(story: tcp unix_stream);
}

#[test]
fn more_slices_than_the_system_takes_at_once_are_no_sign_of_the_last_byte() {
    let _alone = alone();
    run_with(|reactor| async move {
        let (Ends { ours: one, theirs: mut to_one, .. }, Ends { ours: other, theirs: mut to_other, .. }) =
            (tcp(), unix_stream());
        let mut bytes = [[0]; 1100];
        let mut slices: Vec<_> = bytes.iter_mut().map(|byte| io::IoSliceMut::new(byte)).collect();
        // Both have been waited for, so that a short read would count.
        assert!(poll_once(pin!(one.take(&mut [0]))).await.is_none());
        assert!(poll_once(pin!(other.take(&mut [0]))).await.is_none());
        to_one.write_all(&[b'x'; 1050]).unwrap();
        to_other.write_all(&[b'x'; 1050]).unwrap();
        reactor.park(Some(Duration::ZERO)).unwrap();
        assert_eq!(one.read_vectored(&mut slices).await.unwrap(), 1024);
        assert_eq!(one.read_vectored(&mut slices).await.unwrap(), 26);
        assert_eq!(other.read_vectored(&mut slices).await.unwrap(), 1024);
        assert_eq!(other.read_vectored(&mut slices).await.unwrap(), 26);
    });
}

#[test]
fn slices_without_room_before_those_with_some_are_no_end_of_the_stream() {
    let _alone = alone();
    macro_rules! reads {
        ($ends:expr) => {{
            let Ends { ours, mut theirs, .. } = $ends;
            theirs.write_all(b"there").unwrap();
            let mut bytes = [0; 5];
            let mut slices: Vec<_> = (0..3000).map(|_| io::IoSliceMut::new(&mut [])).collect();
            slices.push(io::IoSliceMut::new(&mut bytes));
            assert_eq!(ours.read_vectored(&mut slices).await.unwrap(), 5);
            assert_eq!(&bytes, b"there");
        }};
    }
    run_with(|_| async move {
        reads!(tcp());
        reads!(unix_stream());
        reads!(named_pipe());
    });
}

#[test]
fn counters_and_watches_are_sources_too() {
    let _alone = alone();
    run_with(|reactor| async move {
        // A semaphore gives one unit a read, however many came with the event.
        let units = <AsyncFd<File>>::wrap(sys::semaphore());
        let mut hand = File::from(units.as_fd().try_clone_to_owned().unwrap());
        let taking = spawn(async move { take_all(&units, 3 * 8).await });
        until_waiting(&reactor, 1).await;
        hand.write_all(&3_u64.to_ne_bytes()).unwrap();
        assert_eq!(taking.await.unwrap(), [1_u64, 1, 1].map(u64::to_ne_bytes).concat());

        // A watch gives as many events as there is room for.
        let folder = Folder::new();
        let watch = <AsyncFd<File>>::wrap(sys::watch_for_new_files(&folder.path("")));
        let watching = spawn(async move {
            let mut seen = 0;
            while seen < 3 {
                // Room for one: 16 bytes, and a short name.
                let n = watch.take(&mut [0; 40]).await.unwrap();
                assert!(n >= 32, "{n}");
                seen += 1;
            }
        });
        until_waiting(&reactor, 1).await;
        for name in ["a", "b", "c"] {
            File::create(folder.path(name)).unwrap();
        }
        watching.await.unwrap();
    });
}
