//! The contract of [`Broker`] as stories, for whoever implements it.
//!
//! ```
//! use runtime::{broker::Memory, testing::broker::conformance};
//! use std::{cell::RefCell, collections::HashMap};
//!
//! # runtime::Builder::new().start_paused(true).build()?.block_on(async {
//! let queues = RefCell::new(HashMap::new());
//! conformance(async |name, options| {
//!     queues.borrow_mut().entry(name.to_owned()).or_insert_with(|| Memory::new(options)).clone()
//! })
//! .await;
//! # });
//! # std::io::Result::Ok(())
//! ```

use crate::{
    broker::{Broker, DeadJob, Delivery, Error, JobId, MAX_BATCH, Options},
    join, join_all,
    time::{Instant, sleep, timeout},
};
use std::{cell::RefCell, collections::BTreeSet, pin::Pin, time::Duration};

/// Long enough that a busy machine does not lose a lease it did not mean to lose, short enough to wait for several.
const LEASE: Duration = Duration::from_millis(1_200);

/// What is to happen soon must happen within this; nobody waits for it if all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// For what is not to happen: an engine that is wrong by little is found now and then, one that is wrong in principle always.
const MOMENT: Duration = Duration::from_millis(150);

/// Runs all stories at once, each with a queue of its own. In real time that takes some 4 seconds, on a virtual clock none.
///
/// `open` gives a client of the queue with that name and these options, and another client of the same queue when it is called with
/// the same name again, as from another machine. All queues must be empty at first.
///
/// # Panics
/// With the name of the story and what was wrong, when the implementation does not keep to the contract. With what `open` panics.
pub async fn conformance<B: Broker>(open: impl AsyncFn(&str, Options) -> B) {
    let open = &open;
    let options = || Options::default().lease(LEASE).max_deliveries(3).capacity(1_000);
    let roomy = || options().lease(PATIENCE);
    macro_rules! stories {
        ($($story:ident($options:expr),)*) => {
            [$((stringify!($story), Box::pin(async {
                let cast = Cast { story: stringify!($story), options: $options, open };
                $story(&cast).await;
            }) as Pin<Box<dyn Future<Output = ()> + '_>>),)*]
        };
    }
    let stories = stories![
        what_is_pushed_is_pulled_and_acked(roomy()),
        jobs_come_in_the_order_of_pushes(roomy()),
        a_pull_takes_no_more_than_it_asks_for(roomy()),
        who_waits_is_told_of_a_push(roomy()),
        who_waits_in_vain_is_told_in_time(roomy()),
        a_job_is_with_one_worker_at_a_time(roomy()),
        a_dead_workers_job_is_somebody_elses(options()),
        a_lease_that_is_extended_lasts(options().max_deliveries(100)),
        what_is_given_back_comes_at_once(roomy()),
        what_is_given_back_may_have_to_wait(roomy()),
        a_delayed_job_waits_for_its_time(roomy()),
        what_fails_too_often_is_put_aside(roomy()),
        who_kills_his_worker_is_put_aside(options()),
        a_full_queue_says_so(roomy().capacity(2)),
        a_pull_that_is_dropped_takes_nothing(options().max_deliveries(100)),
    ];
    join_all(stories.map(|(_, story)| story)).await;
}

/// Those who play in a story, and what they call each other.
struct Cast<'a, F> {
    story: &'static str,
    options: Options,
    open: &'a F,
}

impl<F> Cast<'_, F> {
    async fn client<B: Broker>(&self) -> Client<B>
    where
        F: AsyncFn(&str, Options) -> B,
    {
        Client { story: self.story, broker: (self.open)(self.story, self.options).await }
    }
}

/// A client of the story's queue, with which nothing is to go wrong.
struct Client<B> {
    story: &'static str,
    broker: B,
}

impl<B: Broker> Client<B> {
    #[track_caller]
    fn check(&self, holds: bool, claim: &str) {
        assert!(holds, "{}: {claim}", self.story);
    }

    #[track_caller]
    fn fine<T>(&self, what: &str, outcome: Result<T, Error>) -> T {
        outcome.unwrap_or_else(|error| panic!("{}: {what}: {error}", self.story))
    }

    async fn push(&self, body: &[u8]) -> JobId {
        self.fine("push", self.broker.push(body).await)
    }

    async fn pull(&self, max: usize, wait: Duration) -> Vec<Delivery> {
        self.fine("pull", self.broker.pull(max, wait).await)
    }

    /// The next job, which is to come soon.
    async fn next(&self) -> Delivery {
        let mut deliveries = self.pull(1, PATIENCE).await;
        self.check(deliveries.len() == 1, &format!("one job was to come, not {}", deliveries.len()));
        deliveries.remove(0)
    }

    async fn nothing(&self, wait: Duration) {
        let deliveries = self.pull(1, wait).await;
        self.check(deliveries.is_empty(), &format!("nothing was to come, but there is {deliveries:?}"));
    }

    async fn ack(&self, delivery: &Delivery) {
        self.fine("ack", self.broker.ack(delivery).await);
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration) {
        self.fine("nack", self.broker.nack(delivery, delay).await);
    }

    async fn dead(&self) -> Vec<DeadJob> {
        self.fine("dead", self.broker.dead(10).await)
    }

    fn check_lost(&self, what: &str, outcome: &Result<(), Error>) {
        self.check(
            matches!(outcome, Err(Error::LeaseLost)),
            &format!("{what} of a lost lease gave {outcome:?}"),
        );
    }
}

async fn what_is_pushed_is_pulled_and_acked<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let (producer, worker) = (cast.client().await, cast.client().await);
    worker.check(worker.broker.options() == cast.options, "the options are others than it was opened with");
    worker.nothing(Duration::ZERO).await;
    let every_byte: Vec<u8> = (0..=u8::MAX).cycle().take(70_000).collect();
    for body in [&b""[..], b"\r\n$-1\r\n", &every_byte] {
        let id = producer.push(body).await;
        let delivery = worker.next().await;
        worker.check(delivery.body() == body, "other bytes came than were pushed");
        worker.check(*delivery.id() == id, "it has another name than its pusher was told");
        worker.check(delivery.attempt() == 1, "the first delivery has number 1");
        worker.ack(&delivery).await;
        worker.ack(&delivery).await; // done is done
    }
    worker.nothing(MOMENT).await;
}

