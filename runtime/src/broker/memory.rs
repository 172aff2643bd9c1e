//! `Memory`: a queue in this process.
//!
//! `Books` is where the jobs are, and knows neither tasks nor clocks: it is told what time it is. Beside it stands a semaphore
//! with a permit for each job that is ready, so those who pull wait in its queue, first come, first served, and whoever gives up
//! passes his turn on. One task, the alarm, sleeps until the next job's time has come or the next lease is over; it
//! lives while there is something of that kind.

use super::{Broker, Counts, DeadJob, Delivery, Error, JobId, MAX_BATCH, Options};
use crate::{
    sync::{Event, Semaphore},
    task,
    time::{Instant, timeout_at},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt,
    rc::{Rc, Weak},
    time::Duration,
};

/// A queue in the memory of this process, for the tasks of one runtime: for programs that need no more, and for tests.
///
/// All that a [`Broker`] promises holds while the process lives; nothing outlives it. Clones are the same queue. Time is that of
/// the runtime, also where it is virtual.
///
/// ```
/// use runtime::broker::{Broker, Memory, Options};
/// use std::time::Duration;
///
/// #[runtime::main]
/// async fn main() -> Result<(), runtime::broker::Error> {
///     let jobs = Memory::new(Options::default());
///     jobs.push(b"water the plants").await?;
///
///     let first = jobs.pull(1, Duration::ZERO).await?.remove(0);
///     jobs.nack(&first, Duration::ZERO).await?; // no water
///
///     let second = jobs.pull(1, Duration::ZERO).await?.remove(0);
///     assert_eq!((second.id(), second.attempt()), (first.id(), 2));
///     jobs.ack(&second).await?;
///     assert!(jobs.pull(1, Duration::ZERO).await?.is_empty());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Memory {
    queue: Rc<Queue>,
}

struct Queue {
    options: Options,
    /// Borrowed for a moment only, in which nobody is woken.
    books: RefCell<Books>,
    /// A permit for each job that is ready, less those that were granted to somebody who has not had his turn yet.
    ready: Semaphore,
    /// When the alarm looks at the books; `None` if there is no such task.
    alarm: Cell<Option<Instant>>,
    /// Tells the alarm that something comes sooner, or that the queue is gone.
    sooner: Rc<Event>,
}

impl Memory {
    /// An empty queue.
    pub fn new(options: Options) -> Self {
        let (ready, sooner) = (Semaphore::new(0), Rc::new(Event::new()));
        Self {
            queue: Rc::new(Queue {
                options,
                books: RefCell::default(),
                ready,
                alarm: Cell::new(None),
                sooner,
            }),
        }
    }

    /// How many jobs are where.
    ///
    /// # Panics
    /// Outside of a runtime: it looks at the clock.
    pub fn counts(&self) -> Counts {
        self.queue.catch_up();
        self.queue.books.borrow().counts()
    }
}

impl Broker for Memory {
    fn options(&self) -> Options {
        self.queue.options
    }

    /// # Errors
    /// [`Error::Full`], and no other.
    async fn push(&self, body: &[u8]) -> Result<JobId, Error> {
        self.push_after(Duration::ZERO, body).await
    }

    /// Not late: it can be pulled when its time has come.
    ///
    /// # Errors
    /// [`Error::Full`], and no other.
    async fn push_after(&self, delay: Duration, body: &[u8]) -> Result<JobId, Error> {
        let queue = &self.queue;
        let now = queue.catch_up();
        let id = queue.change(|books| {
            if books.undone() >= queue.options.capacity {
                return Err(Error::Full);
            }
            books.last_id += 1;
            let id = books.last_id;
            books.put(Job { id, attempts: 0, body: body.to_vec() }, now, delay);
            Ok(id)
        })?;
        Ok(JobId::new(id.to_string()))
    }

