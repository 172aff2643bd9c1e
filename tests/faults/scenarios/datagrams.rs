//! Datagrams and packets: each arrives whole, or not at all.

use super::{both, run, unix::place};
use runtime::net::{UdpSocket, UnixDatagram, UnixSeqpacket, UnixSeqpacketListener};
use std::{io, os::fd::AsFd};

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
