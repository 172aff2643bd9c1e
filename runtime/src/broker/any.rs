//! `AnyBroker`: one type for brokers of several.

use super::{Broker, DeadJob, Delivery, Error, JobId, Options};
use std::{fmt, pin::Pin, rc::Rc, time::Duration};

/// A broker of which only the running program knows what it is: a setting says so, say. Each operation costs one allocation and
/// one call more than that of the broker within. Clones are the same one.
///
/// ```
/// use runtime::broker::{AnyBroker, Broker, Error, Memory, Options};
///
/// /// Where a server is named the jobs are there, else in this process.
/// fn open(server: Option<&str>) -> Result<AnyBroker, Error> {
///     let options = Options::default();
///     Ok(match server {
#[cfg_attr(
    feature = "redis",
    doc = "        Some(url) => AnyBroker::new(runtime::broker::Redis::new(url, \"jobs\", options)?),"
)]
#[cfg_attr(
    not(feature = "redis"),
    doc = "        Some(_) => return Err(Error::Refused(\"without feature redis\".into())),"
)]
///         None => AnyBroker::new(Memory::new(options)),
///     })
/// }
///
/// # #[runtime::main]
/// # async fn main() -> Result<(), Error> {
/// let jobs = open(None)?;
/// jobs.push(b"resize 1.png").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AnyBroker(Rc<dyn Erased>);

impl AnyBroker {
    /// What behaves as `broker` does.
    pub fn new(broker: impl Broker + fmt::Debug + 'static) -> Self {
        Self(Rc::new(broker))
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>;

/// [`Broker`], with futures whose size need not be known.
trait Erased: fmt::Debug {
    fn options(&self) -> Options;
    fn push<'a>(&'a self, body: &'a [u8]) -> Answer<'a, JobId>;
    fn push_after<'a>(&'a self, delay: Duration, body: &'a [u8]) -> Answer<'a, JobId>;
    fn pull(&self, max: usize, wait: Duration) -> Answer<'_, Vec<Delivery>>;
    fn ack<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, ()>;
    fn nack<'a>(&'a self, delivery: &'a Delivery, delay: Duration) -> Answer<'a, ()>;
    fn extend<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, ()>;
    fn dead(&self, max: usize) -> Answer<'_, Vec<DeadJob>>;
    fn forget<'a>(&'a self, dead: &'a DeadJob) -> Answer<'a, ()>;
}

impl<B: Broker + fmt::Debug> Erased for B {
    fn options(&self) -> Options {
        Broker::options(self)
    }

    fn push<'a>(&'a self, body: &'a [u8]) -> Answer<'a, JobId> {
        Box::pin(Broker::push(self, body))
    }

    fn push_after<'a>(&'a self, delay: Duration, body: &'a [u8]) -> Answer<'a, JobId> {
        Box::pin(Broker::push_after(self, delay, body))
    }

    fn pull(&self, max: usize, wait: Duration) -> Answer<'_, Vec<Delivery>> {
        Box::pin(Broker::pull(self, max, wait))
    }

    fn ack<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, ()> {
        Box::pin(Broker::ack(self, delivery))
    }

    fn nack<'a>(&'a self, delivery: &'a Delivery, delay: Duration) -> Answer<'a, ()> {
        Box::pin(Broker::nack(self, delivery, delay))
    }

    fn extend<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, ()> {
        Box::pin(Broker::extend(self, delivery))
    }

    fn dead(&self, max: usize) -> Answer<'_, Vec<DeadJob>> {
        Box::pin(Broker::dead(self, max))
    }

    fn forget<'a>(&'a self, dead: &'a DeadJob) -> Answer<'a, ()> {
        Box::pin(Broker::forget(self, dead))
    }
}

impl Broker for AnyBroker {
    fn options(&self) -> Options {
        self.0.options()
    }

    async fn push(&self, body: &[u8]) -> Result<JobId, Error> {
        self.0.push(body).await
    }

    async fn push_after(&self, delay: Duration, body: &[u8]) -> Result<JobId, Error> {
        self.0.push_after(delay, body).await
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        self.0.pull(max, wait).await
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), Error> {
        self.0.ack(delivery).await
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration) -> Result<(), Error> {
        self.0.nack(delivery, delay).await
    }

    async fn extend(&self, delivery: &Delivery) -> Result<(), Error> {
        self.0.extend(delivery).await
    }

    async fn dead(&self, max: usize) -> Result<Vec<DeadJob>, Error> {
        self.0.dead(max).await
    }

    async fn forget(&self, dead: &DeadJob) -> Result<(), Error> {
        self.0.forget(dead).await
    }
}

impl fmt::Debug for AnyBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyBroker").field(&self.0).finish()
    }
}
