//! What a pool of processes decides, without doing any of it: events and the time go in, actions come out.
//!
//! Nothing here touches a process, a socket, a clock or an argument: jobs are numbers. So every rule can be told as a story,
//! event by event, and a walk of a million random steps takes seconds.
//!
//! Whoever drives a [`Desk`] tells it what happened ([`submit`](Desk::submit), [`done`](Desk::done),
//! [`handle`](Desk::handle)), calls [`settle`](Desk::settle) after answers and at [`next_deadline`](Desk::next_deadline), and
//! does what [`next_action`](Desk::next_action) gives, in that order.
//!
//! A job that was sent can be taken back as long as its worker has not begun it, which is settled in memory that both share
//! ([`Claims`]). Therefore jobs may lie ready at a busy worker, and nobody has to wait behind a long one; therefore a job
//! that is pending can be cancelled wherever it is; and therefore it is known of each dead worker what it has begun.
//!
//! | file | decides |
//! |---|---|
//! | `jobs.rs` | who waits, in what order |
//! | `worker.rs` | how much may lie at a worker, and for how long |
//! | `assign.rs` | who gets what; what is taken back |
//! | `ended.rs` | what follows the end of a worker |
//! | `healing.rs` | when the next one is launched, and when that is given up |

mod assign;
mod ended;
mod healing;
mod jobs;
#[cfg(test)]
mod tests;
mod worker;

use self::{
    healing::Healing,
    jobs::{Jobs, Place},
    worker::{Phase, Worker},
};
use std::{collections::VecDeque, time::Duration};

/// How long a worker that has nothing left to do may take to end: what it runs at its end is not ours, but a pool that is
/// closed is to be gone.
const LEAVE_GRACE: Duration = Duration::from_secs(5);

/// One submitted job. Numbers count up and are never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct JobId {
    pub(crate) number: u64,
    /// Its place in a table; no two jobs that have not ended share one.
    pub(crate) index: u32,
}

/// One life of a worker process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct WorkerId(pub(crate) u64);

/// Whether a job can lie ready at a worker that is busy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weight {
    /// Small enough to be sent for nothing.
    Light,
    /// It goes to nobody who cannot begin at once.
    Heavy,
}

/// What the pool is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// At least one.
    pub(crate) workers: usize,
    /// How many jobs a worker runs in its life; at least one.
    pub(crate) max_tasks: Option<u64>,
    /// How many may wait.
    pub(crate) max_queued: usize,
}

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// It has taken over, and waits for jobs.
    Ready(WorkerId),
    /// There is no such process, and will be none.
    LaunchFailed(WorkerId),
    /// It says that it cannot serve, and ends.
    InitializerFailed(WorkerId),
    /// It said what it must not, or nothing can be said to it any more.
    Unfit(WorkerId),
    /// It is dead, and everything that it had said was told before.
    Exited(WorkerId),
    /// No more jobs are taken. Those that have not begun fail for this reason, if there is one.
    Shutdown { fail_pending: Option<Why> },
    /// No more jobs are taken, those that have not begun are cancelled, and all workers killed.
    Terminate,
    /// Nobody will tell any more what happens: all is over now.
    Abandon,
}

/// Something to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Launch(WorkerId),
    Send {
        worker: WorkerId,
        job: JobId,
    },
    /// The job has ended; it has no result.
    Fail {
        job: JobId,
        why: Why,
    },
    /// Nothing more comes to it, so it ends.
    Dismiss(WorkerId),
    Kill(WorkerId),
    /// The pool is closed, and everybody gone.
    Finish,
}

/// Why a job has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// Somebody wanted it so, for this job or for all that had not begun.
    Cancelled,
    /// This worker died when it ran the job.
    Died(WorkerId),
    /// This worker could not be launched, or ended before it did anything, as had all before it.
    NotStarted(WorkerId),
    /// The initializer failed in this worker.
    Initializer(WorkerId),
    /// The pool is gone, or was closed before the job had begun.
    Closed,
}

/// A job that was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Closed,
    /// So many wait already.
    Full(usize),
}

/// What pool and workers settle between them without a message: whether a job was begun before it was taken back.
pub(crate) trait Claims {
    /// Takes a job back. Whether that was in time: then the worker never begins it.
    fn revoke(&mut self, worker: WorkerId, job: JobId) -> bool;
}

