//! QUIC between two endpoints, on good roads and bad ones.

mod relay;

use quic::{endpoint, self_signed};
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, ServerConfig, TransportConfig, VarInt};
use relay::Relay;
use runtime::{join_all, spawn, spawn_blocking, task::yield_now, time::timeout};
use std::{error::Error, io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Two endpoints that know each other: the server, and the client with its configuration.
fn pair() -> Outcome<(Endpoint, Endpoint)> {
    let (for_servers, for_clients) = self_signed("localhost")?;
    pair_of(for_servers, for_clients)
}

fn pair_of(server: ServerConfig, client: ClientConfig) -> Outcome<(Endpoint, Endpoint)> {
    let server = endpoint(LOOPBACK, Some(server))?;
    let mut ours = endpoint(LOOPBACK, None)?;
    ours.set_default_client_config(client);
    Ok((server, ours))
}

/// Gives every stream of every connection what comes by it.
async fn echo(server: Endpoint) {
    while let Some(incoming) = server.accept().await {
        spawn(async move {
            let connection = incoming.await?;
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
            Ok::<_, ConnectionError>(())
        })
        .detach();
    }
}

/// Sends `length` bytes by a stream of their own, and takes as many back, which are the same.
async fn there_and_back(connection: &Connection, seed: usize, length: usize) {
    let bytes: Vec<u8> = (0..length).map(|at| ((at + seed) % 251) as u8).collect();
    let (mut there, mut back) = connection.open_bi().await.unwrap();
    let writing = async {
        there.write_all(&bytes).await.unwrap();
        there.finish().unwrap();
    };
    let reading = async { back.read_to_end(length).await.unwrap() };
    let ((), received) = runtime::join!(writing, reading);
    assert!(received == bytes, "stream {seed}: something else came back");
}

/// What is larger than all windows, buffers and batches, by several streams at a time.
#[runtime::test]
async fn megabytes_come_back_as_they_went() -> Outcome {
    let (server, client) = pair()?;
    let address = server.local_addr()?;
    spawn(echo(server)).detach();
    let connection = client.connect(address, "localhost")?.await?;
    join_all((0..4).map(|seed| there_and_back(&connection, seed, 1 << 20))).await;
    Ok(())
}

/// All of them by one socket on each side, so that connections that wait for room do not wake each other's tasks instead.
#[runtime::test]
async fn many_connections_share_a_socket() -> Outcome {
    let (server, client) = pair()?;
    let address = server.local_addr()?;
    spawn(echo(server)).detach();
    let connections = (0..20).map(async |number| {
        let connection = client.connect(address, "localhost").unwrap().await.unwrap();
        join_all((0..5).map(|stream| there_and_back(&connection, 5 * number + stream, 10_000))).await;
    });
    join_all(connections).await;
    Ok(())
}

/// By the timers, which are ours.
#[runtime::test]
async fn what_is_lost_on_the_way_is_sent_again() -> Outcome {
    let (server, client) = pair()?;
    let relay = Relay::to(server.local_addr()?).await?;
    spawn(echo(server)).detach();
    let connection = client.connect(relay.address(), "localhost")?.await?;
    there_and_back(&connection, 0, 200_000).await;
    assert!(connection.stats().path.lost_packets > 0, "the road was too good");
    Ok(())
}

#[runtime::test]
async fn a_peer_that_falls_silent_is_given_up() -> Outcome {
    let (for_servers, mut for_clients) = self_signed("localhost")?;
    let mut patience = TransportConfig::default();
    patience.max_idle_timeout(Some(Duration::from_millis(300).try_into()?));
    for_clients.transport_config(Arc::new(patience));
    let (server, client) = pair_of(for_servers, for_clients)?;
    let relay = Relay::to(server.local_addr()?).await?;
    spawn(echo(server)).detach();
    let connection = client.connect(relay.address(), "localhost")?.await?;
    there_and_back(&connection, 0, 1000).await;

    relay.cut();
    assert_eq!(connection.closed().await, ConnectionError::TimedOut);
    client.wait_idle().await;
    Ok(())
}

#[runtime::test]
async fn single_messages_need_no_stream() -> Outcome {
    let (server, client) = pair()?;
    let address = server.local_addr()?;
    let heard = spawn(async move {
        let connection = server.accept().await.unwrap().await.unwrap();
        let message = connection.read_datagram().await.unwrap();
        connection.send_datagram(message).unwrap();
        connection.closed().await
    });
    let connection = client.connect(address, "localhost")?.await?;
    connection.send_datagram(b"news"[..].into())?;
    assert_eq!(&connection.read_datagram().await?[..], b"news");
    connection.close(7_u8.into(), b"enough");
    client.wait_idle().await;
    let ConnectionError::ApplicationClosed(farewell) = heard.await? else { panic!("it was told otherwise") };
    assert_eq!((farewell.error_code, &farewell.reason[..]), (VarInt::from_u32(7), &b"enough"[..]));
    Ok(())
}

/// Whom the client does not trust, or who is somebody else, is refused before anything is said.
#[runtime::test]
async fn a_stranger_is_not_taken_for_the_server() -> Outcome {
    let (for_servers, _) = self_signed("localhost")?;
    let (_, for_others) = self_signed("localhost")?;
    let (server, client) = pair_of(for_servers, for_others)?;
    let address = server.local_addr()?;
    spawn(echo(server)).detach();
    let refused = client.connect(address, "localhost")?.await;
    assert!(matches!(refused, Err(ConnectionError::TransportError(_))), "{refused:?}");
    Ok(())
}

/// As when a telephone leaves the wireless network: the connection goes on by the new socket, and the old one is closed.
#[runtime::test]
async fn a_connection_outlives_its_socket() -> Outcome {
    let (server, client) = pair()?;
    let address = server.local_addr()?;
    spawn(echo(server)).detach();
    let connection = client.connect(address, "localhost")?.await?;
    there_and_back(&connection, 0, 10_000).await;
    let before = client.local_addr()?;
    client.rebind(std::net::UdpSocket::bind(LOOPBACK)?)?;
    assert_ne!(client.local_addr()?, before);
    there_and_back(&connection, 1, 100_000).await;
    Ok(())
}

/// Who stops in order tells its clients, and its address is free for the next one. (Who crashes cannot tell: see
/// `a_peer_that_falls_silent_is_given_up`.)
#[runtime::test]
async fn clients_find_a_server_that_was_started_anew() -> Outcome {
    let (for_servers, for_clients) = self_signed("localhost")?;
    let (server, client) = pair_of(for_servers.clone(), for_clients)?;
    let address = server.local_addr()?;
    let serving = spawn(echo(server.clone()));
    let connection = client.connect(address, "localhost")?.await?;
    there_and_back(&connection, 0, 1000).await;
    server.close(3_u8.into(), b"back in a minute");
    let farewell = connection.closed().await;
    assert!(matches!(farewell, ConnectionError::ApplicationClosed(_)), "{farewell:?}");
    serving.await?;
    server.wait_idle().await;
    drop(server);

    // Its socket is closed when the last of its tasks has ended.
    let next = async {
        loop {
            match endpoint(address, Some(for_servers.clone())) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => yield_now().await,
                outcome => return outcome,
            }
        }
    };
    spawn(echo(timeout(Duration::from_secs(60), next).await??)).detach();
    there_and_back(&client.connect(address, "localhost")?.await?, 1, 1000).await;
    Ok(())
}

/// The datagrams go through the reactor of the endpoint's own runtime, which wakes the tasks of the other one.
#[runtime::test]
async fn other_threads_use_an_endpoint_from_afar() -> Outcome {
    let (server, client) = pair()?;
    let address = server.local_addr()?;
    spawn(echo(server)).detach();
    let elsewhere = client.clone();
    let far_away = spawn_blocking(move || {
        runtime::run(async {
            let connection = elsewhere.connect(address, "localhost").unwrap().await.unwrap();
            there_and_back(&connection, 0, 300_000).await;
            connection
        })
    });
    // Made over there, used here.
    let connection = far_away.await?;
    there_and_back(&connection, 1, 300_000).await;
    Ok(())
}
