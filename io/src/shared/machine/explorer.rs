//! Members that take turns at every single access to the board, as a seed has it, and one of whom dies at any of them.
//!
//! Each member is a thread; only one of them has the turn. After every access the next is drawn. To die is to do nothing any more,
//! beginning with that access. Nobody's time passes: a sleep ends when somebody wakes, or when nobody can run any more, and that
//! is a lost wake unless somebody died.

mod tests;

use super::{Ground, Kind, Machine, Outcome, Seat, Who, at, seat};
use std::{
    io, panic,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Members that die unwind with this.
struct Killed;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Actor {
    Runs,
    Sleeps { word: usize, value: u32 },
    Ended,
}

struct Inner {
    words: Vec<u32>,
    claims: Vec<Option<usize>>,
    actors: Vec<Actor>,
    turn: usize,
    seed: u64,
    steps: Vec<usize>,
    /// Who dies, at which of his accesses.
    kills: Vec<(usize, usize)>,
    has_killed: bool,
    /// How many of the dead had the lock, and had taken notice of it.
    holders_killed: usize,
    /// What went wrong on the stage itself.
    fault: Option<&'static str>,
}

struct Stage {
    inner: Mutex<Inner>,
    turned: Condvar,
}

/// The stage as one member sees it.
#[derive(Clone)]
struct Actors {
    stage: Arc<Stage>,
    me: usize,
    is_dead: Arc<AtomicBool>,
}

impl Inner {
    /// A number below `limit`, by xorshift.
    fn draw(&mut self, limit: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as usize % limit
    }

    /// As the rules have it (B5).
    fn has_lock(&self, actor: usize) -> bool {
        let granted = (0..16).any(|index| self.words[at::state(index)] & seat::STATE == seat::GRANTED);
        let holder = Who::in_word(self.words[at::HOLDER]).slot();
        !granted && holder.is_some_and(|slot| self.claims.get(slot) == Some(&Some(actor)))
    }

    fn choose(&mut self) {
        let runs = |inner: &Self| -> Vec<usize> {
            (0..inner.actors.len()).filter(|&actor| inner.actors[actor] == Actor::Runs).collect()
        };
        let mut can = runs(self);
        if can.is_empty() && self.actors.iter().any(|actor| *actor != Actor::Ended) {
            if !self.has_killed {
                self.fault = Some("all sleep: a wake was lost");
            }
            for actor in &mut self.actors {
                if matches!(actor, Actor::Sleeps { .. }) {
                    *actor = Actor::Runs; // after LOOK
                }
            }
            can = runs(self);
        }
        if !can.is_empty() {
            // Whoever has the turn mostly keeps it: orders with few changes are those that people miss.
            let keeps = can.contains(&self.turn) && self.draw(4) != 0;
            self.turn = if keeps { self.turn } else { can[self.draw(can.len())] };
        }
    }
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actors {
    /// One access, when it is this member's turn. `dead` is what the dead see, so that their destructors come to an end.
    fn step<R>(&self, dead: R, access: impl FnOnce(&mut Inner) -> R) -> R {
        if self.is_dead.load(Ordering::Relaxed) {
            return dead;
        }
        let mut inner = self.await_turn();
        let step = inner.steps[self.me];
        inner.steps[self.me] += 1;
        if inner.kills.contains(&(self.me, step)) || inner.fault.is_some() {
            inner.has_killed = true;
            inner.holders_killed += usize::from(inner.has_lock(self.me));
            // The turn stays here until its destructors have seen that nothing can be done.
            self.is_dead.store(true, Ordering::Relaxed);
            drop(inner);
            panic::resume_unwind(Box::new(Killed));
        }
        assert!(step < 20_000, "somebody runs in a circle");
        let result = access(&mut inner);
        inner.choose();
        self.stage.turned.notify_all();
        drop(inner);
        result
    }

    fn await_turn(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.stage.lock();
        while inner.turn != self.me || inner.actors[self.me] != Actor::Runs {
            inner = self.stage.turned.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner
    }

    fn end(&self, mut inner: MutexGuard<'_, Inner>) {
        inner.actors[self.me] = Actor::Ended;
        let me = self.me;
        inner.claims.iter_mut().filter(|claim| **claim == Some(me)).for_each(|claim| *claim = None);
        inner.choose();
        self.stage.turned.notify_all();
    }
}

impl Ground for Actors {
    fn load(&self, word: usize) -> u32 {
        self.step(0, |inner| inner.words[word])
    }

    fn store(&self, word: usize, value: u32) {
        self.step((), |inner| inner.words[word] = value);
    }

    fn replace(&self, word: usize, from: u32, to: u32) -> Result<(), u32> {
        self.step(Ok(()), |inner| {
            let found = inner.words[word];
            if found != from {
                return Err(found);
            }
            inner.words[word] = to;
            Ok(())
        })
    }

    fn claim(&self, slot: usize) -> io::Result<bool> {
        Ok(self.step(true, |inner| {
            let is_free = inner.claims[slot].is_none();
            if is_free {
                inner.claims[slot] = Some(self.me);
            }
            is_free
        }))
    }

    fn is_claimed(&self, slot: usize) -> bool {
        self.step(true, |inner| inner.claims[slot].is_some_and(|claim| claim != self.me))
    }

    fn leave(&self, _slot: usize) {}

    fn wait(&self, word: usize, value: u32, _limit: Duration) {
        self.step((), |inner| {
            if inner.words[word] == value {
                inner.actors[self.me] = Actor::Sleeps { word, value };
            }
        });
    }

    fn wake(&self, word: usize, count: u32) {
        self.step((), |inner| {
            let mut left = count;
            for actor in &mut inner.actors {
                if matches!(actor, Actor::Sleeps { word: slept, .. } if *slept == word) && left > 0 {
                    *actor = Actor::Runs;
                    left -= 1;
                }
            }
        });
    }
}

/// What the members did, for the eyes of the story: who is where that only one may be.
#[derive(Debug, Default)]
struct Ledger {
    inside: Vec<usize>,
    most_inside: usize,
    entered: usize,
    orphans: usize,
    died_inside: usize,
}

type Role = fn(&Machine<Actors>, &Mutex<Ledger>, usize);

fn ledger(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Comes out of the ledger also when its owner dies in there.
struct InLedger<'a>(&'a Mutex<Ledger>, usize);

impl<'a> InLedger<'a> {
    fn enter(book: &'a Mutex<Ledger>, me: usize) -> Self {
        let mut entry = ledger(book);
        entry.inside.push(me);
        entry.entered += 1;
        entry.most_inside = entry.most_inside.max(entry.inside.len());
        drop(entry);
        Self(book, me)
    }
}

impl Drop for InLedger<'_> {
    fn drop(&mut self) {
        let mut entry = ledger(self.0);
        entry.inside.retain(|&who| who != self.1);
        entry.died_inside += usize::from(thread::panicking());
    }
}

/// Waits as threads do.
fn await_seat(machine: &Machine<Actors>, seat: &Seat) -> Outcome {
    await_for(machine, seat, usize::MAX).unwrap()
}

/// Sleeps so often at most.
fn await_for(machine: &Machine<Actors>, seat: &Seat, sleeps: usize) -> Option<Outcome> {
    for _ in 0..sleeps {
        machine.look_after();
        if let Some(outcome) = machine.poll(seat) {
            return Some(outcome);
        }
        machine.sleep(seat, Duration::MAX);
        if let Some(outcome) = machine.poll(seat) {
            return Some(outcome);
        }
    }
    None
}

/// What came of one play.
struct Played {
    words: Vec<u32>,
    steps: Vec<usize>,
    holders_killed: usize,
    ledger: Ledger,
}

/// Plays members with these roles, who begin once all have joined; then one comes who has seen nothing, looks round, plays
/// `last`, and leaves.
fn play(kind: Kind, total: u32, roles: &[Role], last: Role, seed: u64, kills: &[(usize, usize)]) -> Played {
    let count = roles.len() + 1;
    let mut actors = vec![Actor::Runs; count];
    actors[roles.len()] = Actor::Ended;
    let inner = Inner {
        words: vec![0; at::END],
        claims: vec![None; 16],
        actors,
        turn: 0,
        seed: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        steps: vec![0; count],
        kills: kills.to_vec(),
        has_killed: false,
        holders_killed: 0,
        fault: None,
    };
    let stage = Arc::new(Stage { inner: Mutex::new(inner), turned: Condvar::new() });
    for (word, value) in [(at::TOTAL, total), (at::BOUND, 100), (at::KIND, kind.word())] {
        stage.lock().words[word] = value;
    }
    let book = Mutex::new(Ledger::default());
    let go = |me: usize, role: Role| {
        let ground = Actors { stage: Arc::clone(&stage), me, is_dead: Arc::new(AtomicBool::new(false)) };
        let actor = ground.clone();
        let played = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let machine = Machine::join(ground, kind).unwrap();
            role(&machine, &book, me);
        }));
        match played {
            Ok(()) => actor.end(actor.await_turn()),
            Err(payload) if payload.is::<Killed>() => actor.end(stage.lock()),
            Err(payload) => {
                let mut inner = stage.lock();
                inner.fault = Some("a member panicked");
                actor.end(inner);
                panic::resume_unwind(payload);
            }
        }
    };
    thread::scope(|scope| {
        for (me, &role) in roles.iter().enumerate() {
            let go = &go;
            scope.spawn(move || go(me, role));
        }
    });
    {
        let mut inner = stage.lock();
        inner.actors[roles.len()] = Actor::Runs;
        inner.turn = roles.len();
    }
    thread::scope(|scope| scope.spawn(|| go(roles.len(), last)).join()).unwrap();
    let inner = stage.lock();
    assert_eq!(inner.fault, None, "seed {seed}, kills {kills:?}");
    let ledger = std::mem::take(&mut *ledger(&book));
    Played {
        words: inner.words.clone(),
        steps: inner.steps.clone(),
        holders_killed: inner.holders_killed,
        ledger,
    }
}

/// Nobody has anything, and nobody waits, once everybody has left.
fn assert_clean(words: &[u32], story: &str) {
    assert_eq!(words[at::GUARD], 0, "guard, {story}");
    for slot in 0..8 {
        assert_eq!(words[at::held(slot)], 0, "permits of {slot}, {story}");
    }
    for index in 0..16 {
        assert_eq!(words[at::state(index)] & seat::STATE, seat::FREE, "seat {index}, {story}");
    }
}
