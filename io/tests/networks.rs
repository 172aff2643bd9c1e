//! Stories of a network that is not what it should be: without ports, without a way, with a full queue. Each has a network
//! of its own, in a process of its own; where the system allows none, it says SKIPPED.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::spawn;
use runtime_io::net::{Shutdown, TcpListener, TcpSocket, TcpStream};
use std::{fs, io::ErrorKind};
use support::{
    open_descriptors, read_to_end, run,
    sys::{in_forked_child, leave_the_network, switch_loopback},
};

/// A test that cannot be made here.
const SKIPPED: i32 = 77;

fn alone_in_a_network(story: impl FnOnce()) {
    let ended = in_forked_child(|| {
        if !leave_the_network() {
            return SKIPPED;
        }
        story();
        0
    });
    match ended {
        SKIPPED => println!("SKIPPED: this process may not have a network of its own"),
        status => assert_eq!(status, 0),
    }
}

fn set(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
}

#[test]
fn without_a_port_to_come_from_there_is_no_connection_and_no_descriptor() {
    alone_in_a_network(|| {
        set("ipv4/ip_local_port_range", "40000 40003");
        run(async {
            let listener = TcpListener::bind("127.0.0.1:9").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut connected = Vec::new();
            let before = open_descriptors();
            let refusal = loop {
                match TcpStream::connect(address).await {
                    Ok(stream) => connected.push(stream),
                    Err(refusal) => break refusal,
                }
            };
            assert_eq!(refusal.kind(), ErrorKind::AddrNotAvailable);
            assert!(refusal.to_string().contains("127.0.0.1:9"), "{refusal}");
            assert_eq!(open_descriptors(), before + connected.len());
            assert!((1..=4).contains(&connected.len()), "{}", connected.len());
            // One that ends first at its own side keeps the port in TIME_WAIT, so theirs ends.
            let (served, _) = listener.accept().await.unwrap();
            drop(served);
            drop(connected.remove(0));
            TcpStream::connect(address).await.unwrap();
        });
    });
}

#[test]
fn a_network_that_was_away_loses_nothing_that_was_sent() {
    alone_in_a_network(|| {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:9").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let echo = spawn(async move {
                let mut buf = [0; 100];
                loop {
                    match server.read(&mut buf).await.unwrap() {
                        0 => return server.shutdown(Shutdown::Write).unwrap(),
                        n => server.write_all(&buf[..n]).await.unwrap(),
                    }
                }
            });
            client.write_all(b"before ").await.unwrap();
            client.read_exact(&mut [0; 7]).await.unwrap();

            assert!(switch_loopback(false));
            client.write_all(b"meanwhile ").await.unwrap();
            let mut newcomer = Box::pin(TcpStream::connect(address));
            assert!(poll_once(&mut newcomer).await.is_none());

            assert!(switch_loopback(true));
            client.write_all(b"after").await.unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_to_end(&client).await.unwrap(), b"meanwhile after");
            echo.await.unwrap();
            newcomer.await.unwrap();
        });
    });
}

#[test]
fn whom_a_full_queue_makes_wait_is_served_when_there_is_room() {
    alone_in_a_network(|| {
        run(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.1:9".parse().unwrap()).unwrap();
            let listener = socket.listen(1).unwrap();
            let address = listener.local_addr().unwrap();
            let clients: Vec<_> = (0..5)
                .map(|_| {
                    spawn(async move {
                        let client = TcpStream::connect(address).await.unwrap();
                        client.write_all(b"?").await.unwrap();
                        client.read_exact(&mut [0; 1]).await.unwrap();
                    })
                })
                .collect();
            for _ in 0..clients.len() {
                let (server, _) = listener.accept().await.unwrap();
                spawn(async move {
                    server.read_exact(&mut [0; 1]).await.unwrap();
                    server.write_all(b"!").await.unwrap();
                })
                .detach();
            }
            for client in clients {
                client.await.unwrap();
            }
        });
    });
}
