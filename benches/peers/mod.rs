//! The runtimes under comparison, behind one small trait, so that every row is written once and each peer is
//! driven in the way its own documentation shows.

use std::cell::RefCell;
use std::future::Future;
use std::net::TcpListener;
use std::pin::Pin;
use std::time::Duration;

pub(crate) mod glommio;
pub(crate) mod monoio;
pub(crate) mod ours;
pub(crate) mod raw_mio;
pub(crate) mod smol;
mod tokio;
pub(crate) mod tokio_local_runtime;
mod tokio_local_set;

/// Bytes an echo handler reads at once, the same for every server, so that all of them face equally many reads.
pub(crate) const ECHO_BUFFER_BYTES: usize = 16 * 1024;

/// A measurement that only some peers have: boxed once per run, outside the measured window.
pub(crate) type Optional<T> = Option<Pin<Box<dyn Future<Output = T>>>>;

thread_local! {
    static SPARE_BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer on loan for handlers that keep none while they wait; the last one returned is the next one lent.
pub(crate) struct LentBuffer(Vec<u8>);

impl LentBuffer {
    pub(crate) fn take() -> LentBuffer {
        let spare = SPARE_BUFFERS.with_borrow_mut(Vec::pop);
        LentBuffer(spare.unwrap_or_else(|| vec![0; ECHO_BUFFER_BYTES]))
    }
}

impl std::ops::Deref for LentBuffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::DerefMut for LentBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for LentBuffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        SPARE_BUFFERS.with_borrow_mut(|spare| spare.push(buffer));
    }
}

/// What a row needs of a runtime. Static functions, because each of these runtimes is reached through its own
/// thread-local anyway and a handle passed around would be a cost that real programs do not have.
pub(crate) trait Peer: 'static {
    /// Name on the command line and in the tables.
    const NAME: &'static str;

    /// Builds a fresh runtime with timers and I/O and runs `main` to its end **as a spawned task**: some runtimes
    /// poll the future given to `block_on` by another path than their tasks, and the rows are about tasks.
    fn run<F>(main: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Spawns a task whose result is the future returned.
    fn spawn<F>(task: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static;

    /// Spawns a task that nobody will join.
    fn spawn_detached<F>(task: F)
    where
        F: Future<Output = ()> + 'static;

    /// Lets every other ready task run once.
    fn yield_now() -> impl Future<Output = ()> + 'static;

    /// The runtime's timer.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static;

    /// The runtime's timeout, or the idiom its documentation gives where it has none; `None` when time ran out.
    fn timeout<F>(limit: Duration, future: F) -> impl Future<Output = Option<F::Output>> + 'static
    where
        F: Future + 'static;

    /// Waits for all, outputs in input order. Runtimes without their own get the one of the `futures` crate.
    fn join_all<I>(futures: I) -> impl Future<Output = Vec<<I::Item as Future>::Output>>
    where
        I: IntoIterator,
        I::Item: Future,
    {
        futures_util::future::join_all(futures)
    }

    /// Accepts for ever and echoes each connection in a task of its own, with a buffer of its own that it reads into
    /// and writes from: the echo server of the runtime's documentation.
    fn serve(listener: TcpListener) -> impl Future<Output = ()> + 'static;

    /// The same with a [`LentBuffer`], borrowed only when there are bytes to read, if the runtime offers
    /// waiting apart from reading.
    fn serve_lending(_listener: TcpListener) -> Optional<()> {
        None
    }

    /// The same as [`serve`](Self::serve) in blocking style, if the runtime has stacks to park.
    fn serve_blocking(_listener: TcpListener) -> Optional<()> {
        None
    }

    /// Nanoseconds per item sent from another thread through the runtime's own channel, if it has one.
    fn items_through_own_channel(_items: u64) -> Optional<f64> {
        None
    }

    /// Nanoseconds per round trip to another thread and back through the runtime's own channel, if it has one.
    fn round_trips_through_own_channel(_trips: u64) -> Optional<f64> {
        None
    }
}

/// Code to run with a peer chosen by name at run time.
pub(crate) trait Visit {
    /// What the visit yields.
    type Output;
    /// Called with the type behind the name.
    fn visit<P: Peer>(self) -> Self::Output;
}

macro_rules! peers {
    ($($peer:path),* $(,)?) => {
        /// Names of all runtimes, in the order of the tables' columns.
        pub(crate) const NAMES: &[&str] = &[$(<$peer as Peer>::NAME),*];

        /// Calls `visitor` with the runtime called `name`.
        ///
        /// # Panics
        ///
        /// If there is none of that name.
        pub(crate) fn with_peer<V: Visit>(name: &str, visitor: V) -> V::Output {
            $(if name == <$peer as Peer>::NAME {
                return visitor.visit::<$peer>();
            })*
            panic!("no runtime named {name:?}; there are {NAMES:?}");
        }
    };
}

peers![
    ours::Ours,
    tokio_local_set::TokioLocalSet,
    tokio_local_runtime::TokioLocalRuntime,
    smol::Smol,
    monoio::Monoio,
    glommio::Glommio,
];

/// Name of the runtime that the second ratio column is about.
pub(crate) const TOKIO: &str = <tokio_local_runtime::TokioLocalRuntime as Peer>::NAME;
/// Name of our own column.
pub(crate) const OURS: &str = <ours::Ours as Peer>::NAME;
/// Name of the column with no runtime at all.
pub(crate) const FLOOR: &str = raw_mio::NAME;
/// Runtimes that stay out of the rows with sockets.
pub(crate) const NO_ECHO: &[&str] = &[<glommio::Glommio as Peer>::NAME];
