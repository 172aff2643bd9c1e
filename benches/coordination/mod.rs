//! The libraries under comparison, each behind the same small traits, so that every row is written once. A library that
//! does not offer something says [`Absent`].

use std::future::{Future, pending};
use std::marker::PhantomData;
use std::ops::DerefMut;

mod async_crates;
mod flume;
mod futures;
mod futures_intrusive;
mod glommio;
mod local_sync;
mod ours;
pub(crate) mod rows;
mod tokio;

use crate::common::report::{Divisor, Ratio};
use crate::peers::Peer;
use crate::peers::glommio::Glommio;
use crate::peers::monoio::Monoio;
use crate::peers::ours::Ours;
use crate::peers::smol::Smol;
use crate::peers::tokio_local_runtime::TokioLocalRuntime;

/// Capacity of the channel in the row about a stream.
pub(crate) const CAPACITY: usize = 1_024;

/// What one library offers to tasks that coordinate.
pub(crate) trait Library: 'static {
    /// Name on the command line and in the tables.
    const NAME: &'static str;
    /// Mutual exclusion across an `await`.
    type Lock: Lock;
    /// A number of permits.
    type Semaphore: Semaphore;
    /// Wakes all that wait.
    type Event: Event;
    /// One value, once.
    type Oneshot: Oneshot;
    /// A queue that makes senders wait when it is full.
    type Bounded: Bounded<1> + Bounded<CAPACITY>;
    /// A queue that never does.
    type Unbounded: Unbounded;
}

pub(crate) trait Lock: 'static {
    const IS_OFFERED: bool = true;
    fn new() -> Self;
    fn acquire(&self) -> impl Future<Output = impl DerefMut<Target = u64>>;
}

pub(crate) trait Semaphore: 'static {
    const IS_OFFERED: bool = true;
    fn new(permits: usize) -> Self;
    /// What this yields is the permit, or the library's `Result` of it: it goes back when that is dropped.
    fn acquire(&self) -> impl Future<Output = impl Sized>;
}

pub(crate) trait Event: 'static {
    const IS_OFFERED: bool = true;
    fn new() -> Self;
    /// Waits for the next [`wake_all`](Event::wake_all).
    fn wait(&self) -> impl Future<Output = ()>;
    /// Lets all pass that wait now, and nobody who comes later.
    fn wake_all(&self);
}

pub(crate) trait Oneshot: 'static {
    const IS_OFFERED: bool = true;
    type Sender<T: 'static>: 'static;
    type Receiver<T: 'static>: 'static;
    fn channel<T: 'static>() -> (Self::Sender<T>, Self::Receiver<T>);
    fn send<T: 'static>(sender: Self::Sender<T>, value: T);
    /// Nothing: the sender was dropped.
    fn receive<T: 'static>(receiver: Self::Receiver<T>) -> impl Future<Output = impl Outcome<T>>;
}

/// The capacity is in the type because one library's buffers are arrays.
pub(crate) trait Bounded<const CAPACITY: usize>: 'static {
    const IS_OFFERED: bool = true;
    type Sender: 'static;
    type Receiver: 'static;
    fn channel() -> (Self::Sender, Self::Receiver);
    fn send(sender: &mut Self::Sender, value: u64) -> impl Future<Output = impl Outcome<()>>;
    /// Nothing: the sender was dropped and all that it sent has been received.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>>;
}

pub(crate) trait Unbounded: 'static {
    const IS_OFFERED: bool = true;
    type Sender: 'static;
    type Receiver: 'static;
    fn channel() -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, value: u64);
    /// Nothing: the sender was dropped and all that it sent has been received.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = impl Outcome<u64>>;
}

/// `Option` or `Result`, whichever a library returns: a wrapper around its future would be measured with it.
pub(crate) trait Outcome<T> {
    fn value(self) -> Option<T>;
}

impl<T> Outcome<T> for Option<T> {
    fn value(self) -> Option<T> {
        self
    }
}

impl<T, E> Outcome<T> for Result<T, E> {
    fn value(self) -> Option<T> {
        self.ok()
    }
}

/// What a library does not offer. Rows ask first, so nothing here ever runs.
pub(crate) struct Absent;

impl Lock for Absent {
    const IS_OFFERED: bool = false;
    fn new() -> Self {
        Absent
    }
    fn acquire(&self) -> impl Future<Output = impl DerefMut<Target = u64>> {
        pending::<Box<u64>>()
    }
}

