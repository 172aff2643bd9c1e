//! Queues of jobs: the contract kept by `Memory`, what it promises beyond, and the loop of a worker.
#![cfg(feature = "macros")]

use runtime::{
    broker::{AnyBroker, Broker, Counts, DeadJob, Delivery, Error, JobId, Memory, Options, Worker},
    join, join_all, spawn,
    sync::Event,
    task,
    testing::{Sim, broker::conformance, settle},
    time::{Instant, sleep, timeout},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    future::pending,
    rc::Rc,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

#[runtime::test(start_paused = true)]
async fn memory_keeps_to_the_contract() {
    let queues = RefCell::new(HashMap::new());
    let open = async |name: &str, options| {
        queues.borrow_mut().entry(name.to_owned()).or_insert_with(|| Memory::new(options)).clone()
    };
    conformance(open).await;
}

#[runtime::test(start_paused = true)]
async fn a_broker_that_is_chosen_at_run_time_keeps_to_it() {
    let queues = RefCell::new(HashMap::new());
    let open = async |name: &str, options| {
        let new = || AnyBroker::new(Memory::new(options));
        queues.borrow_mut().entry(name.to_owned()).or_insert_with(new).clone()
    };
    conformance(open).await;
}

#[test]
fn memory_keeps_to_the_contract_whatever_the_seed() {
    Sim::new().seeds(50).run(|| async {
        let queues = RefCell::new(HashMap::new());
        let open = async |name: &str, options| {
            queues.borrow_mut().entry(name.to_owned()).or_insert_with(|| Memory::new(options)).clone()
        };
        conformance(open).await;
    });
}

/// Who asked first gets first, whoever goes away in between, and a job does not go with him.
#[runtime::test(start_paused = true)]
async fn those_who_wait_are_served_in_order() {
    let jobs = Memory::new(Options::default());
    let served = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let (jobs, served) = (jobs.clone(), served.clone());
            spawn(async move {
                let job = jobs.pull(1, 100 * SECOND).await.unwrap().remove(0);
                served.borrow_mut().push((number, job.into_body()));
            })
        })
        .collect();
    settle().await;
    jobs.push(b"a").await.unwrap();
    tasks[0].cancel(); // to whom it was granted already
    jobs.push(b"b").await.unwrap();
    jobs.push(b"c").await.unwrap();
    for task in tasks {
        let _ = task.await;
    }
    assert_eq!(*served.borrow(), [(1, b"a".to_vec()), (2, b"b".to_vec()), (3, b"c".to_vec())]);
}

/// On a virtual clock to the instant, for who waits and for who comes later.
#[runtime::test(start_paused = true)]
async fn what_has_its_time_is_not_late() {
    let jobs = Memory::new(Options::default().lease(20 * SECOND));
    let start = Instant::now();
    let waiter = spawn({
        let jobs = jobs.clone();
        async move {
            let mut times = Vec::new();
            for _ in 0..3 {
                let job = jobs.pull(1, 1_000 * SECOND).await.unwrap().remove(0);
                times.push((job.attempt(), job.into_body(), start.elapsed().as_secs()));
            }
            times
        }
    });
    settle().await;
    jobs.push_after(10 * SECOND, b"ten").await.unwrap();
    settle().await;
    jobs.push_after(5 * SECOND, b"five").await.unwrap(); // sooner than what is waited for
    let times = waiter.await.unwrap();
    assert_eq!(times, [(1, b"five".to_vec(), 5), (1, b"ten".to_vec(), 10), (2, b"five".to_vec(), 25)]);
    assert_eq!(jobs.counts().leased, 2);
    sleep(5 * SECOND).await;
    let counts = jobs.counts();
    assert_eq!((counts.ready, counts.leased), (1, 1));
}

#[runtime::test(start_paused = true)]
async fn of_the_dead_only_so_many_are_kept() {
    let jobs = Memory::new(Options::default().capacity(2).max_deliveries(1));
    for body in [b"a", b"b", b"c"] {
        jobs.push(body).await.unwrap();
        let job = jobs.pull(1, Duration::ZERO).await.unwrap().remove(0);
        jobs.nack(&job, SECOND).await.unwrap();
    }
    let dead: Vec<_> = jobs.dead(9).await.unwrap().into_iter().map(DeadJob::into_body).collect();
    assert_eq!(dead, [b"b", b"c"]);
    assert_eq!(jobs.dead(1).await.unwrap()[0].body(), b"b");
}

