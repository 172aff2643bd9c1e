//! Stories of writing to a connection: back-pressure, ends, resets, and the signal that must not come.

mod support;

use futures_lite::future::{poll_once, zip};
use runtime_executor::{Park, spawn};
use runtime_io::net::TcpSocket;
use std::{
    io::{ErrorKind, IoSlice, Read},
    net::Shutdown,
    rc::Rc,
    time::Duration,
};
use support::{pair, pair_with_std, pattern, read_to_end, run, run_with, until_waiting};

/// More than any socket buffers take.
const FLOOD: usize = 32 << 20;

#[test]
fn a_full_buffer_makes_the_writer_wait_until_there_is_room() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let sent = Rc::new(pattern(if cfg!(miri) { 200_000 } else { FLOOD }));
        let writer = spawn({
            let sent = Rc::clone(&sent);
            async move {
                ours.write_all(&sent).await.unwrap();
            }
        });
        if !cfg!(miri) {
            until_waiting(&reactor, 1).await;
        }
        let len = sent.len();
        let reader = runtime_executor::spawn_blocking(move || {
            let mut received = vec![0; len];
            theirs.read_exact(&mut received).unwrap();
            received
        });
        writer.await.unwrap();
        assert!(reader.await.unwrap() == *sent, "bytes were lost, doubled or moved");
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sendmsg")]
fn several_buffers_go_out_in_order() {
    run(async {
        let (client, server) = pair().await;
        let bufs = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(client.write_vectored(&bufs).await.unwrap(), 8);
        // More slices than one call takes.
        let many = vec![IoSlice::new(b"z"); 3000];
        assert_eq!(client.write_vectored(&many).await.unwrap(), 1024);
        // And as many that are empty: nothing written would be said of a peer that takes nothing any more.
        let mut late = vec![IoSlice::new(b""); 3000];
        late.push(IoSlice::new(b"tail"));
        assert_eq!(client.write_vectored(&late).await.unwrap(), 4);
        assert_eq!(client.write_vectored(&late[..3000]).await.unwrap(), 0);
        drop(client);
        let received = read_to_end(&server).await.unwrap();
        assert_eq!(&received[..8], b"headbody");
        assert_eq!(&received[8 + 1024..], b"tail");
    });
}

/// Few bytes go another way than many.
#[test]
#[cfg_attr(miri, ignore = "Miri has no sendmsg")]
fn few_bytes_in_several_buffers_go_out_as_many_do() {
    run(async {
        let (client, server) = pair().await;
        for length in (0..32).chain(2040..2060).chain([20_000]) {
            let sent = pattern(length);
            let (head, body) = sent.split_at(length / 3);
            let (middle, end) = body.split_at(body.len() / 2);
            let bufs = [IoSlice::new(head), IoSlice::new(middle), IoSlice::new(b""), IoSlice::new(end)];
            assert_eq!(client.write_vectored(&bufs).await.unwrap(), length);
            let mut received = vec![0; length];
            server.read_exact(&mut received).await.unwrap();
            assert!(received == sent, "{length} bytes were lost or moved");
        }
    });
}

#[test]
fn after_the_peer_has_ended_its_side_we_may_go_on_writing() {
    let sent = pattern(if cfg!(miri) { 10_000 } else { 10_000_000 });
    run(async move {
        let (client, server) = pair().await;
        client.shutdown(Shutdown::Write).unwrap();
        let serving = async {
            let mut buf = [0; 8];
            assert_eq!(server.read(&mut buf).await.unwrap(), 0);
            server.write_all(&sent).await.unwrap();
            assert_eq!(server.read(&mut buf).await.unwrap(), 0, "the end is still there");
            server.shutdown(Shutdown::Write).unwrap();
        };
        let ((), received) = zip(serving, read_to_end(&client)).await;
        assert!(received.unwrap() == sent, "bytes were lost, doubled or moved");
    });
}