async fn jobs_come_in_the_order_of_pushes<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let client = cast.client().await;
    let mut ids = Vec::new();
    for number in 0..20_u8 {
        ids.push(client.push(&[number]).await);
    }
    for (number, id) in ids.iter().enumerate() {
        let delivery = client.next().await;
        client.check(
            delivery.body() == [number as u8] && delivery.id() == id,
            "the order is not that of pushes",
        );
        client.ack(&delivery).await;
    }
    ids.sort();
    ids.dedup();
    client.check(ids.len() == 20, "two jobs have one name");
}

async fn a_pull_takes_no_more_than_it_asks_for<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let client = cast.client().await;
    let total = MAX_BATCH + 10;
    for _ in 0..total {
        client.push(b"job").await;
    }
    client.check(client.pull(0, PATIENCE).await.is_empty(), "none were asked for");
    let few = client.pull(3, Duration::ZERO).await.len();
    client.check((1..=3).contains(&few), &format!("{few} came where 1 to 3 were asked for"));
    let mut left = total - few;
    while left > 0 {
        let some = client.pull(usize::MAX, PATIENCE).await.len();
        client.check((1..=MAX_BATCH.min(left)).contains(&some), &format!("{some} came, of {left}"));
        left -= some;
    }
    client.nothing(Duration::ZERO).await;
}

async fn who_waits_is_told_of_a_push<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let (producer, worker) = (cast.client().await, cast.client().await);
    let (delivery, id) = join!(worker.next(), async {
        sleep(MOMENT).await;
        producer.push(b"late").await
    });
    worker.check(*delivery.id() == id, "another job came");
}

async fn who_waits_in_vain_is_told_in_time<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let worker = cast.client().await;
    let start = Instant::now();
    worker.nothing(MOMENT).await;
    let waited = start.elapsed();
    worker.check(
        waited + Duration::from_millis(5) >= MOMENT,
        &format!("it waited for no more than {waited:?}"),
    );
    worker.check(waited < PATIENCE, &format!("it waited for {waited:?} instead of {MOMENT:?}"));
}

