//! A pool at work: what happens is told to the desk, and what the desk says is done.
//!
//! Everything happens under one lock, but for what is the user's: reading a result, waking, calling back. Those are collected,
//! and done when the lock is free. The lock is held by one thread nearly always, the one whose runtime has the pool; others
//! come in to submit, and to cancel.

use super::{
    builder::Settings,
    crew::{Crew, Paper, Pushed, Sent},
    desk::{Action, Desk, Event, JobId, Refused, Rules, Weight, Why, WorkerId},
    job::{Answered, Ending},
    wire::{ANSWER_BYTES, Kind, Word, text},
};
use crate::{
    pool::{JobError, lock, tally::Tally},
    process::{
        Death, StartError,
        packet::{Packet, PacketError, Packets},
    },
};
use runtime_executor::{RuntimeId, time::Instant};
use runtime_sync::shared::Event as Signal;
use std::{
    collections::BTreeMap,
    fmt, io,
    process::ExitStatus,
    sync::{Arc, Mutex},
    task::Waker,
    thread::ThreadId,
    time::Duration,
};

/// Arguments of so many bytes are sent to a worker that is busy. The packets of a full window fit into its socket.
const LIGHT_BYTES: usize = 2 << 10;

/// A worker that closes its line ends, soon; one that does not is ended.
const SILENCE: Duration = Duration::from_secs(1);

/// What everybody shares who has to do with a pool.
pub(super) struct Office {
    pub(super) settings: Settings,
    state: Mutex<State>,
    tally: Arc<Tally>,
    /// Set when the pool is closed and everybody gone.
    pub(super) is_over: Signal,
}

/// Desk and crew, and what is between them and the runtime.
pub(super) struct State {
    pub(super) desk: Desk,
    pub(super) crew: Crew,
    began: Instant,
    /// Where the tasks of this pool are.
    pub(super) home: Home,
    /// Workers that nobody listens to yet.
    pub(super) newborns: Vec<WorkerId>,
    /// Workers whose outbox nobody empties yet.
    pub(super) clogged: Vec<WorkerId>,
    /// Wakes the clerk.
    bell: Option<Waker>,
    /// The clerk is to look.
    has_rung: bool,
    /// When the clerk looks anyway.
    armed: Option<Duration>,
    /// Why workers ended, until what follows from it has been done.
    last_words: BTreeMap<WorkerId, LastWord>,
    /// Jobs that have ended, until the lock is free.
    endings: Vec<(Arc<dyn Answered>, Ending)>,
    has_finished: bool,
}

/// Which runtime drives a pool.
#[derive(Debug, Clone, Copy)]
pub(super) enum Home {
    /// None so far: whoever waits drives it.
    Nowhere,
    At(RuntimeId, ThreadId),
}

#[derive(Debug)]
enum LastWord {
    Died(Death),
    NotStarted(io::ErrorKind, String),
    Initializer(String),
}

/// What a worker said, or that it says nothing any more.
pub(super) type Heard = Result<Option<Packet>, PacketError>;

impl Office {
    /// With all workers started.
    pub(super) fn open(settings: Settings) -> Result<Arc<Self>, StartError> {
        let rules = Rules {
            workers: settings.workers,
            max_tasks: settings.max_tasks,
            max_queued: settings.max_queued,
        };
        let mut state = State {
            desk: Desk::new(Duration::ZERO, rules),
            crew: Crew::default(),
            began: Instant::now(),
            home: Home::Nowhere,
            newborns: Vec::new(),
            clogged: Vec::new(),
            bell: None,
            has_rung: false,
            armed: None,
            last_words: BTreeMap::new(),
            endings: Vec::new(),
            has_finished: false,
        };
        super::keep_large_blocks();
        // The first shows whether there can be any.
        state.start_first(&settings)?;
        let state = Mutex::new(state);
        let office = Arc::new(Self { settings, state, tally: Arc::default(), is_over: Signal::new() });
        office.act(|_, _| ());
        Ok(office)
    }

    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Changes something, does what follows, and, once nobody is kept from anything, tells who is to know.
    pub(super) fn act<R>(self: &Arc<Self>, change: impl FnOnce(&mut State, Duration) -> R) -> R {
        let mut state = lock(&self.state);
        let now = state.began.elapsed();
        let result = change(&mut state, now);
        state.obey(now, &self.settings);
        let endings = std::mem::take(&mut state.endings);
        let bell = state.bell_to_ring();
        let has_finished = state.has_finished;
        drop(state);
        for (answered, ending) in endings {
            answered.end(ending);
        }
        bell.into_iter().for_each(Waker::wake);
        if has_finished {
            self.is_over.set();
        }
        result
    }

