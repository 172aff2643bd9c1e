//! Timers, wakes from other threads, and nothing at all: the selector and the doorbell.

use super::{both, run, tcp};
use runtime::{
    net::{TcpListener, UdpSocket, UnixStream},
    spawn, spawn_blocking,
    sync::shared::oneshot,
    time::{Instant, sleep, timeout},
};
use runtime_io::AsyncFd;
use std::{
    future::pending,
    io::{self, Read},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

const MOMENT: Duration = Duration::from_millis(2);

pub(super) fn timers() -> io::Result<()> {
    run(async {
        let start = Instant::now();
        let sleeper = spawn(async move {
            sleep(2 * MOMENT).await;
            start.elapsed()
        });
        timeout(MOMENT, pending::<()>()).await.expect_err("nothing comes");
        assert!(start.elapsed() >= MOMENT);
        let slept = sleeper.await.map_err(io::Error::other)?;
        assert!(slept >= 2 * MOMENT);
        Ok(())
    })
}

pub(super) fn wake_from_a_thread() -> io::Result<()> {
    run(async {
        let (question, asked) = oneshot::channel::<u32>();
        let job = spawn_blocking(move || asked.blocking_recv().map_or(0, |number| number + 1));
        sleep(MOMENT).await;
        let _ = question.send(41);
        let answer = job.await.map_err(io::Error::other)?;
        assert_eq!(answer, 42);
        Ok(())
    })
}

/// Whoever waits makes no calls, however long it takes: one that tries and tries is told from the calls without a fault.
pub(super) fn nothing_comes() -> io::Result<()> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    // The first runs have no faults, and time enough to spin in.
    let a_while = Duration::from_millis(if RUNS.fetch_add(1, Relaxed) < 2 { 50 } else { 1 });
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (tcp, _server) = tcp::pair().await?;
        let (unix, _other) = UnixStream::pair()?;
        let udp = UdpSocket::bind("127.0.0.1:0").await?;
        let (pipe, _writer) = io::pipe()?;
        let pipe = AsyncFd::new(pipe)?;
        let [mut tcp_buf, mut unix_buf, mut udp_buf, mut pipe_buf] = [[0; 8]; 4];
        let sockets = both(listener.accept(), both(tcp.read(&mut tcp_buf), unix.read(&mut unix_buf)));
        let others = both(udp.recv_from(&mut udp_buf), pipe.read_with(|mut pipe| pipe.read(&mut pipe_buf)));
        match timeout(a_while, both(sockets, others)).await {
            Ok(Ok(_)) => panic!("nobody has sent anything"),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Ok(()),
        }
    })
}
