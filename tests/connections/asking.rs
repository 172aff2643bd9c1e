//! Two ends that trust each other.

use crate::support::{Place, key, loopback, pair, port, tcp_listener};
use runtime::{
    greenlet, join,
    process::{
        Address, Client, ConnectError, Connection, ConnectionError, Descriptor, Key, Listener, Peer, Process,
        Refusal,
    },
    spawn,
    task::yield_now,
    time::{Duration, timeout},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{Read, Write, pipe},
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, PermissionsExt},
    },
    thread,
};

#[derive(Serialize, Deserialize, PartialEq, Clone, Debug)]
enum Question {
    Sum(Vec<u32>),
    Name { of: String },
    Nothing,
}

/// Listeners of both kinds.
fn listeners(place: &Place) -> [Listener; 2] {
    [Listener::bind(place.socket()).unwrap(), tcp_listener()]
}

#[runtime::test]
async fn values_go_both_ways_and_the_end_is_told() {
    let place = Place::new();
    for mut listener in listeners(&place) {
        let (mut server, mut client) = pair::<u32, Question>(&mut listener).await;
        let asked = [Question::Sum(vec![1, 2]), Question::Nothing, Question::Name { of: "ä".to_owned() }];
        for question in &asked {
            client.send(question).await.unwrap();
        }
        for (n, question) in (0_u32..).zip(&asked) {
            assert_eq!(server.recv().await.unwrap(), *question);
            server.send(&n).await.unwrap();
        }
        drop(server);
        assert_eq!([client.recv().await.unwrap(), client.recv().await.unwrap()], [0, 1]);
        assert_eq!(client.recv().await.unwrap(), 2);
        for _ in 0..2 {
            assert!(matches!(client.recv().await, Err(ConnectionError::Closed)));
        }
        assert!(matches!(client.try_recv(), Err(ConnectionError::Closed)));
    }
}

#[runtime::test]
async fn long_messages_arrive_in_full_beside_short_ones_and_those_without_bytes() {
    let place = Place::new();
    for mut listener in listeners(&place) {
        let (mut server, mut client) = pair::<(), String>(&mut listener).await;
        // A string, which is copied in one piece.
        let long: String = (0..16 << 20).map(|n: u32| char::from((n * 31 % 127) as u8)).collect();
        let sent = async {
            for message in [&long[..], "", "x", &long[..70_000], &long[..16_384]] {
                client.send(&message.to_owned()).await.unwrap();
            }
        };
        let received = async {
            for len in [long.len(), 0, 1, 70_000, 16_384] {
                let message = server.recv().await.unwrap();
                assert!(message.len() == len && (len == 1 || message[..] == long[..len]), "{len}");
            }
        };
        join!(sent, received);
        // A value of no bytes at all is a message too.
        server.send(&()).await.unwrap();
        client.recv().await.unwrap();
    }
}

#[runtime::test]
async fn each_end_knows_who_the_other_is() {
    let place = Place::new();
    let [mut unix, mut tcp] = listeners(&place);
    let (server, client) = pair::<(), ()>(&mut unix).await;
    for end in [server.peer(), client.peer()] {
        let Peer::Unix(peer) = end else { panic!("{end:?}") };
        assert_eq!(peer.user(), runtime_io::owner::own_user());
    }
    let (server, client) = pair::<(), ()>(&mut tcp).await;
    assert_eq!(client.peer(), Peer::Tcp(port(&tcp)));
    assert!(matches!(server.peer(), Peer::Tcp(address) if address.ip().is_loopback()));
}

#[runtime::test]
async fn descriptors_travel_on_a_path_and_nowhere_else() {
    let place = Place::new();
    let [mut unix, mut tcp] = listeners(&place);
    let (mut reader, writer) = pipe().unwrap();
    let parcel = ("a pipe".to_owned(), Descriptor(writer.into()));

    let (mut server, mut client) = pair::<(), (String, Descriptor)>(&mut tcp).await;
    let error = client.send(&parcel).await.unwrap_err();
    assert!(matches!(&error, ConnectionError::Encode(why) if why.contains("over TCP")), "{error}");
    server.send(&()).await.unwrap();
    client.recv().await.unwrap();

    let (mut server, mut client) = pair::<(), (String, Descriptor)>(&mut unix).await;
    client.send(&parcel).await.unwrap();
    drop(parcel);
    let (name, end) = server.recv().await.unwrap();
    assert_eq!(name, "a pipe");
    File::from(OwnedFd::from(end)).write_all(b"through it").unwrap();
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(said, "through it");
}

