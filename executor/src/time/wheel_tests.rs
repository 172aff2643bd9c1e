//! The wheel against a model that keeps its timers in a plain list, and the stories where it could go wrong.

use super::*;
use crate::time::slots::{LEVELS, SEARCH_FREE, SHRINK_ABOVE};
use std::task::Waker;

/// A millisecond that the wheel does not know of.
const MS: u64 = 1_000_000;
const TICK: u64 = 1 << TICK_BITS;

/// Marsaglia's xorshift ("Xorshift RNGs", 2003): the same sequence every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Evenly spread over magnitudes, so that all levels are met.
    fn magnitude(&mut self) -> u64 {
        let bits = self.below(64) as u32;
        self.next() >> (63 - bits) >> 1
    }
}

#[derive(Clone)]
struct Modelled {
    key: Key,
    when: When,
}

/// What the wheel must do, done slowly.
#[derive(Default)]
struct Model {
    now: u64,
    timers: Vec<Modelled>,
}

impl Model {
    fn add(&mut self, key: Key, when: When) {
        let when = match when {
            When::At(at) => When::At(at.max(self.now)),
            after @ When::After(_) => after,
        };
        self.timers.push(Modelled { key, when });
    }

    fn remove(&mut self, key: Key) -> bool {
        let before = self.timers.len();
        self.timers.retain(|timer| timer.key != key);
        self.timers.len() < before
    }

    fn settle(&mut self, now: u64) {
        self.now = now;
        for timer in &mut self.timers {
            if let When::After(delay) = timer.when {
                timer.when = When::At(if delay < FOREVER { now + delay } else { u64::MAX });
            }
        }
    }

    /// Deadlines of settled timers that ever fire, in firing order.
    fn deadlines(&self) -> Vec<(u64, u64, Key)> {
        let at = |timer: &Modelled| match timer.when {
            When::At(at) if at < FOREVER => Some((at, timer.key.sequence, timer.key)),
            _ => None,
        };
        let mut deadlines: Vec<_> = self.timers.iter().filter_map(at).collect();
        deadlines.sort_unstable_by_key(|&(at, sequence, _)| (at, sequence));
        deadlines
    }

    fn take_due(&mut self) -> Vec<Key> {
        let due: Vec<Key> =
            self.deadlines().iter().take_while(|&&(at, ..)| at <= self.now).map(|&(.., key)| key).collect();
        self.timers.retain(|timer| !due.contains(&timer.key));
        due
    }
}

/// Brings a wheel to `now` as the loop does, turn after turn, and gives what fired.
fn fire(wheel: &mut Wheel, now: u64) -> Vec<Key> {
    let mut fired = Vec::new();
    loop {
        wheel.advance_to(now);
        let mut in_this_turn = 0;
        while in_this_turn < FIRE_LIMIT
            && let Some((key, waiter)) = wheel.pop_due()
        {
            assert!(waiter.is_some());
            fired.push(key);
            in_this_turn += 1;
        }
        if wheel.next_deadline().is_none_or(|next| next > now) {
            return fired;
        }
    }
}

fn forget(wheel: &mut Wheel, keys: &[Key]) {
    for &key in keys {
        wheel.remove(key);
    }
}

fn insert(wheel: &mut Wheel, when: When) -> Key {
    wheel.insert(when, Waiter::new(Waker::noop()))
}

