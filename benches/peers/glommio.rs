//! glommio, for the micro rows only: it has no epoll driver, and an io_uring echo would measure another kernel
//! interface. Where io_uring is not permitted its column stays empty. Its own channels join two glommio executors, so
//! they cannot take part in the rows about a plain thread.

use std::future::{Future, pending};
use std::net::TcpListener;
use std::time::Duration;

use glommio::LocalExecutorBuilder;
use glommio::timer::Timer;

use super::Peer;

pub(crate) struct Glommio;

impl Peer for Glommio {
    const NAME: &'static str = "glommio";

    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let executor = LocalExecutorBuilder::default().make().expect("io_uring is permitted");
        executor.run(async { glommio::spawn_local(main).await })
    }

    fn spawn<F>(task: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        glommio::spawn_local(task)
    }

    fn spawn_detached<F>(task: F)
    where
        F: Future<Output = ()> + 'static,
    {
        drop(glommio::spawn_local(task).detach());
    }

    /// Waking oneself, as on smol: `yield_task_queue_now` would leave the whole task queue and cost it more.
    fn yield_now() -> impl Future<Output = ()> + 'static {
        futures_lite::future::yield_now()
    }

    async fn sleep(duration: Duration) {
        Timer::new(duration).await;
    }

    async fn timeout<F>(limit: Duration, future: F) -> Option<F::Output>
    where
        F: Future + 'static,
    {
        glommio::timer::timeout(limit, async { Ok(future.await) }).await.ok()
    }

    async fn serve(_: TcpListener) {
        pending::<()>().await;
    }
}
