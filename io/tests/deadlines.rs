//! Stories of the deadlines of `net::Server`: who is cut, when, and who is not.
//!
//! Clients are sockets of the standard library; what they do is done when it returns. Time is virtual.

mod support;

use futures_lite::{AsyncWriteExt, future::or};
use runtime_executor::{
    Executor, JoinHandle, spawn,
    task::yield_now,
    time::{Clock, Instant, advance, sleep},
};
use runtime_io::{
    Reactor,
    net::{Deadlines, Drained, Overdue, Server, TcpStream, UnixStream},
};
use std::{
    cell::{Cell, RefCell},
    future::pending,
    io::{self, ErrorKind, Read, Write},
    net,
    rc::Rc,
    time::Duration,
};
use support::{Folder, pattern};

type Serving = JoinHandle<io::Result<Drained>>;
/// The deadlines that were missed, as `on_error` was told.
type Told = Rc<RefCell<Vec<(Option<net::SocketAddr>, Overdue)>>>;

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(80);
const WRITE: Duration = Duration::from_secs(40);
const SECOND: Duration = Duration::from_secs(1);
/// More than both kernels' buffers hold.
const TOO_MUCH: usize = 32 << 20;

fn on_virtual_time(story: impl Future<Output = ()>) {
    let reactor = Reactor::new().unwrap();
    let clock = Clock::paused();
    Executor::builder().park(reactor.clone()).extension(reactor).clock(clock).seed(7).build().block_on(story);
}

/// A server that tells who was cut for what.
async fn bind() -> (Server, Told) {
    let told = Told::default();
    let log = Rc::clone(&told);
    let server = Server::bind("127.0.0.1:0").await.unwrap().on_error(move |peer, error| {
        if let Some(overdue) = error.get_ref().and_then(|inner| inner.downcast_ref::<Overdue>()) {
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            log.borrow_mut().push((peer.copied(), *overdue));
        }
    });
    (server, told)
}

fn connect(server: &Server) -> net::TcpStream {
    net::TcpStream::connect(server.local_addr().unwrap()).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// Reads requests, which end with a full stop, and answers each with the same.
async fn answer(stream: TcpStream) -> io::Result<TcpStream> {
    let deadlines = Deadlines::of(&stream);
    let mut header = Vec::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(stream);
        }
        header.extend(byte);
        if byte == *b"." {
            deadlines.header_received();
            stream.write_all(&header).await?;
            header.clear();
            deadlines.next_request();
        }
    }
}

fn serve_answers(server: &Server) -> Serving {
    spawn(server.serve(async |stream, _peer| answer(stream).await))
}

/// Never reads or writes, and never ends.
fn serve_silence(server: &Server) -> Serving {
    spawn(server.serve(async |_stream, _peer| pending::<()>().await))
}