    /// Looks at something.
    pub(super) fn look<R>(&self, at: impl FnOnce(&mut State) -> R) -> R {
        at(&mut lock(&self.state))
    }

    /// Takes a job. What it is to be called with stands behind room for a head.
    pub(super) fn submit(
        self: &Arc<Self>,
        function: u32,
        packet: Packet,
        answered: Arc<dyn Answered>,
    ) -> Result<JobId, JobError> {
        let is_light = packet.bytes.len() <= LIGHT_BYTES && packet.descriptors.is_empty();
        let weight = if is_light { Weight::Light } else { Weight::Heavy };
        let paper =
            |number| Paper { number, function, packet: Some(packet), is_heavy: !is_light, cell: 0, answered };
        self.act(|state, now| {
            // The paper is there before anything is done with it, for which `act` sees to it.
            let job = state.desk.submit(now, weight, &mut state.crew)?;
            state.crew.file(job, paper(job.number));
            Ok(job)
        })
        .map_err(|refused| match refused {
            Refused::Closed => JobError::PoolClosed,
            Refused::Full(most) => JobError::QueueFull(most),
        })
    }

    /// Takes a job back that nobody has begun. Whoever asks tells who is to know.
    pub(super) fn withdraw(self: &Arc<Self>, job: JobId) -> bool {
        let paper = self.act(|state, now| {
            let is_ours = state.desk.cancel(now, job, &mut state.crew);
            is_ours.then(|| state.crew.close(job))
        });
        paper.is_some()
    }

    /// Words of a worker, in order, all that were there.
    pub(super) fn hear(self: &Arc<Self>, from: WorkerId, words: &mut Vec<Heard>) {
        self.act(|state, now| state.hear(now, from, words.drain(..)));
    }

    /// A worker is dead. What it had said before may still be on the line.
    pub(super) fn ended(self: &Arc<Self>, id: WorkerId, status: ExitStatus) {
        self.act(|state, now| state.ended(now, id, status));
    }

    pub(super) fn handle(self: &Arc<Self>, event: Event) {
        self.act(|state, now| state.desk.handle(now, event, &mut state.crew));
    }

    /// Does what is due.
    pub(super) fn tick(self: &Arc<Self>) {
        self.act(State::tick);
    }
}

