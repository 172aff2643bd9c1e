//! Stories of listeners that belong to a supervisor.
#![cfg(not(miri))]

mod support;

use futures_core::future::LocalBoxFuture;
use futures_lite::future::poll_once;
use runtime_executor::{
    Executor, JoinHandle, Park, spawn, spawn_blocking,
    task::yield_now,
    time::{Clock, Instant, advance},
};
use runtime_io::{
    HandleError, Reactor,
    net::{
        Drained, Server, TcpListener, TcpStream, UnixListener, UnixStream,
        share::{self, ListenerSource, Place, Share, Shared, Stop, Tally},
    },
};
use runtime_sync::Event;
use std::{
    cell::{Cell, RefCell},
    future,
    io::{self, ErrorKind, Write},
    net,
    os::fd::{AsFd, OwnedFd},
    os::unix,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};
use support::{Folder, run, run_with, until_all_woken, until_waiting};

/// Any port of the loopback.
fn anywhere() -> Place {
    Place::Tcp("127.0.0.1:0".parse().unwrap())
}

fn address_of(fd: impl AsFd) -> net::SocketAddr {
    socket2::SockRef::from(&fd).local_addr().unwrap().as_socket().unwrap()
}

/// Opens what it is asked for, keeps it, and remembers.
#[derive(Default)]
struct Supervisor {
    asked: RefCell<Vec<Place>>,
    shares: RefCell<Vec<Share>>,
    kept: RefCell<Vec<share::Opened>>,
    tally: Option<Tally>,
    has_stopped: Rc<Event>,
}

impl ListenerSource for Supervisor {
    fn bind(&self, place: Place) -> LocalBoxFuture<'static, io::Result<Shared>> {
        let bound = share::open(&place, false).and_then(|opened| {
            let shared = Shared::new(opened.as_fd().try_clone_to_owned()?, self.tally)?;
            self.kept.borrow_mut().push(opened);
            self.shares.borrow_mut().push(shared.share.clone());
            Ok(shared)
        });
        self.asked.borrow_mut().push(place);
        Box::pin(async {
            // As long as a message takes to and fro.
            yield_now().await;
            bound
        })
    }

    fn stopping(&self) -> LocalBoxFuture<'static, Stop> {
        let has_stopped = Rc::clone(&self.has_stopped);
        Box::pin(async move {
            has_stopped.wait().await;
            Stop::within(Duration::from_secs(30))
        })
    }
}

/// Gives everybody the same socket, as to the workers of a cluster.
struct Same(net::TcpListener);

impl ListenerSource for Same {
    fn bind(&self, _: Place) -> LocalBoxFuture<'static, io::Result<Shared>> {
        let shared = self.0.try_clone().and_then(|socket| Shared::new(socket.into(), None));
        Box::pin(async { shared })
    }

    fn stopping(&self) -> LocalBoxFuture<'static, Stop> {
        Box::pin(future::pending())
    }
}

/// A listener from a supervisor, the handle on it, and the supervisor's own descriptor.
async fn handed_out(tally: Option<Tally>) -> (TcpListener, Share, net::TcpListener) {
    let supervisor = Rc::new(Supervisor { tally, ..Supervisor::default() });
    share::install(supervisor.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let share = supervisor.shares.borrow()[0].clone();
    let kept: OwnedFd = supervisor.kept.borrow_mut().remove(0).into_fd();
    (listener, share, kept.into())
}

/// Another listening socket, with a duplicate to be given away.
fn slot() -> (net::TcpListener, OwnedFd) {
    let opened = share::open(&anywhere(), false).unwrap();
    let duplicate = opened.as_fd().try_clone_to_owned().unwrap();
    (opened.into_fd().into(), duplicate)
}

fn connect(listener: impl AsFd) -> net::TcpStream {
    net::TcpStream::connect(address_of(listener)).unwrap()
}

#[test]
fn a_burst_is_divided_among_those_who_share_the_listener() {
    run(async {
        let kept: net::TcpListener = slot().0;
        share::install(Rc::new(Same(kept.try_clone().unwrap())));
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _clients: Vec<_> = (0..6).map(|_| connect(&kept)).collect();
        let taken = Rc::new(RefCell::new(Vec::new()));
        for (name, listener) in [("first", first), ("second", second)] {
            let taken = Rc::clone(&taken);
            let accept = async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    taken.borrow_mut().push((name, stream));
                }
            };
            spawn(accept).detach();
        }
        while taken.borrow().len() < 6 {
            yield_now().await;
        }
        let of_first = taken.borrow().iter().filter(|(name, _)| *name == "first").count();
        assert_eq!(of_first, 3);
    });
}

