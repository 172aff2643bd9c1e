//! Two ends of ours, and nothing but memory between them.

use crate::authority::Authority;
use futures_lite::future::{poll_once, try_zip};
use runtime::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, DuplexStream, ErrorKind, IoSlice, duplex, split},
    join,
    net::{TcpListener, TcpStream},
    tls::{Acceptor, Connector, TlsStream},
};

async fn connected(room: usize) -> (TlsStream<DuplexStream>, TlsStream<DuplexStream>) {
    let authority = Authority::new();
    let (client, server) = duplex(room);
    let (connector, acceptor) = (authority.connector(), authority.acceptor());
    try_zip(connector.connect("localhost", client), acceptor.accept(server)).await.unwrap()
}

#[runtime::test]
async fn both_sides_hear_what_was_said_and_that_it_was_all() {
    let (mut client, mut server) = connected(1024).await;
    client.write_all(b"what is said").await.unwrap();
    client.close().await.unwrap();
    let mut heard = String::new();
    server.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "what is said");

    // One side has ended, the other may go on.
    server.write_all(b"and answered").await.unwrap();
    server.close().await.unwrap();
    heard.clear();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "and answered");
}

#[runtime::test]
async fn what_is_agreed_on_can_be_asked_for() {
    let authority = Authority::new();
    let (client, server) = duplex(1024);
    let connector = Connector::new(authority.client(&["http/1.1", "h2"]));
    let acceptor = Acceptor::new(authority.server(&["h2", "http/1.1"]));
    let (client, server) =
        try_zip(connector.connect("localhost", client), acceptor.accept(server)).await.unwrap();
    assert_eq!(client.session().alpn_protocol(), Some(&b"h2"[..]), "the server chooses");
    assert_eq!(server.session().alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(server.server_name(), Some("localhost"));
    assert_eq!(client.server_name(), None);
    assert_eq!(client.session().peer_certificates().unwrap().len(), 1);
    let shown = format!("{client:?}");
    assert!(shown.contains("TLSv1_3") && shown.contains("h2"), "{shown}");
}

/// Neither side has room for what the other writes: each has to read while it writes.
#[runtime::test]
async fn long_messages_cross() {
    const LENGTH: usize = 300_000;
    let exchange = async |stream, byte: u8| {
        let (mut reader, mut writer) = split(stream);
        let writing = async {
            writer.write_all(&vec![byte; LENGTH]).await.unwrap();
            writer.close().await.unwrap();
        };
        let mut heard = Vec::new();
        let ((), length) = join!(writing, reader.read_to_end(&mut heard));
        assert_eq!(length.unwrap(), LENGTH);
        heard
    };
    let (client, server) = connected(10_000).await;
    let (from_server, from_client) = join!(exchange(client, b'c'), exchange(server, b's'));
    assert!(from_server.iter().all(|byte| *byte == b's'));
    assert!(from_client.iter().all(|byte| *byte == b'c'));
}

/// A write takes what has no room in the connection yet; whoever waits for an answer first sees it out.
#[runtime::test]
async fn a_flush_sees_out_what_a_write_has_taken() {
    let (mut client, mut server) = connected(1024).await;
    let question = [b'?'; 10_000];
    client.write_all(&question).await.unwrap();
    let mut heard = [0; 10_000];
    let mut hearing = Box::pin(server.read_exact(&mut heard));
    assert!(poll_once(&mut hearing).await.is_none(), "a part of it is still in the client");
    let (flushed, read) = join!(client.flush(), hearing);
    flushed.unwrap();
    read.unwrap();
    assert_eq!(heard, question);
}

#[runtime::test]
async fn several_buffers_go_at_once_and_lines_are_read_in_place() {
    let (mut client, mut server) = connected(1024).await;
    let parts = ["one\n", "two\n", "three"].map(|part| IoSlice::new(part.as_bytes()));
    assert_eq!(client.write_vectored(&parts).await.unwrap(), 13);
    client.close().await.unwrap();
    let mut line = String::new();
    for expected in ["one\n", "two\n", "three", ""] {
        line.clear();
        server.read_line(&mut line).await.unwrap();
        assert_eq!(line, expected);
    }
}

/// Somebody between the two may have cut the connection, so nobody believes that this was all.
#[runtime::test]
async fn a_peer_that_just_vanishes_has_not_ended() {
    let (mut client, mut server) = connected(1024).await;
    client.write_all(b"pay Eve 100").await.unwrap();
    drop(client);
    let mut heard = Vec::new();
    let error = server.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(heard, b"pay Eve 100", "what has come is no less true");
    let again = server.read(&mut [0]).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::UnexpectedEof, "it does not become an end by asking again");
}

/// A connection that is closed with input unread is reset, and with it what the peer has not read yet.
#[runtime::test]
async fn a_peer_that_is_still_sending_gets_the_whole_reply() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reply = vec![b'!'; 50_000];
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = authority.acceptor().accept(stream).await.unwrap();
        stream.read_exact(&mut [0; 1]).await.unwrap();
        stream.write_all(&reply).await.unwrap();
        stream.graceful_close().await.unwrap();
    };
    let client = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = authority.connector().connect("127.0.0.1", stream).await.unwrap();
        stream.write_all(&[b'?'; 100_000]).await.unwrap();
        stream.flush().await.unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        stream.close().await.unwrap();
        heard
    };
    let ((), heard) = join!(server, client);
    assert!(heard == reply);
}
