//! The simulated network: what the seed may do to a connection, what it may not, and that programs cannot tell it from
//! the kernel's.
#![cfg(feature = "macros")]

use runtime::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    join, join_all,
    net::Shutdown,
    spawn,
    testing::{
        Cause, Sim, duplex,
        net::{Network, TcpListener, TcpStream, heal, partition},
        settle,
    },
    time::{Instant, sleep, timeout},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    io::{self, ErrorKind},
    net::IpAddr,
    ops::RangeInclusive,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

const HERE: [u8; 4] = [10, 0, 0, 1];
const THERE: [u8; 4] = [10, 0, 0, 2];
const SECOND: Duration = Duration::from_secs(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn range(from: u64, to: u64) -> RangeInclusive<Duration> {
    ms(from)..=ms(to)
}

/// A connection from HERE to THERE: the client's end and the server's.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((IpAddr::from(THERE), 80)).await.unwrap();
    let client = TcpStream::connect_from(HERE.into(), (IpAddr::from(THERE), 80)).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(
        (client.local_addr().unwrap(), client.peer_addr().unwrap()),
        (peer, server.local_addr().unwrap())
    );
    assert_eq!(peer.ip(), IpAddr::from(HERE));
    (client, server)
}

/// Runs a program under many seeds and counts what it says.
fn census<T: Ord + 'static, F: Future<Output = T>>(
    seeds: u64,
    network: &Network,
    program: impl Fn() -> F,
) -> BTreeMap<T, u64> {
    let seen = RefCell::new(BTreeMap::new());
    for seed in 0..seeds {
        let sim = Sim::new().network(network.clone()).seed(seed);
        let (said, _) = sim.record(&program).unwrap_or_else(|failure| panic!("{failure}"));
        *seen.borrow_mut().entry(said).or_insert(0) += 1;
    }
    seen.into_inner()
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 7 + n / 251) as u8).collect()
}

/// Sends everything each way, in writes and reads of odd sizes. How often a read or a write did less than it could.
async fn exchange(client: TcpStream, server: TcpStream, bytes: usize) -> (u64, u64) {
    let (short_writes, short_reads) = (Cell::new(0), Cell::new(0));
    let send = async |stream: &TcpStream| {
        let all = pattern(bytes);
        let mut rest = &all[..];
        while !rest.is_empty() {
            let piece = rest.len().min(1000);
            let n = stream.write(&rest[..piece]).await.unwrap();
            assert!(n > 0 && n <= piece);
            short_writes.set(short_writes.get() + u64::from(n < piece));
            rest = &rest[n..];
        }
        stream.shutdown(Shutdown::Write).unwrap();
    };
    let receive = async |stream: &TcpStream| {
        let (mut all, mut buf) = (Vec::new(), [0; 777]);
        loop {
            match stream.read(&mut buf).await.unwrap() {
                0 => break,
                n => {
                    short_reads.set(short_reads.get() + u64::from(n < buf.len()));
                    all.extend_from_slice(&buf[..n]);
                }
            }
        }
        assert!(all == pattern(bytes), "bytes were lost, invented or out of order");
    };
    join!(send(&client), receive(&server), send(&server), receive(&client));
    (short_writes.get(), short_reads.get())
}

#[test]
fn whatever_happens_on_the_way_the_bytes_arrive_in_order() {
    let bad = Network::new().delay(range(0, 300)).splits(0.9).short_reads(0.9).buffer(1500).partitions(
        0.5,
        range(0, 1000),
        range(1, 10_000),
    );
    Sim::new().seeds(100).network(bad).run(|| async {
        let (client, server) = connected().await;
        exchange(client, server, 10_000).await;
    });
}

#[test]
fn short_reads_and_writes_come_only_if_they_are_allowed() {
    let program = || async {
        let (client, server) = connected().await;
        exchange(client, server, 77_700).await
    };
    let roomy = Network::perfect().buffer(1 << 20);
    let seen = census(10, &roomy, program);
    // The last read of each direction is the only one that finds less than it has room for, if at all.
    assert!(seen.keys().all(|&(writes, reads)| writes == 0 && reads <= 4), "{seen:?}");
    let seen = census(10, &roomy.clone().splits(0.5), program);
    assert!(seen.keys().all(|&(writes, _)| writes > 30), "{seen:?}");
    let seen = census(10, &roomy.short_reads(0.5), program);
    assert!(seen.keys().all(|&(writes, reads)| writes == 0 && reads > 30), "{seen:?}");
}

