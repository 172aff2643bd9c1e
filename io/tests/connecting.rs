//! Stories of connecting. They count descriptors, so they take turns.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::{
    Executor, Park, spawn, spawn_blocking,
    task::yield_now,
    time::{Clock, advance},
};
use runtime_io::{
    Reactor,
    net::{CONNECT_STAGGER, TcpListener, TcpSocket, TcpStream, lookup_host},
};
use std::{
    io::ErrorKind,
    net::{self, SocketAddr},
    os::fd::{AsFd, AsRawFd},
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};
use support::{open_descriptors, pair_with_std, run, run_with, until_waiting};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A listener whose queue is full: the kernel leaves further connections waiting.
struct Busy {
    address: SocketAddr,
    _listener: net::TcpListener,
    _queued: Vec<net::TcpStream>,
}

fn busy() -> Busy {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let listener = net::TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    // A queue of length 0 takes one.
    let queued = vec![net::TcpStream::connect(address).unwrap()];
    Busy { address, _listener: listener, _queued: queued }
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_refusal_names_the_address() {
    let _alone = alone();
    run(async {
        let address = nobody();
        let before = open_descriptors();
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn addresses_are_tried_in_turn() {
    let _alone = alone();
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[nobody(), there, nobody()][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);

        let (one, last) = (nobody(), nobody());
        let error = TcpStream::connect(&[one, last][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        for address in [one, last] {
            assert!(error.to_string().contains(&address.to_string()), "{error}");
        }
        let none: &[SocketAddr] = &[];
        assert_eq!(TcpStream::connect(none).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

/// Tells a story in virtual time, which stands still while somebody waits for a socket.
fn in_virtual_time<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
    let reactor = Reactor::new().unwrap();
    let executor =
        Executor::builder().clock(Clock::paused()).park(reactor.clone()).extension(reactor.clone());
    executor.build().block_on(story(reactor))
}

const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn an_address_that_does_not_answer_is_overtaken_and_closed() {
    let _alone = alone();
    let busy = busy();
    in_virtual_time(|reactor| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let before = open_descriptors();
        let connecting = spawn(async move { TcpStream::connect(&[busy.address, there][..]).await });
        until_waiting(&reactor, 1).await;
        advance(CONNECT_STAGGER - MOMENT).await;
        assert!(!connecting.is_finished());
        assert_eq!(open_descriptors(), before + 1, "the next has its time still to come");
        advance(MOMENT).await;
        let stream = connecting.await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        assert_eq!((open_descriptors(), reactor.waiters()), (before + 1, 0));
    });
}

#[test]
fn a_connect_to_several_addresses_that_is_dropped_closes_them_all() {
    let _alone = alone();
    let busy = [busy(), busy(), busy()];
    in_virtual_time(|reactor| async move {
        let before = open_descriptors();
        let addresses = busy.each_ref().map(|busy| busy.address);
        for begun in 1..=3 {
            let connecting = spawn(async move { TcpStream::connect(&addresses[..]).await });
            until_waiting(&reactor, 1).await;
            for number in 2..=begun {
                advance(CONNECT_STAGGER).await;
                until_waiting(&reactor, number).await;
            }
            assert_eq!(open_descriptors(), before + begun);
            assert!(connecting.cancel_and_wait().await.unwrap_err().is_cancelled());
            assert_eq!((open_descriptors(), reactor.registered()), (before, 0));
        }
    });
}

#[test]
fn a_name_leads_to_whichever_of_its_addresses_answers() {
    let _alone = alone();
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = listener.local_addr().unwrap();
        let stream = TcpStream::connect(("localhost", there.port())).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
    });
}

#[test]
fn a_refusal_that_comes_later_is_told_as_one_that_comes_at_once() {
    let _alone = alone();
    let busy = busy();
    run_with(|reactor| async move {
        let address = busy.address;
        let before = open_descriptors();
        let connecting = spawn(async move { TcpStream::connect(address).await });
        until_waiting(&reactor, 1).await;
        // The system asks once more after a second, and is refused then.
        drop(busy);
        let error = connecting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert_eq!((reactor.registered(), open_descriptors()), (0, before - 2));
    });
}

#[test]
fn a_look_up_that_is_dropped_leaves_the_pool_to_others() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let executor = Executor::builder().blocking_threads(1).park(reactor.clone()).extension(reactor).build();
    executor.block_on(async {
        let (open, gate) = mpsc::channel();
        let occupied = spawn_blocking(move || gate.recv().unwrap());
        let mut dropped = Box::pin(lookup_host("localhost:1"));
        assert!(poll_once(&mut dropped).await.is_none());
        drop(dropped);
        let mut wanted = Box::pin(lookup_host("localhost:2"));
        assert!(poll_once(&mut wanted).await.is_none());
        open.send(()).unwrap();
        occupied.await.unwrap();
        assert!(wanted.await.unwrap().all(|address| address.port() == 2));
        for _ in 0..20 {
            // At whatever point the thread is.
            assert!(poll_once(Box::pin(TcpStream::connect("localhost:1"))).await.is_none());
        }
        assert_eq!(spawn_blocking(|| "a free thread").await.unwrap(), "a free thread");
    });
}

#[test]
fn a_connect_that_is_dropped_closes_its_socket() {
    let _alone = alone();
    let busy = busy();
    run_with(|reactor| async move {
        let before = open_descriptors();
        let mut connecting = Box::pin(TcpStream::connect(busy.address));
        assert!(poll_once(&mut connecting).await.is_none());
        assert_eq!((reactor.registered(), open_descriptors()), (1, before + 1));
        drop(connecting);
        assert_eq!((reactor.registered(), open_descriptors()), (0, before));
    });
}

#[test]
fn a_connect_that_takes_too_long_is_given_up() {
    let _alone = alone();
    let busy = busy();
    run_with(|reactor| async move {
        let before = open_descriptors();
        let error = TcpStream::connect_timeout(busy.address, Duration::from_millis(30)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!((reactor.registered(), open_descriptors()), (0, before));
    });
}

#[test]
fn a_cancelled_accept_closes_nothing_but_itself() {
    let _alone = alone();
    run_with(|reactor| async move {
        let before = open_descriptors();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for _ in 0..3 {
            assert!(poll_once(Box::pin(listener.accept())).await.is_none());
        }
        drop(listener);
        assert_eq!((reactor.registered(), open_descriptors()), (0, before));
    });
}

#[test]
fn a_socket_dropped_on_another_thread_leaves_the_selector_though_somebody_holds_it() {
    let _alone = alone();
    run_with(|reactor| async move {
        let (ours, _theirs) = pair_with_std().await;
        assert!(poll_once(ours.read(&mut [0; 1])).await.is_none());
        let number = ours.as_raw_fd();
        let held = ours.as_fd().try_clone_to_owned().unwrap();
        spawn_blocking(move || drop(ours)).await.unwrap();
        while reactor.registered() > 0 {
            yield_now().await;
        }
        // The same open file under the same number: the selector would say that it has it already.
        let again = held.try_clone().unwrap();
        assert_eq!(again.as_raw_fd(), number);
        let again = TcpStream::try_from(again).unwrap();
        assert!(poll_once(again.read(&mut [0; 1])).await.is_none());
    });
}

#[test]
fn a_bound_socket_connects_from_its_address() {
    let _alone = alone();
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let from = socket.local_addr().unwrap();
        let _stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, from);
    });
}
