//! How all of it ends.

use super::{Action, End, Fleet, Level, LifeId, Outcome, Phase, Reload, Standing, Verdict, What, life::Life};
use crate::cluster::exit_reason::ExitReason;
use std::time::Duration;

/// Where the fleet is; drawn on [`Fleet`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Course {
    Running,
    Stopping(Stopping),
    Finished,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stopping {
    end: End,
    is_fast: bool,
    forced: u64,
    killed: u64,
}

impl Fleet {
    /// Each time it is asked for, it gets more urgent: the grace period; the connections are cut; SIGKILL.
    pub(super) fn stop(&mut self, fast: bool) {
        match &mut self.course {
            Course::Running => {
                self.tell(None, Level::Info, What::Stopping { fast });
                self.begin_stop(End::Stopped, fast);
            }
            Course::Stopping(stopping) if !stopping.is_fast => {
                stopping.is_fast = true;
                self.tell(None, Level::Warning, What::Hurrying);
                for id in self.all_lives() {
                    self.stop_fast(id);
                }
            }
            Course::Stopping(_) => {
                for id in self.all_lives() {
                    self.kill(id);
                }
            }
            Course::Finished => {}
        }
    }

    fn begin_stop(&mut self, end: End, is_fast: bool) {
        self.course = Course::Stopping(Stopping { end, is_fast, forced: 0, killed: 0 });
        self.reload = Reload::Idle;
        self.is_reload_queued = false;
        self.resize = 0;
        self.watch.due = None;
        for slot in &mut self.slots {
            (slot.current, slot.next, slot.stand_in, slot.adopter) = (None, None, None, None);
            (slot.restart_at, slot.recycle_at) = (None, None);
        }
        let (grace, margin) = (self.settings.grace, self.settings.kill_margin);
        for id in self.all_lives() {
            match self.lives[&id].phase {
                _ if is_fast => self.stop_fast(id),
                Phase::Serving => self.stop_worker(id, grace, grace.saturating_add(margin), true),
                Phase::Booting { .. } => self.condemn(id, Verdict::Superseded),
                // Who drains already has a deadline, and an earlier one.
                Phase::Draining { .. } | Phase::Aborting { .. } | Phase::Killed { .. } => {}
            }
        }
    }

    fn stop_fast(&mut self, id: LifeId) {
        let soon = self.settings.fast_grace;
        match self.lives[&id].phase {
            Phase::Serving => self.stop_worker(id, Duration::ZERO, soon, true),
            Phase::Draining { .. } => self.hurry(id),
            Phase::Booting { .. } => self.condemn(id, Verdict::Superseded),
            Phase::Aborting { .. } => self.kill(id),
            Phase::Killed { .. } => {}
        }
    }

    /// No slot serves or ever will: an ordered stop, for those that still drain.
    pub(super) fn stop_if_nobody_is_left(&mut self) {
        let mut end = End::Done;
        for slot in self.active() {
            end = match self.slots[slot.index()].standing {
                Standing::Quarantined { set_up: true } => End::SetUpFailed,
                Standing::Quarantined { set_up: false } | Standing::Done { failed: true } => match end {
                    End::SetUpFailed => end,
                    _ => End::Failed,
                },
                Standing::Done { failed: false } => end,
                Standing::Active | Standing::Retired => return,
            };
        }
        // A new program may do better than the old one.
        if self.reload.is_under_way() {
            return;
        }
        let level = if end == End::Done { Level::Info } else { Level::Error };
        self.tell(None, level, What::NobodyLeft);
        self.begin_stop(end, false);
    }

    pub(super) fn count_stopped(&mut self, life: &Life, reason: &ExitReason) {
        let Course::Stopping(stopping) = &mut self.course else { return };
        if let ExitReason::Forced { connections } = reason {
            stopping.forced = stopping.forced.saturating_add(*connections);
        }
        if life.verdict == Some(Verdict::Stop) && life.phase.is_killed() {
            stopping.killed += 1;
        }
    }

    pub(super) fn finish_if_all_are_gone(&mut self) {
        if let Course::Stopping(stopping) = self.course
            && self.lives.is_empty()
        {
            let Stopping { end, is_fast, forced, killed } = stopping;
            let abandoned = self.abandoned.len() as u64;
            self.actions.push(Action::Finish(Outcome { end, forced, killed, abandoned, is_fast }));
            self.course = Course::Finished;
        }
    }

    fn all_lives(&self) -> Vec<LifeId> {
        self.lives.keys().copied().collect()
    }
}