/// One long story of random steps. At most `crowd` timers at a time.
fn compare_with_model(seed: u64, steps: u32, crowd: usize) {
    let mut random = Random(seed);
    let (mut wheel, mut model) = (Wheel::new(), Model::default());
    for _ in 0..steps {
        let when = match random.below(8) {
            0..3 => When::After(random.magnitude()),
            3..6 => When::At(model.now.saturating_add(random.magnitude())),
            6 => When::At(random.magnitude()),
            // Near the borders of slots and levels.
            _ => {
                let border = TICK << (SLOT_BITS * random.below(LEVELS as u64 - 1) as u32);
                When::At((model.now / border + 1) * border + random.below(3) - 1)
            }
        };
        match random.below(10) {
            0..5 if model.timers.len() < crowd => {
                let key = insert(&mut wheel, when);
                model.add(key, when);
            }
            0..7 if !model.timers.is_empty() => {
                let key = model.timers[random.below(model.timers.len() as u64) as usize].key;
                assert!(model.remove(key));
                if random.below(2) == 0 {
                    assert!(wheel.remove(key).is_some());
                } else {
                    let key = wheel.reset(key, when).expect("it has not fired");
                    model.add(key, when);
                }
            }
            step => {
                let further = if step == 9 { random.below(3 * TICK) } else { random.magnitude() / 4 };
                let exactly = model.deadlines().first().map_or(0, |&(at, ..)| at);
                let somewhere = model.now.saturating_add(further).min(FOREVER - 1);
                let now = if step == 8 { exactly.max(model.now) } else { somewhere };
                model.settle(now);
                let due = model.take_due();
                assert_eq!(fire(&mut wheel, now), due, "all that is due, in order, and nothing early");
                forget(&mut wheel, &due);
                let next = model.deadlines().first().map(|&(at, ..)| at);
                assert_eq!(wheel.next_deadline(), next, "the exact earliest deadline");
            }
        }
    }
    let left: Vec<Key> = model.timers.iter().map(|timer| timer.key).collect();
    forget(&mut wheel, &left);
    assert_eq!((wheel.live(), wheel.next_deadline(), wheel.slots.len()), (0, None, 0));
}

#[test]
fn agrees_with_a_sorted_list() {
    let steps = if cfg!(miri) { 120 } else { 20_000 };
    for seed in 1..=if cfg!(miri) { 1 } else { 10 } {
        compare_with_model(0x9e37_79b9_7f4a_7c15 ^ seed, steps, 60);
    }
}

#[test]
#[cfg_attr(miri, ignore = "long; the short one runs")]
fn agrees_with_a_sorted_list_of_many() {
    compare_with_model(0x2545_f491_4f6c_dd1d, 10_000, 3_000);
}

#[test]
fn fires_at_the_borders_of_levels_and_not_a_nanosecond_early() {
    for level in 0..LEVELS as u32 - 1 {
        for at in [0, 1, 2].map(|by| (TICK << (SLOT_BITS * level)) - 1 + by) {
            let mut wheel = Wheel::new();
            let key = insert(&mut wheel, When::At(at));
            assert_eq!(wheel.next_deadline(), Some(at));
            assert_eq!(fire(&mut wheel, at - 1), []);
            assert_eq!(wheel.next_deadline(), Some(at));
            assert_eq!(fire(&mut wheel, at), [key]);
            assert_eq!(wheel.next_deadline(), None);
        }
    }
}

#[test]
fn ties_fire_in_the_order_of_insertion_however_they_came_to_the_same_deadline() {
    let mut wheel = Wheel::new();
    let at = 500 * MS;
    let first = insert(&mut wheel, When::At(at));
    let relative = insert(&mut wheel, When::After(at));
    wheel.settle(0);
    assert_eq!(fire(&mut wheel, 400 * MS), []); // the others are now in lower slots than the next one will be
    let second = insert(&mut wheel, When::At(at));
    let first = wheel.reset(first, When::At(at)).unwrap(); // goes to the end of the queue
    let last = insert(&mut wheel, When::After(100 * MS));
    assert_eq!(fire(&mut wheel, 400 * MS), []);
    assert_eq!(fire(&mut wheel, at), [relative, second, first, last]);
}