/// All jobs and workers of a pool, as the pool knows them.
///
/// ```text
///        Shutdown, Terminate              no job and no worker is left
/// Open ------- handle ------> Closing ------------- settle ------------> Closed
/// ```
#[derive(Debug)]
pub(crate) struct Desk {
    rules: Rules,
    /// The latest time that was told; a clock that seems to go back stands still.
    now: Duration,
    course: Course,
    jobs: Jobs,
    /// In order of age.
    workers: Vec<Worker>,
    next_worker: u64,
    healing: Healing,
    actions: VecDeque<Action>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Course {
    Open,
    Closing,
    Closed,
}

impl Desk {
    /// The first actions are the launches of all workers. `now` counts from wherever the driver likes.
    pub(crate) fn new(now: Duration, rules: Rules) -> Self {
        debug_assert!(rules.workers > 0 && rules.max_tasks != Some(0));
        let mut desk = Self {
            rules,
            now,
            course: Course::Open,
            jobs: Jobs::default(),
            workers: Vec::new(),
            next_worker: 0,
            healing: Healing::default(),
            actions: VecDeque::new(),
        };
        desk.staff();
        desk
    }

    /// A job more.
    pub(crate) fn submit(
        &mut self,
        now: Duration,
        weight: Weight,
        claims: &mut impl Claims,
    ) -> Result<JobId, Refused> {
        if self.course != Course::Open {
            return Err(Refused::Closed);
        }
        if self.jobs.queued() >= self.rules.max_queued {
            return Err(Refused::Full(self.rules.max_queued));
        }
        let job = self.jobs.add(weight);
        self.healing.wake();
        self.settle(now, claims);
        Ok(job)
    }

    /// Ends a job that has not begun. Whether it had not: then it is forgotten here, and nobody begins it.
    pub(crate) fn cancel(&mut self, now: Duration, job: JobId, claims: &mut impl Claims) -> bool {
        match self.jobs.get(job).map(|job| job.place) {
            None => return false,
            Some(Place::Queued) => {}
            Some(Place::Sent(worker)) => {
                if !self.take_back(worker, job, claims) {
                    return false;
                }
            }
        }
        self.jobs.remove(job);
        self.settle(now, claims);
        true
    }

    /// A worker has answered a job. Whether the job was there to be answered; if so, it has ended. To be followed by
    /// [`settle`](Self::settle), when all answers that are there have been told.
    pub(crate) fn done(&mut self, worker: WorkerId, job: JobId) -> bool {
        let Some(worker) = self.worker(worker) else { return false };
        if !worker.answered(job) {
            return false;
        }
        if worker.served == 1 {
            self.healing.progress();
        }
        self.jobs.remove(job);
        true
    }

    /// Something happened, just now.
    pub(crate) fn handle(&mut self, now: Duration, event: Event, claims: &mut impl Claims) {
        self.now = self.now.max(now);
        match event {
            Event::Ready(id) => {
                if let Some(worker) = self.worker(id).filter(|worker| worker.phase == Phase::Booting) {
                    worker.phase = Phase::Serving;
                    self.healing.ready();
                }
            }
            Event::LaunchFailed(id) => self.launch_failed(id),
            Event::InitializerFailed(id) => self.initializer_failed(id),
            Event::Unfit(id) => self.kill(id),
            Event::Exited(id) => self.exited(id, claims),
            Event::Shutdown { fail_pending } => self.shut_down(fail_pending, claims),
            Event::Terminate => self.terminate(claims),
            Event::Abandon => self.abandon(),
        }
        self.settle(now, claims);
    }

    /// Does what follows from how things are now, and from the time.
    pub(crate) fn settle(&mut self, now: Duration, claims: &mut impl Claims) {
        self.now = self.now.max(now);
        let now = self.now;
        for worker in &mut self.workers {
            worker.note_pace(now);
        }
        self.dismiss();
        // First, as it makes work for more workers.
        self.take_back_from_the_slow(claims);
        self.staff();
        self.assign(claims);
        if self.course == Course::Closing && self.workers.is_empty() && self.jobs.len() == 0 {
            self.course = Course::Closed;
            self.actions.push_back(Action::Finish);
        }
    }

    /// When to [`settle`](Desk::settle) next. None: never, unless something happens before.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let patience = self.workers.iter().filter_map(|worker| self.patience_ends(worker));
        let leaving = self.workers.iter().filter_map(|worker| match worker.phase {
            Phase::Leaving { until } => Some(until),
            _ => None,
        });
        let launch = self.is_short_of_workers().then_some(self.healing.not_before);
        patience.chain(leaving).chain(launch).min()
    }

    /// What is to be done next.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether the job was sent to that worker, which has not answered it.
    pub(crate) fn is_at(&self, worker: WorkerId, job: JobId) -> bool {
        self.jobs.get(job).is_some_and(|job| job.place == Place::Sent(worker))
    }

