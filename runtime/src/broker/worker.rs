//! `Worker`: the loop of somebody who works on jobs.

use super::{Broker, Delivery, Error, MAX_BATCH};
use crate::{
    random_u64,
    task::{Place, TaskPool},
    time::{Instant, sleep},
};
use futures_lite::FutureExt as _;
use std::{any::Any, cell::Cell, fmt, panic::AssertUnwindSafe, pin::pin, rc::Rc, time::Duration};

/// One question to the broker waits for as long. Any time will do: it is asked again.
const WAIT: Duration = Duration::from_secs(10);

/// Between two questions to a broker that does not answer, which has waited by itself already.
const PAUSE: Duration = Duration::from_secs(1);

/// A job that failed for the first time is tried again after this, then after twice, four times … as much,
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// but not later than this: by then whatever was broken may well be repaired.
const LAST_RETRY: Duration = Duration::from_secs(600);

/// Pulls jobs and has a handler work on them, so many at once, until it is to stop.
///
/// ```
/// use runtime::broker::{Broker, Memory, Options, Worker};
/// use runtime::sync::Event;
/// use std::{rc::Rc, time::Duration};
///
/// # #[runtime::main]
/// # async fn main() -> Result<(), runtime::broker::Error> {
/// let jobs = Memory::new(Options::default());
/// for n in 1..=3 {
///     jobs.push(format!("resize {n}.png").as_bytes()).await?;
/// }
/// let (stop, resized) = (Rc::new(Event::new()), std::cell::Cell::new(0));
/// let (stopping, count) = (stop.clone(), Rc::new(resized));
/// let tally = Worker::new(jobs)
///     .concurrency(2)
///     .on_failure(|delivery, reason| eprintln!("{delivery:?}: {reason}"))
///     .run(stop.wait(), async move |delivery| {
///         if delivery.body() == b"resize 2.png" && delivery.attempt() == 1 {
///             return Err("the disk is full"); // comes again, later
///         }
///         count.set(count.get() + 1);
///         if count.get() == 2 {
///             stopping.set();
///         }
///         Ok(())
///     })
///     .await?;
/// assert_eq!((tally.done, tally.failed), (2, 1));
/// # Ok(())
/// # }
/// ```
///
/// - **Success**: when the handler returns `Ok` the job is acknowledged.
/// - **Failure**: on an `Err`, or a panic, it is given back, to be tried again after about 1 s, 2 s, 4 s … and at most ten
///   minutes ([`retry_after`](Self::retry_after)); the pauses vary by chance, so that jobs that failed together do not come
///   together again. After [`max_deliveries`](super::Options::max_deliveries) it is dead.
/// - **Long jobs**: while the handler works, its lease is extended three times per lease. If it is lost nevertheless, because
///   the broker could not be reached for so long, somebody else has the job, and the handler is dropped.
/// - **The end**: when `stop` is ready nothing more is pulled, and what is being worked on is finished. Dropping the future of
///   [`run`](Self::run) drops the handlers; their jobs come back when the leases are over.
/// - **Faults**: while the broker cannot be reached the worker goes on asking. What the broker refuses ends it.
pub struct Worker<B> {
    broker: B,
    concurrency: usize,
    retry_after: Box<dyn Fn(u32) -> Duration>,
    on_failure: Box<OnFailure>,
}

type OnFailure = dyn Fn(&Delivery, &str);

/// What a [`Worker`] has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Deliveries whose handler succeeded.
    pub done: u64,
    /// Deliveries whose handler failed or panicked.
    pub failed: u64,
    /// Deliveries whose lease was lost while their handler worked.
    pub lost: u64,
}