#[test]
fn never_is_no_deadline_and_moves_to_one_by_reset() {
    let mut wheel = Wheel::new();
    let never = [When::After(u64::MAX), When::At(u64::MAX), When::After(FOREVER), When::At(FOREVER)];
    let keys = never.map(|when| insert(&mut wheel, when));
    assert_eq!((wheel.live(), wheel.next_deadline()), (0, None));
    assert_eq!(fire(&mut wheel, FOREVER - 1), []);
    assert!(keys.iter().all(|&key| wheel.deadline(key).is_none()));
    // A delay that would end beyond the range, counted from late, is never, too.
    insert(&mut wheel, When::After(FOREVER - 1));
    assert_eq!(wheel.live(), 1);
    wheel.settle(FOREVER - 1);
    assert_eq!((wheel.live(), wheel.next_deadline()), (0, None));

    let mut wheel = Wheel::new();
    let key = insert(&mut wheel, When::After(u64::MAX));
    let key = wheel.reset(key, When::At(7)).unwrap();
    assert_eq!(fire(&mut wheel, 7), [key]);
}

#[test]
fn a_stale_key_finds_nothing() {
    let mut wheel = Wheel::new();
    let old = insert(&mut wheel, When::After(5));
    wheel.remove(old);
    let new = insert(&mut wheel, When::After(5));
    assert_eq!(old.index, new.index, "the place is used again");
    assert_eq!(wheel.look(old, Waker::noop()), Look::Gone);
    assert!(wheel.remove(old).is_none());
    assert_eq!(wheel.reset(old, When::After(1)), None);
    assert!(wheel.set_waiter(old, Waiter::new(Waker::noop())).is_some(), "it is given back");
    assert!(matches!(wheel.look(new, Waker::noop()), Look::Waiting { .. }));
}

#[test]
fn a_place_that_waits_to_be_taken_over_is_no_timer() {
    let mut wheel = Wheel::new();
    let (first, second) = (insert(&mut wheel, When::At(700 * MS)), insert(&mut wheel, When::At(705 * MS)));
    assert!(wheel.remove(first).is_some(), "the waiter is given back at once");
    assert_eq!((wheel.live(), wheel.look(first, Waker::noop())), (1, Look::Gone));
    assert!(wheel.remove(first).is_none());
    wheel.for_each_waiter(0, |_, at| assert_eq!(at, Some(705 * MS), "nobody else waits"));

    // For about the same time: in its place. For another: beside it.
    let later = insert(&mut wheel, When::At(710 * MS));
    assert_eq!((later.index, wheel.live()), (first.index, 2));
    assert_eq!(wheel.next_deadline(), Some(705 * MS), "not that of who had the place before");
    assert!(wheel.remove(second).is_some());
    let soon = insert(&mut wheel, When::At(3 * MS));
    assert_ne!(soon.index, second.index);
    assert_eq!((wheel.next_deadline(), wheel.slots.len()), (Some(3 * MS), 2), "nobody has taken it over");
    assert_eq!(fire(&mut wheel, 709 * MS), [soon]);
    assert_eq!(fire(&mut wheel, 710 * MS), [later]);

    // Its time comes before anybody looked.
    let mut wheel = Wheel::new();
    let gone = insert(&mut wheel, When::After(MS));
    wheel.remove(gone);
    assert_eq!(fire(&mut wheel, 5 * MS), []);
    assert_eq!((wheel.next_deadline(), wheel.slots.len()), (None, 0));
}

#[test]
fn a_timer_fires_once_and_then_says_so_until_it_is_removed() {
    let mut wheel = Wheel::new();
    let key = insert(&mut wheel, When::At(5 * MS));
    assert_eq!(fire(&mut wheel, 9 * MS), [key]);
    assert_eq!(fire(&mut wheel, 99 * MS), []);
    assert_eq!(wheel.look(key, Waker::noop()), Look::Fired(5 * MS));
    assert_eq!((wheel.deadline(key), wheel.is_fired(key)), (Some(5 * MS), true));
    assert_eq!(wheel.reset(key, When::After(1)), None, "reset leaves a fired timer to its owner");
    assert!(wheel.remove(key).is_none(), "its waiter was used");
    assert_eq!(wheel.look(key, Waker::noop()), Look::Gone);
}