#[runtime::test]
async fn what_the_other_end_does_not_take_is_not_sent_and_ends_nothing() {
    let place = Place::new();
    for builder in [Listener::builder().max_message(1000), Listener::builder().max_message(1000).key(key())] {
        let mut listener = match builder.clone().bind(loopback()) {
            Ok(listener) => listener,
            Err(_) => builder.bind(place.socket()).unwrap(),
        };
        let (mut server, mut client) = pair::<Vec<u8>, Vec<u8>>(&mut listener).await;
        // Two bytes say how long it is.
        let error = client.send(&vec![1; 999]).await.unwrap_err();
        assert!(matches!(error, ConnectionError::TooLong { bytes: 1001, most: 1000 }), "{error}");
        client.send(&vec![1; 998]).await.unwrap();
        assert_eq!(server.recv().await.unwrap().len(), 998);
        server.send(&vec![1; 5000]).await.unwrap();
        assert_eq!(client.recv().await.unwrap().len(), 5000, "the client takes more");
    }
}

#[runtime::test]
async fn what_is_no_value_of_the_type_that_is_expected_is_an_error_of_its_own() {
    let place = Place::new();
    for mut listener in listeners(&place) {
        let address = listener.address().clone();
        let client = Client::builder();
        let client = if matches!(address, Address::Tcp(_)) { client.key(key()) } else { client };
        let client = spawn(async move {
            let mut client: Connection<Vec<u8>, ()> = client.connect(address).await.unwrap();
            client.send(&vec![0xFF; 3]).await.unwrap();
            client.send(&vec![2]).await.unwrap();
            client
        });
        let mut server: Connection<(), Question> = listener.accept().await.unwrap();
        let error = server.recv().await.unwrap_err();
        assert!(matches!(error, ConnectionError::Decode(_)), "{error}");
        // A list with one byte, 2, is also a `Name`, but for the string that is missing.
        assert!(matches!(server.recv().await, Err(ConnectionError::Decode(_))));
        drop(client.await.unwrap());
        assert!(matches!(server.recv().await, Err(ConnectionError::Closed)));
    }
}

#[runtime::test]
async fn a_cancelled_receive_loses_nothing_and_a_cancelled_send_leaves_no_half() {
    let place = Place::new();
    for mut listener in listeners(&place) {
        let (mut server, mut client) = pair::<(), (u32, Vec<u8>)>(&mut listener).await;
        let mut begun = 0;
        // Nobody receives, so sends get stuck: some before their first byte, one in the middle.
        while timeout(Duration::ZERO, client.send(&(begun, vec![7; 50_000]))).await.is_ok() {
            begun += 1;
        }
        for n in 100..110 {
            assert!(timeout(Duration::ZERO, client.send(&(n, vec![]))).await.is_err());
        }
        let sender = spawn(async move {
            client.send(&(1000, vec![1])).await.unwrap();
        });
        let mut received = Vec::new();
        loop {
            match timeout(Duration::ZERO, server.recv()).await {
                Ok(Ok((n, bytes))) => {
                    assert_eq!(bytes.len(), if n < 100 { 50_000 } else { usize::from(n == 1000) });
                    received.push(n);
                }
                Ok(Err(error)) => {
                    assert!(matches!(error, ConnectionError::Closed), "{error}");
                    break;
                }
                Err(_) => yield_now().await,
            }
        }
        sender.await.unwrap();
        assert_eq!(received.pop(), Some(1000));
        // The one that was cancelled in the middle arrived as a whole, or was not sent.
        let whole = u32::try_from(received.len()).unwrap();
        assert_eq!(received, (0..whole).collect::<Vec<_>>());
        assert!(whole == begun || whole == begun + 1, "{whole} of {begun}");
    }
}

#[runtime::test]
async fn halves_work_in_two_tasks_and_the_end_of_one_is_told() {
    let place = Place::new();
    for mut listener in listeners(&place) {
        let (server, client) = pair::<u32, u32>(&mut listener).await;
        let (mut sends, mut receives) = client.into_split();
        let sender = spawn(async move {
            for n in 0..1000 {
                sends.send(&n).await.unwrap();
            }
        });
        let (mut answers, mut questions) = server.into_split();
        let server = spawn(async move {
            let mut count = 0;
            while let Ok(n) = questions.recv().await {
                answers.send(&(n * 2)).await.unwrap();
                count += 1;
            }
            count
        });
        for n in 0..1000 {
            assert_eq!(receives.recv().await.unwrap(), n * 2);
        }
        sender.await.unwrap();
        assert_eq!(server.await.unwrap(), 1000, "it found the end");
        assert!(matches!(receives.recv().await, Err(ConnectionError::Closed)));
    }
}

#[expect(clippy::disallowed_methods, reason = "code that runs in no task")]
fn in_a_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(f)
}