async fn a_job_is_with_one_worker_at_a_time<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    const JOBS: u32 = 200;
    let producer = cast.client().await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(cast.client().await);
    }
    let push = async {
        for number in 0..JOBS {
            producer.push(&number.to_be_bytes()).await;
        }
    };
    let (start, done) = (Instant::now(), RefCell::new(BTreeSet::new()));
    let work = join_all(workers.iter().map(async |worker| {
        while done.borrow().len() < JOBS as usize && start.elapsed() < PATIENCE {
            for delivery in worker.pull(7, MOMENT).await {
                worker.check(done.borrow_mut().insert(delivery.body().to_vec()), "a job came to two workers");
                worker.ack(&delivery).await;
            }
        }
    }));
    join!(push, work);
    let done = done.into_inner().len();
    producer.check(done == JOBS as usize, &format!("{done} of {JOBS} jobs were delivered"));
}

async fn a_dead_workers_job_is_somebody_elses<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let (sleeper, heir) = (cast.client().await, cast.client().await);
    let id = sleeper.push(b"once or twice").await;
    let start = Instant::now();
    let first = sleeper.next().await;
    let second = heir.next().await;
    heir.check(start.elapsed() >= LEASE, "the lease was not over yet");
    heir.check(*second.id() == id && second.attempt() == 2, &format!("the second delivery is {second:?}"));
    heir.check(second.body() == b"once or twice", "other bytes came than were pushed");
    // It wakes up, and is told; that does not concern the heir.
    sleeper.check_lost("extend", &sleeper.broker.extend(&first).await);
    sleeper.check_lost("nack", &sleeper.broker.nack(&first, Duration::ZERO).await);
    heir.fine("extend", heir.broker.extend(&second).await);
    heir.ack(&second).await;
    sleeper.ack(&first).await;
    heir.nothing(MOMENT).await;
}

async fn a_lease_that_is_extended_lasts<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let (worker, other) = (cast.client().await, cast.client().await);
    worker.push(b"a long job").await;
    // A machine that is too busy to extend in time is nobody's fault: then it begins anew, with the next delivery.
    let (mut kept, mut leased_since) = (0, Instant::now());
    let mut delivery = worker.next().await;
    while kept < 6 {
        sleep(LEASE / 4).await;
        let asked = Instant::now();
        match worker.broker.extend(&delivery).await {
            Err(Error::LeaseLost) => {
                worker.check(leased_since.elapsed() >= LEASE, "the lease was not over yet");
            }
            outcome => {
                worker.fine("extend", outcome);
                leased_since = asked;
            }
        }
        let asked = Instant::now();
        match other.pull(1, Duration::ZERO).await.pop() {
            None => kept += 1,
            Some(next) => {
                worker.check(leased_since.elapsed() >= LEASE, "it was delivered while the lease lasted");
                (kept, leased_since, delivery) = (0, asked, next);
            }
        }
    }
    worker.ack(&delivery).await;
    other.nothing(MOMENT).await;
}

async fn what_is_given_back_comes_at_once<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let (worker, other) = (cast.client().await, cast.client().await);
    worker.push(b"not mine").await;
    let first = worker.next().await;
    let (second, ()) = join!(other.next(), async {
        sleep(MOMENT).await;
        worker.nack(&first, Duration::ZERO).await;
    });
    other.check(
        second.attempt() == 2 && second.id() == first.id(),
        &format!("after {first:?} came {second:?}"),
    );
    other.check(second.body() == first.body(), "other bytes came the second time");
    worker.check_lost("nack", &worker.broker.nack(&first, Duration::ZERO).await);
    other.ack(&second).await;
    other.nothing(MOMENT).await;
}

async fn what_is_given_back_may_have_to_wait<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let delay = 4 * MOMENT;
    let client = cast.client().await;
    client.push(b"later").await;
    let first = client.next().await;
    let start = Instant::now();
    client.nack(&first, delay).await;
    client.push(b"in between").await;
    let between = client.next().await;
    client.check(between.body() == b"in between", "it did not wait");
    client.ack(&between).await;
    let second = client.next().await;
    client.check(start.elapsed() + Duration::from_millis(5) >= delay, "it came too early");
    client.check(
        second.id() == first.id() && second.attempt() == 2,
        &format!("after {first:?} came {second:?}"),
    );
    client.ack(&second).await;
    client.nothing(MOMENT).await;
}

