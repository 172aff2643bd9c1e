//! Stories of a process without descriptors left. They lower the limit of the whole process, so they take turns.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_core::future::LocalBoxFuture;
use futures_lite::future::{poll_once, zip};
use runtime_executor::{
    Executor, Park, spawn,
    task::yield_now,
    time::{Clock, Instant, sleep, timeout},
};
use runtime_io::{
    AsyncFd, Reactor,
    io::copy as io_copy,
    net::{
        Server, ServerStats, TcpListener,
        share::{self, ListenerSource, Place, Shared},
    },
};
use std::{
    cell::RefCell,
    fs::File,
    future::pending,
    io, net,
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Wake},
    time::Duration,
};
use support::{
    open_descriptors, pair,
    sys::{limit_descriptors, next_descriptor},
    until_all_woken, until_waiting,
};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells a story in virtual time, which passes only while nothing is ready.
fn run_paused<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
    let reactor = Reactor::new().unwrap();
    let executor =
        Executor::builder().park(reactor.clone()).extension(reactor.clone()).clock(Clock::paused()).build();
    executor.block_on(story(reactor))
}

/// A listener with connections in its queue, as the standard library makes them.
fn crowded(count: usize) -> (TcpListener, Vec<net::TcpStream>) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients = (0..count).map(|_| net::TcpStream::connect(address).unwrap()).collect();
    (TcpListener::from_std(listener).unwrap(), clients)
}

/// Puts the limit back.
struct Limit(u64);

impl Limit {
    /// Lets nothing more be opened.
    fn here() -> Self {
        Self(limit_descriptors(u64::try_from(next_descriptor()).unwrap()))
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        limit_descriptors(self.0);
    }
}

#[test]
fn all_that_queued_are_served_when_descriptors_come_back_without_a_new_connection() {
    let _alone = alone();
    let (listener, clients) = crowded(16);
    run_paused(|reactor| async move {
        let limit = Limit::here();
        let acceptor = spawn(async move {
            let mut accepted = Vec::new();
            while accepted.len() < 16 {
                accepted.push(listener.accept().await.unwrap());
            }
            Instant::now()
        });
        let begun = Instant::now();
        sleep(Duration::from_millis(250)).await;
        assert!(!acceptor.is_finished());
        assert_eq!(reactor.waiters(), 0, "it waits for the clock, not for an event that does not come");
        drop(limit);
        // It tries at 100, 200, 300 ms: neither a spin nor a hang.
        assert_eq!(acceptor.await.unwrap() - begun, Duration::from_millis(300));
    });
    drop(clients);
}

#[test]
fn closing_a_descriptor_of_ours_lets_the_acceptor_try_at_once() {
    let _alone = alone();
    let (listener, _clients) = crowded(2);
    run_paused(|_| async move {
        let spare = AsyncFd::new(io::pipe().unwrap().0).unwrap();
        let _limit = Limit::here();
        let begun = Instant::now();
        let acceptor = spawn(async move {
            let first = listener.accept().await.unwrap();
            (first, Instant::now(), listener)
        });
        sleep(Duration::from_millis(30)).await;
        assert!(!acceptor.is_finished());
        drop(spare);
        let (first, at, listener) = acceptor.await.unwrap();
        assert_eq!(at - begun, Duration::from_millis(30));

        // And so on: a server at its limit serves one for one.
        let acceptor = spawn(async move { listener.accept().await.unwrap() });
        sleep(Duration::from_millis(30)).await;
        assert!(!acceptor.is_finished());
        drop(first);
        acceptor.await.unwrap();
        assert_eq!(Instant::now() - begun, Duration::from_millis(60));
    });
}

#[test]
fn pipes_that_are_kept_for_the_next_burst_make_room_for_a_connection() {
    let _alone = alone();
    let (listener, _clients) = crowded(1);
    run_paused(|_| async move {
        let ((client, a), (b, server)) = (pair().await, pair().await);
        let sending = async {
            client.write_all(&vec![1; 4 << 20]).await.unwrap();
            client.shutdown(net::Shutdown::Write).unwrap();
        };
        let receiving = async { server.read_exact(&mut vec![0; 4 << 20]).await.unwrap() };
        zip(zip(sending, receiving), async { io_copy(&a, &b).await.unwrap() }).await;
        // No gaps below the pipe's descriptors, in which another might be opened.
        let _fillers: Vec<_> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
        let _limit = Limit::here();
        let begun = Instant::now();
        let accepted = timeout(Duration::from_secs(1), listener.accept()).await;
        accepted.expect("there was something to give up").unwrap();
        assert_eq!(Instant::now(), begun);
    });
}

/// A waker whose copies can be counted.
struct Watched;

