//! Stories of `Barrier`: all or nobody, round after round.

mod stories;

use runtime_sync::{
    Kind,
    barrier::{Barrier, Broken, WaitAll},
    flavour::{Flavour, Shared},
};
use std::{collections::BTreeSet, panic::catch_unwind, rc::Rc, sync::Mutex, thread, time::Duration};
use stories::{
    Task, advance, in_both_flavours, is, now, open_waits, tired, when_time_is_over, with_services, woken,
};

in_both_flavours!(
    the_last_one_lets_all_pass_with_different_indices,
    who_comes_while_a_round_leaves_is_counted_for_the_next_one_afterwards,
    a_whole_round_of_newcomers_starts_when_the_old_one_has_left,
    a_round_with_nobody_left_to_notice_is_over,
    a_place_is_given_up,
    an_abort_refuses_those_who_wait_and_those_who_come,
    a_reset_refuses_those_who_wait_and_begins_anew,
    an_abort_does_not_call_back_a_round_that_is_full,
    a_reset_leaves_those_alone_who_wait_for_the_next_round,
    a_limit_breaks_it_for_all,
    a_limit_that_comes_with_the_last_one_is_in_time,
    a_limit_that_comes_with_an_abort_is_broken_too,
    the_last_one_in_the_last_moment_is_in_time,
    one_needs_nobody,
    a_barrier_for_nobody_is_refused,
    a_task_with_nothing_left_to_spend_gives_way,
    waits_say_what_for,
    it_costs_at_most_a_line_of_the_cache,
);

fn the_last_one_lets_all_pass_with_different_indices<F: Flavour>() {
    let barrier = Barrier::<F>::new(3);
    for _ in 0..2 {
        let one = Task::waiting(barrier.wait());
        let two = Task::waiting(barrier.wait());
        assert_eq!((barrier.waiting(), barrier.parties()), (2, 3));
        assert!(!one.is_woken() && !two.is_woken());
        assert_eq!(now(barrier.wait()), Ok(2));
        assert_eq!(barrier.waiting(), 0);
        assert_eq!(two.ends(), Ok(1));
        assert_eq!(one.ends(), Ok(0));
    }
}

fn who_comes_while_a_round_leaves_is_counted_for_the_next_one_afterwards<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let slow = Task::waiting(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    let early = Task::waiting(barrier.wait());
    assert_eq!(barrier.waiting(), 0, "the round before has not left");
    assert_eq!(slow.ends(), Ok(0));
    assert_eq!(barrier.waiting(), 1);
    assert!(!early.is_woken());
    assert_eq!(now(barrier.wait()), Ok(1));
    assert_eq!(early.ends(), Ok(0));
}

fn a_whole_round_of_newcomers_starts_when_the_old_one_has_left<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let slow = Task::waiting(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    let mut next: Vec<_> = (0..5).map(|_| Task::waiting(barrier.wait())).collect();
    assert_eq!(woken(&next), [0; 0]);
    assert_eq!(slow.ends(), Ok(0));
    assert_eq!(woken(&next), [0, 1]);
    assert_eq!(next.remove(1).ends(), Ok(1));
    assert_eq!(woken(&next), [0], "the first of the second round has not left");
    assert_eq!(next.remove(0).ends(), Ok(0));
    assert_eq!(woken(&next), [0, 1]);
    drop(next.drain(..2));
    assert_eq!(barrier.waiting(), 1);
    assert_eq!(now(barrier.wait()), Ok(1));
    assert_eq!(next.remove(0).ends(), Ok(0));
}

fn a_round_with_nobody_left_to_notice_is_over<F: Flavour>() {
    let barrier = Barrier::<F>::new(3);
    let gone = [Task::waiting(barrier.wait()), Task::waiting(barrier.wait())];
    assert_eq!(now(barrier.wait()), Ok(2));
    let next = [Task::waiting(barrier.wait()), Task::waiting(barrier.wait())];
    let last = Task::waiting(barrier.wait());
    drop(gone); // they were let pass, and never noticed
    assert_eq!(woken(&next), [0, 1]);
    assert_eq!(last.ends(), Ok(2));
    assert_eq!(next.map(Task::ends), [Ok(0), Ok(1)]);
}

