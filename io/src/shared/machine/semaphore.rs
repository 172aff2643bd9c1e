//! Permits: what is free is the total without what is out (B5).

use super::{
    Ground, Machine, Refusal, at,
    guard::Inside,
    seat::{GRANTED, Seat, WAITING},
};

impl<G: Ground> Machine<G> {
    /// Takes permits if so many are free and nobody waits.
    pub(crate) fn try_take(&self, wanted: u32) -> bool {
        let mut inside = self.enter();
        inside.try_take(wanted)
    }

    /// Takes permits, or a seat in the queue for them.
    pub(crate) fn ask_for_permits(&self, wanted: u32, rings: bool) -> Result<Option<Seat>, Refusal> {
        let mut inside = self.enter();
        if inside.try_take(wanted) {
            return Ok(None);
        }
        let seat = inside.claim(WAITING, wanted, wanted, rings)?;
        inside.settle();
        Ok(Some(seat))
    }

    /// Returns permits of this member's.
    pub(crate) fn give_back(&self, permits: u32) {
        let mut inside = self.enter();
        let held = self.ground.load(at::held(self.slot));
        self.ground.store(at::held(self.slot), held.saturating_sub(permits));
        inside.settle();
    }

    /// Permits of this member's are nobody's any more: they do not come back.
    pub(crate) fn forget(&self, permits: u32) {
        let mut inside = self.enter();
        let total = self.ground.load(at::TOTAL);
        self.ground.store(at::TOTAL, total.saturating_sub(permits));
        let held = self.ground.load(at::held(self.slot));
        self.ground.store(at::held(self.slot), held.saturating_sub(permits));
        inside.settle();
    }

    /// More permits, within the bound.
    pub(crate) fn add(&self, permits: u32) -> Result<(), Refusal> {
        let mut inside = self.enter();
        let total = self.ground.load(at::TOTAL).checked_add(permits);
        let total = total.filter(|&total| total <= self.ground.load(at::BOUND)).ok_or(Refusal::TooMany)?;
        self.ground.store(at::TOTAL, total);
        inside.settle();
        Ok(())
    }

    /// Permits that are free.
    pub(crate) fn free(&self) -> u32 {
        self.enter().free()
    }
}

impl<G: Ground> Inside<'_, G> {
    fn try_take(&mut self, wanted: u32) -> bool {
        let machine = self.machine;
        if self.free() < wanted || self.first(WAITING).is_some() {
            return false;
        }
        let held = machine.ground.load(at::held(machine.slot));
        machine.ground.store(at::held(machine.slot), held.saturating_add(wanted));
        true
    }

    fn free(&self) -> u32 {
        let machine = self.machine;
        let ground = &machine.ground;
        let held = machine.members().map(|slot| ground.load(at::held(slot)));
        let granted = machine.seats().filter(|&seat| machine.state(seat) == GRANTED);
        let out = held.chain(granted.map(|seat| ground.load(at::wanted(seat)))).fold(0, u32::saturating_add);
        ground.load(at::TOTAL).saturating_sub(out)
    }

    pub(super) fn settle_permits(&mut self) {
        let mut free = self.free();
        while let Some(first) = self.first(WAITING) {
            let wanted = self.machine.ground.load(at::wanted(first));
            if wanted > free {
                return;
            }
            free -= wanted;
            self.turn_to(first, GRANTED);
        }
    }
}
