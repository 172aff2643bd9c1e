//! Stories of signals: the one that interrupts, and the one that must not come.
#![cfg(all(unix, not(miri)))]

mod support;

use futures_lite::future::zip;
use runtime_executor::spawn;
use runtime_io::io::{AsyncWrite, AsyncWriteExt};
use std::{
    io::{self, ErrorKind, IoSlice},
    net::Shutdown,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use support::{
    pair, pattern, read_to_end, run,
    sys::{catch_sigusr1, interrupt, interruptions, make_sigpipe_deadly, this_thread},
};

#[test]
fn a_storm_of_signals_changes_nothing() {
    catch_sigusr1();
    let sent = pattern(4_000_000);
    let target = this_thread();
    let (armed, done) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !armed.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            while !done.load(Ordering::Acquire) {
                interrupt(target);
                std::thread::yield_now();
            }
        });
        // The storm ends also if the story fails.
        struct Calm<'a>(&'a AtomicBool, &'a AtomicBool);
        impl Drop for Calm<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
                self.1.store(true, Ordering::Release);
            }
        }
        let _calm = Calm(&armed, &done);
        run(async {
            let (client, server) = pair().await;
            let echo = spawn(async move {
                let mut buf = vec![0; 1500];
                loop {
                    let n = server.read(&mut buf).await.unwrap();
                    if n == 0 {
                        break;
                    }
                    server.write_all(&buf[..n]).await.unwrap();
                }
            });
            armed.store(true, Ordering::Release);
            let writing = async {
                client.write_all(&sent).await.unwrap();
                client.shutdown(Shutdown::Write).unwrap();
            };
            let ((), echoed) = zip(writing, read_to_end(&client)).await;
            assert!(echoed.unwrap() == sent, "the echo differs");
            echo.await.unwrap();
            // Accepting, connecting and sleeping, too.
            while interruptions() < 1000 {
                drop(pair().await);
                runtime_executor::time::sleep(Duration::from_micros(100)).await;
            }
        });
    });
}

#[test]
fn writing_to_a_connection_that_is_gone_is_an_error_and_no_death() {
    make_sigpipe_deadly();
    run(async {
        let (mut client, server) = pair().await;
        drop(server);
        assert_eq!(read_to_end(&client).await.unwrap(), b"");
        // The first write provokes the reset; the second finds it.
        let broken =
            |error: io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        while client.write(b"x").await.is_ok() {}
        assert!(broken(client.write(b"x").await.unwrap_err()));
        assert!(broken(client.write_all(b"x").await.unwrap_err()));
        assert!(broken(client.try_write(b"x").unwrap_err()));
        assert!(broken(client.write_vectored(&[IoSlice::new(b"x")]).await.unwrap_err()));
        assert!(broken(AsyncWriteExt::write(&mut client, b"x").await.unwrap_err()));
        let vectored =
            std::future::poll_fn(|cx| Pin::new(&mut client).poll_write_vectored(cx, &[IoSlice::new(b"x")]));
        assert!(broken(vectored.await.unwrap_err()));
        AsyncWriteExt::close(&mut client).await.unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_handler_of_the_programs_own_gets_all_signals_but_ours() {
    use runtime_executor::inspect::Probe;
    use std::sync::atomic::AtomicUsize;

    static OWN: AtomicUsize = AtomicUsize::new(0);
    static ON_OTHER_STACKS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_signal: libc::c_int) {
        OWN.fetch_add(1, Ordering::Relaxed);
        ON_OTHER_STACKS.fetch_add(usize::from(!support::sys::is_on_signal_stack()), Ordering::Relaxed);
    }
    support::sys::handle(libc::SIGURG, count);
    let probe = runtime_io::ThreadProbe::new().unwrap();
    support::sys::raise(libc::SIGURG);
    assert_eq!(OWN.load(Ordering::Relaxed), 1, "it still gets its own");
    assert_eq!(ON_OTHER_STACKS.load(Ordering::Relaxed), 0, "on the stack that it asked for");
    let seen = std::thread::scope(|scope| scope.spawn(|| probe.look()).join().unwrap());
    assert!(seen.is_some_and(|sight| sight.glance.is_none()), "this thread runs no runtime");
    assert_eq!(OWN.load(Ordering::Relaxed), 1, "and none of ours");
}