fn a_place_is_given_up<F: Flavour>() {
    let barrier = Barrier::<F>::new(3);
    let one = Task::waiting(barrier.wait());
    let gone = Task::waiting(barrier.wait());
    drop(gone);
    assert_eq!(barrier.waiting(), 1);
    assert!(!barrier.is_broken());
    let two = Task::waiting(barrier.wait());
    assert!(!one.is_woken());
    assert_eq!(now(barrier.wait()), Ok(2));
    assert_eq!((one.ends(), two.ends()), (Ok(0), Ok(1)));
}

fn an_abort_refuses_those_who_wait_and_those_who_come<F: Flavour>() {
    let barrier = Barrier::<F>::new(3);
    let waiters = [Task::waiting(barrier.wait()), Task::waiting(barrier.wait())];
    barrier.abort();
    assert!(barrier.is_broken());
    assert_eq!(waiters.map(Task::ends), [Err(Broken), Err(Broken)]);
    assert_eq!(now(barrier.wait()), Err(Broken));
    assert_eq!(barrier.waiting(), 0);
    barrier.abort();
    barrier.reset();
    assert!(!barrier.is_broken());
    let waiters = [Task::waiting(barrier.wait()), Task::waiting(barrier.wait())];
    assert_eq!(now(barrier.wait()), Ok(2));
    assert_eq!(waiters.map(Task::ends), [Ok(0), Ok(1)]);
}

fn a_reset_refuses_those_who_wait_and_begins_anew<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    barrier.reset();
    let old = Task::waiting(barrier.wait());
    barrier.reset();
    let new = Task::waiting(barrier.wait());
    assert_eq!(barrier.waiting(), 1, "the refused one does not count");
    assert_eq!(old.ends(), Err(Broken));
    assert_eq!(now(barrier.wait()), Ok(1));
    assert_eq!(new.ends(), Ok(0));
}

fn an_abort_does_not_call_back_a_round_that_is_full<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let passed = Task::waiting(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    let next = Task::waiting(barrier.wait());
    barrier.abort();
    assert_eq!(next.ends(), Err(Broken));
    barrier.reset();
    let next = Task::waiting(barrier.wait());
    assert_eq!(barrier.waiting(), 0, "the round before has not left");
    assert_eq!(passed.ends(), Ok(0));
    assert_eq!(now(barrier.wait()), Ok(1));
    assert_eq!(next.ends(), Ok(0));
}

fn a_reset_leaves_those_alone_who_wait_for_the_next_round<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let passed = Task::waiting(barrier.wait());
    assert_eq!(now(barrier.wait()), Ok(1));
    let next = Task::waiting(barrier.wait());
    barrier.reset();
    assert!(!next.is_woken());
    assert_eq!(passed.ends(), Ok(0));
    assert_eq!(now(barrier.wait()), Ok(1));
    assert_eq!(next.ends(), Ok(0));
}

const SECOND: Duration = Duration::from_secs(1);

fn a_limit_breaks_it_for_all<F: Flavour>() {
    with_services();
    let barrier = Barrier::<F>::new(3);
    let patient = Task::waiting(barrier.wait());
    let hasty = Task::waiting(barrier.wait_timeout(SECOND));
    advance(SECOND);
    assert!(!patient.is_woken() && !barrier.is_broken(), "time alone does nothing");
    assert_eq!(hasty.ends(), Err(Broken));
    assert!(barrier.is_broken());
    assert_eq!(patient.ends(), Err(Broken));
    assert_eq!(now(barrier.wait_timeout(SECOND)), Err(Broken));
    barrier.reset();
    drop(Task::waiting(barrier.wait_timeout(SECOND)));
    assert!(!barrier.is_broken(), "a wait that is dropped breaks nothing");
}

fn a_limit_that_comes_with_the_last_one_is_in_time<F: Flavour>() {
    with_services();
    let barrier = Barrier::<F>::new(2);
    let one = Task::waiting(barrier.wait_timeout(SECOND));
    advance(SECOND);
    assert_eq!(now(barrier.wait_timeout(SECOND)), Ok(1));
    assert_eq!(one.ends(), Ok(0));
    assert!(!barrier.is_broken());
}

fn a_limit_that_comes_with_an_abort_is_broken_too<F: Flavour>() {
    with_services();
    let barrier = Barrier::<F>::new(2);
    let one = Task::waiting(barrier.wait_timeout(SECOND));
    advance(SECOND);
    barrier.reset();
    assert_eq!(one.ends(), Err(Broken));
    assert!(!barrier.is_broken(), "it was refused by the reset, before it could break anything");
}

