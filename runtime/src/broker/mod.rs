//! Queues of jobs that outlive whoever works on them: on one machine in memory, on many by way of a server.
//!
//! A [`Broker`] keeps jobs, which are bytes, until somebody has said that they are done. Who pulls a job has a *lease* on it: for
//! so long nobody else gets it. If the worker dies, hangs or loses its network, the lease runs out and the job is delivered
//! again. So no job is lost, and each is delivered **at least once**.
//!
//! ```
//! use runtime::broker::{Broker, Memory, Options};
//! use std::time::Duration;
//!
//! async fn produce(jobs: &impl Broker) -> Result<(), runtime::broker::Error> {
//!     jobs.push(b"resize 1.png").await?;
//!     jobs.push_after(Duration::from_secs(60), b"send the reminder").await?;
//!     Ok(())
//! }
//!
//! async fn consume(jobs: &impl Broker) -> Result<(), runtime::broker::Error> {
//!     for delivery in jobs.pull(10, Duration::from_secs(5)).await? {
//!         assert_eq!(delivery.body(), b"resize 1.png");
//!         jobs.ack(&delivery).await?; // only now it is gone
//!     }
//!     Ok(())
//! }
//!
//! # #[runtime::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let jobs = Memory::new(Options::default());
//! produce(&jobs).await?;
//! consume(&jobs).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # From one machine to many
//!
//! Write against the trait. [`Memory`] keeps the jobs in this process, for programs that need one and for tests, where it follows
//! the virtual clock. `Redis` (feature `redis`) keeps them on a Redis or Valkey server: any number of processes on any number of
//! machines push and pull, and the code stays the same. An implementation of your own is proved by
//! [`testing::broker`](crate::testing::broker).
//!
//! # What "at least once" asks of you
//!
//! **A lease is not a lock.** It keeps others away as long as all goes well. A worker that was stopped for a minute, by its host or
//! a debugger, goes on afterwards without knowing that its lease is over and its job with somebody else: for a while both work on
//! it. No queue can prevent that; [`Delivery::attempt`] lets you tell them apart, as a later one has the higher number.
//!
//! **So what a job does must bear being done twice.** Write "set to 5" rather than "add 1"; keep the [`JobId`] in the same
//! transaction as the effect, and look whether it is there; let file names and order numbers follow from the job.
//!
//! **Acknowledge last**, when the effect is safe. Who acknowledges first has "at most once".
//!
//! **Some jobs kill their worker.** A job that was delivered [`max_deliveries`](Options::max_deliveries) times without success
//! is put aside: it is [dead](Broker::dead), and waits for somebody to look at it.
//!
//! [`Worker`] is the loop that does all this: it pulls, extends leases while its handlers work, acknowledges, and gives back what
//! failed.

mod any;
mod error;
mod job;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod worker;

pub use any::AnyBroker;
pub use error::Error;
pub use job::{DeadJob, Delivery, JobId};
pub use memory::Memory;
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use worker::{Tally, Worker};

use std::{rc::Rc, time::Duration};

/// Jobs in one answer to [`Broker::pull`], at most. More at once gain nothing, and would lie with one worker while others have
/// none.
pub const MAX_BATCH: usize = 256;

/// What a queue promises: the same for all who use it, whichever engine keeps it.
///
/// ```
/// use runtime::broker::Options;
/// use std::time::Duration;
///
/// let options = Options::default().lease(Duration::from_secs(5)).max_deliveries(3);
/// assert_eq!(options.capacity, 1_000_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long a job that was pulled is kept from others, unless that is [extended](Broker::extend).
    pub lease: Duration,
    /// How often a job is delivered before it is put with the dead.
    pub max_deliveries: u32,
    /// How many jobs may be in the queue, those that wait for their time or are being worked on included; then pushing is
    /// refused. Of the dead, too, no more than so many are kept: the oldest go.
    pub capacity: usize,
}

impl Default for Options {
    /// A lease of 30 s: an accident delays a job by as much, while the call that extends it costs nothing at that pace. 8
    /// deliveries. A million jobs: at a few hundred bytes each, what a small server has room for.
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), max_deliveries: 8, capacity: 1_000_000 }
    }
}

impl Options {
    /// With another [`lease`](Self::lease).
    ///
    /// # Panics
    /// On less than a millisecond, the finest that all engines know.
    #[must_use]
    #[track_caller]
    pub fn lease(mut self, lease: Duration) -> Self {
        assert!(
            lease >= Duration::from_millis(1),
            "a lease of {lease:?} is over before anybody can work: give it seconds"
        );
        self.lease = lease;
        self
    }

    /// With another number of [deliveries](Self::max_deliveries).
    ///
    /// # Panics
    /// On 0, with which no job would ever be delivered.
    #[must_use]
    #[track_caller]
    pub fn max_deliveries(mut self, deliveries: u32) -> Self {
        assert!(deliveries > 0, "a job that may be delivered 0 times would never be done: allow at least 1");
        self.max_deliveries = deliveries;
        self
    }

