//! tokio's `current_thread` runtime driving a `LocalSet`: the usual way to run `!Send` tasks on tokio.

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::{Optional, Peer, tokio as shared};

pub(crate) struct TokioLocalSet;

impl Peer for TokioLocalSet {
    const NAME: &'static str = "tokio-local-set";

    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build().expect("runtime");
        LocalSet::new().block_on(&runtime, async { shared::spawn(main).await })
    }

    fn spawn<F>(task: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        shared::spawn(task)
    }

    fn spawn_detached<F>(task: F)
    where
        F: Future<Output = ()> + 'static,
    {
        shared::spawn_detached(task);
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        tokio::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(duration)
    }

    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + 'static
    where
        F: Future + 'static,
    {
        shared::timeout(limit, future)
    }

    fn serve(listener: TcpListener) -> impl Future<Output = ()> + 'static {
        shared::serve(listener)
    }

    fn serve_lending(listener: TcpListener) -> Optional<()> {
        Some(Box::pin(shared::serve_lending(listener)))
    }

    fn items_through_own_channel(items: u64) -> Optional<f64> {
        Some(Box::pin(shared::items(items)))
    }

    fn round_trips_through_own_channel(trips: u64) -> Optional<f64> {
        Some(Box::pin(shared::round_trips(trips)))
    }
}