#[test]
fn bind_asks_whoever_was_installed_for_each_address_in_turn() {
    let folder = Folder::new();
    run(async {
        let blocker = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let blocked = blocker.local_addr().unwrap();
        let free: net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        let supervisor = Rc::new(Supervisor::default());
        share::install(supervisor.clone());

        let listener = TcpListener::bind(&[blocked, free][..]).await.unwrap();
        let _client = connect(&listener);
        listener.accept().await.unwrap();

        let error = TcpListener::bind(blocked).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&blocked.to_string()), "{error}");

        let path = folder.path("listener");
        let unix = UnixListener::bind(&path).await.unwrap();
        let _client = UnixStream::connect(&path).await.unwrap();
        unix.accept().await.unwrap();
        drop(unix);
        assert!(path.exists(), "it is the supervisor's");

        let asked = supervisor.asked.take();
        let expected =
            [Place::Tcp(blocked), Place::Tcp(free), Place::Tcp(blocked), Place::Unix(path.clone())];
        assert_eq!(asked, expected);
        assert!(poll_once(pin!(share::stopping())).await.is_none());
        supervisor.has_stopped.set();
        assert_eq!(share::stopping().await, Stop::within(Duration::from_secs(30)));
    });
}

#[test]
fn without_a_supervisor_nothing_stops_and_bind_is_as_ever() {
    run(async {
        let mut stopping = pin!(share::stopping());
        assert!(poll_once(&mut stopping).await.is_none());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(!listener.is_paused());
        let _client = connect(&listener);
        listener.accept().await.unwrap();
    });
}

#[test]
fn who_does_not_wait_takes_what_is_queued_until_the_listener_is_paused() {
    static CELLS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    let tally = Tally::new(&CELLS);
    run(async {
        let (listener, share, kept) = handed_out(Some(tally)).await;
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let told = Arc::new(AtomicUsize::new(0));
        share.on_first_wait({
            let told = Arc::clone(&told);
            move || told.store(1, Relaxed)
        });
        let _client = connect(&listener);
        let accepted = listener.try_accept().unwrap();
        assert_eq!((tally.accepted(), tally.closed(), told.load(Relaxed)), (1, 0, 1));
        drop(accepted);
        share.pause();
        let _late = connect(&listener);
        assert_eq!(listener.try_accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        kept.set_nonblocking(true).unwrap();
        kept.accept().expect("it was left to others");
    });
}

#[test]
fn what_binds_and_what_stops_may_be_sent() {
    fn assert_send<T: Send>(future: T) -> T {
        future
    }
    run(async {
        drop(assert_send(TcpListener::bind("127.0.0.1:0")));
        drop(assert_send(UnixListener::bind("path")));
        drop(assert_send(UnixStream::connect("path")));
        drop(assert_send(share::stopping()));
    });
}

#[test]
fn a_supervisor_that_hands_out_the_wrong_thing_is_refused() {
    struct Muddled;
    impl ListenerSource for Muddled {
        fn bind(&self, _: Place) -> LocalBoxFuture<'static, io::Result<Shared>> {
            let (_, fd) = slot();
            Box::pin(future::ready(Shared::new(fd, None)))
        }
    }
    run(async {
        share::install(Rc::new(Muddled));
        let error = UnixListener::bind("anywhere").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("wrong family"), "{error}");
        TcpListener::bind("127.0.0.1:0").await.unwrap();
    });
}

#[test]
fn only_listening_stream_sockets_are_handed_out_or_adopted() {
    let folder = Folder::new();
    run(async {
        let (_listener, share, _kept) = handed_out(None).await;
        let wrong: Vec<(OwnedFd, &str)> = vec![
            (io::pipe().unwrap().0.into(), "no socket"),
            (net::UdpSocket::bind("127.0.0.1:0").unwrap().into(), "not one for streams"),
            (unix::net::UnixDatagram::unbound().unwrap().into(), "not one for streams"),
            (unix::net::UnixStream::pair().unwrap().0.into(), "does not listen"),
            (
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap().into(),
                "does not listen",
            ),
        ];
        for (fd, complaint) in wrong {
            let error = share.adopt(1, fd.try_clone().unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains(complaint), "{error} is not about {complaint}");
            assert!(Shared::new(fd, None).is_err());
        }
        let of_unix = unix::net::UnixListener::bind(folder.path("listener")).unwrap();
        let error = share.adopt(1, of_unix.into()).unwrap_err();
        assert!(error.to_string().contains("wrong family"), "{error}");
    });
}

