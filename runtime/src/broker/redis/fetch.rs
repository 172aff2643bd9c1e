//! A pull: a task of its own, which goes on when the pull is dropped until it has given back what came for it.

use super::{
    Argument, Entry, LONGEST_SWEEP, Redis, SHORTEST_SWEEP, SWEEPS_PER_LEASE, delivery_of, link::Resend, ms,
};
use crate::{
    broker::{Delivery, Error},
    sync::{Lock, oneshot},
    task,
    time::{Instant, sleep},
};
use ::redis::cmd;
use runtime_executor::current;
use std::{mem, time::Duration};

/// At the second connection one waits at a time.
pub(super) type Turn = Lock<()>;

/// To whoever waits for the jobs, if he still does.
type Answer = oneshot::Sender<Result<Batch, Error>>;

/// Nobody waits at the server for longer before he looks again: by then a delayed job may be due, or a lease over, of which the
/// stream tells nobody.
const TICK: Duration = Duration::from_millis(500);

/// When a connection breaks while somebody waits, he looks again after this: not in a tight loop if all of them break.
const AFTER_A_BREAK: Duration = Duration::from_millis(20);

/// Takes up to `max` jobs until `deadline`.
pub(super) struct Fetch {
    broker: Redis,
    max: usize,
    deadline: Instant,
}

impl Fetch {
    pub(super) fn new(broker: Redis, max: usize, wait: Duration) -> Self {
        Self { broker, max, deadline: Instant::now().saturating_add(wait) }
    }

    pub(super) async fn run(self, answer: Answer) {
        let outcome = self.fetch(&answer).await;
        // If nobody wants it, it is dropped here, and so given back.
        drop(answer.send(outcome));
    }

    async fn fetch(&self, answer: &Answer) -> Result<Batch, Error> {
        loop {
            let (batch, next_due) = self.take().await?;
            let now = Instant::now();
            if !batch.is_empty() || now >= self.deadline || answer.is_closed() {
                return Ok(batch);
            }
            let look_again = now.saturating_add(next_due.unwrap_or(TICK).min(TICK)).min(self.deadline);
            let batch = self.wait_until(look_again, answer).await?;
            if !batch.is_empty() {
                return Ok(batch);
            }
        }
    }

    /// Takes what is there, after what is due has been put there, and says how long until more is due.
    async fn take(&self) -> Result<(Batch, Option<Duration>), Error> {
        let options = &self.broker.shared.options;
        let sweep = (options.lease / SWEEPS_PER_LEASE).clamp(SHORTEST_SWEEP, LONGEST_SWEEP);
        let arguments = [
            Argument::count(self.max),
            Argument::ms(options.lease),
            Argument::ms(sweep),
            Argument::Number(options.max_deliveries.into()),
            Argument::count(options.capacity),
        ];
        // If the answer is lost, what was in it comes back when its lease is over.
        let (next_due_ms, entries): (i64, Vec<Entry>) =
            self.broker.run(&self.broker.shared.scripts.take, Resend::Yes, &arguments).await?;
        let next_due = u64::try_from(next_due_ms).ok().map(Duration::from_millis);
        Ok((self.batch(entries), next_due))
    }

    /// Waits at the server for something to come.
    async fn wait_until(&self, end: Instant, answer: &Answer) -> Result<Batch, Error> {
        let shared = &self.broker.shared;
        let time_left = || end.saturating_duration_since(Instant::now());
        let turn = shared.turn.acquire_timeout(time_left()).await;
        if turn.is_err() || answer.is_closed() {
            return Ok(self.batch(Vec::new()));
        }
        // Over a long distance that takes longer than he waits in one go, and must not begin anew each time.
        let reached_by = self.deadline.min(Instant::now().saturating_add(self.broker.patience));
        shared.slow.reach(reached_by).await;
        let block = time_left().max(Duration::from_millis(1)); // 0 would be for ever
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg("workers").arg("all").arg("COUNT").arg(self.max).arg("BLOCK").arg(ms(block));
        read.arg("STREAMS").arg(&shared.keys[0]).arg(">");
        let answer =
            shared.slow.ask(time_left(), block + self.broker.patience, Resend::No, async |connection| {
                match read.query_async(connection).await {
                    // The stream is gone, or its group: to make them anew is for `take`.
                    Err(fault) if matches!(fault.code(), Some("NOGROUP" | "UNBLOCKED")) => Ok(None),
                    outcome => outcome,
                }
            });
        let streams: Option<Vec<(String, Vec<Entry>)>> = match answer.await {
            Ok(streams) => streams,
            // Whether the server is away is for `take` to find out: to wait here once more would be to miss what is due.
            Err(Error::Unreachable(_)) => {
                sleep(AFTER_A_BREAK).await;
                None
            }
            Err(error) => return Err(error),
        };
        Ok(self.batch(streams.into_iter().flatten().flat_map(|(_, entries)| entries).collect()))
    }

    fn batch(&self, entries: Vec<Entry>) -> Batch {
        Batch { broker: self.broker.clone(), deliveries: entries.into_iter().map(delivery_of).collect() }
    }
}

/// Jobs that are lent to us and that nobody has accepted yet. Dropped, they are given back, and the delivery does not count.
pub(super) struct Batch {
    broker: Redis,
    deliveries: Vec<Delivery>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    pub(super) fn accept(mut self) -> Vec<Delivery> {
        mem::take(&mut self.deliveries)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Where no runtime is any more, nobody can be told: the leases run out.
        if self.is_empty() || !current::is_entered() {
            return;
        }
        let (broker, deliveries) = (self.broker.clone(), mem::take(&mut self.deliveries));
        let give_back = async move {
            for delivery in deliveries {
                let outcome = broker.give_back(delivery.receipt(), Duration::ZERO, false).await;
                if matches!(outcome, Err(Error::Unreachable(_))) {
                    return; // by the time it is back, the leases are over
                }
            }
        };
        task::Builder::new().name("redis give back").daemon(true).spawn(give_back).detach();
    }
}
