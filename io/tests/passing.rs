//! Stories of descriptors that travel. They count the descriptors of the whole process, so they take turns.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::{Park, spawn};
use runtime_io::net::{DescriptorsLost, UnixDatagram, UnixSeqpacket, UnixStream};
use std::{
    fs::File,
    io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
};
use support::{
    open_descriptors, run, run_with,
    sys::{closes_on_exec, limit_descriptors, next_descriptor},
    until_waiting,
};

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writing ends of `count` pipes, and their reading ends, which tell when the last duplicate of a writing end is closed.
fn pipes(count: usize) -> (Vec<PipeReader>, Vec<PipeWriter>) {
    (0..count).map(|_| io::pipe().unwrap()).unzip()
}

fn borrowed(writers: &[PipeWriter]) -> Vec<BorrowedFd<'_>> {
    writers.iter().map(PipeWriter::as_fd).collect()
}

fn lost(error: io::Error) -> DescriptorsLost {
    error.downcast().expect("a typed error")
}

#[test]
fn what_is_sent_arrives_in_order_beside_its_bytes_and_closes_on_exec() {
    let _alone = alone();
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (readers, writers) = pipes(3);
        assert_eq!(ours.send_with_fds(b"three", &borrowed(&writers)).await.unwrap(), 5);
        ours.write_all(b"and none").await.unwrap();
        drop(writers);

        let mut buf = [0; 64];
        let (n, fds) = theirs.recv_with_fds(&mut buf, 8).await.unwrap();
        assert_eq!(&buf[..n], b"three", "bytes behind the message are not read with it");
        assert_eq!(fds.len(), 3);
        for (number, (fd, mut reader)) in fds.into_iter().zip(readers).enumerate() {
            assert!(closes_on_exec(fd.as_fd()));
            write!(File::from(fd), "pipe {number}").unwrap();
            let mut said = String::new();
            reader.read_to_string(&mut said).unwrap();
            assert_eq!(said, format!("pipe {number}"));
        }
        let (n, fds) = theirs.recv_with_fds(&mut buf, 8).await.unwrap();
        assert_eq!((&buf[..n], fds.len()), (&b"and none"[..], 0));
        drop(ours);
        let (n, fds) = theirs.recv_with_fds(&mut buf, 8).await.unwrap();
        assert_eq!((n, fds.len()), (0, 0), "the end");
    });
}

#[test]
fn two_messages_sent_while_the_receiver_waits_both_arrive() {
    let _alone = alone();
    run_with(|reactor| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let receiving = spawn(async move {
            let mut all = Vec::new();
            let mut count = 0;
            while count < 2 {
                // More room than any message needs: a short read must not count as the last.
                let mut buf = [0; 256];
                let (n, fds) = theirs.recv_with_fds(&mut buf, 4).await.unwrap();
                all.extend_from_slice(&buf[..n]);
                count += fds.len();
            }
            all
        });
        until_waiting(&reactor, 1).await;
        let parcel = [ours.as_fd()];
        ours.send_with_fds(b"one ", &parcel).await.unwrap();
        ours.send_with_fds(b"two", &parcel).await.unwrap();
        assert_eq!(receiving.await.unwrap(), b"one two");
    });
}

#[test]
fn bytes_behind_a_message_that_is_merely_read_are_not_forgotten() {
    let _alone = alone();
    run_with(|reactor| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let reading = spawn(async move {
            let mut all = Vec::new();
            while all.len() < 20 {
                // A message with descriptors ends a read early: that it was short proves nothing.
                let mut buf = [0; 64];
                let n = theirs.read(&mut buf).await.unwrap();
                all.extend_from_slice(&buf[..n]);
            }
            all
        });
        until_waiting(&reactor, 1).await;
        ours.send_with_fds(b"ten bytes ", &[ours.as_fd()]).await.unwrap();
        ours.write_all(b"and 10 more").await.unwrap();
        assert_eq!(reading.await.unwrap(), b"ten bytes and 10 more");
    });
}

/// Sends `sent` descriptors to somebody who expects `expected`, and gives what that comes to.
async fn deliver(sent: usize, expected: usize) -> io::Result<usize> {
    let (ours, theirs) = UnixStream::pair()?;
    let (_readers, writers) = pipes(sent);
    ours.send_with_fds(b"x", &borrowed(&writers)).await?;
    let (_, fds) = theirs.recv_with_fds(&mut [0; 8], expected).await?;
    Ok(fds.len())
}

