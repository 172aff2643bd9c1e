//! Handshakes that do not come to pass.

use crate::authority::Authority;
use futures_lite::future::{try_zip, zip};
use runtime::{
    io::{AsyncReadExt, AsyncWriteExt, Error, ErrorKind, duplex},
    net::{Server, TcpListener, TcpStream},
    spawn,
    task::yield_now,
    time::{Duration, Instant, sleep},
    tls::{Acceptor, HANDSHAKE_TIME, HandshakeTimedOut},
};
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    iter,
    sync::{Arc, Mutex},
};

fn why<T: std::error::Error + 'static>(error: &Error) -> &T {
    error.get_ref().and_then(|inner| inner.downcast_ref()).unwrap_or_else(|| panic!("{error:?}"))
}

#[runtime::test(start_paused = true)]
async fn a_silent_client_has_its_time_and_no_more() {
    let (_silent, stream) = duplex(1024);
    let begun = Instant::now();
    let error = Authority::new().acceptor().accept(stream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(why::<HandshakeTimedOut>(&error), &HandshakeTimedOut(HANDSHAKE_TIME));
    assert_eq!(begun.elapsed(), HANDSHAKE_TIME);
}

#[runtime::test(start_paused = true)]
async fn a_silent_server_has_the_time_that_it_is_given() {
    let (stream, _silent) = duplex(1024);
    let limit = Duration::from_millis(1500);
    let begun = Instant::now();
    let connector = Authority::new().connector().handshake_timeout(limit);
    let error = connector.connect("localhost", stream).await.unwrap_err();
    assert_eq!(why::<HandshakeTimedOut>(&error), &HandshakeTimedOut(limit));
    assert_eq!(begun.elapsed(), limit);
}

#[test]
#[should_panic(expected = "no handshake takes no time")]
fn no_time_at_all_is_a_mistake() {
    let _ = Authority::new().acceptor().handshake_timeout(Duration::ZERO);
}

/// Not all at once: one byte each second is as late as none.
#[runtime::test(start_paused = true)]
async fn a_client_that_dawdles_is_late_too() {
    let (client, stream) = duplex(1024);
    let dawdler = spawn(async move {
        for byte in [22, 3, 1, 1, 0].into_iter().chain(iter::repeat(1)) {
            if client.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    });
    let begun = Instant::now();
    let error = Authority::new().acceptor().accept(stream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), HANDSHAKE_TIME);
    dawdler.await.unwrap();
}

/// With as many silent ones before it as there are, the one who speaks is served at once.
#[runtime::test]
async fn nobody_waits_for_the_handshake_of_somebody_else() {
    let authority = Authority::new();
    let acceptor = authority.acceptor();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let serving = spawn(server.serve(async move |stream, _peer| {
        let mut stream = acceptor.accept(stream).await?;
        stream.write_all(b"hello").await?;
        stream.graceful_close().await
    }));

    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = authority.connector().connect("localhost", stream).await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
    drop(stream);
    while server.connections() > silent.len() {
        yield_now().await;
    }

    // Handshakes are connections of the server: a drain cuts them, and counts them.
    let drained = server.drain(Duration::ZERO).await;
    assert_eq!(drained.forced.len(), silent.len());
    serving.await.unwrap().unwrap();
}

#[runtime::test]
async fn a_client_that_speaks_no_tls_is_told_so() {
    let (mut client, stream) = duplex(1024);
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let error = Authority::new().acceptor().accept(stream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    why::<rustls::Error>(&error);
    let mut told = Vec::new();
    client.read_to_end(&mut told).await.unwrap();
    assert_eq!(told[0], 21, "an alert");
}

#[runtime::test]
async fn a_server_that_is_somebody_else_is_left() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (name, trusted, what) in [
        ("example.org", authority.connector(), "not valid for name"),
        ("localhost", Authority::new().connector(), "BadSignature"),
    ] {
        let client = TcpStream::connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (client, server) = zip(trusted.connect(name, client), authority.acceptor().accept(server)).await;
        let error = client.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(matches!(why(&error), rustls::Error::InvalidCertificate(_)), "{error}");
        assert!(error.to_string().contains(what), "{error}");
        let error = server.unwrap_err();
        assert!(matches!(why(&error), rustls::Error::AlertReceived(_)), "{error}");
    }
}

#[runtime::test]
async fn a_server_that_cannot_be_named_is_not_asked() {
    let (stream, other) = duplex(1024);
    let error = Authority::new().connector().connect("not a name", stream).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("not a name"));
    assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
}

#[runtime::test]
async fn addresses_are_names_too() {
    let authority = Authority::new();
    for name in ["127.0.0.1", "::1", "[::1]"] {
        let (client, server) = duplex(1024);
        let (connector, acceptor) = (authority.connector(), authority.acceptor());
        try_zip(connector.connect(name, client), acceptor.accept(server)).await.unwrap();
    }
}

/// Shows the certificate of the moment.
#[derive(Debug)]
struct Renewed(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.lock().unwrap().clone())
    }
}

#[runtime::test]
async fn a_certificate_is_renewed_while_the_server_runs() {
    let (before, after) = (Authority::new(), Authority::new());
    let shown = Arc::new(Renewed(Mutex::new(before.certified())));
    let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(shown.clone());
    let acceptor = Acceptor::new(config);
    let is_trusted_by = async |authority: &Authority| {
        let (client, server) = duplex(1024);
        let connector = authority.connector();
        zip(connector.connect("localhost", client), acceptor.accept(server)).await.0.is_ok()
    };
    assert!(is_trusted_by(&before).await && !is_trusted_by(&after).await);
    *shown.0.lock().unwrap() = after.certified();
    assert!(!is_trusted_by(&before).await && is_trusted_by(&after).await);
}
