//! Replacing workers without anybody noticing: the new one is ready before the old one goes.

use super::{Action, Fleet, Generation, Level, Life, LifeId, Phase, Slot, SlotId, Standing, What, line};
use crate::cluster::settings::MaxRequests;
use std::cmp::Reverse;

/// A rolling reload.
///
/// ```text
///        start_reload             program_opened                 go_on_with_reload: commit
/// Idle --------------> Opening ------------------> Starting -----------------------------> Idle
///                         |                           |       all of them are ready
///                         +---------------------------+----------------------------------> Idle
///                             fail_reload: no program, or one of them has ended
/// ```
///
/// Asked for while one is under way, it is remembered, once, and begins when that one is over, whatever came of it: what is
/// there to be loaded may be newer than what is being loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reload {
    Idle,
    Opening {
        generation: Generation,
    },
    /// Every slot has a `next` of that generation.
    Starting {
        generation: Generation,
    },
}

impl Reload {
    pub(super) fn is_under_way(self) -> bool {
        self != Self::Idle
    }
}

/// Reload.
impl Fleet {
    pub(super) fn ask_reload(&mut self) {
        if self.is_stopping() {
            return;
        }
        if self.reload.is_under_way() {
            self.is_reload_queued = true;
            self.tell(None, Level::Info, What::ReloadQueued);
        } else {
            self.start_reload();
        }
    }

    fn start_reload(&mut self) {
        let generation = self.next_generation;
        self.next_generation = Generation(generation.0 + 1);
        self.reload = Reload::Opening { generation };
        self.tell(None, Level::Info, What::Reloading { generation });
        self.actions.push(Action::OpenProgram { generation });
        // Replacements of the old kind are not wanted any more. If the reload fails, they will be again.
        for index in 0..self.slots.len() {
            if let Some(next) = self.slots[index].next.take() {
                self.dismiss(next);
            }
        }
    }

    pub(super) fn program_opened(&mut self, result: Result<(), String>) {
        let Reload::Opening { generation } = self.reload else { return };
        if let Err(why) = result {
            return self.fail_reload(line::shortened(&why));
        }
        self.reload = Reload::Starting { generation };
        let slots: Vec<SlotId> = self.active().collect();
        for slot in slots {
            let next = self.launch(slot, generation);
            self.slots[slot.index()].next = Some(next);
        }
    }

    /// The old ones keep serving. Those of the new ones that are ready may have accepted connections: these are seen to,
    /// and if it so happens that none of the old ones serves just now, they serve until one does.
    pub(super) fn fail_reload(&mut self, why: String) {
        let (Reload::Opening { generation } | Reload::Starting { generation }) = self.reload else { return };
        self.reload = Reload::Idle;
        self.tell(None, Level::Error, What::ReloadFailed { generation, why });
        for index in 0..self.slots.len() {
            match self.slots[index].next.take() {
                Some(next) if self.is_serving(Some(next)) => {
                    // Two failures in a row: there can be one already, and one will do.
                    if let Some(former) = self.slots[index].stand_in.replace(next) {
                        self.dismiss(former);
                    }
                }
                next => next.into_iter().for_each(|next| self.dismiss(next)),
            }
        }
        self.actions.push(Action::CloseProgram { generation });
    }

    pub(super) fn go_on_with_reload(&mut self) {
        if let Reload::Starting { generation } = self.reload
            && self.active().all(|slot| self.is_serving(self.slots[slot.index()].next))
        {
            self.commit(generation);
        }
        if self.reload == Reload::Idle && self.is_reload_queued {
            self.is_reload_queued = false;
            self.start_reload();
        }
    }

    /// Everybody is ready: the old ones go. A slot that was given up is in use again.
    fn commit(&mut self, generation: Generation) {
        self.reload = Reload::Idle;
        let old = std::mem::replace(&mut self.generation, generation);
        self.tell(None, Level::Info, What::Reloaded { generation });
        let slots: Vec<SlotId> = self.active().collect();
        for slot in slots {
            self.slots[slot.index()].absolve();
            self.hand_over(slot);
        }
        self.actions.push(Action::CloseProgram { generation: old });
    }

    pub(super) fn dismiss_stand_ins(&mut self) {
        if !self.slots.iter().any(|slot| self.is_serving(slot.current)) {
            return;
        }
        for index in 0..self.slots.len() {
            if let Some(stand_in) = self.slots[index].stand_in.take() {
                self.dismiss(stand_in);
            }
        }
    }

    fn limit_draining_generations(&mut self) {
        let drains = |phase| matches!(phase, Phase::Draining { is_hurried: false, .. });
        let draining: Vec<(Generation, LifeId, SlotId)> = self
            .lives
            .iter()
            .filter(|(_, life)| drains(life.phase))
            .map(|(&id, life)| (life.generation, id, life.slot))
            .collect();
        let mut generations: Vec<Generation> = draining.iter().map(|&(generation, ..)| generation).collect();
        generations.sort_unstable();
        generations.dedup();
        let too_many = generations.len().saturating_sub(self.settings.max_draining);
        for (generation, id, slot) in draining {
            if generations[..too_many].contains(&generation) {
                self.tell(Some(slot), Level::Warning, What::Hurried { slot, life: id });
                self.hurry(id);
            }
        }
    }
}