/// The alarm ends with its runtime; in the next one there is another.
#[test]
fn a_queue_outlives_its_runtime() {
    let jobs = Memory::new(Options::default());
    let run = |future: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        let runtime = runtime::Builder::new().start_paused(true).build().unwrap();
        runtime.block_on(future);
    };
    let producer = jobs.clone();
    run(Box::pin(async move {
        producer.push_after(SECOND, b"soon").await.unwrap();
        settle().await;
    }));
    run(Box::pin(async move {
        let waited = Instant::now();
        jobs.push_after(SECOND, b"now").await.unwrap();
        let mut came = 0;
        while came < 2 {
            came += jobs.pull(2, 3_600 * SECOND).await.unwrap().len();
        }
        assert!(waited.elapsed() >= SECOND && waited.elapsed() < 10 * SECOND);
    }));
}

/// Nobody is kept by a queue that is dropped: not its alarm either.
#[runtime::test(start_paused = true)]
async fn a_queue_that_is_dropped_leaves_no_task() {
    let jobs = Memory::new(Options::default());
    jobs.push_after(SECOND, b"never").await.unwrap();
    settle().await;
    assert_eq!(task::count(), 1); // the alarm
    drop(jobs);
    settle().await;
    assert_eq!(task::count(), 0);
}

#[runtime::test(start_paused = true)]
async fn a_worker_works_on_so_many_at_once() {
    let jobs = Memory::new(Options::default());
    for number in 0..6_u8 {
        jobs.push(&[number]).await.unwrap();
    }
    let (busy, most, left) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Rc::new(Cell::new(6)));
    let start = Instant::now();
    let (stop, most_seen) = (Rc::new(Event::new()), most.clone());
    let stopping = stop.clone();
    let tally = Worker::new(jobs.clone())
        .concurrency(3)
        .run(stop.wait(), async move |_: &Delivery| {
            busy.set(busy.get() + 1);
            most.set(most.get().max(busy.get()));
            sleep(SECOND).await;
            busy.set(busy.get() - 1);
            left.set(left.get() - 1);
            if left.get() == 0 {
                stopping.set();
            }
            Ok::<_, String>(())
        })
        .await
        .unwrap();
    assert_eq!((tally.done, tally.failed, tally.lost), (6, 0, 0));
    assert_eq!((most_seen.get(), start.elapsed()), (3, 2 * SECOND));
    assert_eq!(jobs.counts(), Counts::default());
}

/// An error and a panic: told, given back, tried again later and later, and in the end put aside.
#[runtime::test(start_paused = true)]
async fn what_fails_is_tried_again_and_then_put_aside() {
    let jobs = Memory::new(Options::default().max_deliveries(3));
    jobs.push(b"error").await.unwrap();
    jobs.push(b"panic").await.unwrap();
    let start = Instant::now();
    let log = Rc::new(RefCell::new(BTreeMap::<_, Vec<_>>::new()));
    let told = log.clone();
    let worker = Worker::new(jobs.clone()).concurrency(2).retry_after(|attempt| attempt * SECOND).on_failure(
        move |delivery, reason| {
            let line = (delivery.attempt(), reason.to_string(), start.elapsed().as_secs());
            told.borrow_mut().entry(delivery.body().to_vec()).or_default().push(line);
        },
    );
    let tally = worker
        .run(sleep(10 * SECOND), async |delivery: &Delivery| {
            sleep(Duration::from_millis(1)).await;
            if delivery.body() == b"panic" {
                panic!("at number {}", delivery.attempt());
            }
            Err("no")
        })
        .await
        .unwrap();
    assert_eq!((tally.done, tally.failed, tally.lost), (0, 6, 0));
    let line = |attempt, reason: &str, second| (attempt, reason.to_owned(), second);
    assert_eq!(log.borrow()[&b"error"[..]], [line(1, "no", 0), line(2, "no", 1), line(3, "no", 3)]);
    assert_eq!(log.borrow()[&b"panic"[..]][1], line(2, "it panicked: at number 2", 1));
    assert_eq!(jobs.dead(9).await.unwrap().len(), 2);
}