impl State {
    /// When to look at the time next.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let silent = self.crew.members.values().filter_map(|member| Some(member.silent_since? + SILENCE));
        self.desk.next_deadline().into_iter().chain(silent).min()
    }

    /// Since the pool began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The instant of a deadline.
    pub(super) fn instant(&self, deadline: Duration) -> Instant {
        self.began + deadline
    }

    /// The clerk goes to sleep until then, or until it is woken. False: it is not to.
    pub(super) fn sleep_until(&mut self, deadline: Option<Duration>, waker: &Waker) -> bool {
        if std::mem::take(&mut self.has_rung) {
            return false;
        }
        self.armed = deadline;
        if !self.bell.as_ref().is_some_and(|bell| bell.will_wake(waker)) {
            self.bell = Some(waker.clone());
        }
        true
    }

    /// The clerk looks now, and needs no ringing for what it finds.
    pub(super) fn look_round(&mut self) {
        self.has_rung = false;
        self.armed = Some(Duration::ZERO);
    }

    pub(super) fn tick(&mut self, now: Duration) {
        let is_late = |since: Option<Duration>| since.is_some_and(|since| since + SILENCE <= now);
        let late: Vec<WorkerId> = (self.crew.members.iter())
            .filter(|(_, member)| is_late(member.silent_since))
            .map(|(&id, _)| id)
            .collect();
        for id in late {
            if let Some(member) = self.crew.members.get_mut(&id) {
                member.silent_since = None;
            }
            self.desk.handle(now, Event::Unfit(id), &mut self.crew);
        }
        self.desk.settle(now, &mut self.crew);
    }

    /// What a worker says, until it says nothing more.
    pub(super) fn hear(&mut self, now: Duration, from: WorkerId, words: impl IntoIterator<Item = Heard>) {
        for heard in words {
            match heard {
                Ok(Some(packet)) => self.understand(now, from, packet),
                Ok(None) => {
                    if let Some(member) = self.crew.members.get_mut(&from) {
                        member.silent_since = Some(now);
                    }
                }
                // An answer is lost, and nobody knows to what.
                Err(_) => self.desk.handle(now, Event::Unfit(from), &mut self.crew),
            }
        }
        self.desk.settle(now, &mut self.crew);
    }

    fn understand(&mut self, now: Duration, from: WorkerId, packet: Packet) {
        let event = match Word::read(&packet) {
            Some(Word::Ready) => Event::Ready(from),
            Some(Word::Failed) => {
                self.last_words.insert(from, LastWord::Initializer(text(&packet, 1)));
                Event::InitializerFailed(from)
            }
            // Somebody else's word for it counts for nothing: the job would never be sent.
            Some(Word::Begun(job)) if self.desk.is_at(from, job) => {
                if let Some(paper) = self.crew.paper(job) {
                    paper.packet = None;
                    paper.answered.begun();
                }
                return;
            }
            Some(Word::Answer(job, kind)) if self.desk.done(from, job) => {
                self.answer(from, job, kind, packet);
                return;
            }
            Some(Word::Begun(_) | Word::Answer(..)) | None => Event::Unfit(from),
        };
        self.desk.handle(now, event, &mut self.crew);
    }

    fn answer(&mut self, from: WorkerId, job: JobId, kind: Kind, packet: Packet) {
        debug_assert!(packet.bytes.len() >= ANSWER_BYTES);
        if let Some(paper) = self.crew.close_answered(from, job) {
            self.endings.push((paper.answered, Ending::Answer(kind, packet)));
        }
    }

    pub(super) fn ended(&mut self, now: Duration, id: WorkerId, status: ExitStatus) {
        let Some(member) = self.crew.members.get(&id) else { return };
        let (line, pid) = (Arc::clone(&member.line), member.child.id());
        self.hear(now, id, rest(&line));
        self.last_words.entry(id).or_insert_with(|| LastWord::Died(Death::new(pid, status)));
        self.desk.handle(now, Event::Exited(id), &mut self.crew);
        self.crew.bury(id);
    }

    /// The first launch, whose failure is whoever's who opens the pool.
    fn start_first(&mut self, settings: &Settings) -> Result<(), StartError> {
        if let Some(Action::Launch(id)) = self.desk.next_action() {
            self.crew.launch(id, settings)?;
            self.newborns.push(id);
        }
        Ok(())
    }

    /// Does what the desk says.
    fn obey(&mut self, now: Duration, settings: &Settings) {
        while let Some(action) = self.desk.next_action() {
            match action {
                Action::Launch(id) => match self.crew.launch(id, settings) {
                    Ok(()) => self.newborns.push(id),
                    Err(error) => {
                        let error = io::Error::from(error);
                        let word = LastWord::NotStarted(error.kind(), error.to_string());
                        self.last_words.insert(id, word);
                        self.desk.handle(now, Event::LaunchFailed(id), &mut self.crew);
                    }
                },
                Action::Send { worker, job } => match self.crew.send(worker, job) {
                    Sent::Yes => {}
                    Sent::Clogged => self.clogged.push(worker),
                    Sent::Never(error) => self.give_back(now, job, &error),
                },
                Action::Fail { job, why } => {
                    if let Some(paper) = self.crew.close(job) {
                        let why = self.explain(why);
                        self.endings.push((paper.answered, Ending::Failed(why)));
                    }
                }
                Action::Dismiss(id) => self.crew.dismiss(id),
                Action::Kill(id) => self.crew.kill(id),
                Action::Finish => {
                    self.has_finished = true;
                    // If it was abandoned, some are left; whoever reaps orphans reaps them.
                    self.crew.dissolve();
                }
            }
        }
        self.last_words.clear();
    }

    /// Sends what lies in an outbox; what the system does not take fails.
    pub(super) fn push(&mut self, now: Duration, to: WorkerId) -> Pushed {
        loop {
            match self.crew.push(to) {
                Pushed::Never(job, error) => self.give_back(now, job, &error),
                pushed => return pushed,
            }
        }
    }

    /// The system does not take it.
    pub(super) fn give_back(&mut self, now: Duration, job: JobId, error: &PacketError) {
        if self.desk.cancel(now, job, &mut self.crew)
            && let Some(paper) = self.crew.close(job)
        {
            self.endings.push((paper.answered, Ending::Failed(JobError::Arguments(error.to_string()))));
        }
    }

    fn explain(&self, why: Why) -> JobError {
        let (Why::Died(id) | Why::NotStarted(id) | Why::Initializer(id)) = why else {
            return if why == Why::Cancelled { JobError::Cancelled } else { JobError::PoolClosed };
        };
        match self.last_words.get(&id) {
            Some(LastWord::Died(death)) => JobError::WorkerDied(death.clone()),
            Some(LastWord::NotStarted(kind, why)) => JobError::NoWorker(io::Error::new(*kind, why.clone())),
            Some(LastWord::Initializer(why)) => JobError::Initializer(why.clone()),
            None => JobError::PoolClosed,
        }
    }

    /// Who is to be woken because there is something that only tasks can do, or earlier than was thought.
    fn bell_to_ring(&mut self) -> Option<Waker> {
        let is_early = match (self.next_deadline(), self.armed) {
            (Some(due), Some(armed)) => due < armed,
            (due, None) => due.is_some(),
            (None, Some(_)) => false,
        };
        let is_needed = self.has_finished || !self.newborns.is_empty() || !self.clogged.is_empty();
        if !is_early && !is_needed {
            return None;
        }
        self.has_rung = true;
        self.bell.take()
    }
}

