//! On a network that delays, splits, resets and parts as it likes.

use crate::authority::Authority;
use runtime::{
    io::{AsyncReadExt, AsyncWriteExt, Result},
    join,
    testing::{
        Sim,
        net::{Network, TcpListener, TcpStream},
    },
};
use std::{rc::Rc, time::Duration};

const LENGTH: usize = 50_000;

/// A client sends, and the server says how much it has heard, for which the client waits.
async fn exchange(authority: &Authority) -> (Result<usize>, Result<usize>) {
    let listener = TcpListener::bind("10.0.0.1:443").await.unwrap();
    let server = async {
        let (stream, _) = listener.accept().await?;
        let mut stream = authority.acceptor().accept(stream).await?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await?;
        assert!(heard == vec![b'x'; LENGTH], "{} bytes", heard.len());
        stream.write_all(heard.len().to_string().as_bytes()).await?;
        stream.close().await?;
        Ok(heard.len())
    };
    let client = async {
        let stream = TcpStream::connect("10.0.0.1:443").await?;
        let mut stream = authority.connector().connect("localhost", stream).await?;
        stream.write_all(&[b'x'; LENGTH]).await?;
        stream.close().await?;
        let mut told = String::new();
        stream.read_to_string(&mut told).await?;
        Ok(told.parse().expect("a number"))
    };
    join!(server, client)
}

#[test]
fn pieces_and_delays_change_nothing() {
    let authority = Rc::new(Authority::new());
    let network =
        Network::new().splits(0.5).short_reads(0.5).delay(Duration::ZERO..=Duration::from_millis(50));
    Sim::new().seeds(20).network(network).run(|| {
        let authority = Rc::clone(&authority);
        async move {
            let (server, client) = exchange(&authority).await;
            assert_eq!((server.unwrap(), client.unwrap()), (LENGTH, LENGTH));
        }
    });
}

/// Whatever breaks in between, nobody believes what was not said, and nobody waits for ever.
#[test]
fn a_reset_is_an_error_and_never_a_lie() {
    let authority = Rc::new(Authority::new());
    let network = Network::new()
        .resets(0.5, Duration::ZERO..=Duration::from_millis(500))
        .delay(Duration::ZERO..=Duration::from_millis(50));
    Sim::new().seeds(50).network(network).run(|| {
        let authority = Rc::clone(&authority);
        async move {
            let (server, client) = exchange(&authority).await;
            if let Ok(told) = client {
                assert_eq!(told, LENGTH);
                assert_eq!(server.unwrap(), LENGTH);
            }
        }
    });
}