    /// With another [`capacity`](Self::capacity).
    ///
    /// # Panics
    /// On 0, with which nothing could ever be pushed.
    #[must_use]
    #[track_caller]
    pub fn capacity(mut self, jobs: usize) -> Self {
        assert!(jobs > 0, "a queue for 0 jobs refuses all of them: give it room for at least 1");
        self.capacity = jobs;
        self
    }
}

/// How many jobs are where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Waiting for somebody to pull them.
    pub ready: usize,
    /// Waiting for their time.
    pub delayed: usize,
    /// With a worker.
    pub leased: usize,
    /// Put aside.
    pub dead: usize,
}

/// A queue of jobs: see the [module](self) for what it promises.
///
/// All methods take `&self`; any number of tasks may use one value at once. Their futures are not `Send`: they are for tasks of one
/// runtime. Which implementation it is you decide when you compile; to decide it when the program starts there is [`AnyBroker`].
///
/// # For implementors
/// The order of jobs is that of pushes, as far as nothing is delivered again. What an engine cannot do must be an
/// [`Error`], never a job that is lost. Reconnect by yourself: after [`Error::Unreachable`] the next call tries again.
/// [`testing::broker::conformance`](crate::testing::broker::conformance) has the contract as tests.
#[expect(async_fn_in_trait, reason = "tasks stay on their thread: nobody needs these futures to be Send")]
pub trait Broker {
    /// What the queue promises.
    fn options(&self) -> Options;

    /// Puts a job into the queue. When it returns, the job is as safe as the engine keeps it.
    ///
    /// # Errors
    /// [`Error::Full`]. After [`Error::Unreachable`] it is not known whether the job is in the queue: push it again, as it may be
    /// delivered twice in any case.
    ///
    /// # Cancel safety
    /// Dropped half-way the job may be in the queue or not.
    async fn push(&self, body: &[u8]) -> Result<JobId, Error>;

    /// [Pushes](Self::push) a job that is not delivered before `delay` has passed. An engine may be late by a second.
    ///
    /// # Errors
    /// As of [`push`](Self::push).
    ///
    /// # Cancel safety
    /// As of [`push`](Self::push).
    async fn push_after(&self, delay: Duration, body: &[u8]) -> Result<JobId, Error>;

    /// Takes up to `max` jobs, and at most [`MAX_BATCH`]: as soon as there is one, as many as there are. Waits for up to `wait`,
    /// then the answer is empty.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when the engine was not there for the whole of `wait`, or long enough to be called absent.
    ///
    /// # Cancel safety
    /// Dropped half-way it takes nothing: what was under way already comes back at once, or when its lease is over.
    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error>;

    /// The job is done, and leaves the queue.
    ///
    /// Done is done: this is no error when the lease was lost in the meantime, nor the second time. Somebody else may be working
    /// on the job then, or may get it once more.
    ///
    /// # Errors
    /// [`Error::Unreachable`]: it may be delivered again.
    async fn ack(&self, delivery: &Delivery) -> Result<(), Error>;

    /// The job is not done: it goes back into the queue, to be delivered when `delay` has passed. If this was the last delivery that
    /// it [may have](Options::max_deliveries), it goes to the dead.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]: it has been delivered to somebody else, and is none of our business any more.
    async fn nack(&self, delivery: &Delivery, delay: Duration) -> Result<(), Error>;

    /// Keeps the job for a whole [lease](Options::lease) from now on.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]: somebody else has the job by now, or it is done. What you do for it is done twice.
    async fn extend(&self, delivery: &Delivery) -> Result<(), Error>;

    /// Up to `max` of the dead, those first that died first. They stay where they are.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    async fn dead(&self, max: usize) -> Result<Vec<DeadJob>, Error>;

    /// Removes a job from the dead; no error if it is not there any more. To revive one, [push](Self::push) its body and then
    /// forget it.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    async fn forget(&self, dead: &DeadJob) -> Result<(), Error>;
}

macro_rules! by_reference {
    ($reference:ty) => {
        impl<B: Broker + ?Sized> Broker for $reference {
            fn options(&self) -> Options {
                (**self).options()
            }

            async fn push(&self, body: &[u8]) -> Result<JobId, Error> {
                (**self).push(body).await
            }

            async fn push_after(&self, delay: Duration, body: &[u8]) -> Result<JobId, Error> {
                (**self).push_after(delay, body).await
            }

            async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
                (**self).pull(max, wait).await
            }

            async fn ack(&self, delivery: &Delivery) -> Result<(), Error> {
                (**self).ack(delivery).await
            }

            async fn nack(&self, delivery: &Delivery, delay: Duration) -> Result<(), Error> {
                (**self).nack(delivery, delay).await
            }

            async fn extend(&self, delivery: &Delivery) -> Result<(), Error> {
                (**self).extend(delivery).await
            }

            async fn dead(&self, max: usize) -> Result<Vec<DeadJob>, Error> {
                (**self).dead(max).await
            }

            async fn forget(&self, dead: &DeadJob) -> Result<(), Error> {
                (**self).forget(dead).await
            }
        }
    };
}

by_reference!(&B);
by_reference!(Rc<B>);
