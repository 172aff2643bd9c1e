//! What follows the end of a life.

use super::{
    Action, Course, Ended, Fleet, Level, LifeId, Next, SlotId, What, life::Life, line, slot::Standing,
};
use crate::cluster::{
    exit_reason::{BootFailure, ExitReason},
    settings::Restart,
};

/// Workers that were killed and have not died, all slots together, before no slot is restarted whose worker does that: each
/// keeps its memory and its descriptors. More than a few are nobody's bad luck.
const MAX_ABANDONED: usize = 16;

/// What a life was to its slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The slot is empty now.
    Current,
    /// It was to replace the current one.
    Next,
    /// It had left.
    Former,
}

impl Fleet {
    pub(super) fn exited(&mut self, id: LifeId, how: Ended, open: u64) {
        match self.lives.remove(&id) {
            Some(life) => {
                let reason = life.reason(Some(how), open);
                self.ended(id, &life, reason);
            }
            // It did die in the end.
            None => drop(self.abandoned.remove(&id)),
        }
    }

    pub(super) fn launch_failed(&mut self, id: LifeId, error: &str) {
        if let Some(life) = self.lives.remove(&id) {
            let failure = BootFailure::Launch(line::shortened(error));
            self.ended(id, &life, ExitReason::BootFailure(failure));
        }
    }

    /// Nobody waits any longer for one that was killed.
    pub(super) fn abandon(&mut self, id: LifeId) {
        let Some(life) = self.lives.remove(&id) else { return };
        self.abandoned.insert(id);
        self.tell(Some(life.slot), Level::Error, What::Abandoned { slot: life.slot, life: id });
        let reason = life.reason(None, 0);
        self.ended(id, &life, reason);
    }

    /// A life is over. Every one comes here, once.
    fn ended(&mut self, id: LifeId, life: &Life, reason: ExitReason) {
        let (slot, generation) = (life.slot, life.generation);
        let role = self.leave(id, slot);
        self.actions.push(Action::Ended { life: id, slot, generation, reason: reason.clone() });
        let is_reloading = generation != self.generation;
        let next = match role {
            _ if self.course != Course::Running => {
                self.count_stopped(life, &reason);
                Next::Nothing
            }
            Role::Current => self.current_ended(slot, life, &reason),
            Role::Next if !is_reloading => self.replacement_ended(slot),
            Role::Next | Role::Former => Next::Nothing,
        };
        let level = match &reason {
            _ if matches!(next, Next::Quarantine) => Level::Error,
            reason if reason.is_failure() || matches!(reason, ExitReason::Forced { .. }) => Level::Warning,
            _ => Level::Info,
        };
        let why = (role == Role::Next && is_reloading).then(|| format!("worker {slot} {reason}"));
        self.tell(Some(slot), level, What::Ended { slot, life: id, reason, next });
        if let Some(why) = why {
            self.fail_reload(why);
        }
    }

    fn leave(&mut self, id: LifeId, slot: SlotId) -> Role {
        let slot = &mut self.slots[slot.index()];
        if slot.current.take_if(|current| *current == id).is_some() {
            Role::Current
        } else if slot.next.take_if(|next| *next == id).is_some() {
            Role::Next
        } else {
            slot.stand_in.take_if(|stand_in| *stand_in == id);
            Role::Former
        }
    }

    /// A slot is empty: decides when it is filled again.
    fn current_ended(&mut self, slot: SlotId, life: &Life, reason: &ExitReason) -> Next {
        let failed = reason.is_failure();
        let is_over = match self.settings.restart {
            Restart::Always => false,
            Restart::OnFailure => !failed,
            Restart::Never => true,
        };
        let served = life.ready_at.map(|at| self.now.saturating_sub(at));
        let place = &mut self.slots[slot.index()];
        let may_restart = match reason {
            ExitReason::BootFailure(BootFailure::Launch(_)) => {
                place.record.launch_failed();
                true
            }
            _ => place.record.end(self.now, served, &self.settings) && self.abandoned.len() <= MAX_ABANDONED,
        };
        if let Some(next) = place.next.take_if(|_| !self.reload.is_under_way()) {
            place.current = Some(next);
            return Next::Replacement;
        }
        let set_up = *reason == ExitReason::BootFailure(BootFailure::SetUp);
        if is_over {
            place.give_up(Standing::Done { failed });
            Next::Done
        } else if set_up || !may_restart {
            place.give_up(Standing::Quarantined { set_up });
            Next::Quarantine
        } else {
            let after = place.record.delay(&self.settings.back_off, &self.random);
            place.restart_at = Some(self.now.saturating_add(after));
            Next::Restart { after }
        }
    }

    /// The replacement of one that wants to be recycled came to nothing. The old one serves on, so there is no hurry, and
    /// no end of trying.
    fn replacement_ended(&mut self, slot: SlotId) -> Next {
        let place = &mut self.slots[slot.index()];
        place.record.launch_failed();
        let after = place.record.delay(&self.settings.back_off, &self.random);
        place.recycle_at = Some(self.now.saturating_add(after));
        Next::TryAgain { after }
    }
}