#[test]
fn after_we_have_ended_our_side_we_may_go_on_reading() {
    run(async {
        let (client, server) = pair().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&server).await.unwrap(), b"question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        assert_eq!(read_to_end(&client).await.unwrap(), b"answer");
        assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn ending_a_side_twice_is_no_mistake() {
    run(async {
        let (client, server) = pair().await;
        client.shutdown(Shutdown::Write).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        drop(server);
        for how in [Shutdown::Both, Shutdown::Read, Shutdown::Write, Shutdown::Both] {
            if let Err(error) = client.shutdown(how) {
                assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
            }
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no SO_LINGER")]
fn a_reset_in_the_middle_of_a_write_ends_the_write() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair_with_std().await;
        let writer = spawn(async move {
            let flood = vec![0; FLOOD];
            ours.write_all(&flood).await.unwrap_err().kind()
        });
        until_waiting(&reactor, 1).await;
        socket2::SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
        drop(theirs);
        assert_eq!(writer.await.unwrap(), ErrorKind::ConnectionReset);
        assert_eq!(reactor.registered(), 0, "its socket is closed and forgotten");
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no SO_LINGER")]
fn a_reset_wakes_reader_and_writer() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair_with_std().await;
        let (reader, writer) = ours.into_split();
        let reading = spawn(async move { reader.read(&mut [0; 8]).await });
        let writing = spawn(async move { writer.write_all(&vec![0; FLOOD]).await });
        until_waiting(&reactor, 2).await;
        socket2::SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
        drop(theirs);
        // Both try before either is polled again; the kernel hands the error itself to the first only.
        assert!(matches!(reading.await.unwrap(), Err(_) | Ok(0)));
        assert!(writing.await.unwrap().is_err());
    });
}

#[test]
fn a_connection_shut_down_by_another_task_ends_its_reader_and_writer() {
    run_with(|reactor| async move {
        let (ours, _theirs) = pair_with_std().await;
        let ours = Rc::new(ours);
        let reading = spawn({
            let ours = Rc::clone(&ours);
            async move { ours.read(&mut [0; 8]).await }
        });
        let writing = spawn({
            let ours = Rc::clone(&ours);
            async move { ours.write_all(&vec![0; FLOOD]).await }
        });
        until_waiting(&reactor, 2).await;
        ours.shutdown(Shutdown::Both).unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 0);
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn halves_make_a_whole_again_and_dropping_the_writer_ends_our_side() {
    run(async {
        let (client, server) = pair().await;
        let (other, _) = pair().await;
        let (reader, writer) = client.into_split();
        let (strange_reader, strange_writer) = other.into_split();
        let error = strange_reader.reunite(writer).unwrap_err();
        let (writer, strange_reader) = (error.1, error.0);
        drop(strange_reader.reunite(strange_writer).unwrap());

        let client = reader.reunite(writer).unwrap();
        client.write_all(b"whole").await.unwrap();
        let (reader, writer) = client.into_split();
        drop(writer);
        assert_eq!(read_to_end(&server).await.unwrap(), b"whole");
        server.write_all(b"still read").await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(reader.read(&mut buf).await.unwrap(), 10);
    });
}

#[test]
fn a_forgotten_writing_half_leaves_our_side_open() {
    run(async {
        let (client, server) = pair().await;
        let (reader, writer) = client.into_split();
        writer.forget();
        assert!(poll_once(server.read(&mut [0; 1])).await.is_none());
        drop(reader);
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

#[test]
fn borrowed_halves_serve_two_futures_of_one_task() {
    run(async {
        let (mut client, server) = pair().await;
        let (reader, writer) = client.split();
        let mut buf = [0; 4];
        let echo = async {
            let mut four = [0; 4];
            server.read_exact(&mut four).await.unwrap();
            server.write_all(&four).await.unwrap();
        };
        let (((), got), sent) = zip(zip(echo, reader.read_exact(&mut buf)), writer.write_all(b"echo")).await;
        sent.unwrap();
        got.unwrap();
        assert_eq!(&buf, b"echo");
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no SO_SNDBUF")]
fn room_is_waited_for_without_trying() {
    run_with(|reactor| async move {
        let listener = runtime_io::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(8 * 1024).unwrap();
        let client = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.writable().await.unwrap();
        let mut written = 0;
        let error = loop {
            match client.try_write(&[0; 4096]) {
                Ok(n) => written += n,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let waiter = spawn(async move {
            client.writable().await.unwrap();
            client.try_write(&[0; 1]).unwrap()
        });
        until_waiting(&reactor, 1).await;
        let mut buf = vec![0; 64 * 1024];
        while written > 0 {
            written -= server.read(&mut buf).await.unwrap();
        }
        assert_eq!(waiter.await.unwrap(), 1);
        assert_eq!(reactor.waiters(), 0);
    });
}