    /// How many have not ended: those that wait, and those that were sent.
    pub(crate) fn unfinished(&self) -> usize {
        self.jobs.len()
    }

    /// Whether no more jobs are taken.
    pub(crate) fn is_closing(&self) -> bool {
        self.course != Course::Open
    }

    fn worker(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }

    /// How many workers there are to be.
    fn wanted(&self) -> usize {
        let most = match self.course {
            _ if self.healing.is_dormant => 0,
            _ if self.healing.is_doubtful => 1,
            _ => self.rules.workers,
        };
        match self.course {
            Course::Open => most,
            // What lies at a worker that is being killed needs no other one yet.
            Course::Closing => {
                let busy = |worker: &&Worker| worker.is_serving() && !worker.jobs.is_empty();
                most.min(self.jobs.queued() + self.workers.iter().filter(busy).count())
            }
            Course::Closed => 0,
        }
    }

    fn is_short_of_workers(&self) -> bool {
        let counts = |worker: &&Worker| matches!(worker.phase, Phase::Booting | Phase::Serving);
        let there = self.workers.iter().filter(counts).count();
        // Whoever takes long to leave takes a place, too, or a pool whose workers do could grow without end.
        let all = self.workers.len();
        there < self.wanted() && all < self.rules.workers.saturating_mul(2)
    }

    /// Launches who is missing.
    fn staff(&mut self) {
        while self.is_short_of_workers() && self.healing.not_before <= self.now {
            let id = WorkerId(self.next_worker);
            self.next_worker += 1;
            self.workers.push(Worker::new(id));
            self.actions.push_back(Action::Launch(id));
        }
    }

    /// Lets go who has done enough, and, once there is nothing left to do, everybody; ends who does not go.
    fn dismiss(&mut self) {
        let until = self.now.saturating_add(LEAVE_GRACE);
        let is_over = self.course != Course::Open && self.jobs.len() == 0;
        let mut late = Vec::new();
        for worker in &mut self.workers {
            let has_had_enough = self.rules.max_tasks.is_some_and(|most| worker.tasks >= most);
            match worker.phase {
                Phase::Booting if is_over => {}
                Phase::Serving if worker.jobs.is_empty() && (is_over || has_had_enough) => {}
                Phase::Leaving { until } if until <= self.now => {
                    late.push(worker.id);
                    continue;
                }
                _ => continue,
            }
            worker.phase = Phase::Leaving { until };
            self.actions.push_back(Action::Dismiss(worker.id));
        }
        for id in late {
            self.kill(id);
        }
    }

    fn kill(&mut self, id: WorkerId) {
        if let Some(worker) = self.worker(id).filter(|worker| worker.phase != Phase::Killed) {
            worker.phase = Phase::Killed;
            self.actions.push_back(Action::Kill(id));
        }
    }

    fn fail(&mut self, job: JobId, why: Why) {
        self.jobs.remove(job);
        self.actions.push_back(Action::Fail { job, why });
    }

    fn fail_queue(&mut self, why: Why) {
        for job in self.jobs.take_queue() {
            self.actions.push_back(Action::Fail { job, why });
        }
    }

    fn shut_down(&mut self, fail_pending: Option<Why>, claims: &mut impl Claims) {
        if self.course == Course::Open {
            self.course = Course::Closing;
        }
        if let Some(why) = fail_pending {
            for (worker, job) in self.all_sent() {
                if self.take_back(worker, job, claims) {
                    self.jobs.put_back(job);
                }
            }
            self.fail_queue(why);
        }
    }

    fn terminate(&mut self, claims: &mut impl Claims) {
        self.shut_down(Some(Why::Cancelled), claims);
        for id in self.workers.iter().map(|worker| worker.id).collect::<Vec<_>>() {
            self.kill(id);
        }
    }

    fn abandon(&mut self) {
        if self.course == Course::Open {
            self.course = Course::Closing;
        }
        self.fail_queue(Why::Closed);
        for (_, job) in self.all_sent() {
            self.fail(job, Why::Closed);
        }
        for id in self.workers.iter().map(|worker| worker.id).collect::<Vec<_>>() {
            self.kill(id);
        }
        self.workers.clear();
    }

    fn all_sent(&self) -> Vec<(WorkerId, JobId)> {
        let jobs = |worker: &Worker| {
            let id = worker.id;
            worker.jobs.iter().map(move |&job| (id, job)).collect::<Vec<_>>()
        };
        self.workers.iter().flat_map(jobs).collect()
    }
}
