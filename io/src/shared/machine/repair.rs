//! What follows from what is on the board: erasing the dead, and serving those who wait. Both can be begun anew at any time.

use super::{
    Ground, Kind, MEMBERS, Machine, Who, at,
    guard::Inside,
    seat::{FREE, GRANTED, REFUSED, STATE, WAITING},
};

impl<G: Ground> Machine<G> {
    /// Looks whether somebody is dead who has something on record, and puts that in order. Everybody who waits does so
    /// now and then (B7). Gives whether somebody was.
    pub(crate) fn look_after(&self) -> bool {
        let holder = Who::in_word(self.ground.load(at::HOLDER));
        let guard = Who::in_word(self.ground.load(at::GUARD));
        let mut asked = [false; MEMBERS];
        let is_dead = [holder, guard].into_iter().chain(self.on_record()).any(|who| {
            let is_known = who.slot().is_some_and(|slot| std::mem::replace(&mut asked[slot], true));
            // Another incarnation of a slot that was asked about is found without asking.
            who != Who::NOBODY && (!is_known || self.has_other_incarnation(who)) && self.is_dead(who)
        });
        if is_dead {
            let mut inside = self.enter();
            inside.repair();
            inside.settle();
        }
        is_dead
    }

    fn has_other_incarnation(&self, who: Who) -> bool {
        who.slot().is_none_or(|slot| self.ground.load(at::incarnation(slot)) != who.incarnation())
    }

    /// Who has a seat, or permits.
    fn on_record(&self) -> impl Iterator<Item = Who> {
        let seated = self.seats().filter(|&seat| self.state(seat) != FREE).map(|seat| self.owner(seat));
        let holding = self.members().filter(|&slot| self.ground.load(at::held(slot)) != 0);
        seated.chain(holding.map(|slot| Who::new(slot, self.ground.load(at::incarnation(slot)))))
    }
}

impl<G: Ground> Inside<'_, G> {
    /// Erases what is on record for the dead, each record by one store, after the mark that it leaves.
    pub(super) fn repair(&mut self) {
        let machine = self.machine;
        let ground = &machine.ground;
        let holder = ground.load(at::HOLDER);
        let who = Who::in_word(holder);
        // Who is dead now may have given it back first. If he has not, then nobody else takes it without the guard.
        if who != Who::NOBODY && machine.is_dead(who) && ground.load(at::HOLDER) == holder {
            // Whose seat is still GRANTED has not begun (B5); it is in nobody's way.
            if self.first(GRANTED).is_none() {
                ground.store(at::ORPHANED, 1);
            }
            ground.store(at::HOLDER, Who::MARK);
        }
        for seat in machine.seats().filter(|&seat| machine.state(seat) != FREE) {
            if machine.is_dead(machine.owner(seat)) {
                // Of a round that is full nobody is missed any more.
                if machine.kind == Kind::Barrier
                    && machine.state(seat) == WAITING
                    && ground.load(at::wanted(seat)) == ground.load(at::ROUND)
                {
                    ground.store(at::BROKEN, 1);
                }
                let word = ground.load(at::state(seat));
                ground.store(at::state(seat), word & !STATE | FREE);
            }
        }
        for slot in machine.members().filter(|&slot| ground.load(at::held(slot)) != 0) {
            if slot != machine.slot && !ground.is_claimed(slot) {
                ground.store(at::held(slot), 0);
            }
        }
    }

    /// Serves those who wait with what there is.
    pub(super) fn settle(&mut self) {
        match self.machine.kind {
            Kind::Lock => self.settle_lock(),
            Kind::Semaphore => self.settle_permits(),
            Kind::Event => self.settle_event(),
            Kind::Barrier => self.settle_barrier(),
        }
    }

    /// Has all who wait, and of whom that is true, go on.
    pub(super) fn release(&mut self, state: u32, is_free_to_go: impl Fn(usize) -> bool) {
        debug_assert!(state == GRANTED || state == REFUSED);
        for seat in self.machine.seats() {
            if self.machine.state(seat) == WAITING && is_free_to_go(seat) {
                self.turn_to(seat, state);
            }
        }
    }
}