/// One request and its answer.
async fn ask(server: &Server, client: &mut net::TcpStream, request: &[u8; 4]) {
    client.write_all(request).unwrap();
    client.set_nonblocking(true).unwrap();
    let mut reply = Vec::new();
    while reply.len() < 4 {
        let mut buf = [0; 4];
        match client.read(&mut buf) {
            Ok(0) => panic!("the connection was closed: {:?}", server.stats()),
            Ok(n) => reply.extend_from_slice(&buf[..n]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        yield_now().await;
    }
    client.set_nonblocking(false).unwrap();
    assert_eq!(reply, request);
}

/// Goes on, second by second, until somebody was cut; says when that was.
async fn until_cut(server: &Server) -> Duration {
    let start = Instant::now();
    let cut = |server: &Server| {
        let stats = server.stats();
        stats.header_timeouts + stats.idle_timeouts + stats.write_timeouts
    };
    let before = cut(server);
    while cut(server) == before {
        assert!(start.elapsed() < Duration::from_secs(3600), "nobody is cut");
        advance(SECOND / 4).await;
    }
    start.elapsed()
}

/// Reads until nothing more has come for some turns; how much there was.
async fn take_what_is_there(client: &mut net::TcpStream) -> usize {
    client.set_nonblocking(true).unwrap();
    let (mut taken, mut buf) = (0, vec![0; 1 << 20]);
    for _ in 0..100 {
        while let Ok(n) = client.read(&mut buf) {
            taken += n;
        }
        yield_now().await;
    }
    client.set_nonblocking(false).unwrap();
    taken
}

async fn after(time: Duration) -> io::Result<()> {
    sleep(time).await;
    Ok(())
}

#[track_caller]
fn assert_between(least: Duration, at: Duration, most: Duration) {
    assert!(least <= at && at <= most, "{at:?} is not between {least:?} and {most:?}");
}

#[test]
fn a_header_has_one_deadline_in_all_however_its_bytes_drip() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.header_timeout(HEADER);
        let _serving = serve_answers(&server);
        let mut slow = connect(&server);
        let mut good = connect(&server);
        until(|| server.connections() == 2).await;
        ask(&server, &mut good, b"Hey.").await;
        slow.write_all(b"s").unwrap();
        advance(HEADER / 2).await;
        slow.write_all(b"l").unwrap();
        advance(HEADER / 2 - SECOND / 4).await;
        slow.write_all(b"o").unwrap();
        assert_eq!(server.stats().header_timeouts, 0, "it is not over yet");
        let late = until_cut(&server).await;
        assert_between(SECOND / 4, late, SECOND / 4 + HEADER / 8);
        let peer = slow.local_addr().unwrap();
        assert_eq!(*told.borrow(), [(Some(peer), Overdue::Header(HEADER))]);
        assert_eq!(slow.read(&mut [0]).unwrap(), 0, "the client sees the end");
        // Nobody else is harmed, and without an idle deadline it may rest as long as it likes.
        advance(Duration::from_secs(3600)).await;
        ask(&server, &mut good, b"And.").await;
        let stats = server.stats();
        assert_eq!((stats.header_timeouts, stats.cancelled, stats.failed, stats.open()), (1, 0, 0, 1));
    });
}

#[test]
fn the_deadline_of_the_next_header_begins_with_its_first_byte() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.header_timeout(HEADER).idle_timeout(IDLE);
        let _serving = serve_answers(&server);
        let mut client = connect(&server);
        ask(&server, &mut client, b"One.").await;
        // Twice as long as a header may take: this is the wait for a request.
        advance(HEADER * 2).await;
        client.write_all(b"t").unwrap();
        advance(HEADER - SECOND / 4).await;
        assert_eq!(server.stats().header_timeouts, 0);
        client.write_all(b"w").unwrap();
        let late = until_cut(&server).await;
        assert_between(Duration::ZERO, late, SECOND / 4 + HEADER / 4);
        assert_eq!(told.borrow()[0].1, Overdue::Header(HEADER));
    });
}

#[test]
fn a_request_that_is_served_for_long_is_no_header() {
    on_virtual_time(async {
        let (server, _) = bind().await;
        let server = server.header_timeout(HEADER);
        let serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            let deadlines = Deadlines::of(&stream);
            stream.read_exact(&mut [0; 4]).await?;
            deadlines.header_received();
            sleep(HEADER * 20).await;
            stream.write_all(b"done").await
        }));
        let mut client = connect(&server);
        client.write_all(b"work").unwrap();
        advance(HEADER * 21).await;
        assert_eq!((server.stats().finished, server.stats().header_timeouts), (1, 0));
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "done");
        drop(serving);
    });
}

#[test]
fn who_is_quiet_for_too_long_is_cut_and_a_byte_either_way_is_a_sign_of_life() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.idle_timeout(IDLE);
        // What is asked for is sent every minute or read every minute, or nothing is done but to say so.
        let _serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            let mut order = [0];
            stream.read_exact(&mut order).await?;
            for _ in 0..10 {
                sleep(Duration::from_secs(60)).await;
                match order[0] {
                    b'w' => stream.write_all(b"x").await?,
                    b'r' => stream.read_exact(&mut [0]).await?,
                    b't' => Deadlines::of(&stream).touch(),
                    _ => {}
                }
            }
            io::Result::Ok(())
        }));
        let mut clients: Vec<_> = b"wrt-".iter().map(|order| (connect(&server), *order)).collect();
        for (client, order) in &mut clients {
            client.write_all(&[*order; 11]).unwrap();
        }
        until(|| server.connections() == 4).await;
        let late = until_cut(&server).await;
        assert_between(IDLE, late, IDLE + IDLE / 4);
        let quiet = clients[3].0.local_addr().unwrap();
        assert_eq!(*told.borrow(), [(Some(quiet), Overdue::Idle(IDLE))]);
        advance(Duration::from_secs(700)).await;
        let stats = server.stats();
        assert_eq!((stats.finished, stats.idle_timeouts, stats.open()), (3, 1, 0));
    });
}

