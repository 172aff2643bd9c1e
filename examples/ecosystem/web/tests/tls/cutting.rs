//! Connections that somebody between the two cuts, at every byte.

use crate::authority::Authority;
use futures_lite::future::{or, pending};
use runtime::{
    io::{AsyncReadExt, AsyncWriteExt, Result, copy, duplex, split},
    join,
};
use std::cell::Cell;

/// A client says "hello" to a server, by way of somebody who passes on so many bytes of it and then cuts the connection. What
/// the server has heard, and how many bytes have passed.
async fn cut_after(authority: &Authority, bytes: u64) -> (Result<String>, u64) {
    let (client, near) = duplex(4096);
    let (far, server) = duplex(4096);
    let passed = Cell::new(0);
    let between = async {
        let (from_client, mut to_client) = split(near);
        let (from_server, mut to_server) = split(far);
        let there = async {
            passed.set(copy(from_client.take(bytes), &mut to_server).await.unwrap_or(bytes));
            if passed.get() < bytes {
                // The client has ended, so the server has the last word.
                to_server.close().await.unwrap();
                pending::<()>().await;
            }
        };
        let back = async {
            let _ = copy(from_server, &mut to_client).await;
        };
        or(there, back).await;
    };
    let saying = async {
        let mut stream = authority.connector().connect("localhost", client).await?;
        stream.write_all(b"hello").await?;
        stream.close().await
    };
    let listening = async {
        let mut stream = authority.acceptor().accept(server).await?;
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await?;
        Ok(heard)
    };
    let ((), _, heard) = join!(between, saying, listening);
    (heard, passed.get())
}

/// Wherever it is cut, the server is not left waiting, and does not take a part for the whole.
#[runtime::test]
async fn a_part_is_never_taken_for_the_whole() {
    let authority = Authority::new();
    let (heard, whole) = cut_after(&authority, u64::MAX).await;
    assert_eq!(heard.unwrap(), "hello");
    assert!(whole > 300, "{whole}");
    for bytes in 0..whole {
        let (heard, _) = cut_after(&authority, bytes).await;
        assert!(heard.is_err(), "after {bytes} of {whole} bytes: {heard:?}");
    }
}