/// One slot.
impl Fleet {
    /// The slot's replacement is ready.
    pub(super) fn hand_over(&mut self, slot: SlotId) {
        let place = &mut self.slots[slot.index()];
        let next = place.next.take();
        debug_assert!(next.is_some());
        if let Some(old) = std::mem::replace(&mut place.current, next) {
            self.dismiss(old);
        }
    }

    /// So many predecessors of one slot may drain at once. Who has drained longest goes first, which need not be the oldest:
    /// a restart during a reload is younger than the replacement that it waits for.
    pub(super) fn limit_draining(&mut self, newest: LifeId) {
        let Some(slot) = self.lives.get(&newest).map(|life| life.slot) else { return };
        let drains = |(&id, life): (&LifeId, &Life)| match life.phase {
            Phase::Draining { until, is_hurried: false } if life.slot == slot => Some((until, id)),
            _ => None,
        };
        let draining: Vec<_> = self.lives.iter().filter_map(drains).collect();
        if draining.len() > self.settings.max_draining
            && let Some(&(_, longest)) = draining.iter().min()
        {
            self.tell(Some(slot), Level::Warning, What::Hurried { slot, life: longest });
            self.hurry(longest);
        }
        self.limit_draining_generations();
    }

    /// After how many requests a worker should ask to be replaced.
    pub(super) fn draw_max_requests(&self) -> Option<u64> {
        let MaxRequests { limit, jitter } = self.settings.max_requests?;
        Some(limit.saturating_add(self.random.below(jitter.saturating_add(1))))
    }

    pub(super) fn wants_recycle(&mut self, id: LifeId) {
        if let Some(life) = self.lives.get_mut(&id) {
            life.wants_recycle = true;
        }
    }

    /// One at a time: however many ask at once, no more than one core is busy with starting programs. Nothing is lost by
    /// waiting, as who asks goes on serving.
    pub(super) fn start_recycling(&mut self) {
        if self.reload.is_under_way() || self.slots.iter().any(|slot| slot.next.is_some()) {
            return;
        }
        let asks = |slot: &Slot| {
            let life = self.lives.get(&slot.current?)?;
            (life.wants_recycle && life.phase.is_serving() && slot.recycle_at.is_none()).then_some(life.slot)
        };
        let Some(slot) = self.slots.iter().find_map(asks) else { return };
        let next = self.launch(slot, self.generation);
        self.slots[slot.index()].next = Some(next);
        self.tell(Some(slot), Level::Info, What::Recycling { slot, life: next });
    }
}

/// More and fewer slots.
impl Fleet {
    pub(super) fn ask_resize(&mut self, by: i64) {
        if !self.is_stopping() {
            self.resize = self.resize.saturating_add(by);
        }
    }

    /// A reload counts on its slots, so they stay what they are until it is over.
    pub(super) fn resize(&mut self) {
        while self.reload == Reload::Idle && self.resize != 0 {
            if self.resize > 0 {
                self.resize -= 1;
                self.grow();
            } else {
                self.resize += 1;
                self.shrink();
            }
        }
    }

    fn grow(&mut self) {
        if self.active().count() >= self.settings.max_workers {
            let why = "there are as many as there may be";
            return self.tell(None, Level::Warning, What::CannotResize { why });
        }
        let retired = self.slots.iter().position(|slot| slot.standing == Standing::Retired);
        let index = retired.unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(Slot::starting_at(self.now));
        }
        let slot = SlotId(index as u32);
        self.slots[index].absolve();
        let life = self.launch(slot, self.generation);
        self.slots[index].current = Some(life);
        self.tell(Some(slot), Level::Info, What::Grown { slot });
    }

    /// Retires the slot that is missed least: one that is given up, one that does not serve just now, the highest.
    fn shrink(&mut self) {
        let usefulness = |&slot: &SlotId| {
            let place = &self.slots[slot.index()];
            (place.standing == Standing::Active, self.is_serving(place.current), Reverse(slot))
        };
        let least = self.active().min_by_key(usefulness);
        let Some(slot) = least.filter(|_| self.active().count() > 1) else {
            let why = "there has to be at least one";
            return self.tell(None, Level::Warning, What::CannotResize { why });
        };
        let place = &mut self.slots[slot.index()];
        place.give_up(Standing::Retired);
        // A stand-in stays until it is not needed any more, wherever it stands.
        let (current, next) = (place.current.take(), place.next.take());
        for life in [current, next].into_iter().flatten() {
            self.dismiss(life);
        }
        self.tell(Some(slot), Level::Info, What::Shrunk { slot });
    }
}