    /// # Errors
    /// None.
    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let queue = &self.queue;
        queue.catch_up();
        if max == 0 {
            return Ok(Vec::new());
        }
        let permit = if wait.is_zero() {
            queue.ready.try_acquire().ok()
        } else {
            queue.ready.acquire_timeout(wait).await.ok().and_then(Result::ok)
        };
        let Some(permit) = permit else {
            return Ok(Vec::new());
        };
        // From here on there is no waiting: who gets as far has them.
        permit.forget();
        let count = 1 + queue.ready.forget_permits(max.min(MAX_BATCH) - 1);
        let until = Instant::now().saturating_add(queue.options.lease);
        Ok(queue.change(|books| (0..count).map(|_| books.lend(until)).collect()))
    }

    /// # Errors
    /// None.
    async fn ack(&self, delivery: &Delivery) -> Result<(), Error> {
        // Whoever has it: done is done.
        self.queue.change(|books| books.take_back(id_of(delivery.receipt()), None));
        Ok(())
    }

    /// # Errors
    /// [`Error::LeaseLost`], and no other.
    async fn nack(&self, delivery: &Delivery, delay: Duration) -> Result<(), Error> {
        let queue = &self.queue;
        let now = queue.catch_up();
        queue.change(|books| {
            let job = books
                .take_back(id_of(delivery.receipt()), Some(delivery.attempt()))
                .ok_or(Error::LeaseLost)?;
            if job.attempts < queue.options.max_deliveries {
                books.put(job, now, delay);
            } else {
                books.bury(job, queue.options.capacity);
            }
            Ok(())
        })
    }

    /// # Errors
    /// [`Error::LeaseLost`], and no other.
    async fn extend(&self, delivery: &Delivery) -> Result<(), Error> {
        let until = self.queue.catch_up().saturating_add(self.queue.options.lease);
        self.queue.change(|books| {
            let job = books
                .take_back(id_of(delivery.receipt()), Some(delivery.attempt()))
                .ok_or(Error::LeaseLost)?;
            books.lease(job, until);
            Ok(())
        })
    }

    /// # Errors
    /// None.
    async fn dead(&self, max: usize) -> Result<Vec<DeadJob>, Error> {
        self.queue.catch_up();
        let show = |job: &Job| {
            let name = job.id.to_string();
            DeadJob::new(JobId::new(name.clone()), job.attempts, job.body.clone(), name)
        };
        Ok(self.queue.books.borrow().dead.iter().take(max).map(show).collect())
    }

    /// # Errors
    /// None.
    async fn forget(&self, dead: &DeadJob) -> Result<(), Error> {
        let id = id_of(dead.receipt());
        self.queue.books.borrow_mut().dead.retain(|job| job.id != id);
        Ok(())
    }
}

/// What is written on a receipt. That of another broker names no job here.
fn id_of(receipt: &str) -> u64 {
    receipt.parse().unwrap_or(0)
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.queue.books.borrow().counts();
        f.debug_struct("Memory").field("counts", &counts).field("options", &self.queue.options).finish()
    }
}

impl Queue {
    /// Does what time has brought since somebody looked last, and says what time it is. The alarm does so as well, but has to
    /// wait for its turn.
    fn catch_up(self: &Rc<Self>) -> Instant {
        let now = Instant::now();
        self.change(|books| books.advance(now, &self.options));
        now
    }

    /// Changes the books, then tells those whom it concerns: others' wakers are not called while the books are open.
    fn change<T>(self: &Rc<Self>, change: impl FnOnce(&mut Books) -> T) -> T {
        let (outcome, added, next) = {
            let mut books = self.books.borrow_mut();
            let outcome = change(&mut books);
            (outcome, std::mem::take(&mut books.added), books.next_event())
        };
        if let Some(next) = next {
            self.set_alarm(next);
        }
        if added > 0 {
            self.ready.add_permits(added);
        }
        outcome
    }