#[test]
fn delays_stay_within_their_bounds_and_differ() {
    let network = Network::perfect().delay(range(20, 30));
    let seen = census(200, &network, || async {
        let (client, server) = connected().await;
        let start = Instant::now();
        client.write_all(b"x").await.unwrap();
        server.read_exact(&mut [0]).await.unwrap();
        start.elapsed().as_millis()
    });
    assert!(seen.keys().all(|millis| (20..=30).contains(millis)), "{seen:?}");
    assert!(seen.len() >= 9, "{seen:?}");
    let handshake = census(5, &Network::perfect().delay(range(10, 10)), || async {
        let start = Instant::now();
        TcpStream::connect("10.0.0.9:80").await.unwrap_err();
        let refused = start.elapsed();
        connected().await;
        (refused, start.elapsed())
    });
    assert_eq!(handshake, BTreeMap::from([((ms(20), ms(40)), 5)]), "there and back");
    let still = census(5, &Network::perfect(), || async {
        let start = Instant::now();
        let (client, server) = connected().await;
        exchange(client, server, 1000).await;
        start.elapsed()
    });
    assert_eq!(still, BTreeMap::from([(Duration::ZERO, 5)]));
}

/// One byte a second, for ten seconds: how many came, and how it ended.
async fn trickle() -> (u8, Option<ErrorKind>) {
    let (client, server) = connected().await;
    let writing = spawn(async move {
        for n in 0..10_u8 {
            if client.write_all(&[n]).await.is_err() {
                break;
            }
            sleep(SECOND).await;
        }
    });
    let mut count = 0;
    let end = loop {
        let mut buf = [0; 1];
        match server.read(&mut buf).await {
            Ok(0) => break None,
            Ok(_) => {
                assert_eq!(buf, [count]);
                count += 1;
            }
            Err(error) => break Some(error.kind()),
        }
    };
    drop(server);
    writing.await.unwrap();
    (count, end)
}

#[test]
fn resets_strike_some_connections_within_their_time() {
    assert_eq!(census(50, &Network::new(), trickle), BTreeMap::from([((10, None), 50)]));
    let seen = census(300, &Network::new().resets(0.5, range(2500, 4500)), trickle);
    let intact = seen[&(10, None)];
    assert!((100..200).contains(&intact), "{seen:?}");
    let reset: Vec<_> = seen.keys().filter(|(_, end)| *end == Some(ErrorKind::ConnectionReset)).collect();
    assert_eq!(reset.len() + 1, seen.len(), "{seen:?}");
    assert!(reset.iter().all(|(count, _)| (3..=5).contains(count)) && reset.len() >= 2, "{seen:?}");
}

#[test]
fn half_closes_strike_one_side_within_their_time() {
    let seen = census(300, &Network::new().half_closes(0.5, range(2500, 4500)), trickle);
    assert!(seen.keys().all(|(_, end)| end.is_none()), "{seen:?}");
    assert!(seen.keys().all(|(count, _)| *count == 10 || (3..=5).contains(count)), "{seen:?}");
    let cut: u64 = seen.iter().filter(|((count, _), _)| *count < 10).map(|(_, times)| times).sum();
    assert!(
        (40..120).contains(&cut),
        "a quarter: half of them, and of those half in this direction: {seen:?}"
    );
}