#[test]
fn more_than_expected_are_an_error_and_none_of_them_stays_open() {
    let _alone = alone();
    run(async {
        assert_eq!(deliver(1, 1).await.unwrap(), 1);
        let before = open_descriptors();
        // The system rounds the room for 1 up to 2, so here nothing is truncated; with 5 it is, and installs 2.
        for (sent, expected) in [(1, 0), (2, 1), (5, 1), (3, 2), (253, 8), (5, 4)] {
            let error = lost(deliver(sent, expected).await.unwrap_err());
            assert_eq!(error, DescriptorsLost::TooMany { expected }, "{sent} sent");
            assert_eq!(open_descriptors(), before, "{sent} sent, {expected} expected");
        }
        for (sent, expected) in [(2, 2), (3, 4), (253, 253), (253, 1000)] {
            assert_eq!(deliver(sent, expected).await.unwrap(), sent);
            assert_eq!(open_descriptors(), before);
        }
    });
}

#[test]
fn a_receiver_without_room_for_descriptors_learns_it_and_keeps_none() {
    let _alone = alone();
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut readers, writers) = pipes(3);
        ours.send_with_fds(b"x", &borrowed(&writers)).await.unwrap();
        drop(writers);
        // Room for one of the three.
        let before = limit_descriptors(u64::try_from(next_descriptor()).unwrap() + 1);
        let error = theirs.recv_with_fds(&mut [0; 8], 3).await.unwrap_err();
        limit_descriptors(before);
        assert_eq!(lost(error), DescriptorsLost::NoneLeft);
        for reader in &mut readers {
            assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0, "somebody holds a writing end");
        }
    });
}

#[test]
fn a_mere_read_closes_what_came_along() {
    let _alone = alone();
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut readers, writers) = pipes(1);
        ours.send_with_fds(b"surprise", &borrowed(&writers)).await.unwrap();
        drop(writers);
        let before = open_descriptors();
        assert_eq!(theirs.read(&mut [0; 16]).await.unwrap(), 8);
        assert_eq!(open_descriptors(), before);
        assert_eq!(readers[0].read(&mut [0; 1]).unwrap(), 0);
    });
}