#[test]
fn a_paused_listener_leaves_connections_to_others() {
    run_with(|reactor| async move {
        let (listener, share, kept) = handed_out(None).await;
        let accepting = spawn(async move { listener.accept().await });
        until_waiting(&reactor, 1).await;
        // The event has come, and the task is ready to run, when it is paused.
        let client = connect(&kept);
        until_all_woken(&reactor);
        share.pause();
        assert!(share.is_paused());
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(!accepting.is_finished());
        assert_eq!(reactor.waiters(), 0, "no connection that is somebody else's wakes it");
        let (_stream, peer) = kept.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn a_paused_accept_ends_when_the_listener_is_closed() {
    run(async {
        let (listener, share, _kept) = handed_out(None).await;
        share.pause();
        let listener = Rc::new(listener);
        let accepting = spawn({
            let listener = Rc::clone(&listener);
            async move { listener.accept().await.unwrap_err() }
        });
        yield_now().await;
        listener.close();
        assert_eq!(accepting.await.unwrap().downcast::<HandleError>().unwrap(), HandleError::Closed);
    });
}

#[test]
fn the_last_round_takes_what_is_queued_and_no_more() {
    run_with(|reactor| async move {
        let (listener, share, kept) = handed_out(None).await;
        let (slot, duplicate) = slot();
        share.adopt(1, duplicate).unwrap();
        // It has waited, so it knows that there is nothing; of what comes then no event has told yet.
        assert!(poll_once(pin!(listener.accept())).await.is_none());
        let clients = [connect(&kept), connect(&kept), connect(&slot)];
        share.sweep_then_pause();
        assert!(!listener.is_paused());
        for client in &clients {
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
        assert!(poll_once(pin!(listener.accept())).await.is_none());
        assert!(listener.is_paused());
        let _late = connect(&kept);
        assert!(poll_once(pin!(listener.accept())).await.is_none());
        assert_eq!(reactor.waiters(), 0);
        kept.accept().unwrap();
        // Pausing twice changes nothing, nor does another round.
        share.sweep_then_pause();
        assert!(listener.is_paused());
        share.pause();
        assert!(listener.is_paused());
    });
}

#[test]
fn the_last_round_wakes_who_waits_and_ends_under_load() {
    run_with(|reactor| async move {
        let (listener, share, kept) = handed_out(None).await;
        let count = Rc::new(Cell::new(0));
        let accepting = spawn({
            let (count, kept) = (Rc::clone(&count), kept.try_clone().unwrap());
            async move {
                loop {
                    let accepted = listener.accept().await.unwrap();
                    count.set(count.get() + 1);
                    // For each that is served another one comes. Reset, or the ports would run out.
                    let next = connect(&kept);
                    socket2::SockRef::from(&next).set_linger(Some(Duration::ZERO)).unwrap();
                    drop(accepted);
                }
            }
        });
        until_waiting(&reactor, 1).await;
        let _first = connect(&kept);
        share.sweep_then_pause();
        while !share.is_paused() {
            yield_now().await;
        }
        assert_eq!(count.get(), 4096);
        assert!(!accepting.is_finished());
    });
}

#[test]
fn a_server_that_ends_takes_in_a_shared_queue_only_if_nobody_else_will() {
    for last in [false, true] {
        run_with(|reactor| async move {
            let (listener, share, kept) = handed_out(None).await;
            let (slot, duplicate) = slot();
            share.adopt(1, duplicate).unwrap();
            let server = Server::from_listener(listener);
            let serving = spawn(server.serve(async |_stream, _peer| ()));
            until_waiting(&reactor, 2).await;
            let clients = [connect(&kept), connect(&slot), connect(&kept)];
            if last {
                share.sweep_then_pause();
            }
            server.stop_accepting();
            let drained = serving.await.unwrap().unwrap();
            assert_eq!(drained.finished, if last { 3 } else { 0 });
            kept.set_nonblocking(true).unwrap();
            let left = kept.accept();
            assert_eq!(left.is_ok(), !last, "{left:?}");
            drop(clients);
        });
    }
}

#[test]
fn a_server_stops_with_its_worker_and_cuts_when_that_has_counted() {
    static CELLS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    /// One that says when to cut.
    struct Teller(Supervisor, Rc<Event>);

    impl ListenerSource for Teller {
        fn bind(&self, place: Place) -> LocalBoxFuture<'static, io::Result<Shared>> {
            self.0.bind(place)
        }
        fn stopping(&self) -> LocalBoxFuture<'static, Stop> {
            self.0.stopping()
        }
        fn cutting(&self, stop: Stop) -> LocalBoxFuture<'static, ()> {
            assert_eq!(stop, Stop::within(Duration::from_secs(30)));
            let cuts = Rc::clone(&self.1);
            Box::pin(async move { cuts.wait().await })
        }
    }

    on_virtual_clock(|reactor| async move {
        let tally = Tally::new(&CELLS);
        let supervisor = Supervisor { tally: Some(tally), ..Supervisor::default() };
        let teller = Rc::new(Teller(supervisor, Rc::default()));
        share::install(teller.clone());
        let (server, serving, clients) = server_with_a_straggler(&reactor).await;
        teller.0.shares.borrow()[0].pause();
        teller.0.has_stopped.set();
        advance(Duration::from_secs(40)).await;
        assert!(server.is_draining());
        // Now the worker counts.
        assert_eq!((tally.accepted(), tally.closed(), server.connections()), (2, 1, 1));
        teller.1.set();
        let now = Instant::now();
        let drained = serving.await.unwrap().unwrap();
        assert_eq!(Instant::now(), now);
        assert_eq!((drained.finished, drained.forced.len()), (1, 1));
        assert_eq!(drained.forced[0].peer, clients[1].local_addr().unwrap());
        assert_eq!(tally.closed(), 2);
    });
}

#[test]
fn a_server_cuts_at_the_end_of_the_grace_period_if_nobody_tells_it_to() {
    on_virtual_clock(|reactor| async move {
        let supervisor = Rc::new(Supervisor::default());
        share::install(supervisor.clone());
        let (server, serving, _clients) = server_with_a_straggler(&reactor).await;
        supervisor.has_stopped.set();
        advance(Duration::from_millis(29_999)).await;
        assert_eq!(server.connections(), 1);
        advance(Duration::from_millis(1)).await;
        let now = Instant::now();
        let drained = serving.await.unwrap().unwrap();
        assert_eq!(Instant::now(), now);
        assert_eq!((drained.finished, drained.forced.len()), (1, 1));
    });
}

fn on_virtual_clock<F: Future<Output = ()>>(story: impl FnOnce(Rc<Reactor>) -> F) {
    let reactor = Reactor::new().unwrap();
    let executor =
        Executor::builder().park(reactor.clone()).extension(reactor.clone()).clock(Clock::paused()).build();
    executor.block_on(story(reactor));
}

/// A server with two clients: the first leaves when it is to, the second never.
async fn server_with_a_straggler(
    reactor: &Reactor,
) -> (Server, JoinHandle<io::Result<Drained>>, [net::TcpStream; 2]) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let control = server.clone();
    let serving =
        spawn(server.serve(async move |stream: TcpStream, _peer| match stream.read(&mut [0]).await {
            Ok(1) => future::pending().await,
            _ => control.draining().await,
        }));
    let address = server.local_addr().unwrap();
    let [polite, mut stuck] = [(); 2].map(|()| net::TcpStream::connect(address).unwrap());
    polite.shutdown(net::Shutdown::Write).unwrap();
    stuck.write_all(b"!").unwrap();
    while server.connections() < 2 {
        yield_now().await;
    }
    until_waiting(reactor, 1).await;
    (server, serving, [polite, stuck])
}