/// Ten leases long, and nobody else gets it.
#[runtime::test(start_paused = true)]
async fn a_long_job_keeps_its_lease() {
    let jobs = Memory::new(Options::default().lease(SECOND));
    jobs.push(b"long").await.unwrap();
    let work = Worker::new(jobs.clone()).run(sleep(SECOND), async |_: &Delivery| {
        sleep(10 * SECOND).await;
        Ok::<_, String>(())
    });
    let (tally, others) = join!(work, async {
        sleep(SECOND / 2).await;
        jobs.pull(1, 20 * SECOND).await.unwrap()
    });
    assert_eq!((tally.unwrap().done, others.len()), (1, 0));
    assert_eq!(jobs.counts(), Counts::default());
}

/// `stop` ends the pulling, not the work, even if there are always more jobs.
#[runtime::test(start_paused = true)]
async fn a_worker_that_is_to_stop_finishes_what_it_has() {
    let jobs = Memory::new(Options::default());
    for _ in 0..100 {
        jobs.push(b"job").await.unwrap();
    }
    let work = Worker::new(jobs.clone()).concurrency(2).run(sleep(5 * SECOND / 2), async |_: &Delivery| {
        sleep(SECOND).await;
        Ok::<_, String>(())
    });
    assert_eq!(work.await.unwrap().done, 6);
    let counts = jobs.counts();
    assert_eq!((counts.ready, counts.leased), (94, 0));
}

#[runtime::test]
async fn a_worker_that_always_has_something_to_do_stops_too() {
    let jobs = Memory::new(Options::default());
    for _ in 0..1_000 {
        jobs.push(b"job").await.unwrap();
    }
    let (stop, done) = (Rc::new(Event::new()), Cell::new(0));
    let stopping = stop.clone();
    let work = Worker::new(jobs.clone()).concurrency(2).run(stop.wait(), async move |_: &Delivery| {
        done.set(done.get() + 1);
        if done.get() == 10 {
            stopping.set();
        }
        Ok::<_, String>(())
    });
    assert!(work.await.unwrap().done < 20);
}

#[runtime::test(start_paused = true)]
async fn a_worker_that_is_dropped_loses_no_job() {
    let jobs = Memory::new(Options::default().lease(SECOND));
    jobs.push(b"job").await.unwrap();
    let work = Worker::new(jobs.clone())
        .run(pending::<()>(), async |_: &Delivery| pending::<Result<(), String>>().await);
    assert!(timeout(3 * SECOND, work).await.is_err());
    assert_eq!(jobs.pull(1, 2 * SECOND).await.unwrap()[0].attempt(), 2);
}

/// A broker that is away for a while, refuses for good, or loses leases, as it is told.
struct Moody {
    jobs: Memory,
    /// What to answer instead, one after the other.
    moods: RefCell<Vec<Error>>,
}

impl Moody {
    fn new(moods: impl IntoIterator<Item = Error>) -> Self {
        Self {
            jobs: Memory::new(Options::default().lease(3 * SECOND)),
            moods: moods.into_iter().collect::<Vec<_>>().into(),
        }
    }

    fn mood(&self) -> Result<(), Error> {
        let mut moods = self.moods.borrow_mut();
        if moods.is_empty() { Ok(()) } else { Err(moods.remove(0)) }
    }
}

impl Broker for Moody {
    fn options(&self) -> Options {
        self.jobs.options()
    }

    async fn push(&self, body: &[u8]) -> Result<JobId, Error> {
        self.jobs.push(body).await
    }

    async fn push_after(&self, delay: Duration, body: &[u8]) -> Result<JobId, Error> {
        self.jobs.push_after(delay, body).await
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        self.mood()?;
        self.jobs.pull(max, wait).await
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), Error> {
        self.mood()?;
        self.jobs.ack(delivery).await
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration) -> Result<(), Error> {
        self.mood()?;
        self.jobs.nack(delivery, delay).await
    }

    async fn extend(&self, delivery: &Delivery) -> Result<(), Error> {
        self.mood()?;
        self.jobs.extend(delivery).await
    }

    async fn dead(&self, max: usize) -> Result<Vec<DeadJob>, Error> {
        self.jobs.dead(max).await
    }

