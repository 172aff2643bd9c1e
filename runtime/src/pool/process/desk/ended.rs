//! What follows the end of a worker.

use super::{Claims, Desk, Phase, Why, Worker, WorkerId};

/// So many workers may die with a job before them, and not begun, until it is held to be the reason: it may be too large to be
/// so much as read.
const MAX_ATTEMPTS: u8 = 3;

impl Desk {
    /// Everything that it has answered is settled; what it has begun is lost; the rest goes to others.
    pub(super) fn exited(&mut self, id: WorkerId, claims: &mut impl Claims) {
        let Some(mut worker) = self.take_worker(id) else { return };
        let mut has_begun = false;
        let mut is_first = true;
        for job in std::mem::take(&mut worker.jobs) {
            let was_sent = !self.keep(id, job);
            if was_sent && !claims.revoke(id, job) {
                has_begun = true;
                // Whatever lay behind it has nothing to do with this death.
                is_first = false;
                self.fail(job, Why::Died(id));
                continue;
            }
            let attempts = self.jobs.get_mut(job).map_or(0, |job| {
                job.attempts += u8::from(was_sent && is_first);
                job.attempts
            });
            match attempts {
                MAX_ATTEMPTS.. => self.fail(job, Why::Died(id)),
                _ => {
                    self.jobs.put_back(job);
                    self.healing.wake();
                }
            }
            is_first = false;
        }
        match worker.phase {
            Phase::Leaving { .. } => {}
            // What it served was progress when it was served.
            _ if worker.served > 0 => {}
            _ if has_begun => self.healing.progress(),
            _ if self.is_closing() && self.jobs.len() == 0 => {}
            _ => self.mourn(Why::NotStarted(id)),
        }
    }

    pub(super) fn launch_failed(&mut self, id: WorkerId) {
        if self.take_worker(id).is_some() {
            self.mourn(Why::NotStarted(id));
        }
    }

    /// One more that is of no use. When all are, whoever waits is told, instead of waiting for ever.
    fn mourn(&mut self, why: Why) {
        let hope = self.healing.failure(self.now, self.rules.workers);
        if !hope && !self.workers.iter().any(Worker::is_serving) {
            self.healing.give_up();
            self.fail_queue(why);
        }
    }

    /// It will not serve. If all others have said so too, none will, however often it is tried.
    pub(super) fn initializer_failed(&mut self, id: WorkerId) {
        let until = self.now.saturating_add(super::LEAVE_GRACE);
        let Some(worker) = self.worker(id).filter(|worker| worker.phase == Phase::Booting) else { return };
        worker.phase = Phase::Leaving { until };
        self.healing.doubt();
        self.healing.failure(self.now, self.rules.workers);
        let may_serve = |worker: &Worker| matches!(worker.phase, Phase::Booting | Phase::Serving);
        if !self.workers.iter().any(may_serve) {
            self.healing.give_up();
            self.fail_queue(Why::Initializer(id));
        }
    }

    fn take_worker(&mut self, id: WorkerId) -> Option<Worker> {
        let at = self.workers.iter().position(|worker| worker.id == id)?;
        Some(self.workers.remove(at))
    }
}
