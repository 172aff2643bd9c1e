//! What members do while they die.

use super::{
    super::{Ground, Kind, Machine, Outcome, Who, at},
    Actors, InLedger, Ledger, Played, Role, assert_clean, await_for, await_seat, ledger, play,
};
use std::{env, sync::Mutex};

/// How many died in a play that is checked.
type Check = fn(&Played, usize, &str);

/// Plays under so many seeds; under every `sweep`-th, the first member dies at each of its accesses in turn, alone, and again
/// together with the second, somewhere.
fn explore(kind: Kind, total: u32, roles: &[Role], last: Role, seeds: u64, sweep: u64, check: Check) {
    let one = |seed, kills: &[(usize, usize)]| {
        let played = play(kind, total, roles, last, seed, kills);
        let story = format!("seed {seed}, killed {kills:?}: {:?}", played.ledger);
        assert_clean(&played.words, &story);
        check(&played, kills.len(), &story);
        played
    };
    // More of them: `RUNTIME_BOARD_SEEDS=10000 cargo test --release -p runtime-io --lib explorer`.
    let seeds = env::var("RUNTIME_BOARD_SEEDS").map_or(seeds, |number| number.parse().unwrap());
    for seed in 1..=seeds {
        let peaceful = one(seed, &[]);
        if seed % sweep == 0 {
            for step in 0..peaceful.steps[0] {
                let other = (step * 7919 + seed as usize) % peaceful.steps[1];
                one(seed, &[(0, step)]);
                one(seed, &[(0, step), (1, other)]);
            }
        }
    }
}

fn lock_once(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    if !machine.try_lock() {
        let seat = machine.ask_for_lock(false).unwrap();
        assert_eq!(await_seat(machine, &seat), Outcome::Granted);
    }
    let inside = InLedger::enter(book, me);
    // If it dies in between, it is in the ledger, and whoever comes next has to learn of it.
    if machine.is_orphaned() {
        ledger(book).orphans += 1;
        machine.mend();
    }
    drop(inside);
    machine.unlock();
}

fn lock_twice(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    lock_once(machine, book, me);
    lock_once(machine, book, me);
}

/// As many permits as there are, each of them for one.
fn take_twice(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    for wanted in [1, 2] {
        if let Some(seat) = machine.ask_for_permits(wanted, false).unwrap() {
            assert_eq!(await_seat(machine, &seat), Outcome::Granted);
        }
        let inside: Vec<_> = (0..wanted).map(|_| InLedger::enter(book, me)).collect();
        machine.rung(); // something to die at
        drop(inside);
        machine.give_back(wanted);
    }
}

/// Asks, and gives up whether it was granted or not.
fn lock_or_give_up(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    let seat = machine.ask_for_lock(false).unwrap();
    machine.rung();
    machine.withdraw(&seat);
    lock_once(machine, book, me);
}

fn set(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    machine.set();
    let _ = InLedger::enter(book, me);
}

fn await_set(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    let seat = machine.ask_for_event(false).unwrap();
    let outcome = seat.as_ref().map(|seat| await_for(machine, seat, 20));
    if outcome == Some(None) {
        assert!(!machine.is_set(), "it is set, and does not let pass");
        machine.withdraw(&seat.unwrap());
        return;
    }
    assert!(matches!(outcome, None | Some(Some(Outcome::Granted))));
    let _ = InLedger::enter(book, me);
}

/// So that it may be the one who inherits the guard, and has nothing to wait for itself.
fn come_late(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    for _ in 0..30 {
        machine.rung();
    }
    await_set(machine, book, me);
}

fn arrive_once(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) -> bool {
    let seat = match machine.arrive(false) {
        Ok((_, seat)) => seat,
        Err(_) => return false,
    };
    let passed = seat.is_none_or(|seat| {
        let outcome = await_for(machine, &seat, 20);
        if outcome.is_none() {
            machine.withdraw(&seat); // the other died before he arrived
            machine.break_up();
        }
        outcome == Some(Outcome::Granted)
    });
    if passed {
        let _ = InLedger::enter(book, me);
    }
    passed
}

/// Two rounds, as far as the barrier is whole. Whoever is left alone breaks it.
fn arrive_twice(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    let _ = arrive_once(machine, book, me) && arrive_once(machine, book, me);
}

fn break_and_reset(machine: &Machine<Actors>, _book: &Mutex<Ledger>, _me: usize) {
    machine.look_after();
    machine.break_up();
    machine.reset();
    assert_eq!(machine.arrived(), 0);
}

/// Parks until the one word that the lock protects (of the board's own: the bell of a slot that nobody has) is 1.
fn await_notice(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    lock(machine);
    while machine.ground().load(at::bell(15)) == 0 {
        let seat = machine.park(false).unwrap();
        assert_eq!(await_seat(machine, &seat), Outcome::Granted);
    }
    let _ = InLedger::enter(book, me);
    machine.unlock();
}