/// What is left on the line of a worker that is dead. Others may have the line too, whom it has left behind, so not finding the
/// end is the end.
pub(super) fn rest(line: &Packets) -> Vec<Heard> {
    let mut words = Vec::new();
    loop {
        match line.try_recv() {
            Ok(None) | Err(PacketError::WouldBlock | PacketError::Closed | PacketError::Io(_)) => {
                return words;
            }
            word => words.push(word),
        }
    }
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(miri), feature = "macros"))]
mod tests {
    use super::{
        super::{ProcessPool, wire::Word},
        Packet, WorkerId,
    };
    use crate::pool::Shutdown;

    fn length(text: String) -> usize {
        text.into_bytes().len()
    }

    #[runtime_macros::test(crate = crate)]
    async fn what_is_said_of_a_job_by_who_has_not_got_it_counts_for_nothing() {
        let pool = ProcessPool::new(1).unwrap();
        let job = pool.submit(length, "x".repeat(5_000));
        let office = &pool.owner.office;
        let id = office.look(|state| state.crew.open_jobs().next().unwrap());
        office
            .act(|state, now| state.hear(now, WorkerId(7), [Ok(Some(Packet::from(Word::Begun(id).head())))]));
        assert!(!job.is_running());
        assert_eq!(job.await.unwrap(), 5_000);
        pool.shutdown(Shutdown::Wait).await;
    }
}