#[test]
fn an_adopted_socket_is_served_beside_our_own_and_given_back() {
    run_with(|reactor| async move {
        let (listener, share, kept) = handed_out(None).await;
        let (slot, duplicate) = slot();
        let accepted = Rc::new(RefCell::new(Vec::new()));
        let accepting = spawn({
            let accepted = Rc::clone(&accepted);
            async move {
                loop {
                    let (stream, peer) = listener.accept().await.unwrap();
                    accepted.borrow_mut().push((stream.local_addr().unwrap(), peer));
                }
            }
        });
        let until_accepted = async |count| {
            while accepted.borrow().len() < count {
                yield_now().await;
            }
            std::mem::take(&mut *accepted.borrow_mut())
        };
        until_waiting(&reactor, 1).await;
        let waited = connect(&slot);
        share.adopt(7, duplicate).unwrap();
        let served = until_accepted(1).await;
        assert_eq!(served, [(address_of(&slot), waited.local_addr().unwrap())]);

        // Neither queue is forgotten for the other: of six from each, none waits for more than two of the other's.
        until_waiting(&reactor, 2).await;
        let _clients: Vec<_> = (0..12).map(|n| connect(if n < 6 { &kept } else { &slot })).collect();
        let served = until_accepted(12).await;
        let own: Vec<bool> = served.iter().map(|(local, _)| *local == address_of(&kept)).collect();
        assert_eq!(own.iter().filter(|own| **own).count(), 6);
        assert!(own[..3].contains(&true) && own[..3].contains(&false), "{own:?}");

        share.release(7);
        until_waiting(&reactor, 1).await;
        assert_eq!(reactor.registered(), 1);
        let given_back = connect(&slot);
        let _own = connect(&kept);
        assert_eq!(until_accepted(1).await[0].0, address_of(&kept));
        assert_eq!(slot.accept().unwrap().1, given_back.local_addr().unwrap());
        accepting.cancel();
    });
}