#[test]
fn what_is_due_can_still_be_removed_or_reset() {
    let mut wheel = Wheel::new();
    let keys: Vec<Key> = (0..4).map(|i| insert(&mut wheel, When::At(MS + i))).collect();
    wheel.advance_to(2 * MS);
    assert_eq!(wheel.pop_due().map(|(key, _)| key), Some(keys[0]));
    assert!(wheel.remove(keys[1]).is_some());
    let later = wheel.reset(keys[2], When::At(3 * MS)).unwrap();
    assert_eq!(wheel.pop_due().map(|(key, _)| key), Some(keys[3]));
    assert!(wheel.pop_due().is_none());
    assert_eq!((wheel.next_deadline(), wheel.live()), (Some(3 * MS), 1));
    assert_eq!(fire(&mut wheel, 3 * MS), [later]);
}

#[test]
fn a_crowd_at_one_instant_fires_in_bounded_turns_and_in_order() {
    let crowd = if cfg!(miri) { 10 } else { 200_000 };
    let mut wheel = Wheel::new();
    let mut random = Random(42);
    // One slot of a high level, so that all of them are moved several times; a few nanoseconds apart.
    let mut keys: Vec<(u64, Key)> = (0..crowd)
        .map(|_| {
            let at = 10_000 * MS + random.below(1000);
            (at, insert(&mut wheel, When::At(at)))
        })
        .collect();
    keys.sort_unstable_by_key(|&(at, key)| (at, key.sequence));
    let now = 10_001 * MS;
    let mut fired = Vec::new();
    let mut turns = 0;
    while wheel.live() > 0 {
        assert!(wheel.next_deadline().is_some_and(|next| next <= now), "work is left");
        wheel.advance_to(now);
        let due = std::iter::from_fn(|| wheel.pop_due()).take(FIRE_LIMIT).map(|(key, _)| key);
        fired.extend(due);
        turns += 1;
    }
    assert!(fired.iter().eq(keys.iter().map(|(_, key)| key)));
    let levels = LEVELS as u64;
    assert!(
        turns <= levels + crowd * levels / MOVE_LIMIT as u64 + crowd / FIRE_LIMIT as u64 + 1,
        "{turns} turns"
    );
}

#[test]
fn a_wheel_that_moves_a_crowd_still_fires_what_is_earlier() {
    let mut wheel = Wheel::new();
    let crowd = 2 * MOVE_LIMIT;
    for _ in 0..crowd {
        insert(&mut wheel, When::At(100_000 * MS));
    }
    let early = insert(&mut wheel, When::At(50_000 * MS));
    wheel.advance_to(100_001 * MS);
    assert_eq!(wheel.pop_due().map(|(key, _)| key), Some(early));
    assert!(wheel.pop_due().is_none(), "the crowd is still on the move");
    assert_eq!(fire(&mut wheel, 100_001 * MS).len(), crowd);
}

#[test]
fn cancelled_timers_leave_no_memory_behind() {
    let million = if cfg!(miri) { 5_000 } else { 1_000_000 };
    let mut wheel = Wheel::new();
    // One after the other: one place is enough.
    for _ in 0..million {
        let key = insert(&mut wheel, When::After(MS));
        wheel.remove(key);
    }
    assert!(wheel.slots.capacity() <= 4);
    // All at once, given up oldest first and newest first: the memory comes back.
    for newest_first in [false, true] {
        let mut keys: Vec<Key> = (0..million).map(|i| insert(&mut wheel, When::At(i * TICK))).collect();
        if newest_first {
            keys.reverse();
        }
        forget(&mut wheel, &keys);
        assert_eq!((wheel.live(), wheel.next_deadline(), wheel.slots.len()), (0, None, 0));
        assert!(wheel.slots.capacity() <= SHRINK_ABOVE, "{}", wheel.slots.capacity());
    }
}

