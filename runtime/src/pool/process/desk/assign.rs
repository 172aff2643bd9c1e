//! Who gets what.
//!
//! The oldest job goes to whoever is idle. If all are busy, light ones are laid ready behind what workers run, as many as
//! hide the way there and back. Nothing is gained by being laid ready at a worker that turns out to be slow; so, from there,
//! jobs are taken back: by an idle worker, when nothing else waits, and by the queue, after a while.

use super::{Action, Claims, Desk, JobId, Place, Weight, Worker, WorkerId};
use std::{cmp::Reverse, time::Duration};

impl Desk {
    pub(super) fn assign(&mut self, claims: &mut impl Claims) {
        while let Some((job, weight)) = self.jobs.first() {
            let Some(at) = self.place_for(weight) else { return };
            self.jobs.send_first(self.workers[at].id);
            self.send(at, job);
        }
        self.share_among_the_idle(claims);
    }

    /// The worker for the next job, by its index: whoever has least, the eldest of them.
    fn place_for(&self, weight: Weight) -> Option<usize> {
        let open =
            |(_, worker): &(usize, &Worker)| self.may_take(worker) && worker.has_room(self.now, weight);
        let workers = self.workers.iter().enumerate().filter(open);
        workers.min_by_key(|(_, worker)| worker.jobs.len()).map(|(at, _)| at)
    }

    fn may_take(&self, worker: &Worker) -> bool {
        worker.is_serving() && self.rules.max_tasks.is_none_or(|most| worker.tasks < most)
    }

    fn send(&mut self, at: usize, job: JobId) {
        let worker = &mut self.workers[at];
        worker.sent(self.now, job);
        self.actions.push_back(Action::Send { worker: worker.id, job });
    }

    /// Takes a job back from a worker that has not begun it. It is nobody's then.
    pub(super) fn take_back(&mut self, from: WorkerId, job: JobId, claims: &mut impl Claims) -> bool {
        let is_ours = self.keep(from, job) || claims.revoke(from, job);
        if is_ours && let Some(worker) = self.worker(from) {
            worker.lost(job);
        }
        is_ours
    }

    /// Does not send what was to be sent next. Whether it was: until then it stands in no memory that is shared.
    pub(super) fn keep(&mut self, from: WorkerId, job: JobId) -> bool {
        let at = self.actions.iter().rposition(|&action| action == Action::Send { worker: from, job });
        at.is_some_and(|at| self.actions.remove(at).is_some())
    }

    /// What lies behind a job that takes long goes back to the queue.
    pub(super) fn take_back_from_the_slow(&mut self, claims: &mut impl Claims) {
        let now = self.now;
        for at in 0..self.workers.len() {
            if self.patience_ends(&self.workers[at]).is_none_or(|at| at > now) {
                continue;
            }
            self.workers[at].lose_patience(now);
            let id = self.workers[at].id;
            // The last one first: what was begun is the first of them.
            for job in self.workers[at].jobs.iter().rev().copied().collect::<Vec<_>>() {
                if self.workers[at].jobs.len() > 1 && self.take_back(id, job, claims) {
                    self.jobs.put_back(job);
                }
            }
        }
    }

    /// When others may have what lies behind a worker's first job; never, if there are no others.
    pub(super) fn patience_ends(&self, worker: &Worker) -> Option<Duration> {
        if self.rules.workers == 1 { None } else { worker.patience_ends() }
    }

    /// Nothing waits, and some are idle: they have from those who have more than they run, the newest first.
    fn share_among_the_idle(&mut self, claims: &mut impl Claims) {
        for idle in 0..self.workers.len() {
            if !self.workers[idle].is_idle() || !self.may_take(&self.workers[idle]) {
                continue;
            }
            let mut rich: Vec<usize> =
                (0..self.workers.len()).filter(|&at| self.workers[at].jobs.len() > 1).collect();
            rich.sort_by_key(|&at| Reverse(self.workers[at].jobs.len()));
            for at in rich {
                let (id, Some(&job)) = (self.workers[at].id, self.workers[at].jobs.back()) else { continue };
                if self.take_back(id, job, claims) {
                    debug_assert_eq!(self.jobs.get(job).map(|job| job.place), Some(Place::Sent(id)));
                    self.jobs.pass_on(job, self.workers[idle].id);
                    self.send(idle, job);
                    break;
                }
            }
        }
    }
}