#[test]
fn who_works_may_be_quiet_for_as_long_as_it_takes() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.header_timeout(HEADER).idle_timeout(IDLE).write_timeout(WRITE);
        let _serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            let deadlines = Deadlines::of(&stream);
            loop {
                stream.read_exact(&mut [0]).await?;
                deadlines.working();
                sleep(IDLE * 10).await;
                stream.write_all(b"x").await?;
                deadlines.next_request();
            }
            #[expect(unreachable_code, reason = "it says what the handler gives")]
            io::Result::Ok(())
        }));
        let mut client = connect(&server);
        client.write_all(b"1").unwrap();
        until(|| server.connections() == 1).await;
        advance(IDLE * 10).await;
        client.read_exact(&mut [0]).unwrap();
        assert_eq!(*told.borrow(), []);
        // The wait for the next request begins with the end of the work, not before.
        let late = until_cut(&server).await;
        assert_between(IDLE, late, IDLE + IDLE / 4);
        assert_eq!(told.borrow()[0].1, Overdue::Idle(IDLE));
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes for Miri")]
fn a_peer_that_takes_nothing_is_reset_and_one_that_takes_a_little_is_served() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.write_timeout(WRITE);
        let _serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            stream.write_all(&pattern(TOO_MUCH)).await?;
            io::Result::Ok(())
        }));
        let (mut stuck, mut slow) = (connect(&server), connect(&server));
        until(|| server.connections() == 2).await;
        slow.set_nonblocking(true).unwrap();
        let start = Instant::now();
        let mut got = Vec::new();
        let mut cut_at = None;
        // It takes nothing for three quarters of the time it has, then what there is.
        while got.len() < TOO_MUCH {
            advance(WRITE / 8 * 6).await;
            let mut buf = vec![0; 1 << 20];
            loop {
                match slow.read(&mut buf) {
                    Ok(n) => got.extend_from_slice(&buf[..n]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error} after {} bytes: {:?}", got.len(), server.stats()),
                }
                if got.len() == TOO_MUCH {
                    break;
                }
            }
            if cut_at.is_none() && server.stats().write_timeouts == 1 {
                cut_at = Some(start.elapsed());
            }
        }
        assert!(got == pattern(TOO_MUCH));
        assert!(start.elapsed() > WRITE * 2, "it was no slow reader: {:?}", start.elapsed());
        // One look to see it stuck, eight to be sure.
        assert_between(WRITE, cut_at.unwrap(), WRITE / 8 * 12);
        let peer = stuck.local_addr().unwrap();
        assert_eq!(*told.borrow(), [(Some(peer), Overdue::Write(WRITE))]);
        let end = io::copy(&mut stuck, &mut io::sink()).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes for Miri")]