impl Semaphore for Absent {
    const IS_OFFERED: bool = false;
    fn new(_: usize) -> Self {
        Absent
    }
    fn acquire(&self) -> impl Future<Output = impl Sized> {
        pending::<()>()
    }
}

impl Event for Absent {
    const IS_OFFERED: bool = false;
    fn new() -> Self {
        Absent
    }
    fn wait(&self) -> impl Future<Output = ()> {
        pending()
    }
    fn wake_all(&self) {}
}

impl Oneshot for Absent {
    const IS_OFFERED: bool = false;
    type Sender<T: 'static> = PhantomData<T>;
    type Receiver<T: 'static> = PhantomData<T>;
    fn channel<T: 'static>() -> (PhantomData<T>, PhantomData<T>) {
        (PhantomData, PhantomData)
    }
    fn send<T: 'static>(_: PhantomData<T>, _: T) {}
    fn receive<T: 'static>(_: PhantomData<T>) -> impl Future<Output = impl Outcome<T>> {
        pending::<Option<T>>()
    }
}

impl<const CAPACITY: usize> Bounded<CAPACITY> for Absent {
    const IS_OFFERED: bool = false;
    type Sender = ();
    type Receiver = ();
    fn channel() -> ((), ()) {
        ((), ())
    }
    fn send((): &mut (), _: u64) -> impl Future<Output = impl Outcome<()>> {
        pending::<Option<()>>()
    }
    fn receive((): &mut ()) -> impl Future<Output = impl Outcome<u64>> {
        pending::<Option<u64>>()
    }
}

impl Unbounded for Absent {
    const IS_OFFERED: bool = false;
    type Sender = ();
    type Receiver = ();
    fn channel() -> ((), ()) {
        ((), ())
    }
    fn send((): &(), _: u64) {}
    fn receive((): &mut ()) -> impl Future<Output = impl Outcome<u64>> {
        pending::<Option<u64>>()
    }
}

/// Code to run with a library and a runtime chosen by name at run time.
pub(crate) trait Visit {
    /// What the visit yields.
    type Output;
    /// Called with the types behind the names.
    fn visit<L: Library, P: Peer>(self) -> Self::Output;
}

macro_rules! libraries {
    ($($library:path: $($host:ty),+;)*) => {
        /// Every library and the runtimes that it is measured on, in the order of the tables' columns.
        pub(crate) const LIBRARIES: &[(&str, &[&str])] =
            &[$((<$library as Library>::NAME, &[$(<$host as Peer>::NAME),+])),*];

        /// Calls `visitor` with the library called `name` and the runtime called `host`.
        ///
        /// # Panics
        ///
        /// If they are not a pair of [`LIBRARIES`].
        pub(crate) fn with_library<V: Visit>(name: &str, host: &str, visitor: V) -> V::Output {
            $($(if name == <$library as Library>::NAME && host == <$host as Peer>::NAME {
                return visitor.visit::<$library, $host>();
            })+)*
            panic!("no library named {name:?} on {host:?}; there are {LIBRARIES:?}");
        }
    };
}

// A library that belongs to a runtime runs there. One that belongs to none, or that others use too, runs on several,
// and shows the best of them.
libraries! {
    ours::Local: Ours;
    ours::Shared: Ours;
    tokio::Tokio: TokioLocalRuntime;
    tokio::TokioOnOurs: Ours;
    async_crates::AsyncCrates: Ours, Smol;
    futures::Futures: Ours, Smol;
    futures_intrusive::Unfair: Ours, Smol;
    futures_intrusive::Fair: Ours, Smol;
    local_sync::LocalSync: Ours, Monoio;
    flume::Flume: Ours, Smol;
    glommio::GlommioSync: Glommio;
}

/// The ratios that the tables show: of either flavour of ours, to tokio's primitives on tokio among others.
pub(crate) fn ratios() -> Vec<Ratio> {
    const LOCAL: &str = <ours::Local as Library>::NAME;
    const SHARED: &str = <ours::Shared as Library>::NAME;
    const TOKIO: Divisor = Divisor::Column(<tokio::Tokio as Library>::NAME);
    vec![
        Ratio { title: "ours / best peer", of: LOCAL, by: Divisor::BestPeer },
        Ratio { title: "ours / tokio", of: LOCAL, by: TOKIO },
        Ratio { title: "shared / best peer", of: SHARED, by: Divisor::BestPeer },
        Ratio { title: "shared / tokio", of: SHARED, by: TOKIO },
    ]
}
