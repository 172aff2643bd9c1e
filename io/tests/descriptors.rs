//! Stories of descriptors that are not TCP, and of their numbers.
#![cfg(target_os = "linux")]
#![cfg_attr(miri, allow(unused, reason = "Miri has none of these"))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::{Park, spawn, task::yield_now};
use runtime_io::{AsyncFd, HandleError, net::TcpStream};
use std::{
    cell::Cell,
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    rc::Rc,
    time::Duration,
};
use support::{
    pair_with_std, pattern, run, run_with,
    sys::{closed_descriptor, packet_pipe, send_with_descriptor},
    until_all_woken, until_waiting,
};

/// Reads `count` bytes, each time with more room than there is.
async fn read_count<T: AsFd>(
    fd: &AsyncFd<T>,
    count: usize,
    read: fn(&T, &mut [u8]) -> io::Result<usize>,
) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut buf = [0; 64];
        let n = fd.read_with(|fd| read(fd, &mut buf)).await.unwrap();
        assert_ne!(n, 0, "the end came after {all:?}");
        all.extend_from_slice(&buf[..n]);
    }
    all
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no packet pipes")]
fn all_packets_of_a_packet_pipe_arrive() {
    run_with(|reactor| async move {
        let (reader, writer) = packet_pipe();
        let reader = AsyncFd::new(File::from(reader)).unwrap();
        let reading = spawn(async move { read_count(&reader, 10, |mut pipe, buf| pipe.read(buf)).await });
        until_waiting(&reactor, 1).await;
        // Two packets before the reactor's next turn: a read gives one, and no edge tells of the other.
        let mut writer = File::from(writer);
        writer.write_all(b"hello").unwrap();
        writer.write_all(b"world").unwrap();
        assert_eq!(reading.await.unwrap(), b"helloworld");
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no SCM_RIGHTS")]
fn bytes_behind_a_message_with_a_descriptor_arrive() {
    run_with(|reactor| async move {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let reader = AsyncFd::new(reader).unwrap();
        let reading = spawn(async move { read_count(&reader, 20, |mut socket, buf| socket.read(buf)).await });
        until_waiting(&reactor, 1).await;
        send_with_descriptor(writer.as_fd(), b"ten bytes ", io::stderr().as_fd());
        writer.write_all(b"and 10 more").unwrap();
        assert_eq!(reading.await.unwrap(), b"ten bytes and 10 more");
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot register files")]
fn a_regular_file_is_refused_by_name_and_a_closed_descriptor_too() {
    run(async {
        let file = File::open("Cargo.toml").unwrap();
        let file = AsyncFd::new(file).unwrap();
        if cfg!(mio_unsupported_force_poll_poll) {
            file.readable().await.expect("poll(2) takes files, and finds them ready");
        } else {
            assert_eq!(file.readable().await.unwrap_err().raw_os_error(), Some(libc::EPERM));
        }
        // It never blocks, so reading it needs no reactor.
        let mut byte = [0];
        assert_eq!(file.read_with(|mut file| file.read(&mut byte)).await.unwrap(), 1);

        assert_eq!(AsyncFd::new(closed_descriptor()).unwrap_err().raw_os_error(), Some(libc::EBADF));
        let closed = AsyncFd::new_nonblocking(closed_descriptor());
        assert_eq!(closed.readable().await.unwrap_err().raw_os_error(), Some(libc::EBADF));
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot register files")]
fn what_the_selector_refuses_keeps_no_place_in_the_reactor() {
    run_with(|reactor| async move {
        let closed = AsyncFd::new_nonblocking(closed_descriptor());
        for _ in 0..3 {
            closed.readable().await.unwrap_err();
            assert_eq!(reactor.registered(), 0);
        }
        if cfg!(mio_unsupported_force_poll_poll) {
            return; // it takes files
        }
        let file = AsyncFd::new(File::open("Cargo.toml").unwrap()).unwrap();
        file.writable().await.unwrap_err();
        assert_eq!(reactor.registered(), 0);

        let (pipe, _writer) = io::pipe().unwrap();
        let (one, other) = (AsyncFd::new(&pipe).unwrap(), AsyncFd::new(&pipe).unwrap());
        assert!(poll_once(one.readable()).await.is_none());
        other.readable().await.unwrap_err();
        assert_eq!(reactor.registered(), 1);
        drop((one, other));
        assert_eq!(reactor.registered(), 0);
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no pipes that block")]
fn a_full_pipe_makes_the_writer_wait() {
    run_with(|reactor| async move {
        let (reader, writer) = io::pipe().unwrap();
        let (reader, writer) = (AsyncFd::new(reader).unwrap(), AsyncFd::new(writer).unwrap());
        let sent = pattern(1 << 20);
        let expected = sent.clone();
        let writing = spawn(async move {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let n = writer.write_with(|mut pipe| pipe.write(rest)).await.unwrap();
                rest = &rest[n..];
            }
        });
        until_waiting(&reactor, 1).await;
        let received = read_count(&reader, 1 << 20, |mut pipe, buf| pipe.read(buf)).await;
        assert!(received == expected, "bytes were lost, doubled or moved");
        writing.await.unwrap();
    });
}

/// Counts how often an operation is tried.
struct Tries(Rc<Cell<usize>>);

#[test]
fn an_event_for_nothing_is_waited_over() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let mut thief = ours.as_fd().try_clone_to_owned().map(std::net::TcpStream::from).unwrap();
        let ours = AsyncFd::new_nonblocking(ours.into_std());
        let tries = Tries(Rc::default());
        let counted = Rc::clone(&tries.0);
        let reader = spawn(async move {
            let mut buf = [0; 8];
            let read = ours.read_with(|mut stream| {
                counted.set(counted.get() + 1);
                stream.read(&mut buf)
            });
            let n = read.await.unwrap();
            buf[..n].to_vec()
        });
        until_waiting(&reactor, 1).await;
        assert_eq!(tries.0.get(), 1);

        theirs.write_all(b"stolen").unwrap();
        until_all_woken(&reactor);
        let mut loot = [0; 8];
        assert_eq!(thief.read(&mut loot).unwrap(), 6);
        until_waiting(&reactor, 1).await;
        assert_eq!(tries.0.get(), 2, "it has tried, found nothing, and waits");
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(tries.0.get(), 2, "it does not spin");

        theirs.write_all(b"real").unwrap();
        assert_eq!(reader.await.unwrap(), b"real");
        assert_eq!(tries.0.get(), 3);
    });
}

#[test]
fn a_number_used_again_within_one_batch_gets_no_event_of_its_former_owner() {
    run_with(|reactor| async move {
        let (first, mut to_first) = pair_with_std().await;
        let (second, mut to_second) = pair_with_std().await;
        let mut byte = [0];
        assert!(poll_once(second.read(&mut byte)).await.is_none());
        let number = second.as_raw_fd();
        let swapped = spawn(async move {
            let mut byte = [0];
            first.read(&mut byte).await.unwrap();
            // The event for `second` came in the same batch, and is in its box now.
            drop(second);
            let (third, to_third) = loop {
                let (third, to_third) = pair_with_std().await;
                if third.as_raw_fd() == number {
                    break (third, to_third);
                }
                let (theirs, ours) = (third, to_third);
                if ours.as_raw_fd() == number {
                    theirs.set_nodelay(true).unwrap();
                    break (TcpStream::from_std(ours).unwrap(), blocking(theirs));
                }
            };
            assert!(poll_once(third.read(&mut byte)).await.is_none());
            assert!(poll_once(third.readable()).await.is_none(), "it got an event that was not its own");
            (third, to_third)
        });
        until_waiting(&reactor, 1).await;
        to_first.write_all(b"1").unwrap();
        to_second.write_all(b"2").unwrap();
        let (third, mut to_third) = swapped.await.unwrap();
        to_third.write_all(b"3").unwrap();
        assert_eq!(third.read(&mut byte).await.unwrap(), 1);
        assert_eq!(&byte, b"3");
    });
}

fn blocking(stream: TcpStream) -> std::net::TcpStream {
    let stream = stream.into_std();
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn a_socket_that_somebody_else_holds_too_goes_silent_when_ours_is_closed() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        assert!(poll_once(ours.read(&mut [0; 1])).await.is_none());
        // As a child process would.
        let held: OwnedFd = ours.as_fd().try_clone_to_owned().unwrap();
        drop(ours);
        assert_eq!(reactor.registered(), 0);
        theirs.write_all(b"for nobody").unwrap();
        // The loop would come round at once if the selector still reported it.
        let begun = runtime_executor::time::Instant::now();
        reactor.park(Some(Duration::from_millis(30))).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(30), "a phantom event");
        drop(held);
    });
}

#[test]
fn what_is_taken_out_can_be_wrapped_again() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let mut byte = [0];
        for round in 0..3 {
            let again = TcpStream::from_std(ours.as_fd().try_clone_to_owned().unwrap().into()).unwrap();
            assert!(poll_once(again.read(&mut byte)).await.is_none());
            assert_eq!(reactor.registered(), 1);
            let again = TcpStream::from_std(again.into_std()).unwrap();
            assert_eq!(reactor.registered(), 0);
            theirs.write_all(&[round]).unwrap();
            again.readable().await.unwrap();
            assert_eq!(again.read(&mut byte).await.unwrap(), 1);
            assert_eq!(byte[0], round);
        }
    });
}

#[test]
fn a_closed_handle_ends_its_waiters_and_its_next_operations() {
    run_with(|reactor| async move {
        let (ours, _theirs) = pair_with_std().await;
        let ours = Rc::new(AsyncFd::new_nonblocking(ours.into_std()));
        let reader = spawn({
            let ours = Rc::clone(&ours);
            async move { ours.read_with(|mut stream| stream.read(&mut [0; 8])).await.unwrap_err() }
        });
        let waiter = spawn({
            let ours = Rc::clone(&ours);
            async move { ours.readable().await.unwrap_err() }
        });
        until_waiting(&reactor, 2).await;
        ours.close();
        for error in [reader.await.unwrap(), waiter.await.unwrap()] {
            assert_eq!(error.kind(), ErrorKind::NotConnected);
            assert_eq!(error.downcast::<HandleError>().unwrap(), HandleError::Closed);
        }
        assert!(ours.try_write_with(|mut stream| stream.write(b"x")).is_err());
        assert_eq!(reactor.waiters(), 0);
    });
}

#[test]
fn the_poll_methods_wake_the_last_who_asked() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        let ours = AsyncFd::new_nonblocking(ours.into_std());
        assert!(
            ours.poll_readable(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
        );
        assert_eq!(reactor.waiters(), 1);
        let reading =
            std::future::poll_fn(|cx| ours.poll_read_with(cx, |mut stream| stream.read(&mut [0; 8])));
        let writing = async {
            assert_eq!(reactor.waiters(), 1, "one place for all");
            theirs.write_all(b"seven b").unwrap();
        };
        let (n, ()) = futures_lite::future::zip(reading, writing).await;
        assert_eq!(n.unwrap(), 7);
    });
}