fn to_wait_until_there_is_room_is_to_wait_with_a_write_and_to_give_up_is_not() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.write_timeout(WRITE);
        let _serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            let mut order = [0];
            stream.read_exact(&mut order).await?;
            while stream.try_write(&pattern(1 << 20)).is_ok() {}
            if order == *b"w" {
                return stream.writable().await;
            }
            // Here nobody waits for the peer to take anything: it is asked for nothing but the next word.
            or(stream.writable(), after(WRITE / 2)).await?;
            stream.read_exact(&mut order).await
        }));
        let (mut waited_for, mut left) = (connect(&server), connect(&server));
        waited_for.write_all(b"w").unwrap();
        left.write_all(b"l").unwrap();
        until(|| server.connections() == 2).await;
        let late = until_cut(&server).await;
        assert_between(WRITE, late, WRITE + WRITE / 4);
        let peer = waited_for.local_addr().unwrap();
        assert_eq!(*told.borrow(), [(Some(peer), Overdue::Write(WRITE))]);
        advance(WRITE * 20).await;
        left.write_all(b".").unwrap();
        until(|| server.stats().finished == 1).await;
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes for Miri")]
fn who_gives_up_writing_again_and_again_is_cut_all_the_same() {
    on_virtual_time(async {
        let (server, _) = bind().await;
        let server = server.write_timeout(WRITE);
        let _serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            let reply = pattern(1 << 20);
            loop {
                or(async { stream.write(&reply).await.map(drop) }, after(WRITE / 10)).await?;
            }
            #[expect(unreachable_code, reason = "it has a type")]
            io::Result::Ok(())
        }));
        let _stuck = connect(&server);
        until(|| server.connections() == 1).await;
        let late = until_cut(&server).await;
        assert_between(WRITE, late, WRITE + WRITE / 4);
        assert_eq!(server.stats().write_timeouts, 1);
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes for Miri")]
fn a_polled_write_that_was_given_up_waits_no_more_once_there_is_room() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.write_timeout(WRITE);
        let _serving = spawn(server.serve(async |mut stream: TcpStream, _peer| {
            let mut order = [0];
            stream.read_exact(&mut order).await?;
            let reply = pattern(TOO_MUCH);
            let writing = AsyncWriteExt::write_all(&mut stream, &reply);
            if order == *b"w" {
                return writing.await;
            }
            or(writing, after(SECOND)).await?;
            stream.read_exact(&mut order).await
        }));
        let (mut stuck, mut good) = (connect(&server), connect(&server));
        stuck.write_all(b"w").unwrap();
        good.write_all(b"g").unwrap();
        until(|| server.connections() == 2).await;
        advance(WRITE / 4).await;
        assert!(take_what_is_there(&mut good).await > 0);
        let late = until_cut(&server).await;
        assert_between(WRITE / 4 * 3, late, WRITE);
        let peer = stuck.local_addr().unwrap();
        advance(WRITE * 20).await;
        assert_eq!(*told.borrow(), [(Some(peer), Overdue::Write(WRITE))]);
        good.write_all(b".").unwrap();
        until(|| server.stats().finished == 1).await;
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes for Miri")]
fn a_connection_that_is_idle_with_bytes_that_nobody_takes_is_reset_too() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.idle_timeout(IDLE);
        let _serving =
            spawn(server.serve(async |stream: TcpStream, _peer| stream.write_all(&pattern(TOO_MUCH)).await));
        let mut stuck = connect(&server);
        until(|| server.connections() == 1).await;
        until_cut(&server).await;
        assert_eq!(told.borrow()[0].1, Overdue::Idle(IDLE));
        assert_eq!(io::copy(&mut stuck, &mut io::sink()).unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn there_is_one_timer_for_all_and_none_while_nobody_is_connected() {
    fn timers() -> usize {
        runtime_executor::inspect::stats().timers
    }
    on_virtual_time(async {
        let (server, _) = bind().await;
        let server = server.header_timeout(HEADER).idle_timeout(IDLE).write_timeout(WRITE);
        let _serving = serve_answers(&server);
        advance(HEADER * 100).await;
        assert_eq!(timers(), 0);
        let clients: Vec<_> = (0..20).map(|_| connect(&server)).collect();
        until(|| server.connections() == 20).await;
        yield_now().await;
        assert_eq!(timers(), 1);
        drop(clients);
        until(|| server.connections() == 0).await;
        advance(HEADER).await;
        assert_eq!(timers(), 0);
        let _late = connect(&server);
        until(|| server.connections() == 1).await;
        until_cut(&server).await;
        advance(HEADER).await;
        assert_eq!(timers(), 0);
    });
}

#[test]
fn deadlines_that_nobody_has_set_cut_nobody() {
    on_virtual_time(async {
        let (server, _) = bind().await;
        let _serving = serve_answers(&server);
        let mut client = connect(&server);
        until(|| server.connections() == 1).await;
        // It came before there was one, and keeps none.
        let server = server.header_timeout(HEADER);
        let _late = connect(&server);
        until(|| server.connections() == 2).await;
        advance(Duration::from_secs(24 * 3600)).await;
        assert_eq!((server.stats().header_timeouts, server.connections()), (1, 1));
        ask(&server, &mut client, b"Hey.").await;
    });
}

#[test]
fn without_a_server_the_deadlines_of_a_stream_do_nothing() {
    on_virtual_time(async {
        let (stream, _other) = UnixStream::pair().unwrap();
        let deadlines = Deadlines::of(&stream);
        deadlines.header_received();
        deadlines.next_request();
        deadlines.touch();
        deadlines.lift();
        advance(HEADER).await;
    });
}

#[test]
fn what_was_lifted_or_taken_apart_is_watched_no_more_and_neither_is_a_graceful_end() {
    on_virtual_time(async {
        let (server, _) = bind().await;
        let server = server.header_timeout(HEADER).idle_timeout(IDLE).write_timeout(WRITE);
        let serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            let mut order = [0];
            stream.read_exact(&mut order).await?;
            let deadlines = Deadlines::of(&stream);
            match order[0] {
                b'l' => {
                    deadlines.lift();
                    sleep(IDLE * 10).await;
                }
                b't' => {
                    let taken = stream.into_std();
                    sleep(IDLE * 10).await;
                    deadlines.next_request(); // too late to be watched again
                    sleep(IDLE * 10).await;
                    return TcpStream::from_std(taken);
                }
                _ => {}
            }
            Ok(stream)
        }));
        let mut clients: Vec<_> = b"ltg".iter().map(|order| (connect(&server), *order)).collect();
        for (client, order) in &mut clients {
            client.write_all(&[*order]).unwrap();
        }
        until(|| server.connections() == 3).await;
        advance(IDLE * 30).await;
        let stats = server.stats();
        assert_eq!((stats.finished, stats.open()), (3, 0), "{stats:?}");
        drop(serving);
    });
}