#[test]
fn threads_without_a_runtime_listen_connect_and_talk() {
    let place = Place::new();
    for mut listener in listeners(&place) {
        let address = listener.address().clone();
        let client = in_a_thread(move || {
            let builder = Client::builder();
            let builder = if matches!(address, Address::Tcp(_)) { builder.key(key()) } else { builder };
            let mut client: Connection<Vec<u8>, u64> = builder.blocking_connect(address).unwrap();
            assert!(matches!(client.try_recv(), Err(ConnectionError::WouldBlock)));
            let nothing = client.blocking_recv_timeout(Duration::from_millis(1));
            assert!(matches!(nothing, Err(ConnectionError::TimedOut)));
            for len in [0, 10, 1 << 20] {
                client.blocking_send(&vec![3; len]).unwrap();
                assert_eq!(client.blocking_recv_timeout(Duration::from_secs(30)).unwrap(), len as u64);
            }
        });
        let mut server: Connection<u64, Vec<u8>> = listener.blocking_accept().unwrap();
        while let Ok(bytes) = server.blocking_recv() {
            server.blocking_send(&(bytes.len() as u64)).unwrap();
        }
        client.join().unwrap();
    }
}

#[runtime::test]
async fn in_greenlets_only_the_greenlet_waits() {
    let place = Place::new();
    let mut listener = Listener::bind(place.socket()).unwrap();
    let client = greenlet::spawn({
        let path = place.socket();
        move || {
            let mut client: Connection<u8> = Client::blocking_connect(path).unwrap();
            client.blocking_send(&7).unwrap();
            client.blocking_recv_timeout(Duration::from_secs(30)).unwrap()
        }
    });
    let server = greenlet::spawn(move || {
        let mut server: Connection<u8> = listener.blocking_accept().unwrap();
        let asked = server.blocking_recv().unwrap();
        server.blocking_send(&(asked + 1)).unwrap();
    });
    // On one thread, both of them.
    assert_eq!(client.await.unwrap(), 8);
    server.await.unwrap();
}

fn ask_from_a_child(address: Address, key: Key) -> Result<String, String> {
    let client = Client::builder().key(key);
    let mut line: Connection<u32, String> = client.blocking_connect(address).map_err(|e| e.to_string())?;
    line.blocking_send(&runtime::process::current().pid()).map_err(|e| e.to_string())?;
    line.blocking_recv().map_err(|e| e.to_string())
}

#[runtime::test]
async fn a_child_gets_a_key_as_an_argument_and_connects() {
    let key = Key::random().unwrap();
    let mut listener = Listener::builder().key(key.clone()).bind(loopback()).unwrap();
    let child = Process::spawn(ask_from_a_child, (listener.address().clone(), key)).unwrap();
    let mut line: Connection<String, u32> = listener.accept().await.unwrap();
    assert_eq!(line.recv().await.unwrap(), child.pid());
    line.send(&"so you are".to_owned()).await.unwrap();
    assert_eq!(child.join().await.unwrap(), Ok("so you are".to_owned()));

    let other = Key::random().unwrap();
    let child = Process::spawn(ask_from_a_child, (listener.address().clone(), other)).unwrap();
    let nobody = listener.accept::<(), ()>();
    let refused = runtime::select! {
        said = child.join() => said.unwrap(),
        _connection = nobody => panic!("with another key"),
    };
    assert_eq!(refused, Err("the two ends have different keys".to_owned()));
    assert_eq!((listener.refused(), listener.last_refusal()), (1, Some(&Refusal::WrongKey)));
}

#[runtime::test]
async fn a_path_is_private_taken_once_and_given_up() {
    let place = Place::new();
    let path = place.socket();
    let listener = Listener::bind(&path).unwrap();
    assert_eq!(*listener.address(), Address::Unix(path.clone()));
    let found = fs::symlink_metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&place.0).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(Listener::bind(&path).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(listener);
    assert!(!path.exists());
    // Left behind by somebody who was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(Listener::bind(&path).unwrap());
    assert!(!path.exists());
    let error = Client::connect::<(), ()>(&path).await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Io(error) if error.kind() == std::io::ErrorKind::NotFound),
        "{error}"
    );
}

#[runtime::test]
async fn tcp_without_a_key_is_refused_on_both_sides() {
    let listener = Listener::bind(loopback()).unwrap_err();
    assert_eq!(listener.kind(), std::io::ErrorKind::InvalidInput);
    assert!(listener.to_string().contains("needs a key"), "{listener}");
    let error = Client::connect::<(), ()>(loopback()).await.unwrap_err();
    assert!(error.to_string().contains("needs a key"), "{error}");
    assert!(Client::blocking_connect::<(), ()>(loopback()).unwrap_err().to_string().contains("needs a key"));
}