#[test]
fn a_hand_written_acceptor_serves_an_adopted_socket_and_pauses() {
    run_with(|reactor| async move {
        let (listener, share, kept) = handed_out(None).await;
        let (slot, duplicate) = slot();
        let accepting = spawn(async move {
            let (stream, _) = future::poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            let local = stream.local_addr().unwrap();
            (local, future::poll_fn(|cx| listener.poll_accept(cx)).await)
        });
        until_waiting(&reactor, 1).await;
        let _client = connect(&slot);
        share.adopt(1, duplicate).unwrap();
        // It has been served, and waits for both again.
        until_waiting(&reactor, 2).await;
        share.pause();
        until_waiting(&reactor, 0).await;
        let _late = connect(&kept);
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(!accepting.is_finished());
        kept.accept().unwrap();
        slot.set_nonblocking(true).unwrap();
        assert_eq!(slot.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_handle_may_be_used_from_another_thread() {
    run_with(|reactor| async move {
        let (listener, share, _kept) = handed_out(None).await;
        let (slot, duplicate) = slot();
        let accepting = spawn(async move {
            let first = listener.accept().await.unwrap();
            (first, listener)
        });
        until_waiting(&reactor, 1).await;
        let _client = connect(&slot);
        let elsewhere = share.clone();
        spawn_blocking(move || elsewhere.adopt(1, duplicate).unwrap()).await.unwrap();
        let ((stream, _), listener) = accepting.await.unwrap();
        assert_eq!(stream.local_addr().unwrap(), address_of(&slot));
        spawn_blocking(move || share.pause()).await.unwrap();
        assert!(listener.is_paused());
    });
}

#[test]
fn sockets_are_let_go_with_a_pause_and_with_the_listener() {
    run_with(|reactor| async move {
        let (listener, share, _kept) = handed_out(None).await;
        let (taken, duplicate) = slot();
        share.adopt(1, duplicate).unwrap();
        assert!(poll_once(pin!(listener.accept())).await.is_none());
        assert_eq!(reactor.registered(), 2);
        share.pause();
        assert!(poll_once(pin!(listener.accept())).await.is_none());
        assert_eq!(reactor.registered(), 1);
        // What comes later is not even kept: the slot's last descriptor closes it.
        let address = address_of(&taken);
        share.adopt(2, taken.into()).unwrap();
        assert_eq!(net::TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        drop(listener);
        assert_eq!(reactor.registered(), 0);

        // A listener that is gone serves nobody either.
        let (listener, share, _kept) = handed_out(None).await;
        let ((one, first), (two, second)) = (slot(), slot());
        share.adopt(1, first).unwrap();
        assert!(!share.is_paused());
        drop(listener);
        assert!(share.is_paused());
        share.adopt(2, second).unwrap();
        for slot in [one, two] {
            let address = address_of(&slot);
            drop(slot);
            assert_eq!(net::TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn who_asks_first_is_noticed_once() {
    run_with(|reactor| async move {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = || {
            let calls = Arc::clone(&calls);
            move || {
                calls.fetch_add(1, Relaxed);
            }
        };
        let (listener, share, kept) = handed_out(None).await;
        share.on_first_wait(count());
        yield_now().await;
        assert_eq!(calls.load(Relaxed), 0, "nobody accepts yet");
        let accepting = spawn(async move {
            listener.accept().await.unwrap();
            listener.accept().await.unwrap();
        });
        until_waiting(&reactor, 1).await;
        assert_eq!(calls.load(Relaxed), 1);
        let _clients = [connect(&kept), connect(&kept)];
        accepting.await.unwrap();
        assert_eq!(calls.load(Relaxed), 1);
        share.on_first_wait(count());
        assert_eq!(calls.load(Relaxed), 2, "it is over, so at once");

        // One that need not wait counts too.
        let (listener, share, kept) = handed_out(None).await;
        share.on_first_wait(count());
        let _client = connect(&kept);
        listener.accept().await.unwrap();
        assert_eq!(calls.load(Relaxed), 3);
    });
}

#[test]
fn connections_are_counted_from_accept_to_close() {
    static CELLS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    let tally = Tally::new(&CELLS);
    let counts = move || (tally.accepted(), tally.closed());
    run(async {
        let (listener, share, kept) = handed_out(Some(tally)).await;
        let _clients: Vec<_> = (0..4).map(|_| connect(&kept)).collect();
        let accept = async || listener.accept().await.unwrap().0;
        let first = accept().await;
        assert_eq!(counts(), (1, 0));
        drop(first);
        assert_eq!(counts(), (1, 1));

        let (reader, writer) = accept().await.into_split();
        drop(writer);
        assert_eq!(counts(), (2, 1));
        drop(reader);
        assert_eq!(counts(), (2, 2));

        let (reader, writer) = accept().await.into_split();
        let third = reader.reunite(writer).unwrap();
        assert_eq!(counts(), (3, 2));
        let third = third.into_std();
        assert_eq!(counts(), (3, 3), "its end we do not see");
        drop(TcpStream::from_std(third).unwrap());
        assert_eq!(counts(), (3, 3));

        // In an adopted socket's queue too, and also if it ends in an error.
        let (slot, duplicate) = slot();
        let _client = connect(&slot);
        share.adopt(1, duplicate).unwrap();
        let (one, two) = (accept().await, accept().await);
        assert_eq!(counts(), (5, 3));
        let _ = one.graceful_close_within(Duration::ZERO).await;
        assert_eq!(counts(), (5, 4));
        drop(two);
        assert_eq!(counts(), (5, 5));

        // Those that nobody shares are in nobody's books.
        let private = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let private = TcpListener::from_std(private).unwrap();
        let _client = TcpStream::connect(private.local_addr().unwrap()).await.unwrap();
        drop(private.accept().await.unwrap());
        assert_eq!(counts(), (5, 5));
    });
}

/// A waker whose copies can be counted.
struct Watched;

impl Wake for Watched {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn an_accept_that_is_dropped_leaves_no_trace_in_the_share() {
    run_with(|reactor| async move {
        let (listener, share, _kept) = handed_out(None).await;
        let (_slot, duplicate) = slot();
        share.adopt(1, duplicate).unwrap();
        let watched = Arc::new(Watched);
        let waker = Waker::from(Arc::clone(&watched));
        for paused in [false, true] {
            if paused {
                share.pause();
            }
            let mut accepts: Vec<_> = (0..3).map(|_| Box::pin(listener.accept())).collect();
            for accept in accepts.iter_mut().chain([]) {
                assert!(accept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                assert!(accept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            assert!(Arc::strong_count(&watched) > 2);
            drop(accepts);
            assert_eq!(Arc::strong_count(&watched), 2, "somebody still holds the waker");
            assert_eq!(reactor.waiters(), 0);
        }
    });
}

#[test]
fn slots_of_one_address_have_queues_of_their_own() {
    let first = share::open(&anywhere(), true).unwrap();
    let place = first.place().unwrap();
    let second = share::open(&place, true).unwrap();
    assert_eq!(second.place().unwrap(), place);
    let error = share::open(&place, false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&place.to_string()), "{error}");
}