#[test]
fn the_halves_of_a_stream_in_tasks_of_their_own_tell_its_deadlines() {
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.header_timeout(HEADER).idle_timeout(IDLE);
        let _serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            let deadlines = Deadlines::of(&stream);
            let (reader, writer) = stream.into_split();
            let reading = spawn(async move {
                reader.read_exact(&mut [0; 4]).await?;
                deadlines.header_received();
                reader.read_exact(&mut [0; 4]).await
            });
            for _ in 0..5 {
                sleep(IDLE / 2).await;
                writer.write_all(b"beat").await?;
            }
            reading.await.unwrap()
        }));
        let mut client = connect(&server);
        client.write_all(b"head").unwrap();
        until(|| server.connections() == 1).await;
        let late = until_cut(&server).await;
        assert_between(IDLE * 7 / 2, late, IDLE * 7 / 2 + HEADER / 4);
        assert_eq!(told.borrow()[0].1, Overdue::Idle(IDLE));
    });
}

#[test]
fn whoever_is_cut_while_the_server_drains_is_named_and_the_others_have_their_time() {
    on_virtual_time(async {
        let (server, _) = bind().await;
        let server = server.idle_timeout(IDLE).name("session");
        let serving = spawn(server.serve(async |stream: TcpStream, _peer| {
            let deadlines = Deadlines::of(&stream);
            let mut order = [0];
            stream.read_exact(&mut order).await?;
            if order == *b"b" {
                for _ in 0..4 {
                    sleep(IDLE / 2).await;
                    deadlines.touch();
                }
                return Ok(());
            }
            pending().await
        }));
        let (mut busy, mut idle) = (connect(&server), connect(&server));
        busy.write_all(b"b").unwrap();
        idle.write_all(b"i").unwrap();
        until(|| server.connections() == 2).await;
        let draining = spawn({
            let server = server.clone();
            async move { server.drain(IDLE * 10).await }
        });
        advance(IDLE * 3).await;
        let drained = draining.await.unwrap();
        assert_eq!((drained.finished, drained.forced.len()), (1, 1));
        assert_eq!(drained.forced[0].peer, idle.local_addr().unwrap());
        assert_eq!(server.stats().idle_timeouts, 1);
        assert_eq!(serving.await.unwrap().unwrap(), drained);
    });
}

