//! Walks at random: workers that run, dawdle and die as they like, and a list of what must hold after every step.
//!
//! `DESK_WALKS=100000 cargo test -p runtime --release desk::tests::walk` walks farther; a failure names its seed, and
//! `DESK_SEED=… DESK_WALKS=1` goes that way again.

use super::{Action, Desk, JobId, Posts, Rules, Weight, WorkerId, ms};
use crate::{
    pool::process::desk::{Claims, Event, Refused, Why},
    testing::random::Random,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    env,
    mem::{self, Discriminant},
    time::Duration,
};

const STEPS: usize = 400;

#[test]
fn whatever_happens_every_job_ends_once() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, walks) = (number("DESK_SEED").unwrap_or(0), number("DESK_WALKS").unwrap_or(300));
    let (mut actions, mut whys) = (HashSet::new(), HashSet::new());
    let (mut deepest, mut revoked) = (0, 0);
    for seed in first..first + walks {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.wind_up();
        actions.extend(world.seen_actions);
        whys.extend(world.seen_whys);
        deepest = deepest.max(world.deepest);
        revoked += world.claims.revoked;
    }
    // A walk that never comes to where things may go wrong proves nothing.
    if walks >= 300 {
        assert_eq!((actions.len(), whys.len()), (6, 5), "{actions:?} {whys:?}");
        assert!(deepest > 8 && revoked > walks, "{deepest} {revoked}");
    }
}

/// What a worker says, in order.
#[derive(Clone, Copy, Debug)]
enum Word {
    Ready,
    InitializerFailed,
    Answer(JobId),
    Nonsense,
}

/// A process.
#[derive(Debug, Default)]
struct Real {
    has_begun_life: bool,
    inbox: VecDeque<JobId>,
    running: Option<JobId>,
    said: VecDeque<Word>,
    is_dead: bool,
    is_dismissed: bool,
    is_killed: bool,
    is_unfit: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Answered,
    Failed(Why),
}

#[derive(Debug)]
struct Paper {
    weight: Weight,
    sent: u32,
    begun: u32,
    ended: Option<Ended>,
}

/// The shared memory.
#[derive(Debug, Default)]
struct Shared {
    posts: Posts,
    revoked_of: BTreeSet<(WorkerId, JobId)>,
    revoked: u64,
}

impl Claims for Shared {
    fn revoke(&mut self, worker: WorkerId, job: JobId) -> bool {
        let is_ours = self.posts.revoke(worker, job);
        if is_ours {
            self.revoked_of.insert((worker, job));
            self.revoked += 1;
        }
        is_ours
    }
}

