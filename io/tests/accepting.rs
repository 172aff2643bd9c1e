//! Stories of listeners.

mod support;

use futures_lite::{StreamExt, future::poll_once};
use runtime_executor::{Park, spawn, task::yield_now};
use runtime_io::{
    HandleError,
    net::{TcpListener, TcpSocket, TcpStream},
};
use std::{cell::Cell, io::ErrorKind, net, rc::Rc, sync::Arc, time::Duration};
use support::{run, run_with, until_waiting};

#[test]
fn any_address_form_will_do_and_a_bad_one_is_explained() {
    run(async {
        let v4: net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        for listener in [
            TcpListener::bind(v4).await.unwrap(),
            TcpListener::bind(&[v4][..]).await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind(String::from("127.0.0.1:0")).await.unwrap(),
            TcpListener::bind(("127.0.0.1", 0)).await.unwrap(),
            TcpListener::bind((String::from("127.0.0.1"), 0)).await.unwrap(),
            TcpListener::bind((v4.ip(), 0)).await.unwrap(),
        ] {
            assert_ne!(listener.local_addr().unwrap().port(), 0);
        }
        let error = TcpListener::bind("8080").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("host:port"), "{error}");
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no getaddrinfo")]
fn names_are_looked_up() {
    run(async {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
        let error = TcpStream::connect("no-such-host.invalid:80").await.unwrap_err();
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
    });
}

#[test]
fn an_address_in_use_is_refused_by_name() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no SO_LINGER")]
fn a_peer_that_has_reset_its_connection_does_not_fail_accept() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rude = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket2::SockRef::from(&rude).set_linger(Some(Duration::ZERO)).unwrap();
        drop(rude);
        let polite = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();

        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, polite.local_addr().unwrap());
    });
}

#[test]
#[cfg_attr(miri, ignore = "too many connections for Miri")]
fn a_thousand_connections_from_one_edge_are_all_accepted_and_others_run_between() {
    const CONNECTIONS: usize = 1000;
    support::sys::limit_descriptors(8192);
    run_with(|reactor| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let turns = Rc::new(Cell::new(0));
        let acceptor = spawn({
            let turns = Rc::clone(&turns);
            async move {
                let mut accepted = Vec::new();
                let mut started_at = None;
                while accepted.len() < CONNECTIONS {
                    accepted.push(listener.accept().await.unwrap());
                    started_at.get_or_insert(turns.get());
                }
                turns.get() - started_at.unwrap()
            }
        });
        until_waiting(&reactor, 1).await;
        // All before the reactor's next turn.
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| net::TcpStream::connect(address).unwrap()).collect();
        let other = spawn({
            let turns = Rc::clone(&turns);
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            }
        });
        let turns_between: usize = acceptor.await.unwrap();
        // 128 operations a turn.
        assert!((7..100).contains(&turns_between), "{turns_between} turns");
        other.cancel();
        drop(clients);
    });
}

#[test]
fn a_cancelled_accept_takes_no_connection_and_leaves_no_waiter() {
    run_with(|reactor| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(poll_once(Box::pin(listener.accept())).await.is_none());
        assert_eq!(reactor.waiters(), 0);
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The event comes while nobody waits.
        reactor.park(Some(Duration::from_secs(10))).unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn two_acceptors_share_a_listener() {
    run_with(|reactor| async move {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let acceptors: Vec<_> = (0..2)
            .map(|_| {
                let listener = Rc::clone(&listener);
                spawn(async move { listener.accept().await.unwrap() })
            })
            .collect();
        until_waiting(&reactor, 2).await;
        let first = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // One of them gets it; the other waits on, and is not forgotten.
        until_waiting(&reactor, 1).await;
        let second = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut peers = Vec::new();
        for acceptor in acceptors {
            peers.push(acceptor.await.unwrap().1);
        }
        assert_eq!(peers, [first.local_addr().unwrap(), second.local_addr().unwrap()]);
    });
}

#[test]
fn incoming_connections_are_a_stream() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clients: Vec<_> =
            (0..3).map(|_| net::TcpStream::connect(listener.local_addr().unwrap()).unwrap()).collect();
        let accepted: Vec<_> = listener.incoming().take(3).collect().await;
        for (accepted, client) in accepted.into_iter().zip(&clients) {
            assert_eq!(accepted.unwrap().peer_addr().unwrap(), client.local_addr().unwrap());
        }
    });
}

#[test]
fn a_closed_listener_ends_the_accept_that_waits_on_it() {
    run_with(|reactor| async move {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let acceptor = spawn({
            let listener = Rc::clone(&listener);
            async move { listener.accept().await.unwrap_err() }
        });
        until_waiting(&reactor, 1).await;
        listener.close();
        let error = acceptor.await.unwrap();
        assert_eq!(error.downcast::<HandleError>().unwrap(), HandleError::Closed);
        assert!(listener.accept().await.is_err());
        assert_eq!(reactor.waiters(), 0);
    });
}

#[test]
fn a_listener_may_be_closed_from_another_thread() {
    run_with(|reactor| async move {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let acceptor = spawn({
            let listener = Arc::clone(&listener);
            async move { listener.accept().await.unwrap_err() }
        });
        until_waiting(&reactor, 1).await;
        runtime_executor::spawn_blocking(move || listener.close()).await.unwrap();
        assert_eq!(acceptor.await.unwrap().downcast::<HandleError>().unwrap(), HandleError::Closed);
        assert_eq!(reactor.registered(), 0);
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri knows few options")]
fn options_are_set_before_listening_and_connecting() {
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        assert!(socket.reuseaddr().unwrap());
        socket.set_reuseport(true).unwrap();
        assert!(socket.reuseport().unwrap());
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(16).unwrap();
        listener.set_ttl(42).unwrap();
        assert_eq!(listener.ttl().unwrap(), 42);

        let twin = TcpSocket::new_v4().unwrap();
        twin.set_reuseport(true).unwrap();
        twin.bind(address).unwrap();
        drop(twin.listen(16).unwrap());

        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_keepalive_times(Duration::from_secs(60), Duration::from_secs(10)).unwrap();
        assert!(socket.keepalive().unwrap());
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        socket.set_send_buffer_size(32 * 1024).unwrap();
        socket.set_ttl(33).unwrap();
        socket.set_tos(0x10).unwrap();
        socket.set_linger(Some(Duration::from_secs(1))).unwrap();
        let (send, receive) = (socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap());
        assert!(send >= 32 * 1024 && receive >= 32 * 1024);
        assert_eq!(socket.tos().unwrap(), 0x10);
        let stream = socket.connect(address).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert_eq!(stream.ttl().unwrap(), 33);
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(1)));
        assert!(stream.take_error().unwrap().is_none());
    });
}