impl<B: Broker + 'static> Worker<B> {
    /// A worker on one job at a time.
    pub fn new(broker: B) -> Self {
        Self { broker, concurrency: 1, retry_after: Box::new(retry_after), on_failure: Box::new(|_, _| ()) }
    }

    /// Works on up to so many jobs at once.
    ///
    /// # Panics
    /// On 0, with which it would do nothing.
    #[must_use]
    #[track_caller]
    pub fn concurrency(mut self, jobs: usize) -> Self {
        assert!(jobs > 0, "a worker on 0 jobs at once does nothing: use at least 1");
        self.concurrency = jobs;
        self
    }

    /// After which time a job is tried again, by the number of the delivery that has failed: 1 is the first.
    #[must_use]
    pub fn retry_after(mut self, retry_after: impl Fn(u32) -> Duration + 'static) -> Self {
        self.retry_after = Box::new(retry_after);
        self
    }

    /// Is shown each failure, before its job is given back: for a log.
    #[must_use]
    pub fn on_failure(mut self, on_failure: impl Fn(&Delivery, &str) + 'static) -> Self {
        self.on_failure = Box::new(on_failure);
        self
    }

    /// Works until `stop` is ready, a signal or the drain of a cluster's worker, say, and says what was done.
    ///
    /// # Errors
    /// [`Error::Refused`], when the broker will have nothing to do with it; what is being worked on is finished before.
    ///
    /// # Cancel safety
    /// Dropping it drops the handlers.
    pub async fn run<H, E>(self, stop: impl IntoFuture, handler: H) -> Result<Tally, Error>
    where
        H: AsyncFn(&Delivery) -> Result<(), E> + 'static,
        E: fmt::Display + 'static,
    {
        let pool = TaskPool::new(self.concurrency);
        let bench = Rc::new(Bench { worker: self, handler, tally: Cell::default() });
        let mut stop = pin!(stop.into_future());
        let end = loop {
            let pulled = async { Some(bench.pull(&pool).await) };
            let stopped = async {
                stop.as_mut().await;
                None
            };
            // `stop` is asked first: else there would be no end while there are jobs. A pull that is dropped takes none.
            match stopped.or(pulled).await {
                Some(Ok(jobs)) => {
                    for (place, delivery) in jobs {
                        place.spawn(Rc::clone(&bench).work(delivery)).detach();
                    }
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        pool.join().await;
        end.map(|()| bench.tally.get())
    }
}

impl<B: fmt::Debug> fmt::Debug for Worker<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("broker", &self.broker)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// What the tasks of a worker share.
struct Bench<B, H> {
    worker: Worker<B>,
    handler: H,
    tally: Cell<Tally>,
}

/// What has become of a delivery.
enum Verdict {
    Done,
    Failed(String),
    Lost,
}

impl<B: Broker, H> Bench<B, H> {
    /// Waits for room, then for jobs, and takes no more than there is room for.
    async fn pull<'a>(&self, pool: &'a TaskPool) -> Result<Vec<(Place<'a>, Delivery)>, Error> {
        let first = pool.reserve().await;
        let places: Vec<_> =
            first.into_iter().chain(std::iter::from_fn(|| pool.try_reserve())).take(MAX_BATCH).collect();
        loop {
            match self.worker.broker.pull(places.len(), WAIT).await {
                Ok(jobs) => return Ok(places.into_iter().zip(jobs).collect()),
                Err(Error::Unreachable(_)) => sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn work<E>(self: Rc<Self>, delivery: Delivery)
    where
        H: AsyncFn(&Delivery) -> Result<(), E>,
        E: fmt::Display,
    {
        let handled = async {
            match AssertUnwindSafe(async { (self.handler)(&delivery).await }).catch_unwind().await {
                Ok(Ok(())) => Verdict::Done,
                Ok(Err(error)) => Verdict::Failed(error.to_string()),
                Err(panic) => Verdict::Failed(format!("it panicked: {}", said_by(&*panic))),
            }
        };
        let verdict = handled.or(self.keep(&delivery)).await;
        let (broker, mut tally) = (&self.worker.broker, self.tally.get());
        match verdict {
            Verdict::Done => {
                tally.done += 1;
                self.tally.set(tally);
                self.insist(async || broker.ack(&delivery).await).await;
            }
            Verdict::Failed(reason) => {
                tally.failed += 1;
                self.tally.set(tally);
                (self.worker.on_failure)(&delivery, &reason);
                let delay = (self.worker.retry_after)(delivery.attempt());
                self.insist(async || broker.nack(&delivery, delay).await).await;
            }
            Verdict::Lost => {
                tally.lost += 1;
                self.tally.set(tally);
            }
        }
    }

    /// Extends the lease for ever, or until it is lost. While the broker cannot be reached it is not lost.
    async fn keep(&self, delivery: &Delivery) -> Verdict {
        let broker = &self.worker.broker;
        loop {
            sleep(broker.options().lease / 3).await;
            if let Err(Error::LeaseLost) = broker.extend(delivery).await {
                return Verdict::Lost;
            }
        }
    }

    /// Tells the broker, as long as it makes sense: after a lease the job is somebody else's.
    async fn insist(&self, tell: impl AsyncFn() -> Result<(), Error>) {
        let start = Instant::now();
        while let Err(Error::Unreachable(_)) = tell().await {
            if start.elapsed() >= self.worker.broker.options().lease {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

fn said_by(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

/// Doubles with every attempt, and is up to twice as long by chance.
fn retry_after(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let whole = FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY / 2);
    whole + whole.mul_f64(random_u64() as f64 / u64::MAX as f64)
}
