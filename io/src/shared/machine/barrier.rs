//! A barrier: rounds, and who waits for the present one to be full. That it is full is one store: the next round has begun.

use super::{
    Ground, Machine, Refusal, at,
    guard::Inside,
    seat::{GRANTED, REFUSED, Seat, WAITING},
};

impl<G: Ground> Machine<G> {
    /// Arrives: the place in the round, and a seat to wait at unless it is full now. Places are the lowest that nobody has,
    /// so a full round has each once.
    pub(crate) fn arrive(&self, rings: bool) -> Result<(u32, Option<Seat>), Refusal> {
        let mut inside = self.enter();
        if self.is_broken() {
            return Err(Refusal::Broken);
        }
        let round = self.ground.load(at::ROUND);
        let (place, there) = inside.next_place(round);
        if there.saturating_add(1) >= self.parties() {
            self.ground.store(at::ROUND, round.wrapping_add(1));
            inside.settle();
            return Ok((place, None));
        }
        let seat = inside.claim(WAITING, round, place, rings)?;
        // The ticket is the place: nobody is served before another here.
        self.ground.store(at::ticket(seat.index()), place);
        Ok((place, Some(seat)))
    }

    pub(crate) fn parties(&self) -> u32 {
        self.ground.load(at::TOTAL)
    }

    /// How many wait for the round to be full.
    pub(crate) fn arrived(&self) -> u32 {
        let inside = self.enter();
        inside.next_place(self.ground.load(at::ROUND)).1
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.ground.load(at::BROKEN) != 0
    }

    /// Nobody is to wait any longer, until it is [reset](Machine::reset).
    pub(crate) fn break_up(&self) {
        let mut inside = self.enter();
        self.ground.store(at::BROKEN, 1);
        inside.settle();
    }

    /// Begins a new round, and tells all who wait that nothing came of theirs.
    pub(crate) fn reset(&self) {
        let mut inside = self.enter();
        self.ground.store(at::BROKEN, 1);
        inside.settle();
        self.ground.store(at::BROKEN, 0);
    }
}

impl<G: Ground> Inside<'_, G> {
    /// The lowest place that nobody has in a round, and how many are there.
    fn next_place(&self, round: u32) -> (u32, u32) {
        let machine = self.machine;
        let ground = &machine.ground;
        let mut places: Vec<u32> = machine
            .seats()
            .filter(|&seat| machine.state(seat) == WAITING && ground.load(at::wanted(seat)) == round)
            .map(|seat| ground.load(at::ticket(seat)))
            .collect();
        places.sort_unstable();
        let there = places.len() as u32;
        places.dedup();
        let next = places.iter().zip(0..).take_while(|&(&place, index)| place == index).count();
        (next as u32, there)
    }

    pub(super) fn settle_barrier(&mut self) {
        let machine = self.machine;
        let round = machine.ground.load(at::ROUND);
        self.release(GRANTED, |seat| machine.ground.load(at::wanted(seat)) != round);
        if machine.is_broken() {
            self.release(REFUSED, |_| true);
        }
    }
}