impl Wake for Watched {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_starved_accept_that_is_dropped_is_forgotten() {
    let _alone = alone();
    let (listener, _clients) = crowded(1);
    run_paused(|_| async move {
        let spare = File::open("/dev/null").unwrap();
        let limit = Limit::here();
        let watched = Arc::new(Watched);
        {
            let mut accept = Box::pin(listener.accept());
            let waker = Arc::clone(&watched).into();
            assert!(accept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&watched), 1, "somebody still holds its waker");
        drop(spare);
        let begun = Instant::now();
        // A new one is not made to wait for the old one's clock.
        listener.accept().await.unwrap();
        assert_eq!(Instant::now(), begun);
        drop(limit);
    });
}

#[test]
fn a_hand_written_acceptor_recovers_too() {
    let _alone = alone();
    let (listener, _clients) = crowded(1);
    run_paused(|_| async move {
        let limit = Limit::here();
        let acceptor = spawn(async move {
            std::future::poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        });
        sleep(Duration::from_millis(50)).await;
        drop(limit);
        let begun = Instant::now();
        acceptor.await.unwrap();
        assert_eq!(Instant::now() - begun, Duration::from_millis(50));
    });
}

#[test]
fn a_server_without_descriptors_serves_all_that_queued_when_they_come_back() {
    let _alone = alone();
    let (listener, clients) = crowded(20);
    run_paused(|reactor| async move {
        let server = Server::from_listener(listener);
        let limit = Limit::here();
        let begun = Instant::now();
        let serving = spawn(server.serve(async |_stream, _peer| pending::<()>().await));
        sleep(Duration::from_millis(250)).await;
        assert_eq!((server.stats(), reactor.waiters()), (ServerStats::default(), 0));
        drop(limit);
        while server.connections() < 20 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(begun.elapsed() <= Duration::from_millis(250 + 100), "{:?}", begun.elapsed());
        assert!(!serving.is_finished());
    });
    drop(clients);
}

#[test]
fn a_server_without_descriptors_sweeps_its_queue_as_they_come_back() {
    let _alone = alone();
    let (listener, clients) = crowded(3);
    run_paused(|_| async move {
        let server = Server::from_listener(listener);
        let limit = Limit::here();
        let serving = spawn(server.serve(async |_stream, _peer| ()));
        sleep(Duration::from_millis(10)).await;
        server.stop_accepting();
        sleep(Duration::from_millis(250)).await;
        assert_eq!(server.stats().accepted, 0);
        drop(limit);
        assert_eq!(serving.await.unwrap().unwrap().finished, 3);
        assert_eq!(server.stats().accept_errors, 0);
    });
    drop(clients);
}

#[test]
fn no_descriptor_is_left_behind_whenever_a_server_is_dropped() {
    let _alone = alone();
    let before = open_descriptors();
    for turns in 0..8 {
        let (listener, clients) = crowded(2);
        run_paused(|_| async move {
            let server = Server::from_listener(listener).max_connections(1 + turns % 2);
            let mut serving = Box::pin(server.serve(async |_stream, _peer| pending::<()>().await));
            for _ in 0..turns {
                assert!(poll_once(&mut serving).await.is_none());
                yield_now().await;
            }
            drop(serving);
            server.drain(Duration::ZERO).await;
            assert_eq!(server.connections(), 0);
        });
        drop(clients);
        assert_eq!(open_descriptors(), before, "after {turns} turns");
    }
}

#[test]
fn the_limit_of_a_server_leaves_some_descriptors_to_others() {
    let _alone = alone();
    // The listener, the selector, and what the test itself has open, are among them.
    let limit = Limit(limit_descriptors(100));
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    run_paused(|_| async move {
        let server = Server::from_listener(TcpListener::from_std(listener).unwrap());
        drop(limit);
        let clients: Vec<_> = (0..95).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        let _serving = spawn(server.serve(async |_stream, _peer| pending::<()>().await));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(server.connections(), 90);
        drop(clients);
    });
}

#[test]
fn sockets_that_were_adopted_starve_and_recover_like_our_own() {
    struct Once(RefCell<Option<Shared>>);
    impl ListenerSource for Once {
        fn bind(&self, _: Place) -> LocalBoxFuture<'static, io::Result<Shared>> {
            Box::pin(std::future::ready(Ok(self.0.take().unwrap())))
        }
    }
    let _alone = alone();
    let crowded = || {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..3).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        (listener, clients)
    };
    for sweeps in [false, true] {
        let ((own, _own_clients), (slot, _slot_clients)) = (crowded(), crowded());
        run_paused(|reactor| async move {
            let shared = Shared::new(own.into(), None).unwrap();
            let share = shared.share.clone();
            share::install(Rc::new(Once(RefCell::new(Some(shared)))));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            share.adopt(1, slot.into()).unwrap();
            if sweeps {
                share.sweep_then_pause();
            }
            let limit = Limit::here();
            let begun = Instant::now();
            let acceptor = spawn(async move {
                let mut accepted = Vec::new();
                while accepted.len() < 6 {
                    accepted.push(listener.accept().await.unwrap());
                }
                (Instant::now(), accepted, listener)
            });
            sleep(Duration::from_millis(250)).await;
            assert!(!acceptor.is_finished());
            drop(limit);
            let (done, accepted, listener) = acceptor.await.unwrap();
            assert_eq!(done - begun, Duration::from_millis(300));
            drop((accepted, listener));
            assert_eq!(reactor.registered(), 0);
        });
    }
}

#[test]
fn no_descriptor_is_lost_however_an_accept_ends() {
    let _alone = alone();
    run_paused(|reactor| async move {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let before = open_descriptors();
        for round in 0..50 {
            let mut accept = Box::pin(listener.accept());
            let client = (round % 2 == 0).then(|| net::TcpStream::connect(address).unwrap());
            let accepted = poll_once(&mut accept).await;
            // Dropped after its event has come, or without one.
            if client.is_some() && accepted.is_none() {
                reactor.park(Some(Duration::from_secs(10))).unwrap();
            }
            drop((accept, accepted));
            while let Some(late) = poll_once(Box::pin(listener.accept())).await {
                late.unwrap();
            }
            drop(client);
        }
        assert_eq!(open_descriptors(), before);

        // Closed while somebody waits and a connection has just come.
        let waiting = spawn({
            let listener = Rc::clone(&listener);
            async move { listener.accept().await.unwrap_err() }
        });
        until_waiting(&reactor, 1).await;
        let client = net::TcpStream::connect(address).unwrap();
        until_all_woken(&reactor);
        listener.close();
        waiting.await.unwrap();
        drop(client);
        assert_eq!(open_descriptors(), before);
    });
}
