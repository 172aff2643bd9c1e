//! TCP: echo, slices, halves, the end, names.

use super::{both, joined, pattern, read_to_end, run};
use runtime::{
    net::{Shutdown, TcpListener, TcpStream},
    spawn,
};
use std::{
    io::{self, IoSlice, IoSliceMut},
    net::SocketAddr,
};

/// More than one read of a kilobyte and a half, and few enough for one byte at a time.
const LEN: usize = 5_000;

pub(super) fn echo() -> io::Result<()> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = spawn(async move {
            let (stream, _) = listener.accept().await?;
            let mut buf = [0; 1500];
            loop {
                match stream.read(&mut buf).await? {
                    0 => return stream.shutdown(Shutdown::Write),
                    n => stream.write_all(&buf[..n]).await?,
                }
            }
        });
        let client = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            assert_eq!(stream.peer_addr()?, address);
            let sent = pattern(LEN);
            let writing = async {
                stream.write_all(&sent).await?;
                stream.shutdown(Shutdown::Write)
            };
            let ((), received) = both(writing, read_to_end(&stream)).await?;
            assert_eq!(received, sent);
            Ok(())
        };
        both(client, async { joined(server.await) }).await.map(drop)
    })
}

pub(super) async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (client, (server, _)) = both(TcpStream::connect(address), listener.accept()).await?;
    Ok((client, server))
}

pub(super) fn slices_and_halves() -> io::Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let sent = pattern(LEN);
        let writing = async {
            let (_reader, writer) = client.into_split();
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let (first, second) = rest.split_at(rest.len().min(700));
                rest = &rest[writer.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]).await?..];
            }
            writer.shutdown()
        };
        let reading = async {
            let mut seen = [0; 3];
            let peeked = server.peek(&mut seen).await?;
            let mut received = Vec::new();
            let (mut first, mut second) = ([0; 100], [0; 900]);
            loop {
                let mut slices = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
                let n = server.read_vectored(&mut slices).await?;
                if n == 0 {
                    break;
                }
                received.extend_from_slice(&first[..n.min(100)]);
                received.extend_from_slice(&second[..n.saturating_sub(100)]);
            }
            assert_eq!(received[..peeked], seen[..peeked]);
            Ok(received)
        };
        let ((), received) = both(writing, reading).await?;
        assert_eq!(received, sent);
        Ok(())
    })
}

/// The reply survives, though a request was left unread.
pub(super) fn graceful_close() -> io::Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let reply = pattern(LEN);
        let serving = async {
            server.read_exact(&mut [0; 1]).await?;
            server.write_all(&reply).await?;
            server.graceful_close().await
        };
        let asking = async {
            client.write_all(&[1; 64]).await?;
            let received = read_to_end(&client).await?;
            drop(client);
            Ok(received)
        };
        let ((), received) = both(serving, asking).await?;
        assert_eq!(received, reply);
        Ok(())
    })
}

/// A port on which nobody listens, as long as this socket is there.
fn nobody() -> io::Result<(std::net::TcpListener, SocketAddr)> {
    // It is bound, and listens elsewhere: to an address of the loopback that nobody tries.
    let listener = std::net::TcpListener::bind("127.0.0.2:0")?;
    let port = listener.local_addr()?.port();
    Ok((listener, SocketAddr::from(([127, 0, 0, 1], port))))
}

pub(super) fn next_address() -> io::Result<()> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (_held, nobody) = nobody()?;
        let addresses = [nobody, address];
        let ((), received) = both(
            async {
                let client = TcpStream::connect(&addresses[..]).await?;
                client.write_all(b"found").await?;
                client.shutdown(Shutdown::Write)?;
                read_to_end(&client).await.map(drop)
            },
            async {
                let (server, _) = listener.accept().await?;
                let received = read_to_end(&server).await?;
                server.shutdown(Shutdown::Write)?;
                Ok(received)
            },
        )
        .await?;
        assert_eq!(received, b"found");
        Ok(())
    })
}

/// The look-up blocks, so it has a thread.
pub(super) fn by_name() -> io::Result<()> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let client = TcpStream::connect(format!("127.1:{port}"));
        both(client, listener.accept()).await.map(drop)
    })
}