struct World {
    seed: u64,
    random: Random,
    rules: Rules,
    desk: Desk,
    now: Duration,
    claims: Shared,
    workers: BTreeMap<WorkerId, Real>,
    jobs: BTreeMap<JobId, Paper>,
    /// Nobody dies, fails or cancels any more.
    is_calm: bool,
    /// How often workers die, and initializers fail.
    mortality: f64,
    is_closing: bool,
    is_finished: bool,
    launches: u64,
    seen_actions: HashSet<Discriminant<Action>>,
    seen_whys: HashSet<Discriminant<Why>>,
    deepest: usize,
    transcript: VecDeque<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let random = Random::stream(seed, 2);
        let rules = Rules {
            workers: random.up_to(4),
            max_tasks: random.chance(0.3).then(|| random.up_to(5) as u64),
            max_queued: if random.chance(0.2) { random.up_to(5) } else { 1000 },
        };
        let mortality = [0.0, 0.02, 0.2, 0.9][random.below(4) as usize];
        let mut world = Self {
            seed,
            random,
            rules,
            desk: Desk::new(Duration::ZERO, rules),
            now: Duration::ZERO,
            claims: Shared::default(),
            workers: BTreeMap::new(),
            jobs: BTreeMap::new(),
            is_calm: false,
            mortality,
            is_closing: false,
            is_finished: false,
            launches: 0,
            seen_actions: HashSet::new(),
            seen_whys: HashSet::new(),
            deepest: 0,
            transcript: VecDeque::new(),
        };
        world.obey();
        world
    }

    #[track_caller]
    fn check(&self, holds: bool, rule: &str) {
        if !holds {
            let lines: String = self.transcript.iter().map(|line| format!("\n  {line}")).collect();
            panic!("{rule}; seed {}, at {:?}{lines}\n{:?}", self.seed, self.now, self.desk);
        }
    }

    fn note(&mut self, line: String) {
        if self.transcript.len() == 60 {
            self.transcript.pop_front();
        }
        self.transcript.push_back(line);
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..25 => self.submit(),
            25..40 => self.somebody_begins(),
            40..60 => self.somebody_goes_on(),
            60..75 => self.somebody_is_heard(),
            75..85 => self.pass_time(),
            85..92 => self.somebody_dies(),
            92..97 => self.cancel_any(),
            97..99 => self.somebody_lies(),
            _ if self.random.chance(0.15) => self.close(),
            _ => {}
        }
    }

    /// Everybody behaves from now on: all that was submitted ends, and when the pool is closed, so does it.
    fn wind_up(&mut self) {
        self.is_calm = true;
        for round in 0.. {
            self.check(round < 3_000, "it does not come to rest");
            self.somebody_goes_on();
            self.somebody_begins();
            self.somebody_is_heard();
            if self.random.chance(0.2) {
                self.pass_time();
            }
            let is_done = self.jobs.values().all(|paper| paper.ended.is_some());
            if is_done && !self.is_closing {
                self.check(self.desk.unfinished() == 0, "a job that has ended is kept");
                self.is_closing = true;
                self.tell(Event::Shutdown { fail_pending: None });
            }
            if self.is_finished {
                break;
            }
        }
        let open: Vec<_> = self.jobs.iter().filter(|(_, paper)| paper.ended.is_none()).collect();
        self.check(open.is_empty(), "it has ended, and a job has not");
        self.check(self.workers.is_empty(), "it has ended, and a worker has not");
        self.check(self.desk.next_deadline().is_none(), "it has ended, and waits for something");
    }

    fn submit(&mut self) {
        let weight = if self.random.chance(0.8) { Weight::Light } else { Weight::Heavy };
        let waiting = self.desk.jobs.waiting().count();
        let result = self.desk.submit(self.now, weight, &mut self.claims);
        self.note(format!("submit {weight:?}: {result:?}"));
        match result {
            Ok(job) => {
                self.check(!self.is_closing, "a closed pool takes no jobs");
                let previous = self.jobs.insert(job, Paper { weight, sent: 0, begun: 0, ended: None });
                self.check(previous.is_none(), "a number is used twice");
            }
            Err(Refused::Closed) => self.check(self.is_closing, "an open pool is open"),
            Err(Refused::Full(most)) => self.check(waiting >= most, "it is not full"),
        }
        self.obey();
    }

    fn tell(&mut self, event: Event) {
        self.note(format!("{event:?}"));
        self.desk.handle(self.now, event, &mut self.claims);
        self.obey();
    }

    fn any_worker(&mut self, is_meant: impl Fn(&Real) -> bool) -> Option<WorkerId> {
        let meant: Vec<WorkerId> =
            self.workers.iter().filter(|(_, real)| is_meant(real)).map(|(&id, _)| id).collect();
        (!meant.is_empty()).then(|| meant[self.random.below(meant.len() as u64) as usize])
    }

    fn misfortune(&mut self) -> bool {
        !self.is_calm && self.random.chance(self.mortality)
    }

    /// Reads its next message, and begins that job if nobody has taken it back.
    fn somebody_begins(&mut self) {
        let can = |real: &Real| !real.is_dead && real.running.is_none() && !real.inbox.is_empty();
        let Some(id) = self.any_worker(can) else { return };
        let real = self.workers.get_mut(&id).unwrap();
        let job = real.inbox.pop_front().unwrap();
        if !self.claims.revoked_of.contains(&(id, job)) {
            real.running = Some(job);
            self.claims.posts.begun.insert((id, job));
            let paper = self.jobs.get_mut(&job).unwrap();
            paper.begun += 1;
            let (begun, ended) = (paper.begun, paper.ended);
            self.note(format!("    {id:?} begins {job:?}"));
            self.check(begun == 1, "no job is begun twice");
            self.check(ended.is_none() || self.is_closing, "what has ended is not begun");
        }
        // It may have become one that nobody may take back.
        self.settle();
    }

    /// Comes to life, ends what it runs, or ends.
    fn somebody_goes_on(&mut self) {
        let can = |real: &Real| {
            !real.has_begun_life || real.running.is_some() || real.is_dismissed || real.is_killed
        };
        let Some(id) = self.any_worker(|real| !real.is_dead && can(real)) else { return };
        let fails = self.misfortune();
        let real = self.workers.get_mut(&id).unwrap();
        if real.is_killed {
            real.is_dead = true;
        } else if !real.has_begun_life {
            real.has_begun_life = true;
            real.said.push_back(if fails { Word::InitializerFailed } else { Word::Ready });
            real.is_dead = fails;
        } else if let Some(job) = real.running.take() {
            real.said.push_back(Word::Answer(job));
        } else if real.inbox.is_empty() {
            real.is_dead = true;
        }
    }

    /// The driver reads what a worker has said; at the end of the dead comes their end.
    fn somebody_is_heard(&mut self) {
        let Some(id) = self.any_worker(|real| !real.said.is_empty() || real.is_dead) else { return };
        let mut settle = false;
        for _ in 0..self.random.up_to(5) {
            let Some(word) = self.workers.get_mut(&id).and_then(|real| real.said.pop_front()) else { break };
            match word {
                Word::Ready => self.tell(Event::Ready(id)),
                Word::InitializerFailed => self.tell(Event::InitializerFailed(id)),
                Word::Answer(job) => {
                    let is_awaited = self.desk.done(id, job);
                    self.note(format!("{id:?} has answered {job:?}: {is_awaited}"));
                    if is_awaited {
                        self.end(job, Ended::Answered);
                    }
                    settle = true;
                }
                Word::Nonsense => self.tell(Event::Unfit(id)),
            }
        }
        if settle {
            self.desk.settle(self.now, &mut self.claims);
            // What a worker says last, and its end, may be one thing to the driver.
            if self.random.chance(0.5) {
                self.obey();
            }
        }
        if self.workers.get(&id).is_some_and(|real| real.is_dead && real.said.is_empty()) {
            self.tell(Event::Exited(id));
            self.workers.remove(&id);
        }
        self.obey();
    }

    fn somebody_dies(&mut self) {
        if let Some(id) = self.any_worker(|real| !real.is_dead).filter(|_| self.misfortune()) {
            self.note(format!("    {id:?} dies"));
            self.workers.get_mut(&id).unwrap().is_dead = true;
        }
    }

    fn somebody_lies(&mut self) {
        if let Some(id) = self.any_worker(|real| real.has_begun_life).filter(|_| self.misfortune()) {
            let real = self.workers.get_mut(&id).unwrap();
            real.is_unfit = true;
            real.said.push_back(Word::Nonsense);
        }
        // Answers of the dead, and to what was never asked.
        let stranger = (WorkerId(self.random.below(self.launches + 2)), JobId { number: 1 << 40, index: 0 });
        assert!(!self.desk.done(stranger.0, stranger.1));
    }

    fn cancel_any(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let nth = self.random.below(self.jobs.len() as u64) as usize;
        let job = *self.jobs.keys().nth(nth).unwrap();
        let was_open = self.jobs[&job].ended.is_none() && self.jobs[&job].begun == 0;
        let cancelled = self.desk.cancel(self.now, job, &mut self.claims);
        self.note(format!("cancel {job:?}: {cancelled}"));
        self.check(cancelled == was_open, "what has not begun, and only that, can be cancelled");
        if cancelled {
            self.end(job, Ended::Failed(Why::Cancelled));
        }
        self.obey();
    }

    fn close(&mut self) {
        self.is_closing = true;
        let event = match self.random.below(8) {
            0 => {
                self.tell(Event::Abandon);
                self.workers.clear();
                return;
            }
            1 | 2 => Event::Terminate,
            3 | 4 => Event::Shutdown { fail_pending: Some(Why::Cancelled) },
            _ => Event::Shutdown { fail_pending: None },
        };
        self.tell(event);
    }

    fn pass_time(&mut self) {
        let longest = if self.random.chance(0.1) { ms(6_000) } else { ms(8) };
        let until = self.now + self.random.duration(&(Duration::ZERO..=longest));
        while let Some(due) = self.desk.next_deadline().filter(|&due| due <= until) {
            self.check(due > self.now || self.now == Duration::ZERO, "a deadline that has passed is kept");
            self.now = due.max(self.now);
            self.settle();
        }
        self.now = until;
    }

    fn settle(&mut self) {
        self.desk.settle(self.now, &mut self.claims);
        self.obey();
    }

    fn end(&mut self, job: JobId, how: Ended) {
        let paper = self.jobs.get_mut(&job).unwrap();
        let before = paper.ended.replace(how);
        self.check(before.is_none(), "a job ends once");
    }

    /// Does what the desk says, and looks round.
    fn obey(&mut self) {
        while let Some(action) = self.desk.next_action() {
            self.note(format!("    {action:?}"));
            self.seen_actions.insert(mem::discriminant(&action));
            match action {
                Action::Launch(id) => {
                    self.launches += 1;
                    self.check(!self.workers.contains_key(&id), "a life begins once");
                    if self.misfortune() && self.random.chance(0.3) {
                        self.tell(Event::LaunchFailed(id));
                    } else {
                        self.workers.insert(id, Real::default());
                    }
                }
                Action::Send { worker, job } => {
                    let real = &self.workers[&worker];
                    let may = real.has_begun_life && !real.is_dismissed && !real.is_killed;
                    self.check(may, "jobs go to those who serve");
                    // Taken back from there before, and sent there again: the memory says so too.
                    self.claims.revoked_of.remove(&(worker, job));
                    self.claims.posts.sent.insert((worker, job));
                    self.jobs.get_mut(&job).unwrap().sent += 1;
                    self.workers.get_mut(&worker).unwrap().inbox.retain(|&other| other != job);
                    self.workers.get_mut(&worker).unwrap().inbox.push_back(job);
                }
                Action::Fail { job, why } => self.failed(job, why),
                Action::Dismiss(id) => {
                    let real = self.workers.get_mut(&id).unwrap();
                    real.is_dismissed = true;
                    let is_free = real.running.is_none();
                    self.check(is_free, "nobody is dismissed who works");
                }
                Action::Kill(id) => self.workers.get_mut(&id).unwrap().is_killed = true,
                Action::Finish => {
                    self.check(!self.is_finished && self.is_closing, "it ends once");
                    self.is_finished = true;
                }
            }
        }
        self.look_round();
    }

    fn failed(&mut self, job: JobId, why: Why) {
        self.seen_whys.insert(mem::discriminant(&why));
        let begun = self.jobs[&job].begun;
        match why {
            Why::Died(worker) if begun == 0 => {
                self.check(self.workers[&worker].is_dead, "who it is said to have died with is dead");
                self.check(self.jobs[&job].sent >= 3, "three have died with it before them");
            }
            Why::Died(worker) => {
                let was_there = self.claims.posts.begun.contains(&(worker, job));
                self.check(was_there, "who died with a job had begun it");
            }
            Why::Cancelled | Why::NotStarted(_) | Why::Initializer(_) => {
                self.check(begun == 0, "what was begun is not given up");
            }
            Why::Closed => {}
        }
        self.end(job, Ended::Failed(why));
    }

    fn look_round(&mut self) {
        let waiting: Vec<JobId> = self.desk.jobs.waiting().collect();
        self.check(waiting.is_sorted(), "the queue is in order");
        let serving = || self.desk.workers.iter().filter(|worker| worker.is_serving());
        let busy = serving().filter(|worker| !worker.jobs.is_empty()).count();
        self.check(busy <= self.rules.workers, "so many at once, and no more");
        self.check(self.desk.workers.len() <= 2 * self.rules.workers, "workers do not pile up");
        let idle = serving().filter(|worker| {
            worker.jobs.is_empty() && self.rules.max_tasks.is_none_or(|most| worker.tasks < most)
        });
        let is_anybody_idle = idle.count() > 0;
        self.check(!is_anybody_idle || waiting.is_empty(), "nobody is idle while somebody waits");
        for worker in serving() {
            self.deepest = self.deepest.max(worker.jobs.len());
            self.check(worker.jobs.len() <= 32, "little lies at a worker");
            let heavy = worker.jobs.iter().skip(1).find(|job| self.jobs.get(job).is_some_and(is_heavy));
            self.check(heavy.is_none(), "nothing heavy lies behind what runs");
            let last = worker.jobs.iter().skip(1).last();
            let is_free = last.is_some_and(|&job| !self.claims.posts.begun.contains(&(worker.id, job)));
            self.check(!(is_anybody_idle && is_free), "nobody is idle while another has a job too many");
        }
    }
}

fn is_heavy(paper: &Paper) -> bool {
    paper.weight == Weight::Heavy
}
