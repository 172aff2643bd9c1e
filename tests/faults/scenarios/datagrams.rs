//! Datagrams and packets: each arrives whole, or not at all.

use super::{both, pattern, run, unix::place};
use runtime::net::{Datagram, UdpSocket, UnixDatagram, UnixSeqpacket, UnixSeqpacketListener};
use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    os::fd::AsFd,
};

/// Three questions, three answers.
pub(super) fn udp() -> io::Result<()> {
    run(async {
        let server = UdpSocket::bind("127.0.0.1:0").await?;
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        client.connect(server.local_addr()?).await?;
        let here = client.local_addr()?;
        let serving = async {
            let mut buf = [0; 100];
            for _ in 0..3 {
                let (n, peer) = server.recv_from(&mut buf).await?;
                assert_eq!((n, peer), (10, here));
                server.send_to(&buf[..n], peer).await?;
            }
            Ok(())
        };
        let asking = async {
            let mut buf = [0; 100];
            for number in 0..3_u8 {
                assert_eq!(client.send(&[number; 10]).await?, 10);
                let n = client.recv(&mut buf).await?;
                assert_eq!(buf[..n], [number; 10]);
            }
            Ok(())
        };
        both(serving, asking).await.map(drop)
    })
}

const BATCH: usize = 6;

/// As many datagrams as one call takes, there and back.
pub(super) fn batches() -> io::Result<()> {
    run(async {
        let server = UdpSocket::bind("127.0.0.1:0").await?;
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        let (here, there) = (client.local_addr()?, server.local_addr()?);
        server.connect(here).await?;
        let numbers: Vec<_> = (0..BATCH).map(|number| [number as u8; 10]).collect();
        let asking = async {
            let questions: Vec<_> = numbers.iter().map(|number| (&number[..], there)).collect();
            let mut rest = &questions[..];
            while !rest.is_empty() {
                rest = &rest[client.send_many_to(rest).await?..];
            }
            receive_batch(&client, there).await
        };
        let answering = async {
            let received = receive_batch(&server, here).await?;
            let answers: Vec<_> = received.iter().map(|answer| &answer[..]).collect();
            let mut rest = &answers[..];
            while !rest.is_empty() {
                rest = &rest[server.send_many(rest).await?..];
            }
            Ok(received)
        };
        let (answers, questions) = both(asking, answering).await?;
        assert_eq!((answers, questions), (numbers.clone(), numbers));
        Ok(())
    })
}

async fn receive_batch(socket: &UdpSocket, from: SocketAddr) -> io::Result<Vec<[u8; 10]>> {
    let mut all = Vec::new();
    while all.len() < BATCH {
        let mut memory = [[0; 10]; BATCH];
        let mut datagrams = [Datagram::default(); BATCH];
        let mut bufs = memory.each_mut().map(|buf| IoSliceMut::new(buf));
        let count = socket.recv_many(&mut bufs, &mut datagrams).await?;
        assert!(datagrams[..count].iter().all(|datagram| (datagram.len(), datagram.from()) == (10, from)));
        all.extend_from_slice(&memory[..count]);
    }
    Ok(all)
}

/// Bytes that the system divides, or we do where it refuses.
pub(super) fn segments() -> io::Result<()> {
    run(async {
        let server = UdpSocket::bind("127.0.0.1:0").await?;
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        let sent = pattern(5_000);
        let sending = async {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let n = client.send_segmented_to(rest, 1_200, server.local_addr()?).await?;
                assert!(n % 1_200 == 0 || n == rest.len(), "{n} bytes are no whole datagrams");
                rest = &rest[n..];
            }
            Ok(())
        };
        let receiving = async {
            let mut buf = [0; 1_500];
            let mut received = Vec::new();
            while received.len() < 5_000 {
                let n = server.recv(&mut buf).await?;
                assert_eq!(n, (5_000 - received.len()).min(1_200));
                received.extend_from_slice(&buf[..n]);
            }
            Ok(received)
        };
        let ((), received) = both(sending, receiving).await?;
        assert!(received == sent);
        Ok(())
    })
}

/// A receiver with a path, and a descriptor beside the bytes.
pub(super) fn unix_datagrams() -> io::Result<()> {
    let place = place()?;
    run(async {
        let receiver = UnixDatagram::bind(&place)?;
        let sender = UnixDatagram::unbound()?;
        let (reader, _writer) = io::pipe()?;
        let sending = async {
            assert_eq!(sender.send_to(b"first", &place).await?, 5);
            sender.connect(&place)?;
            assert_eq!(sender.send_with_fds(b"second", &[reader.as_fd()]).await?, 6);
            assert_eq!(sender.send(b"").await?, 0);
            Ok(())
        };
        let receiving = async {
            let mut buf = [0; 100];
            let (n, _) = receiver.recv_from(&mut buf).await?;
            assert_eq!(buf[..n], *b"first");
            let message = receiver.recv_msg(&mut buf, 1).await?;
            assert_eq!((message.len, message.fds.len()), (6, 1));
            assert_eq!(receiver.recv(&mut buf).await?, 0);
            Ok(())
        };
        both(sending, receiving).await.map(drop)
    })
}

/// Connections of packets.
pub(super) fn packets() -> io::Result<()> {
    let place = place()?;
    run(async {
        let listener = UnixSeqpacketListener::bind(&place)?;
        let connecting = async {
            let client = UnixSeqpacket::connect(&place).await?;
            client.send(b"one").await?;
            client.send(b"another").await?;
            Ok(client)
        };
        let serving = async {
            let (server, _) = listener.accept().await?;
            let mut buf = [0; 100];
            assert_eq!(server.recv(&mut buf).await?, 3);
            assert_eq!(server.recv(&mut buf).await?, 7);
            Ok(server)
        };
        let (client, server) = both(connecting, serving).await?;
        drop(client);
        assert_eq!(server.recv(&mut [0; 100]).await?, 0);
        Ok(())
    })
}
