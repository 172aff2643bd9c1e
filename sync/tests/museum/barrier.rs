//! What happened to barriers.

use crate::stage::{Task, now};
use runtime_sync::{
    barrier::{Barrier, Broken},
    flavour::Flavour,
};

both!(
    nobody_is_told_the_same_number_twice,
    a_cancelled_waiter_is_not_counted,
    a_fast_one_does_not_lap_the_others,
    a_full_next_round_does_not_sleep_when_the_last_one_leaves,
    one_who_is_dropped_on_the_way_out_does_not_hold_the_next_round,
    an_abort_does_not_leave_anyone_asleep,
    a_broken_barrier_does_not_mend_itself,
    a_reset_does_not_hit_those_who_have_passed,
);

/// asyncio's `Barrier` and its kin: exactly one of each round is the leader.
fn nobody_is_told_the_same_number_twice<F: Flavour>() {
    let barrier = Barrier::<F>::new(4);
    for _round in 0..3 {
        let mut waiters: Vec<_> = (0..3).map(|_| Task::waiting(barrier.wait())).collect();
        let mut numbers = vec![now(barrier.wait()).unwrap()];
        numbers.extend(waiters.iter_mut().map(|waiter| waiter.ends().unwrap()));
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3]);
    }
}

/// anyio #1145's kin: one that was cancelled was still counted, and the barrier opened for fewer than it should.
fn a_cancelled_waiter_is_not_counted<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    drop(Task::waiting(barrier.wait()));
    assert_eq!(barrier.waiting(), 0);
    let mut one = Task::waiting(barrier.wait());
    assert!(!one.is_woken());
    now(barrier.wait()).unwrap();
    one.ends().unwrap();
}

/// tokio #7965's kin: the fastest task came round again and was let through with the round before.
fn a_fast_one_does_not_lap_the_others<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let mut slow = Task::waiting(barrier.wait());
    now(barrier.wait()).unwrap();
    let mut fast_again = Task::waiting(barrier.wait());
    let mut other = Task::waiting(barrier.wait());
    assert!(!fast_again.is_woken(), "the first round has not left yet");
    slow.ends().unwrap();
    fast_again.ends().unwrap();
    other.ends().unwrap();
}

/// Where the newcomers wait for the round before to leave, somebody has to tell them that it has (L-5's pattern).
fn a_full_next_round_does_not_sleep_when_the_last_one_leaves<F: Flavour>() {
    let barrier = Barrier::<F>::new(3);
    let mut first: Vec<_> = (0..2).map(|_| Task::waiting(barrier.wait())).collect();
    now(barrier.wait()).unwrap();
    let mut second: Vec<_> = (0..3).map(|_| Task::waiting(barrier.wait())).collect();
    first[0].ends().unwrap();
    assert!(second.iter().all(|waiter| !waiter.is_woken()));
    first[1].ends().unwrap();
    let mut numbers: Vec<_> = second.iter_mut().map(|waiter| waiter.ends().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2]);
}

/// asyncio, bpo-27585, for a round: the one that was let pass and never ran held up all that followed.
fn one_who_is_dropped_on_the_way_out_does_not_hold_the_next_round<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let passed = Task::waiting(barrier.wait());
    now(barrier.wait()).unwrap();
    let mut next: Vec<_> = (0..2).map(|_| Task::waiting(barrier.wait())).collect();
    drop(passed);
    next.iter_mut().for_each(|waiter| _ = waiter.ends().unwrap());
}

/// tokio #2123's kin: an end that told one.
fn an_abort_does_not_leave_anyone_asleep<F: Flavour>() {
    let barrier = Barrier::<F>::new(4);
    let mut waiters: Vec<_> = (0..3).map(|_| Task::waiting(barrier.wait())).collect();
    barrier.abort();
    assert!(waiters.iter_mut().all(|waiter| waiter.ends() == Err(Broken)));
}

/// tokio #8021's kin: what is broken stays so until somebody says otherwise.
fn a_broken_barrier_does_not_mend_itself<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let waiting = Task::waiting(barrier.wait());
    barrier.abort();
    drop(waiting);
    assert_eq!(now(barrier.wait()), Err(Broken));
    assert_eq!(now(barrier.wait()), Err(Broken));
    barrier.reset();
    let mut one = Task::waiting(barrier.wait());
    now(barrier.wait()).unwrap();
    one.ends().unwrap();
}

/// tokio #3652: an end may undo only what was under way.
fn a_reset_does_not_hit_those_who_have_passed<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let mut passed = Task::waiting(barrier.wait());
    now(barrier.wait()).unwrap();
    let mut next = Task::waiting(barrier.wait());
    barrier.reset();
    assert!(!next.is_woken(), "it waits for the next round, which has not begun");
    assert!(passed.ends().is_ok());
    barrier.reset();
    assert_eq!(next.ends(), Err(Broken));
}