    async fn forget(&self, dead: &DeadJob) -> Result<(), Error> {
        self.jobs.forget(dead).await
    }
}

fn away() -> Error {
    Error::Unreachable("it restarts".into())
}

#[runtime::test(start_paused = true)]
async fn a_worker_waits_for_a_broker_that_is_away() {
    let broker = Rc::new(Moody::new((0..5).map(|_| away())));
    broker.push(b"job").await.unwrap();
    // While it pulls, and then while it says that it is done.
    let moody = broker.clone();
    let tally = Worker::new(broker.clone()).run(sleep(20 * SECOND), async move |_: &Delivery| {
        moody.moods.borrow_mut().extend([away(), away()]);
        Ok::<_, String>(())
    });
    assert_eq!(tally.await.unwrap().done, 1);
    assert_eq!(broker.jobs.counts(), Counts::default());
}

#[runtime::test(start_paused = true)]
async fn a_worker_that_is_refused_ends() {
    let broker = Moody::new([Error::Refused("wrong password".into())]);
    let end = Worker::new(broker).run(pending::<()>(), async |_: &Delivery| Ok::<_, String>(())).await;
    assert_eq!(end.unwrap_err().to_string(), "the broker refuses: wrong password");
}

/// Its job is with somebody else by now: there is no use in going on.
#[runtime::test(start_paused = true)]
async fn a_handler_whose_lease_is_lost_is_dropped() {
    let broker = Moody::new([]);
    broker.push(b"job").await.unwrap();
    let broker = Rc::new(broker);
    let moody = broker.clone();
    let tally = Worker::new(broker.clone()).run(sleep(SECOND), async move |_: &Delivery| {
        moody.moods.borrow_mut().push(Error::LeaseLost);
        pending::<Result<(), String>>().await
    });
    let tally = tally.await.unwrap();
    assert_eq!((tally.done, tally.failed, tally.lost), (0, 0, 1));
    assert_eq!(broker.jobs.counts().leased, 1);
}

/// The suite must be able to fail: implementations that are wrong in one thing each.
#[test]
fn the_contract_finds_who_breaks_it() {
    for flaw in Flaw::ALL {
        let found = std::panic::catch_unwind(|| {
            let runtime = runtime::Builder::new().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let queues = RefCell::new(HashMap::new());
                conformance(async |name, options: Options| {
                    let jobs = queues
                        .borrow_mut()
                        .entry(name.to_owned())
                        .or_insert_with(|| flaw.memory(options))
                        .clone();
                    Flawed { flaw, options, jobs }
                })
                .await;
            });
        });
        let message = *found.expect_err(&format!("{flaw:?} was not found")).downcast::<String>().unwrap();
        println!("{flaw:?}: {message}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Flaw {
    AcksNothing,
    TakesMore,
    DoesNotWait,
    ForgetsDelays,
    ForgetsOnNack,
    NeverDies,
    HasRoomForMore,
    LosesOnDrop,
    KeepsLeases,
    NeverTellsOfLoss,
    DoesNotExtend,
    KeepsTheDead,
    CountsFromZero,
}

impl Flaw {
    const ALL: [Self; 13] = [
        Self::AcksNothing,
        Self::TakesMore,
        Self::DoesNotWait,
        Self::ForgetsDelays,
        Self::ForgetsOnNack,
        Self::NeverDies,
        Self::HasRoomForMore,
        Self::LosesOnDrop,
        Self::KeepsLeases,
        Self::NeverTellsOfLoss,
        Self::DoesNotExtend,
        Self::KeepsTheDead,
        Self::CountsFromZero,
    ];

    fn memory(self, options: Options) -> Memory {
        Memory::new(match self {
            Self::NeverDies => options.max_deliveries(1_000),
            Self::HasRoomForMore => options.capacity(1_000),
            Self::KeepsLeases => options.lease(100_000 * SECOND),
            _ => options,
        })
    }
}

struct Flawed {
    flaw: Flaw,
    options: Options,
    jobs: Memory,
}

impl Broker for Flawed {
    fn options(&self) -> Options {
        self.options
    }

    async fn push(&self, body: &[u8]) -> Result<JobId, Error> {
        self.jobs.push(body).await
    }