fn the_last_one_in_the_last_moment_is_in_time<F: Flavour>() {
    with_services();
    let barrier = Rc::new(Barrier::<F>::new(2));
    let one = Task::waiting(barrier.wait_timeout(SECOND));
    advance(SECOND);
    let last = Rc::clone(&barrier);
    when_time_is_over(move || assert_eq!(now(last.wait()), Ok(1)));
    assert_eq!(one.ends(), Ok(0));
    let next = Task::waiting(barrier.wait_timeout(SECOND));
    assert_eq!(barrier.waiting(), 1, "all of the round before have left");
    advance(SECOND);
    let breaker = Rc::clone(&barrier);
    when_time_is_over(move || breaker.reset());
    assert_eq!(next.ends(), Err(Broken));
    assert!(!barrier.is_broken());
}

fn one_needs_nobody<F: Flavour>() {
    let barrier = Barrier::<F>::new(1);
    assert_eq!((now(barrier.wait()), now(barrier.wait())), (Ok(0), Ok(0)));
}

fn a_barrier_for_nobody_is_refused<F: Flavour>() {
    let message = *catch_unwind(|| drop(Barrier::<F>::new(0))).unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("at least one"), "{message}");
}

fn a_task_with_nothing_left_to_spend_gives_way<F: Flavour>() {
    let barrier = Barrier::<F>::new(1);
    assert_eq!(tired(|| barrier.wait()).ends(), Ok(0));
    let hasty = tired(|| barrier.wait_timeout(SECOND));
    advance(SECOND);
    assert_eq!(hasty.ends(), Ok(0));
    let hurried = tired(|| barrier.wait_timeout(Duration::ZERO));
    assert_eq!(hurried.ends(), Ok(0), "it need not wait, so it is in time");
    let barrier = Barrier::<F>::new(2);
    assert_eq!(tired(|| barrier.wait_timeout(Duration::ZERO)).ends(), Err(Broken));
    assert!(barrier.is_broken());
}

fn waits_say_what_for<F: Flavour>() {
    with_services();
    let (barrier, created) = (Barrier::<F>::new(2), line!());
    let (waiter, asked) = (Task::waiting(barrier.wait()), line!());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::Barrier, created, asked));
    let text = format!("{barrier:?}");
    assert!(text.starts_with("Barrier { parties: 2, waiting: 1, is_broken: false, created"), "{text}");
    barrier.abort();
    assert_eq!(waiter.ends().unwrap_err().to_string(), "the barrier is broken");
    assert!(open_waits().is_empty());
}

fn it_costs_at_most_a_line_of_the_cache<F: Flavour>() {
    assert!(size_of::<Barrier<F>>() <= 64, "{}", size_of::<Barrier<F>>());
}

#[test]
fn it_crosses_threads() {
    assert!(is!(Barrier<Shared>: Send) && is!(Barrier<Shared>: Sync) && is!(WaitAll<'_, Shared>: Send));
    assert!(!is!(runtime_sync::Barrier: Send) && !is!(runtime_sync::Barrier: Sync));
}

#[test]
fn threads_go_in_step() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 500 };
    const THREADS: usize = 4;
    let barrier = runtime_sync::shared::Barrier::new(THREADS);
    let rounds = Mutex::new(vec![BTreeSet::new(); ROUNDS]);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    let index = barrier.blocking_wait().expect("nobody breaks it");
                    let mut rounds = rounds.lock().unwrap();
                    rounds[round].insert(index);
                    assert!(rounds.get(round + 2).is_none_or(BTreeSet::is_empty), "nobody is two ahead");
                }
            });
        }
    });
    let all: BTreeSet<_> = (0..THREADS).collect();
    assert!(rounds.into_inner().unwrap().into_iter().all(|indices| indices == all));
}

#[test]
fn a_thread_that_waits_hears_of_the_abort() {
    let barrier = runtime_sync::shared::Barrier::new(2);
    let result = thread::scope(|scope| {
        let waiter = scope.spawn(|| barrier.blocking_wait());
        barrier.abort(); // before it waits or after
        waiter.join().unwrap()
    });
    assert_eq!(result, Err(Broken));
}