#[test]
fn a_panic_of_whoever_is_told_ends_nobody_else() {
    on_virtual_time(async {
        let server = Server::bind("127.0.0.1:0").await.unwrap().idle_timeout(IDLE);
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let server = server.on_error(move |_, error| {
            count.set(count.get() + 1);
            panic!("{error}");
        });
        let serving = serve_silence(&server);
        let _clients: Vec<_> = (0..2).map(|_| connect(&server)).collect();
        until(|| server.connections() == 2).await;
        advance(IDLE * 2).await;
        assert_eq!((calls.get(), server.stats().idle_timeouts), (2, 2));
        assert!(!serving.is_finished());
    });
}

#[test]
#[should_panic(expected = "a deadline of 0 would cut everybody")]
fn a_deadline_of_nothing_is_refused() {
    on_virtual_time(async {
        let _ = bind().await.0.idle_timeout(Duration::ZERO);
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no Unix sockets with paths")]
fn a_unix_server_has_deadlines_as_well() {
    on_virtual_time(async {
        let folder = Folder::new();
        let path = folder.path("server");
        let server = Server::bind_unix(&path).await.unwrap().header_timeout(HEADER).write_timeout(WRITE);
        let _serving = spawn(server.serve(async |stream: UnixStream, _peer| {
            let mut order = [0];
            stream.read_exact(&mut order).await?;
            Deadlines::of(&stream).header_received();
            stream.write_all(&pattern(TOO_MUCH)).await
        }));
        let mut stuck = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let mut silent = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stuck.write_all(b"!").unwrap();
        until(|| server.connections() == 2).await;
        advance(HEADER + HEADER / 8).await;
        assert_eq!((server.stats().header_timeouts, server.connections()), (1, 1));
        assert_eq!(silent.read(&mut [0]).unwrap(), 0);
        advance(WRITE).await;
        assert_eq!((server.stats().write_timeouts, server.connections()), (1, 0));
        // What the kernel had taken is the client's.
        assert!(io::copy(&mut stuck, &mut io::sink()).unwrap() < TOO_MUCH as u64);
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many connections for Miri")]
fn slowloris_holds_no_seat_for_longer_than_a_header_may_take() {
    /// More than may be connected; the kernel's queue has room for the rest.
    const SLOW: usize = 2800;
    const SEATS: usize = 2000;
    support::sys::limit_descriptors(16_000);
    on_virtual_time(async {
        let (server, told) = bind().await;
        let server = server.max_connections(SEATS).header_timeout(HEADER).idle_timeout(IDLE);
        let _serving = serve_answers(&server);
        let mut good: Vec<_> = (0..20).map(|_| connect(&server)).collect();
        for client in &mut good {
            ask(&server, client, b"Hey.").await;
        }
        let mut slow = Vec::new();
        while slow.len() < SLOW {
            slow.extend((0..100).map(|_| connect(&server)));
            until(|| server.connections() == SEATS.min(slow.len() + good.len())).await;
        }
        // One byte now and then, each in time for a deadline that began anew with every byte.
        for second in 1..30 {
            advance(SECOND).await;
            if second % 4 == 0 {
                for client in &mut slow {
                    let _ = client.write_all(b"-"); // some are cut already
                }
            }
            for client in &mut good {
                ask(&server, client, b"And.").await;
            }
        }
        let stats = server.stats();
        assert_eq!(stats.header_timeouts + server.connections() as u64, (SLOW + 20) as u64, "{stats:?}");
        assert!(server.connections() < SEATS / 10, "{stats:?}");
        assert_eq!((stats.idle_timeouts, stats.cancelled, stats.panicked), (0, 0, 0));
        let good: Vec<_> = good.iter().map(|client| client.local_addr().unwrap()).collect();
        assert!(told.borrow().iter().all(|(peer, _)| !good.contains(&peer.unwrap())));
    });
}