    /// Has the books looked at then, or earlier.
    fn set_alarm(self: &Rc<Self>, next: Instant) {
        match self.alarm.get() {
            Some(at) if at <= next => {}
            Some(_) => {
                self.alarm.set(Some(next));
                self.sooner.set();
            }
            None => {
                self.alarm.set(Some(next));
                let alarm = Alarm { queue: Rc::downgrade(self), sooner: Rc::clone(&self.sooner) };
                task::Builder::new().name("broker alarm").daemon(true).spawn(alarm.ring()).detach();
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.sooner.set();
    }
}

/// The task that looks at the books when it is time. It does not keep the queue.
struct Alarm {
    queue: Weak<Queue>,
    sooner: Rc<Event>,
}

impl Alarm {
    async fn ring(self) {
        while let Some(at) = self.next() {
            if timeout_at(at, self.sooner.wait()).await.is_ok() {
                self.sooner.clear();
            }
        }
    }

    /// What is due is done; when is the next? `None` if nothing is to be waited for.
    fn next(&self) -> Option<Instant> {
        let queue = self.queue.upgrade()?;
        // So that `change` does not call us.
        queue.alarm.set(Some(Instant::now()));
        queue.catch_up();
        let next = queue.books.borrow().next_event();
        queue.alarm.set(next);
        next
    }
}

impl Drop for Alarm {
    /// Also when its runtime ends: in the next one there will be another.
    fn drop(&mut self) {
        if let Some(queue) = self.queue.upgrade() {
            queue.alarm.set(None);
        }
    }
}

struct Job {
    id: u64,
    /// How often it was delivered.
    attempts: u32,
    body: Vec<u8>,
}

/// Where each job is: ready, delayed, lent to somebody, or dead.
#[derive(Default)]
struct Books {
    last_id: u64,
    ready: VecDeque<Job>,
    /// Jobs that became ready and that nobody has been told of.
    added: usize,
    /// By when their time comes; the second number keeps apart those of the same moment, in the order in which they came.
    delayed: BTreeMap<(Instant, u64), Job>,
    last_delayed: u64,
    lent: HashMap<u64, (Job, Instant)>,
    /// When which lease is over.
    leases: BTreeSet<(Instant, u64)>,
    dead: VecDeque<Job>,
}

impl Books {
    /// Makes ready what is delayed until `now` or earlier, and what was lent until then, unless it dies of it.
    fn advance(&mut self, now: Instant, options: &Options) {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let job = entry.remove();
            self.make_ready(job);
        }
        while let Some(&(_, id)) = self.leases.first().filter(|(until, _)| *until <= now) {
            let job = self.take_back(id, None).expect("a lease is on a job that is lent");
            if job.attempts < options.max_deliveries {
                self.make_ready(job);
            } else {
                self.bury(job, options.capacity);
            }
        }
    }

    fn put(&mut self, job: Job, now: Instant, delay: Duration) {
        if delay.is_zero() {
            self.make_ready(job);
        } else {
            self.last_delayed += 1;
            self.delayed.insert((now.saturating_add(delay), self.last_delayed), job);
        }
    }

    fn make_ready(&mut self, job: Job) {
        self.ready.push_back(job);
        self.added += 1;
    }

    /// Lends the first that is ready; there is one.
    fn lend(&mut self, until: Instant) -> Delivery {
        let mut job = self.ready.pop_front().expect("a permit stands for a job that is ready");
        job.attempts += 1;
        let name = job.id.to_string();
        let delivery = Delivery::new(JobId::new(name.clone()), job.attempts, job.body.clone(), name);
        self.lease(job, until);
        delivery
    }

    fn lease(&mut self, job: Job, until: Instant) {
        self.leases.insert((until, job.id));
        self.lent.insert(job.id, (job, until));
    }

    /// Takes the job from whoever has it, or only if that is delivery number `attempt`.
    fn take_back(&mut self, id: u64, attempt: Option<u32>) -> Option<Job> {
        let (job, _) = self.lent.get(&id)?;
        if attempt.is_some_and(|attempt| attempt != job.attempts) {
            return None;
        }
        let (job, until) = self.lent.remove(&id)?;
        self.leases.remove(&(until, id));
        Some(job)
    }

    /// Puts it with the dead, of which the oldest makes room if they are too many.
    fn bury(&mut self, job: Job, capacity: usize) {
        if self.dead.len() >= capacity {
            self.dead.pop_front();
        }
        self.dead.push_back(job);
    }

    /// When a job's time comes, or a lease is over.
    fn next_event(&self) -> Option<Instant> {
        let due = self.delayed.first_key_value().map(|((due, _), _)| *due);
        let over = self.leases.first().map(|(until, _)| *until);
        due.into_iter().chain(over).min()
    }

    /// Jobs that are neither done nor dead.
    fn undone(&self) -> usize {
        self.ready.len() + self.delayed.len() + self.lent.len()
    }

    fn counts(&self) -> Counts {
        Counts {
            ready: self.ready.len(),
            delayed: self.delayed.len(),
            leased: self.lent.len(),
            dead: self.dead.len(),
        }
    }
}