#[test]
fn what_cannot_be_sent_is_refused_and_sends_nothing() {
    let _alone = alone();
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let many = vec![ours.as_fd(); 254];
        for (bytes, fds) in [(&b""[..], &many[..1]), (b"x", &many)] {
            assert_eq!(ours.send_with_fds(bytes, fds).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(theirs.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_dropped_send_or_receive_has_moved_nothing() {
    let _alone = alone();
    run_with(|reactor| async move {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut buf = [0; 64];
        assert!(poll_once(pin!(theirs.recv_with_fds(&mut buf, 1))).await.is_none());
        // Until the socket takes no more.
        let full = vec![b'.'; 4096];
        let mut bytes = 0;
        while let Some(n) = poll_once(pin!(ours.write(&full))).await {
            bytes += n.unwrap();
        }
        let parcel = [ours.as_fd()];
        assert!(poll_once(pin!(ours.send_with_fds(b"late", &parcel))).await.is_none());
        assert_eq!(reactor.waiters(), 0);

        let mut all = vec![0; bytes];
        theirs.read_exact(&mut all).await.unwrap();
        assert_eq!(theirs.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        ours.send_with_fds(b"late", &parcel).await.unwrap();
        let (n, fds) = theirs.recv_with_fds(&mut buf, 1).await.unwrap();
        assert_eq!((&buf[..n], fds.len()), (&b"late"[..], 1));
    });
}

#[test]
fn a_pair_that_was_passed_on_works_elsewhere() {
    let _alone = alone();
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let far = OwnedFd::from(far);
        let number = far.as_raw_fd();
        ours.send_with_fds(b"x", &[far.as_fd()]).await.unwrap();
        let (_, mut fds) = theirs.recv_with_fds(&mut [0; 1], 1).await.unwrap();
        assert_ne!(fds[0].as_raw_fd(), number);
        drop(far);
        let far = UnixStream::try_from(fds.remove(0)).unwrap();
        near.write_all(b"hello").await.unwrap();
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 5);
        drop(near);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

/// A socket that keeps messages apart, as these stories need it.
trait Parcels: Sized {
    fn pair() -> (Self, Self);
    async fn post(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize>;
    async fn open(&self, max_fds: usize) -> io::Result<(usize, Vec<OwnedFd>)>;
    async fn merely_receive(&self) -> io::Result<usize>;
}

macro_rules! parcels {
    ($socket:ty) => {
        impl Parcels for $socket {
            fn pair() -> (Self, Self) {
                <$socket>::pair().unwrap()
            }
            async fn post(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
                self.send_with_fds(bytes, fds).await
            }
            async fn open(&self, max_fds: usize) -> io::Result<(usize, Vec<OwnedFd>)> {
                let message = self.recv_msg(&mut [0; 8], max_fds).await?;
                Ok((message.len, message.fds))
            }
            async fn merely_receive(&self) -> io::Result<usize> {
                self.recv(&mut [0; 8]).await
            }
        }
    };
}

parcels!(UnixDatagram);
parcels!(UnixSeqpacket);

async fn parcels_arrive_or_are_closed<S: Parcels>() {
    let (ours, theirs) = S::pair();
    let (readers, writers) = pipes(2);
    assert_eq!(ours.post(b"two", &borrowed(&writers)).await.unwrap(), 3);
    let (n, fds) = theirs.open(2).await.unwrap();
    assert_eq!((n, fds.len()), (3, 2));
    drop(writers);
    for (fd, mut reader) in fds.into_iter().zip(readers) {
        assert!(closes_on_exec(fd.as_fd()));
        File::from(fd).write_all(b"x").unwrap();
        assert_eq!(reader.read(&mut [0; 2]).unwrap(), 1);
    }
    // Those that nobody expects are closed, and cost that message only.
    let before = open_descriptors();
    let (mut readers, writers) = pipes(253);
    // 0 leaves room for credentials, into which some fit.
    for (sent, expected) in [(1, 0), (4, 0), (10, 0), (2, 1), (5, 1), (253, 8), (253, 252)] {
        ours.post(b"x", &borrowed(&writers[..sent])).await.unwrap();
        let error = lost(theirs.open(expected).await.unwrap_err());
        assert_eq!(error, DescriptorsLost::TooMany { expected }, "{sent} sent");
        assert_eq!(open_descriptors(), before + 2 * 253, "{sent} sent, {expected} expected");
    }
    ours.post(b"all", &borrowed(&writers)).await.unwrap();
    assert_eq!(theirs.open(1000).await.unwrap().1.len(), 253);
    // So are those of a message that is merely received, and of one that nobody receives.
    ours.post(b"surprise", &borrowed(&writers[..2])).await.unwrap();
    assert_eq!(theirs.merely_receive().await.unwrap(), 8);
    ours.post(b"unread", &borrowed(&writers)).await.unwrap();
    drop((writers, theirs));
    for reader in &mut readers {
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0, "somebody holds a writing end");
    }
    let too_many = vec![readers[0].as_fd(); 254];
    assert_eq!(ours.post(b"x", &too_many).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn datagrams_and_packets_carry_descriptors_and_lose_none_of_them() {
    let _alone = alone();
    run(parcels_arrive_or_are_closed::<UnixDatagram>());
    run(parcels_arrive_or_are_closed::<UnixSeqpacket>());
}

async fn without_room_it_is_told<S: Parcels>() {
    let (ours, theirs) = S::pair();
    let (mut readers, writers) = pipes(3);
    ours.post(b"x", &borrowed(&writers)).await.unwrap();
    drop(writers);
    // Room for one of the three.
    let before = limit_descriptors(u64::try_from(next_descriptor()).unwrap() + 1);
    let error = theirs.open(3).await.unwrap_err();
    limit_descriptors(before);
    assert_eq!(lost(error), DescriptorsLost::NoneLeft);
    for reader in &mut readers {
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0, "somebody holds a writing end");
    }
    ours.post(b"next", &[]).await.unwrap();
    assert_eq!(theirs.open(0).await.unwrap().0, 4);
}

#[test]
fn a_receiver_of_messages_without_room_for_descriptors_learns_it_and_keeps_none() {
    let _alone = alone();
    run(without_room_it_is_told::<UnixDatagram>());
    run(without_room_it_is_told::<UnixSeqpacket>());
}

#[test]
fn descriptors_and_who_has_sent_them_come_together() {
    let _alone = alone();
    run(async {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        theirs.set_passcred(true).unwrap();
        let (_readers, writers) = pipes(253);
        for (sent, expected) in [(1, 1), (2, 2), (7, 7), (253, 253)] {
            ours.send_with_fds(b"x", &borrowed(&writers[..sent])).await.unwrap();
            let message = theirs.recv_msg(&mut [0; 8], expected).await.unwrap();
            assert_eq!(message.fds.len(), sent);
            assert_eq!(message.credentials.unwrap().process(), Some(std::process::id()));
        }
        ours.send_with_fds(b"x", &borrowed(&writers[..3])).await.unwrap();
        let error = theirs.recv_msg(&mut [0; 8], 1).await.unwrap_err();
        assert_eq!(lost(error), DescriptorsLost::TooMany { expected: 1 });
    });
}
