//! Who serves the sockets of a slot that nobody serves.
//!
//! With `SO_REUSEPORT` the kernel deals connections to every socket, whether or not somebody accepts from it. So from the
//! moment a slot's worker is gone, stopped or known to hang, another worker accepts from the slot's sockets too. That
//! includes slots that are given up or retired: their sockets cannot be closed without resetting what is queued.

use super::{Action, Fleet, LifeId, Slot, SlotId};
use crate::cluster::settings::Listeners;

impl Fleet {
    /// Who serves a slot's sockets in place of the slot's own worker.
    pub(crate) fn adopter(&self, slot: SlotId) -> Option<LifeId> {
        self.slots.get(slot.index()).and_then(|slot| slot.adopter)
    }

    /// Compares who serves which sockets with who should.
    pub(super) fn see_to_orphans(&mut self) {
        if self.settings.listeners == Listeners::Shared {
            return;
        }
        for index in 0..self.slots.len() {
            let slot = SlotId(index as u32);
            let place = &self.slots[index];
            // Who stops accepting lets go of what it has adopted.
            let adopter = place.adopter.filter(|&by| self.is_serving(Some(by)));
            let is_served = place.lives().any(|life| self.is_serving(Some(life)));
            self.slots[index].adopter = match adopter {
                Some(by) if is_served => {
                    self.actions.push(Action::Release { slot, by });
                    None
                }
                None if !is_served => {
                    let by = self.least_burdened();
                    self.actions.extend(by.map(|by| Action::Adopt { slot, by }));
                    by
                }
                adopter => adopter,
            };
        }
    }

    /// The serving life that has adopted the fewest slots; of these the one in the lowest slot.
    fn least_burdened(&self) -> Option<LifeId> {
        let burden = |id: LifeId| self.slots.iter().filter(|slot| slot.adopter == Some(id)).count();
        let serving = self.slots.iter().flat_map(Slot::lives);
        serving.filter(|&id| self.is_serving(Some(id))).min_by_key(|&id| burden(id))
    }
}