/// Gives notice. If one of those who get it dies before, the notice is not lost on the others: it is for all.
fn give_notice(machine: &Machine<Actors>, _book: &Mutex<Ledger>, _me: usize) {
    lock(machine);
    machine.ground().store(at::bell(15), 1);
    machine.notify(usize::MAX);
    machine.unlock();
}

fn lock(machine: &Machine<Actors>) {
    if !machine.try_lock() {
        let seat = machine.ask_for_lock(false).unwrap();
        assert_eq!(await_seat(machine, &seat), Outcome::Granted);
    }
}

/// Each of those who park gets one of the notices, also when one that had got it leaves.
fn park_once(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    lock(machine);
    machine.ground().store(at::bell(14), machine.ground().load(at::bell(14)) + 1);
    let seat = machine.park(false).unwrap();
    assert_eq!(await_seat(machine, &seat), Outcome::Granted);
    let _ = InLedger::enter(book, me);
    machine.unlock();
}

fn park_and_leave(machine: &Machine<Actors>, book: &Mutex<Ledger>, me: usize) {
    lock(machine);
    machine.ground().store(at::bell(14), machine.ground().load(at::bell(14)) + 1);
    let seat = machine.park(false).unwrap();
    machine.rung();
    machine.leave_condition(&seat);
    let _ = InLedger::enter(book, me);
}

/// Once both are parked, or were: one notice.
fn notify_one(machine: &Machine<Actors>, _book: &Mutex<Ledger>, _me: usize) {
    loop {
        lock(machine);
        if machine.ground().load(at::bell(14)) == 2 {
            break;
        }
        machine.unlock();
    }
    machine.notify(1);
    machine.unlock();
}

fn check_lock(played: &Played, killed: usize, story: &str) {
    let ledger = &played.ledger;
    assert!(ledger.most_inside <= 1, "{story}");
    assert!(killed > 0 || ledger.entered == 8, "{story}");
    assert!(ledger.entered >= 8 - 2 * killed, "{story}");
    assert!(ledger.orphans >= ledger.died_inside && ledger.orphans <= killed, "{story}");
    assert!(killed > 1 || ledger.orphans == played.holders_killed, "{story}");
    assert_eq!(Who::in_word(played.words[at::HOLDER]), Who::NOBODY, "{story}");
}

#[test]
fn a_lock_is_held_by_one_and_survives_deaths_at_any_access() {
    let roles: [Role; 3] = [lock_twice, lock_twice, lock_twice];
    explore(Kind::Lock, 1, &roles, lock_twice, 100, 25, check_lock);
}

#[test]
fn who_gives_up_passes_on_what_had_reached_him() {
    let roles: [Role; 3] = [lock_or_give_up, lock_twice, lock_or_give_up];
    explore(Kind::Lock, 1, &roles, lock_twice, 100, 25, |played, killed, story| {
        assert!(played.ledger.most_inside <= 1, "{story}");
        assert!(killed > 0 || played.ledger.entered == 6, "{story}");
        assert!(played.ledger.orphans >= played.ledger.died_inside, "{story}");
    });
}

#[test]
fn permits_are_as_many_as_there_are_and_those_of_the_dead_come_back() {
    let roles: [Role; 3] = [take_twice, take_twice, take_twice];
    explore(Kind::Semaphore, 2, &roles, take_twice, 100, 25, |played, killed, story| {
        assert!(played.ledger.most_inside <= 2, "{story}");
        assert!(killed > 0 || played.ledger.entered == 12, "{story}");
        assert!(played.ledger.entered >= 12 - 3 * killed, "{story}");
        assert_eq!(played.words[at::TOTAL], 2, "{story}");
    });
}

#[test]
fn an_event_that_was_set_lets_all_pass_who_waited_even_if_who_set_it_dies() {
    let roles: [Role; 4] = [set, await_set, await_set, come_late];
    explore(Kind::Event, 1, &roles, await_set, 100, 25, |played, killed, story| {
        assert!(killed > 0 || played.ledger.entered == 5, "{story}");
    });
}

#[test]
fn a_barrier_passes_whole_rounds_or_is_broken() {
    let roles: [Role; 2] = [arrive_twice, arrive_twice];
    explore(Kind::Barrier, 2, &roles, break_and_reset, 100, 25, |played, killed, story| {
        assert!(killed > 0 || played.ledger.entered == 4, "{story}");
        assert_eq!(played.words[at::BROKEN], 0, "{story}");
    });
}

#[test]
fn notices_reach_all_who_are_parked() {
    let roles: [Role; 3] = [await_notice, await_notice, give_notice];
    explore(Kind::Lock, 1, &roles, lock_twice, 100, 25, |played, killed, story| {
        assert!(killed > 0 || played.ledger.entered == 4, "{story}");
    });
}

#[test]
fn a_notice_that_reached_somebody_who_leaves_goes_to_the_next() {
    let roles: [Role; 3] = [park_and_leave, park_once, notify_one];
    explore(Kind::Lock, 1, &roles, lock_twice, 400, 401, |played, _, story| {
        assert_eq!(played.ledger.entered, 4, "{story}");
    });
}
