//! One worker, as the desk knows it: what lies there, and how fast it is.

use super::{JobId, Weight, WorkerId};
use std::{collections::VecDeque, time::Duration};

/// So much work may lie at a worker behind what it runs, counted in the time that it seems to take. It covers the way to
/// the worker and back; more would only make it likelier that a job has to be taken back.
const AHEAD: Duration = Duration::from_millis(1);

/// And never more jobs than this, however short they are.
pub(super) const MAX_AHEAD: usize = 31;

/// A worker that has not answered for so long runs a job that is not short after all: others may have what lies behind it.
const PATIENCE: Duration = Duration::from_millis(5);

/// How a worker's life goes.
///
/// ```text
/// launch --> Booting -- Ready --> Serving -- dismiss: enough tasks, or closing --> Leaving
///              |                    |                                                |
///              +---- kill: terminate, or it broke the rules --> Killed <-- too slow --+
/// any -- Exited --> (gone)
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// It has not said yet that it is ready for jobs.
    Booting,
    Serving,
    /// It gets no more jobs, has none, and is to end by then.
    Leaving {
        until: Duration,
    },
    /// It is dead, or nearly.
    Killed,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) phase: Phase,
    /// What lies there, in the order in which it was sent, which is the order in which it is run.
    pub(super) jobs: VecDeque<JobId>,
    /// How many it was sent, without those that were taken back.
    pub(super) tasks: u64,
    /// How many it has answered, or died with.
    pub(super) served: u64,
    /// Since when it has had the first of its jobs, as far as is known.
    since: Duration,
    /// Answers since then that are not in `pace` yet.
    answers: u32,
    /// What a job seems to take here, the way there and back included.
    pace: Option<Duration>,
}

impl Worker {
    pub(super) fn new(id: WorkerId) -> Self {
        Self {
            id,
            phase: Phase::Booting,
            jobs: VecDeque::new(),
            tasks: 0,
            served: 0,
            since: Duration::ZERO,
            answers: 0,
            pace: None,
        }
    }

    pub(super) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    pub(super) fn is_idle(&self) -> bool {
        self.is_serving() && self.jobs.is_empty()
    }

    /// Whether a job more may lie here.
    pub(super) fn has_room(&self, now: Duration, weight: Weight) -> bool {
        if self.jobs.is_empty() {
            return true;
        }
        let is_short = now < self.since.saturating_add(PATIENCE);
        weight == Weight::Light && is_short && self.jobs.len() < self.depth()
    }

    /// How many may lie here at once.
    fn depth(&self) -> usize {
        let Some(pace) = self.pace else { return 1 };
        let ahead = AHEAD.as_nanos() / pace.as_nanos().max(1);
        1 + usize::try_from(ahead).unwrap_or(MAX_AHEAD).min(MAX_AHEAD)
    }

    pub(super) fn sent(&mut self, now: Duration, job: JobId) {
        if self.jobs.is_empty() {
            self.since = now;
        }
        self.jobs.push_back(job);
        self.tasks += 1;
    }

    /// A job that it has not begun is not its any more.
    pub(super) fn lost(&mut self, job: JobId) {
        self.jobs.retain(|&other| other != job);
        self.tasks -= 1;
    }

    /// An answer came. Whether it was waited for.
    pub(super) fn answered(&mut self, job: JobId) -> bool {
        let Some(at) = self.jobs.iter().position(|&other| other == job) else { return false };
        self.jobs.remove(at);
        self.served += 1;
        self.answers += 1;
        true
    }

    /// Answers come in swarms; what they say of the pace they say together.
    pub(super) fn note_pace(&mut self, now: Duration) {
        if self.answers > 0 {
            let sample = now.saturating_sub(self.since) / self.answers;
            self.pace = Some(self.pace.map_or(sample, |pace| (pace * 3 + sample) / 4));
            self.since = now;
            self.answers = 0;
        }
    }

    /// When what lies behind its first job is no longer well kept here.
    pub(super) fn patience_ends(&self) -> Option<Duration> {
        (self.is_serving() && self.jobs.len() > 1).then(|| self.since.saturating_add(PATIENCE))
    }

    /// It is slower than was thought.
    pub(super) fn lose_patience(&mut self, now: Duration) {
        self.pace = Some(now.saturating_sub(self.since));
        self.since = now;
    }
}