#[test]
fn names_of_cancelled_due_timers_do_not_pile_up() {
    let mut wheel = Wheel::new();
    // A clock that stands still; one timer that is about to be due, and behind it others that come and go.
    let first = insert(&mut wheel, When::At(1));
    for i in 0..if cfg!(miri) { 500 } else { 10_000 } {
        let key = insert(&mut wheel, When::At(2 + i % 3));
        assert_eq!(fire(&mut wheel, 0), []);
        forget(&mut wheel, &[key]);
    }
    assert!(wheel.due.len() <= 2 * SLOTS, "{} names", wheel.due.len());
    assert_eq!((wheel.live(), wheel.next_deadline()), (1, Some(1)));
    assert_eq!(fire(&mut wheel, 5), [first]);
}

#[test]
fn ten_seconds_are_one_sleep_of_ten_seconds() {
    let mut wheel = Wheel::new();
    let mut now = 123_456_789;
    wheel.advance_to(now);
    let key = insert(&mut wheel, When::After(10_000 * MS));
    let mut sleeps = Vec::new();
    while fire(&mut wheel, now).is_empty() {
        let next = wheel.next_deadline().unwrap();
        sleeps.push(next - now);
        now = next;
    }
    assert_eq!(sleeps, [10_000 * MS]);
    assert!(wheel.is_fired(key));
}

#[test]
fn the_earliest_deadline_stays_exact_when_the_earliest_timers_go() {
    let mut wheel = Wheel::new();
    let keys: Vec<Key> = (0..1000).map(|i| insert(&mut wheel, When::At(60_000 * MS + i))).collect();
    // Searching a crowd is not free: what is saved up pays for some sixty times, then the bound may lag behind.
    for (i, &key) in keys.iter().enumerate().take(60) {
        assert_eq!(wheel.next_deadline(), Some(60_000 * MS + i as u64));
        wheel.remove(key);
    }
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn idle_timeouts_pushed_back_in_turn_cost_no_search_each_and_one_early_look_at_most() {
    let mut wheel = Wheel::new();
    let crowd = 100 * u64::from(SEARCH_FREE);
    let timeout = 30_000 * MS;
    let mut keys: Vec<Key> = (0..crowd).map(|i| insert(&mut wheel, When::At(timeout + i))).collect();
    for i in 0..5 * crowd {
        let oldest = &mut keys[(i % crowd) as usize];
        *oldest = wheel.reset(*oldest, When::At(timeout + crowd + i)).unwrap();
        let next = wheel.next_deadline().unwrap();
        assert!(next <= timeout + i + 1, "never later than the earliest deadline");
    }
    // Nothing comes any more: the loop sleeps, looks early at most once, and then is exact.
    let exact = timeout + crowd + 4 * crowd;
    let bound = wheel.next_deadline().unwrap();
    assert_eq!(fire(&mut wheel, bound).len(), usize::from(bound == exact));
    let next = wheel.next_deadline().unwrap();
    assert_eq!(next, if bound == exact { exact + 1 } else { exact });
}

#[test]
fn a_reading_that_goes_back_is_ignored() {
    let mut wheel = Wheel::new();
    wheel.advance_to(50 * MS);
    wheel.advance_to(20 * MS);
    assert_eq!(wheel.now(), 50 * MS);
    let key = insert(&mut wheel, When::After(MS));
    assert_eq!(fire(&mut wheel, 20 * MS), []);
    assert_eq!(wheel.next_deadline(), Some(51 * MS));
    assert_eq!(fire(&mut wheel, 51 * MS), [key]);
}

#[test]
fn clearing_gives_all_waiters_back_and_old_keys_stay_stale() {
    let mut wheel = Wheel::new();
    let fired = insert(&mut wheel, When::At(0));
    assert_eq!(fire(&mut wheel, 0), [fired]);
    let keys = [When::After(1), When::At(MS), When::After(u64::MAX)].map(|when| insert(&mut wheel, when));
    assert_eq!(wheel.clear().len(), 3);
    let new = insert(&mut wheel, When::At(MS));
    for key in keys.into_iter().chain([fired]) {
        assert!(wheel.remove(key).is_none());
    }
    assert_eq!(fire(&mut wheel, MS), [new]);
}