#[test]
fn a_reset_is_told_once_and_then_the_connection_is_just_gone() {
    Sim::new().network(Network::perfect().resets(1.0, range(1000, 1000))).run(|| async {
        let (client, server) = connected().await;
        client.write_all(b"before").await.unwrap();
        let waiting =
            async |stream: &TcpStream| stream.read(&mut [0; 16]).await.map_err(|error| error.kind());
        assert_eq!(waiting(&server).await, Ok(6));
        let start = Instant::now();
        assert_eq!(waiting(&server).await, Err(ErrorKind::ConnectionReset), "those who wait learn of it");
        assert!(start.elapsed() <= SECOND);
        assert_eq!(waiting(&server).await, Ok(0));
        assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(waiting(&client).await, Ok(0));
        assert_eq!(client.shutdown(Shutdown::Write).unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn a_partition_stops_everything_both_ways_until_it_is_healed() {
    Sim::new().network(Network::new().delay(range(0, 100))).run(|| async {
        let (client, server) = connected().await;
        let mut buf = [0; 64];
        partition(THERE, HERE);
        client.write_all(b"to the server").await.unwrap();
        server.write_all(b"to the client").await.unwrap();
        let hour = 3600 * SECOND;
        assert!(timeout(hour, server.readable()).await.is_err());
        assert!(timeout(hour, client.readable()).await.is_err());
        // Other ways are open.
        let listener = TcpListener::bind((IpAddr::from(THERE), 81)).await.unwrap();
        let other = TcpStream::connect((IpAddr::from(THERE), 81)).await.unwrap();
        listener.accept().await.unwrap();
        drop(other);
        // Those who wait are woken.
        let reading = spawn(async move {
            server.read_exact(&mut buf[..13]).await.unwrap();
            (server, buf)
        });
        settle().await;
        heal(HERE, THERE);
        let (server, said) = reading.await.unwrap();
        assert_eq!(&said[..13], b"to the server");
        client.read_exact(&mut buf[..13]).await.unwrap();
        assert_eq!(&buf[..13], b"to the client");
        // What had arrived before can be read during the next one.
        client.write_all(b"early").await.unwrap();
        sleep(SECOND).await;
        partition(HERE, THERE);
        client.write_all(b"late").await.unwrap();
        let mut rest = Vec::new();
        while rest.len() < 5 {
            let n = server.read(&mut buf).await.unwrap();
            rest.extend_from_slice(&buf[..n]);
        }
        assert_eq!(rest, b"early");
        assert!(timeout(hour, server.read(&mut buf)).await.is_err());
        heal(HERE, THERE);
        server.read_exact(&mut buf[..4]).await.unwrap();
        assert_eq!(&buf[..4], b"late");
    });
}

#[test]
fn partitions_of_the_seed_come_and_go_within_their_bounds() {
    let network = Network::perfect().partitions(0.5, range(1000, 2000), range(5000, 6000));
    // Every 100 ms a byte: the longest silence, and when it began.
    let seen = census(200, &network, || async {
        let (client, server) = connected().await;
        spawn(async move {
            for _ in 0..100 {
                if client.write_all(&[0]).await.is_err() {
                    break;
                }
                sleep(ms(100)).await;
            }
        })
        .detach();
        let (start, mut longest, mut since) = (Instant::now(), (0, 0), Instant::now());
        while server.read(&mut [0; 100]).await.unwrap() > 0 {
            longest = longest.max((since.elapsed().as_millis(), since.duration_since(start).as_millis()));
            since = Instant::now();
        }
        longest
    });
    let (silent, lively): (Vec<_>, Vec<_>) = seen.iter().partition(|((silence, _), _)| *silence > 200);
    assert!(silent.iter().all(|((silence, _), _)| (4900..=6100).contains(silence)), "{seen:?}");
    assert!(silent.iter().all(|((_, since), _)| (900..=2000).contains(since)), "{seen:?}");
    let lively: u64 = lively.iter().map(|(_, times)| **times).sum();
    assert!((70..130).contains(&lively), "{seen:?}");
}

#[test]
fn connecting_through_a_partition_waits_or_gives_up_as_the_kernel_does() {
    Sim::new().seeds(20).run(|| async {
        let listener = TcpListener::bind((IpAddr::from(THERE), 80)).await.unwrap();
        let connect = || TcpStream::connect_from(HERE.into(), (IpAddr::from(THERE), 80));
        partition(HERE, THERE);
        let start = Instant::now();
        assert_eq!(connect().await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), 127 * SECOND);
        let connecting = spawn(async move { connect().await });
        sleep(60 * SECOND).await;
        assert!(!connecting.is_finished());
        heal(HERE, THERE);
        let (accepted, client) = join!(listener.accept(), connecting);
        assert_eq!(accepted.unwrap().1, client.unwrap().unwrap().local_addr().unwrap());
    });
}

#[test]
fn nobody_there_is_refused_and_a_listener_that_goes_resets() {
    Sim::new().run(|| async {
        let error = TcpStream::connect("10.0.0.9:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let listener = TcpListener::bind("10.0.0.9:80").await.unwrap();
        let taken = TcpListener::bind("0.0.0.0:80").await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        let client = TcpStream::connect("10.0.0.9:80").await.unwrap();
        let (listener, second) = (Rc::new(listener), TcpListener::bind("10.0.0.9:81").await.unwrap());
        let (first, second) = (listener.accept().await.unwrap(), Rc::new(second));
        let waiting = Rc::clone(&second);
        let waiting = spawn(async move { waiting.accept().await.unwrap_err().kind() });
        let unaccepted = TcpStream::connect("10.0.0.9:80").await.unwrap();
        settle().await;
        listener.close();
        assert_eq!(listener.accept().await.unwrap_err().kind(), ErrorKind::NotConnected);
        assert!(!waiting.is_finished());
        second.close();
        assert_eq!(waiting.await.unwrap(), ErrorKind::NotConnected, "whoever waits learns of it");
        assert_eq!(unaccepted.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let error = TcpStream::connect("10.0.0.9:80").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        // Whoever was accepted stays.
        client.write_all(b"x").await.unwrap();
        first.0.read_exact(&mut [0]).await.unwrap();
        TcpListener::bind("10.0.0.9:80").await.unwrap();
    });
}

#[test]
fn a_listener_for_all_hosts_and_a_port_for_anybody() {
    Sim::new().seeds(5).run(|| async {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = TcpListener::bind("0.0.0.0:0").await.unwrap();
        assert_ne!(port, other.local_addr().unwrap().port());
        for host in [[127, 0, 0, 1], HERE, THERE] {
            let client = TcpStream::connect((IpAddr::from(host), port)).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());
        }
    });
}

#[test]
fn a_listener_that_accepts_nobody_answers_only_so_many() {
    Sim::new().seeds(2).network(Network::perfect()).run(|| async {
        let listener = TcpListener::bind("10.0.0.9:80").await.unwrap();
        let waiting = join_all((0..128).map(|_| TcpStream::connect("10.0.0.9:80"))).await;
        assert!(waiting.iter().all(Result::is_ok));
        let one_more = spawn(TcpStream::connect("10.0.0.9:80"));
        sleep(60 * SECOND).await;
        assert!(!one_more.is_finished());
        listener.accept().await.unwrap();
        one_more.await.unwrap().unwrap();
    });
}

/// What the documentation of `graceful_close` warns of: 50 of 50 large answers cut short by a plain close.
#[test]
fn closing_with_unread_input_destroys_the_reply_for_some_seeds() {
    let seen = census(100, &Network::new(), || async {
        let (client, server) = connected().await;
        client.write_all(&[0; 2000]).await.unwrap();
        sleep(SECOND).await;
        for _ in 0..20 {
            server.write_all(&[1; 1000]).await.unwrap();
        }
        drop(server); // nothing of the request was read
        let mut reply = Vec::new();
        let end = (&client).read_to_end(&mut reply).await;
        (reply.len() == 20_000, end.map_err(|error| error.kind()).err())
    });
    let reset = Some(ErrorKind::ConnectionReset);
    assert!(seen.keys().all(|(_, end)| *end == reset), "{seen:?}");
    assert!(seen[&(false, reset)] > 50, "{seen:?}");
}

#[test]
fn writing_to_somebody_who_has_left_fails_after_a_while() {
    Sim::new().network(Network::perfect().delay(range(10, 10))).run(|| async {
        let (client, server) = connected().await;
        drop(server);
        sleep(SECOND).await;
        client.write_all(b"nobody reads this").await.unwrap();
        sleep(SECOND).await;
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        // One who waits for room learns of it too.
        let listener = TcpListener::bind((IpAddr::from(THERE), 80)).await.unwrap();
        let client = TcpStream::connect((IpAddr::from(THERE), 80)).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let writing = spawn(async move { client.write_all(&[0; 1 << 20]).await.unwrap_err().kind() });
        settle().await;
        drop(server);
        let kind = writing.await.unwrap();
        assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind}");
    });
}

#[test]
fn one_seed_is_one_fate_byte_for_byte() {
    let network = Network::new().resets(0.3, range(0, 2000)).half_closes(0.3, range(0, 2000)).partitions(
        0.3,
        range(0, 500),
        range(0, 2000),
    );
    let faults = RefCell::new(BTreeMap::new());
    for seed in 0..100 {
        let sim = Sim::new().network(network.clone()).seed(seed);
        let record = || sim.record(|| async { timeout(5 * SECOND, trickle()).await.ok() }).unwrap();
        let (one, other) = (record(), record());
        assert_eq!((&one.0, one.1.to_string()), (&other.0, other.1.to_string()));
        for fault in ["will be reset", "will end its side", "nothing gets between"] {
            *faults.borrow_mut().entry(fault).or_insert(0) += u32::from(one.1.to_string().contains(fault));
        }
    }
    assert!(faults.borrow().values().all(|&times| (10..60).contains(&times)), "{faults:?}");
}

/// The loop fires so many timers at once: some who wake at the very instant of an arrival come before its alarm.
#[test]
fn who_waits_is_woken_also_when_somebody_else_was_there_first() {
    Sim::new().seeds(1).network(Network::perfect().delay(range(10, 10))).run(|| async {
        let (client, server) = connected().await;
        let (server, start) = (Rc::new(server), Instant::now());
        for _ in 0..2000 {
            let server = Rc::clone(&server);
            spawn(async move {
                sleep(ms(10)).await;
                server.try_write(b"").unwrap();
            })
            .detach();
        }
        settle().await;
        let reading = spawn(async move {
            server.read_exact(&mut [0]).await.unwrap();
            start.elapsed()
        });
        settle().await;
        client.write_all(b"a").await.unwrap();
        sleep(ms(5)).await;
        client.write_all(b"b").await.unwrap();
        assert_eq!(reading.await.unwrap(), ms(10));
    });
}

#[test]
fn somebody_who_waits_for_a_partition_that_nobody_heals_is_stuck() {
    let failure = Sim::new()
        .try_run(|| async {
            let (client, server) = connected().await;
            partition(HERE, THERE);
            client.write_all(b"x").await.unwrap();
            server.read(&mut [0]).await.unwrap();
        })
        .unwrap_err();
    assert!(
        matches!(failure.cause(), Cause::Stuck(list) if list.contains("no timer is set\n0 tasks")),
        "{failure}"
    );
}

#[runtime::test]
async fn there_is_no_such_network_outside_a_simulation() {
    let error = TcpStream::connect("127.0.0.1:80").await.unwrap_err();
    assert!(error.to_string().contains("only inside a simulation"), "{error}");
    assert!(TcpListener::bind("127.0.0.1:80").await.is_err());
}

#[test]
fn a_connection_may_outlive_its_simulation() {
    let slow = Network::perfect().delay(range(1000, 1000));
    let kept = Sim::new().seed(1).network(slow).record(|| async {
        let (client, server) = connected().await;
        client.write_all(b"under way").await.unwrap();
        assert!(timeout(ms(1), server.readable()).await.is_err(), "its alarm is set");
        (client, server)
    });
    let ((client, server), _) = kept.unwrap();
    assert!(client.try_write(b"x").is_ok());
    drop(client);
    assert!(server.shutdown(Shutdown::Both).is_ok());
    runtime::run(async move { drop(server) });
}

#[test]
fn what_outlives_its_simulation_wakes_nobody_who_waited_there() {
    struct Count(AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let wakes = Arc::new(Count(AtomicU32::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let kept = Sim::new().seed(1).network(Network::perfect()).record(async || {
        let (client, server) = connected().await;
        let listener = TcpListener::bind("10.0.0.9:80").await.unwrap();
        assert!(pin!(server.readable()).poll(&mut context).is_pending());
        assert!(listener.poll_accept(&mut context).is_pending());
        (client, server, listener)
    });
    // By now another simulation may have the number of that runtime, and would be woken in their stead.
    let ((client, server, listener), _) = kept.unwrap();
    assert!(client.try_write(b"x").is_ok());
    drop((client, listener));
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
    assert_eq!(server.try_read(&mut [0; 2]).unwrap(), 1, "whoever comes now is served");
}

#[test]
fn nonsense_is_refused() {
    fn refused<T: 'static>(f: impl FnOnce() -> T + std::panic::UnwindSafe) -> String {
        let payload = std::panic::catch_unwind(f).err().expect("it panics");
        *payload.downcast::<String>().expect("with a text")
    }
    assert!(refused(|| Network::new().splits(1.5)).contains("1.5 is no probability"));
    assert!(refused(|| Network::new().resets(f64::NAN, range(0, 1))).contains("no probability"));
    assert!(refused(|| Network::new().delay(range(2, 1))).contains("the smaller duration comes first"));
}

/// What the ends of connections say in all kinds of endings, on the sockets of a module.
macro_rules! endings {
    ($net:path) => {{
        use $net::{TcpListener, TcpStream};
        let log = Rc::new(RefCell::new(Vec::new()));
        let note = |what: &str, outcome: io::Result<usize>| {
            log.borrow_mut().push(format!("{what}: {:?}", outcome.map_err(|error| error.kind())));
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let pair = async || {
            let client = TcpStream::connect(addr).await.unwrap();
            (client, listener.accept().await.unwrap().0)
        };
        let mut buf = [0; 64];
        for order in ["read first", "write first"] {
            note(order, Ok(0));
            let (client, server) = pair().await;
            server.write_all(b"bye").await.unwrap();
            drop(server);
            note("read what was said", client.read(&mut buf).await);
            note("read the end", client.read(&mut buf).await);
            note("write into the void", client.write(b"x").await);
            client.readable().await.unwrap();
            sleep(ms(20)).await; // the kernel answers when it likes
            if order == "read first" {
                note("read after that", client.read(&mut buf).await);
            }
            note("write once more", client.write(b"x").await);
            note("and again", client.write(b"x").await);
            note("read at last", client.read(&mut buf).await);

            let (client, server) = pair().await;
            client.write_all(b"unread").await.unwrap();
            server.readable().await.unwrap();
            drop(server);
            client.readable().await.unwrap();
            if order == "read first" {
                note("read after a reset", client.read(&mut buf).await);
                note("read once more", client.read(&mut buf).await);
            }
            note("write after a reset", client.write(b"x").await);
            note("write once more", client.write(b"x").await);
            note("read at last", client.read(&mut buf).await);
            note("shut it down", client.shutdown(Shutdown::Write).map(|()| 0));
        }
        let (client, server) = pair().await;
        client.shutdown(Shutdown::Write).unwrap();
        note("write after one's own end", client.write(b"x").await);
        server.write_all(b"still there").await.unwrap();
        note("read after one's own end", client.read(&mut buf).await);
        server.write_all(b"last").await.unwrap();
        client.readable().await.unwrap();
        client.shutdown(Shutdown::Read).unwrap();
        note("read what came before", client.read(&mut buf).await);
        note("read after that", client.read(&mut buf).await);
        log.take()
    }};
}

#[test]
fn connections_end_as_the_kernels_do() {
    let kernel = runtime::run(async { endings!(runtime::net) });
    let simulated = Sim::new().network(Network::perfect()).seed(0);
    let (simulated, _) = simulated.record(|| async { endings!(runtime::testing::net) }).unwrap();
    assert_eq!(simulated, kernel);
}

/// The handler of an echo server, for whatever comes as a stream.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<u64> {
    let mut buf = [0; 1024];
    let mut echoed = 0;
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(echoed),
            n => stream.write_all(&buf[..n]).await?,
        }
        echoed += 1;
    }
}

/// Its client: what it gets back is what it said.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, rounds: usize) -> io::Result<()> {
    for round in 0..rounds {
        let said = pattern(round * 100);
        stream.write_all(&said).await?;
        let mut heard = vec![0; said.len()];
        stream.read_exact(&mut heard).await?;
        assert!(said == heard);
    }
    stream.close().await
}

#[test]
fn the_same_server_runs_on_the_kernel_in_memory_and_in_the_simulation() {
    runtime::run(async {
        let listener = runtime::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = runtime::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (echoed, talked) = join!(echo(server), talk(client, 10));
        assert!(echoed.unwrap() >= 9 && talked.is_ok());
        let (client, server) = duplex(1 << 16);
        let (echoed, talked) = join!(echo(server), talk(client, 10));
        assert!(echoed.unwrap() >= 9 && talked.is_ok());
    });
    let network = Network::new().resets(0.1, range(0, 200)).partitions(0.2, range(0, 100), range(0, 1000));
    let unlucky = Rc::new(Cell::new(0));
    Sim::new().seeds(200).network(network).run(|| {
        let unlucky = Rc::clone(&unlucky);
        async move {
            let listener = TcpListener::bind("10.0.0.7:7").await.unwrap();
            let server = spawn(async move {
                let mut connections = Vec::new();
                for _ in 0..3 {
                    let (stream, _) = listener.accept().await.unwrap();
                    connections.push(spawn(echo(stream)));
                }
                join_all(connections).await
            });
            let clients = (0..3).map(|_| async {
                let stream = TcpStream::connect("10.0.0.7:7").await.unwrap();
                talk(stream, 10).await
            });
            for talked in join_all(clients).await {
                if let Err(error) = talked {
                    assert!(error.kind() != ErrorKind::InvalidData, "{error}");
                    unlucky.set(unlucky.get() + 1);
                }
            }
            server.await.unwrap();
        }
    });
    assert!(unlucky.get() > 10, "the network was too good: {unlucky:?}");
}