async fn a_delayed_job_waits_for_its_time<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let client = cast.client().await;
    let start = Instant::now();
    let mut ids = Vec::new();
    for (times, body) in [(6, b"6"), (3, b"3")] {
        ids.push(client.fine("push_after", client.broker.push_after(times * MOMENT, body).await));
    }
    ids.push(client.push(b"0").await);
    for (times, id) in [0, 3, 6].into_iter().zip(ids.iter().rev()) {
        let delivery = client.next().await;
        client.check(delivery.body() == times.to_string().as_bytes(), &format!("{times} was to come"));
        client.check(
            delivery.id() == id && delivery.attempt() == 1,
            &format!("{id} was to come first as {delivery:?}"),
        );
        client.check(start.elapsed() + Duration::from_millis(5) >= times * MOMENT, "it came too early");
        client.ack(&delivery).await;
    }
    client.nothing(MOMENT).await;
}

async fn what_fails_too_often_is_put_aside<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let client = cast.client().await;
    let id = client.push(b"impossible").await;
    for attempt in 1..=cast.options.max_deliveries {
        client.check(client.dead().await.is_empty(), "it is dead already");
        let delivery = client.next().await;
        client.check(delivery.attempt() == attempt, &format!("{delivery:?} was to have number {attempt}"));
        client.nack(&delivery, Duration::ZERO).await;
    }
    client.nothing(MOMENT).await;
    let dead = client.dead().await;
    client.check(dead.len() == 1, &format!("one was to be dead, not {dead:?}"));
    client.check(*dead[0].id() == id && dead[0].body() == b"impossible", "another is dead");
    client.check(dead[0].attempts() == cast.options.max_deliveries, &format!("it died as {:?}", dead[0]));
    client.check(client.fine("dead", client.broker.dead(0).await).is_empty(), "none were asked for");
    client.fine("forget", client.broker.forget(&dead[0]).await);
    client.fine("forget", client.broker.forget(&dead[0]).await);
    client.check(client.dead().await.is_empty(), "what is forgotten is still there");
}

async fn who_kills_his_worker_is_put_aside<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let client = cast.client().await;
    client.push(b"poison").await;
    for attempt in 1..=cast.options.max_deliveries {
        let delivery = client.next().await; // and nothing is heard of this worker again
        client.check(delivery.attempt() == attempt, &format!("{delivery:?} was to have number {attempt}"));
    }
    let start = Instant::now();
    while client.dead().await.is_empty() {
        client.check(start.elapsed() < PATIENCE, "it is neither delivered nor dead");
        client.nothing(MOMENT).await;
    }
    let dead = client.dead().await;
    client.check(dead[0].attempts() == cast.options.max_deliveries, &format!("it died as {:?}", dead[0]));
}

async fn a_full_queue_says_so<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    let client = cast.client().await;
    for _ in 0..cast.options.capacity {
        client.push(b"fits").await;
    }
    let refused = client.broker.push(b"does not").await;
    client.check(matches!(refused, Err(Error::Full)), &format!("one too many gave {refused:?}"));
    let delivery = client.next().await;
    let refused = client.broker.push(b"does not").await;
    client.check(
        matches!(refused, Err(Error::Full)),
        &format!("with one at work one too many gave {refused:?}"),
    );
    client.ack(&delivery).await;
    client.push(b"fits").await;
}

async fn a_pull_that_is_dropped_takes_nothing<B: Broker>(cast: &Cast<'_, impl AsyncFn(&str, Options) -> B>) {
    const JOBS: u32 = 30;
    let (producer, fickle, heir) = (cast.client().await, cast.client().await, cast.client().await);
    let push = async {
        for number in 0..JOBS {
            producer.push(&number.to_be_bytes()).await;
            sleep(MOMENT / 30).await;
        }
    };
    // Asks, and goes, at all kinds of moments.
    let ask = async {
        let mut done = Vec::new();
        for patience_us in (0..100).map(|round| round * 50) {
            let answer = timeout(Duration::from_micros(patience_us), fickle.pull(3, PATIENCE)).await;
            for delivery in answer.unwrap_or_default() {
                fickle.ack(&delivery).await;
                done.push(delivery.into_body());
            }
        }
        done
    };
    let ((), done) = join!(push, ask);
    let mut bodies: BTreeSet<Vec<u8>> = done.into_iter().collect();
    while bodies.len() < JOBS as usize {
        let delivery = heir.next().await;
        heir.ack(&delivery).await;
        bodies.insert(delivery.into_body());
    }
}
