//! Somebody stands between two ends that share a key.

use crate::support::{Between, pair_by, port, tcp_listener};
use runtime::{
    process::{Client, ConnectError, Connection, ConnectionError, Refusal},
    spawn,
    time::{Duration, timeout},
};

/// A message of the client: its length, a string of five with its length, a seal.
const MESSAGE_BYTES: usize = 4 + 6 + 32;

#[runtime::test]
async fn who_only_passes_on_is_not_noticed_and_sees_no_key() {
    let mut listener = tcp_listener();
    let between = Between::new(port(&listener)).await;
    let (mut server, mut client) = pair_by::<(), String>(&mut listener, between.address).await;
    client.send(&"hello".to_owned()).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), "hello");
    assert!(!between.heard.borrow().windows(4).any(|bytes| bytes == [7; 4]), "the key is all sevens");
}

#[runtime::test]
async fn a_connection_that_is_cut_at_any_byte_gives_out_no_part_of_a_message() {
    for cut in 0..=2 * MESSAGE_BYTES {
        let mut listener = tcp_listener();
        let between = Between::new(port(&listener)).await;
        let (mut server, mut client) = pair_by::<(), String>(&mut listener, between.address).await;
        let begun = between.heard.borrow().len();
        between.cut_after.set(begun + cut);
        // He reads one byte more before he thinks of it; so the connection ends when there is one.
        let _ = client.send(&"hello".to_owned()).await;
        let _ = client.send(&"again".to_owned()).await;
        let _ = client.send(&"never".to_owned()).await;
        let mut received = Vec::new();
        let end = loop {
            match server.recv().await {
                Ok(message) => received.push(message),
                Err(end) => break end,
            }
        };
        let arrived = between.heard.borrow().len() - begun;
        assert_eq!(received, ["hello", "again", "never"][..arrived / MESSAGE_BYTES], "cut at {cut}");
        match arrived % MESSAGE_BYTES {
            0 => assert!(matches!(end, ConnectionError::Closed), "cut at {cut}: {end}"),
            _ => assert!(matches!(end, ConnectionError::Truncated), "cut at {cut}: {end}"),
        }
    }
}

#[runtime::test]
async fn whatever_he_changes_is_noticed() {
    for changed in 0..MESSAGE_BYTES {
        let mut listener = tcp_listener();
        let between = Between::new(port(&listener)).await;
        let (mut server, mut client) = pair_by::<(), String>(&mut listener, between.address).await;
        between.change.set(Some(between.heard.borrow().len() + changed));
        client.send(&"hello".to_owned()).await.unwrap();
        client.send(&"again".to_owned()).await.unwrap();
        drop(client);
        let error = server.recv().await.unwrap_err();
        match error {
            ConnectionError::Forged => {}
            // He has changed the length: too much, or more than there is.
            ConnectionError::TooLong { .. } | ConnectionError::Truncated => assert!(changed < 4),
            other => panic!("byte {changed}: {other}"),
        }
        assert!(server.recv().await.is_err(), "nothing after it is believed");
    }
}

#[runtime::test]
async fn whatever_he_changes_while_they_get_to_know_each_other_ends_it() {
    for changed in 0.. {
        let mut listener = tcp_listener();
        let between = Between::new(port(&listener)).await;
        between.change.set(Some(changed));
        let address = between.address;
        let key = crate::support::key();
        let client = spawn(async move {
            let client: Result<Connection<(), ()>, _> = Client::builder().key(key).connect(address).await;
            client.map(drop)
        });
        let accepted = async { listener.accept::<(), ()>().await.unwrap() };
        let refused = runtime::select! {
            refused = client => refused.unwrap(),
            _connection = accepted => {
                // The handshake has no more bytes.
                assert_eq!(changed, 1 + 3 + 4 + 32 + 32);
                return;
            }
        };
        let Err(ConnectError::Refused(why)) = refused else { panic!("byte {changed}: {refused:?}") };
        assert_ne!(why, Refusal::Silent, "byte {changed}");
        assert_eq!(listener.refused(), 1);
    }
}

#[runtime::test]
async fn what_was_overheard_opens_no_door() {
    let mut listener = tcp_listener();
    let between = Between::new(port(&listener)).await;
    let (mut server, mut client) = pair_by::<(), String>(&mut listener, between.address).await;
    client.send(&"pay".to_owned()).await.unwrap();
    assert_eq!(server.recv().await.unwrap(), "pay");
    let overheard = between.heard.borrow().clone();

    let replayed = runtime::net::TcpStream::connect(port(&listener)).await.unwrap();
    replayed.write_all(&overheard).await.unwrap();
    let nobody = timeout(Duration::from_millis(100), listener.accept::<(), String>()).await;
    assert!(nobody.is_err());
    assert_eq!((listener.refused(), listener.last_refusal()), (1, Some(&Refusal::WrongKey)));
}