    async fn push_after(&self, delay: Duration, body: &[u8]) -> Result<JobId, Error> {
        match self.flaw {
            Flaw::ForgetsDelays => self.jobs.push(body).await,
            _ => self.jobs.push_after(delay, body).await,
        }
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        match self.flaw {
            Flaw::TakesMore => self.jobs.pull(max + 1, wait).await,
            Flaw::DoesNotWait => self.jobs.pull(max, Duration::ZERO).await,
            Flaw::LosesOnDrop => {
                let mut way = Way(self.jobs.clone(), self.jobs.pull(max, wait).await?);
                sleep(Duration::from_micros(100)).await;
                Ok(std::mem::take(&mut way.1))
            }
            Flaw::CountsFromZero => {
                let count = |it: Delivery| {
                    Delivery::new(it.id().clone(), it.attempt() - 1, it.body().to_vec(), it.receipt())
                };
                Ok(self.jobs.pull(max, wait).await?.into_iter().map(count).collect())
            }
            _ => self.jobs.pull(max, wait).await,
        }
    }

    async fn ack(&self, delivery: &Delivery) -> Result<(), Error> {
        match self.flaw {
            Flaw::AcksNothing => self.jobs.nack(delivery, SECOND / 10).await.or(Ok(())),
            _ => self.jobs.ack(delivery).await,
        }
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration) -> Result<(), Error> {
        match self.flaw {
            Flaw::ForgetsOnNack => self.jobs.ack(delivery).await,
            Flaw::NeverTellsOfLoss => self.jobs.nack(delivery, delay).await.or(Ok(())),
            _ => self.jobs.nack(delivery, delay).await,
        }
    }

    async fn extend(&self, delivery: &Delivery) -> Result<(), Error> {
        match self.flaw {
            Flaw::DoesNotExtend => Ok(()),
            Flaw::NeverTellsOfLoss => self.jobs.extend(delivery).await.or(Ok(())),
            _ => self.jobs.extend(delivery).await,
        }
    }

    async fn dead(&self, max: usize) -> Result<Vec<DeadJob>, Error> {
        self.jobs.dead(max).await
    }

    async fn forget(&self, dead: &DeadJob) -> Result<(), Error> {
        match self.flaw {
            Flaw::KeepsTheDead => Ok(()),
            _ => self.jobs.forget(dead).await,
        }
    }
}

/// Jobs on their way to somebody: if he goes, they are as good as done.
struct Way(Memory, Vec<Delivery>);

impl Drop for Way {
    fn drop(&mut self) {
        for delivery in std::mem::take(&mut self.1) {
            let jobs = self.0.clone();
            spawn(async move { jobs.ack(&delivery).await }).detach();
        }
    }
}

/// Beside producers and workers of all kinds every job is done, and none twice while no lease is lost.
#[test]
fn every_job_is_done_once_whatever_the_seed() {
    Sim::new().seeds(200).run(|| async {
        let jobs = Memory::new(Options::default());
        let done = Rc::new(RefCell::new(BTreeMap::new()));
        let workers = (0..3).map(|_| {
            let (jobs, done) = (jobs.clone(), done.clone());
            spawn(async move {
                while done.borrow().len() < 30 {
                    let patience = Duration::from_millis(runtime::random_u64() % 50);
                    let pulled =
                        timeout(patience, jobs.pull(3, SECOND)).await.unwrap_or(Ok(Vec::new())).unwrap();
                    for delivery in pulled {
                        sleep(Duration::from_millis(runtime::random_u64() % 20)).await;
                        if runtime::random_u64() % 3 < 1 && delivery.attempt() < 8 {
                            jobs.nack(&delivery, Duration::from_millis(runtime::random_u64() % 30))
                                .await
                                .unwrap();
                        } else {
                            jobs.ack(&delivery).await.unwrap();
                            *done.borrow_mut().entry(delivery.into_body()).or_insert(0) += 1;
                        }
                    }
                }
            })
        });
        let workers: Vec<_> = workers.collect();
        for number in 0..30_u8 {
            jobs.push_after(Duration::from_millis(runtime::random_u64() % 10), &[number]).await.unwrap();
        }
        for worker in join_all(workers).await {
            worker.unwrap();
        }
        assert!(done.borrow().values().all(|times| *times == 1));
        assert_eq!(jobs.counts(), Counts::default());
    });
}
