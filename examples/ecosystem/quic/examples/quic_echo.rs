//! Sends eight megabytes to itself and back, by several streams of one QUIC connection at a time.
//!
//! ```text
//! $ cargo run --release --example quic_echo
//! 127.0.0.1:40172: 4 streams of 2.0 MB there and back in 71 ms
//! ```

use quic::{endpoint, self_signed};
use quinn::{Connection, Endpoint};
use runtime::{spawn, time::Instant, try_join_all};
use std::error::Error;

/// Streams at a time; each has a window of its own, so that a slow one stops no other.
const STREAMS: usize = 4;
/// What each of them carries.
const BYTES: usize = 2_000_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[runtime::main]
async fn main() -> Outcome<()> {
    let (for_servers, for_clients) = self_signed("localhost")?;
    let server = endpoint("127.0.0.1:0".parse()?, Some(for_servers))?;
    let address = server.local_addr()?;
    spawn(serve(server)).detach();

    let client = endpoint("127.0.0.1:0".parse()?, None)?;
    let connection = client.connect_with(for_clients, address, "localhost")?.await?;
    let start = Instant::now();
    try_join_all((0..STREAMS).map(|_| there_and_back(&connection))).await?;
    let took = start.elapsed().as_millis();
    println!("{address}: {STREAMS} streams of {:.1} MB there and back in {took} ms", BYTES as f64 / 1e6);

    connection.close(0_u8.into(), b"done");
    client.wait_idle().await;
    Ok(())
}

/// Gives every stream of every connection what comes by it.
async fn serve(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        spawn(async move {
            let connection = incoming.await?;
            // Until the client closes it, which here is no failure.
            while let Ok((mut back, mut there)) = connection.accept_bi().await {
                spawn(async move {
                    while let Some(chunk) = there.read_chunk(usize::MAX, true).await? {
                        back.write_chunk(chunk.bytes).await?;
                    }
                    back.finish()?;
                    Ok::<_, Box<dyn Error>>(())
                })
                .detach();
            }
            Ok::<_, quinn::ConnectionError>(())
        })
        .detach();
    }
}

/// Writing and reading at the same time: who first writes all, and then reads, waits for windows that nobody opens.
async fn there_and_back(connection: &Connection) -> Outcome<()> {
    let (mut there, mut back) = connection.open_bi().await?;
    let bytes: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    let writing = async {
        there.write_all(&bytes).await?;
        there.finish()?;
        Outcome::Ok(())
    };
    let reading = async { Ok(back.read_to_end(BYTES).await?) };
    let ((), received) = runtime::try_join!(writing, reading)?;
    if received == bytes { Ok(()) } else { Err("something else came back".into()) }
}
