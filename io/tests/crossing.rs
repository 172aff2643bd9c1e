//! Stories of handles on threads and runtimes that are not theirs.

mod support;

use futures_lite::future::poll_once;
use runtime_executor::{Park, spawn, spawn_blocking, task::yield_now};
use runtime_io::{
    AsyncFd, HandleError, Reactor,
    net::{
        Addresses, Incoming, OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpListener, TcpSocket, TcpStream,
        UnixDatagram, UnixSeqpacket, UnixSeqpacketListener, WriteHalf,
    },
};
use std::{io, io::Write, net, sync::Arc};
use support::{executor, pair_with_std, run, run_with, until_waiting};

fn handle_error<T: std::fmt::Debug>(result: io::Result<T>) -> HandleError {
    result.unwrap_err().downcast::<HandleError>().expect("a HandleError")
}

/// Compiles, or does not.
#[test]
fn all_handles_and_their_futures_may_be_sent_and_shared() {
    fn both<T: Send + Sync>() {}
    fn future<F: Future + Send + Sync>(_: fn(&'static TcpStream) -> F) {}
    both::<TcpStream>();
    both::<TcpListener>();
    both::<TcpSocket>();
    both::<OwnedReadHalf>();
    both::<OwnedWriteHalf>();
    both::<ReadHalf<'_>>();
    both::<WriteHalf<'_>>();
    both::<Incoming<'_>>();
    both::<Addresses>();
    both::<UnixDatagram>();
    both::<UnixSeqpacket>();
    both::<UnixSeqpacketListener>();
    both::<AsyncFd<net::UdpSocket>>();
    both::<HandleError>();
    future(|stream| stream.read(&mut []));
    future(|stream| stream.write_all(&[]));
    future(TcpStream::readable);
    fn sending<F: Future + Send + Sync>(_: fn(&'static UnixDatagram) -> F) {}
    sending(|socket| socket.send(&[]));
    sending(|socket| socket.send_to(&[], ""));
    sending(|socket| socket.recv_msg(&mut [], 0));
    fn accepting<F: Future + Send>(_: fn(&'static TcpListener) -> F) {}
    accepting(TcpListener::accept);
    fn connecting<F: Future + Send>(_: fn(net::SocketAddr) -> F) {}
    connecting(TcpStream::connect);
}

#[test]
fn a_handle_is_no_bigger_than_five_words() {
    const WORD: usize = size_of::<usize>();
    // The last is for who watches over its deadlines.
    assert!(size_of::<AsyncFd<net::TcpStream>>() <= 5 * WORD, "{}", size_of::<AsyncFd<net::TcpStream>>());
    // And one for where a supervisor counts it.
    assert!(size_of::<TcpStream>() <= 6 * WORD, "{}", size_of::<TcpStream>());
    // One per server: mio's has two words more in debug builds, and there is one for a share.
    assert!(size_of::<TcpListener>() <= 8 * WORD, "{}", size_of::<TcpListener>());
}

#[test]
fn a_socket_moves_freely_before_its_first_wait() {
    run(async {
        let (ours, mut theirs) = pair_with_std().await;
        theirs.write_all(b"hello").unwrap();
        let elsewhere = spawn_blocking(move || {
            run(async {
                let mut buf = [0; 8];
                assert_eq!(ours.read(&mut buf).await.unwrap(), 5);
                assert!(poll_once(ours.read(&mut buf)).await.is_none());
                ours
            })
        });
        // Its runtime has ended, so it must be wrapped anew.
        let ours = elsewhere.await.unwrap();
        assert_eq!(handle_error(ours.read(&mut [0; 8]).await), HandleError::RuntimeEnded);
        let ours = TcpStream::from_std(ours.into_std()).unwrap();
        theirs.write_all(b"again").unwrap();
        ours.readable().await.unwrap();
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 5);
    });
}

#[test]
fn use_on_another_runtimes_thread_is_refused_with_a_remedy() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        assert!(poll_once(ours.read(&mut [0; 8])).await.is_none());
        let ours = Arc::new(ours);
        let shared = Arc::clone(&ours);
        theirs.write_all(b"data").unwrap();
        let error = spawn_blocking(move || {
            run(async {
                let error = shared.read(&mut [0; 8]).await.unwrap_err();
                assert_eq!(handle_error(shared.write(b"x").await), HandleError::OtherRuntime);
                assert_eq!(handle_error(shared.readable().await), HandleError::OtherRuntime);
                assert_eq!(handle_error(shared.try_read(&mut [0; 8])), HandleError::OtherRuntime);
                // What needs no reactor works anywhere.
                shared.peer_addr().unwrap();
                error
            })
        });
        let error = error.await.unwrap();
        assert!(error.to_string().contains("into_std"), "{error}");
        let ours = Arc::into_inner(ours).unwrap();
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 4, "and nothing was read there");
        drop(ours);
        assert_eq!(reactor.registered(), 0);
    });
}

#[test]
fn without_a_runtime_or_a_reactor_io_is_refused_with_a_remedy() {
    let (ours, _theirs) = run(pair_with_std());
    let error = futures_lite::future::block_on(ours.read(&mut [0; 8])).unwrap_err();
    assert!(error.to_string().contains("runtime::main"), "{error}");
    assert_eq!(handle_error::<usize>(Err(error)), HandleError::NoRuntime);

    let bare = runtime_executor::Executor::builder().build();
    let error = bare.block_on(async { ours.read(&mut [0; 8]).await.unwrap_err() });
    assert!(error.to_string().contains("no reactor"), "{error}");
}

#[test]
fn a_handle_dropped_on_another_thread_leaks_nothing() {
    run_with(|reactor| async move {
        let (ours, mut theirs) = pair_with_std().await;
        assert!(poll_once(ours.read(&mut [0; 8])).await.is_none());
        assert_eq!(reactor.registered(), 1);
        spawn_blocking(move || drop(ours)).await.unwrap();
        while reactor.registered() > 0 {
            yield_now().await;
        }
        assert_eq!(io::Read::read(&mut theirs, &mut [0; 8]).unwrap(), 0, "it is closed, too");
    });
}

#[test]
fn a_waiting_future_dropped_on_another_thread_leaves_no_waiter() {
    run_with(|reactor| async move {
        let (ours, theirs) = pair_with_std().await;
        let mut reading = Box::pin(async move { ours.read(&mut [0; 8]).await });
        assert!(poll_once(&mut reading).await.is_none());
        assert_eq!(reactor.waiters(), 1);
        spawn_blocking(move || drop(reading)).await.unwrap();
        while reactor.registered() > 0 {
            yield_now().await;
        }
        assert_eq!(reactor.waiters(), 0);
        drop(theirs);
    });
}

#[test]
fn a_handle_outlives_its_runtime() {
    let (ours, theirs) = run(async {
        let (ours, theirs) = pair_with_std().await;
        assert!(poll_once(ours.read(&mut [0; 8])).await.is_none());
        (ours, theirs)
    });
    drop(ours);
    drop(theirs);
}

#[test]
fn a_handle_dropped_between_two_runs_of_its_runtime_is_forgotten_by_the_next() {
    let (executor, reactor) = executor();
    let ours = executor.block_on(async {
        let (ours, _theirs) = pair_with_std().await;
        let _ = poll_once(ours.readable()).await;
        ours
    });
    assert_eq!(reactor.registered(), 1);
    drop(ours);
    executor.block_on(async {
        while reactor.registered() > 0 {
            yield_now().await;
        }
    });
}

#[test]
fn tasks_that_wait_when_their_runtime_ends_let_go_of_it() {
    let (executor, reactor) = executor();
    executor.block_on(async {
        for _ in 0..3 {
            let (ours, theirs) = pair_with_std().await;
            spawn(async move {
                let _theirs = theirs;
                ours.read(&mut [0; 8]).await
            })
            .detach();
        }
        until_waiting(&reactor, 3).await;
    });
    drop(executor);
    assert_eq!((reactor.registered(), reactor.waiters()), (0, 0));
}

#[test]
fn two_runtimes_on_one_thread_keep_their_sockets_apart() {
    let (first, first_reactor) = executor();
    let (second, second_reactor) = executor();
    let (ours, mut theirs) = first.block_on(pair_with_std());
    second.block_on(async {
        assert!(poll_once(ours.read(&mut [0; 8])).await.is_none());
    });
    assert_eq!((first_reactor.registered(), second_reactor.registered()), (0, 1));
    first.block_on(async {
        assert_eq!(handle_error(ours.read(&mut [0; 8]).await), HandleError::OtherRuntime);
    });
    theirs.write_all(b"x").unwrap();
    second.block_on(async {
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 1);
    });
    // Dropped under the wrong runtime, it leaves the right one.
    first.block_on(async move { drop(ours) });
    second.block_on(async {
        while second_reactor.registered() > 0 {
            yield_now().await;
        }
    });
    let _: (&Reactor, &Reactor) = (&first_reactor, &second_reactor);
}
