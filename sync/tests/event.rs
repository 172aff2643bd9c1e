//! Stories of `Event`.

mod stories;

use runtime_sync::{
    Kind,
    event::{Event, WaitSet},
    flavour::{Flavour, Shared},
};
use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use stories::{Task, advance, in_both_flavours, is, now, open_waits, tired, with_services, woken};

in_both_flavours!(
    it_stays_set_until_it_is_cleared,
    who_waited_passes_even_if_it_is_cleared_at_once,
    who_is_dropped_is_not_missed,
    a_thousand_are_woken_in_the_order_in_which_they_came,
    a_limit_says_whether_it_came_in_time,
    a_task_with_nothing_left_to_spend_gives_way,
    waits_say_what_for,
    it_costs_at_most_a_line_of_the_cache,
);

fn it_stays_set_until_it_is_cleared<F: Flavour>() {
    let event = Event::<F>::new();
    assert!(!event.is_set());
    event.set();
    event.set();
    assert!(event.is_set());
    now(event.wait());
    now(event.wait());
    event.clear();
    event.clear();
    assert!(!event.is_set());
    let waiting = Task::waiting(event.wait());
    assert!(!waiting.is_woken());
    event.set();
    waiting.ends();
}

fn who_waited_passes_even_if_it_is_cleared_at_once<F: Flavour>() {
    let event = Event::<F>::default();
    let before: Vec<_> = (0..3).map(|_| Task::waiting(event.wait())).collect();
    event.set();
    event.clear();
    let mut after = Task::waiting(event.wait());
    assert_eq!(woken(&before), [0, 1, 2]);
    before.into_iter().for_each(Task::ends);
    assert!(!after.is_woken());
    after.goes_on_waiting();
    event.set();
    after.ends();
}

fn who_is_dropped_is_not_missed<F: Flavour>() {
    let event = Event::<F>::new();
    let mut tasks: Vec<_> = (0..4).map(|_| Task::waiting(event.wait())).collect();
    drop(tasks.remove(1));
    event.set();
    drop(tasks.remove(0)); // it was let pass
    assert_eq!(woken(&tasks), [0, 1]);
    event.clear();
    tasks.into_iter().for_each(Task::ends);
    assert!(!event.is_set());
}

fn a_thousand_are_woken_in_the_order_in_which_they_came<F: Flavour>() {
    const CROWD: usize = if cfg!(miri) { 20 } else { 1_000 };
    let event = Event::<F>::new();
    let order = stories::Order::default();
    let tasks: Vec<_> = (0..CROWD).map(|number| order.waiting(number, event.wait())).collect();
    event.set();
    assert!(order.woken().into_iter().eq(0..CROWD));
    drop(tasks);
}

fn a_limit_says_whether_it_came_in_time<F: Flavour>() {
    with_services();
    let second = Duration::from_secs(1);
    let event = Event::<F>::new();
    let hasty = Task::waiting(event.wait_timeout(second));
    let patient = Task::waiting(event.wait_timeout(2 * second));
    advance(second);
    assert!(!hasty.ends());
    assert!(!patient.is_woken());
    event.set();
    advance(second);
    assert!(patient.ends(), "it was set when it looked");
    assert!(now(event.wait_timeout(Duration::ZERO)));
}

fn a_task_with_nothing_left_to_spend_gives_way<F: Flavour>() {
    let event = Event::<F>::new();
    event.set();
    tired(|| event.wait()).ends();
}

fn waits_say_what_for<F: Flavour>() {
    with_services();
    let (event, created) = (Event::<F>::new(), line!());
    let (waiting, asked) = (Task::waiting(event.wait()), line!());
    let [wait] = open_waits()[..] else { panic!("one waits") };
    assert_eq!((wait.kind, wait.created.line(), wait.asked.line()), (Kind::Event, created, asked));
    assert_eq!(wait.holder, None);
    let text = format!("{event:?}");
    assert!(text.starts_with("Event { is_set: false, waiters: 1, created"), "{text}");
    event.set();
    waiting.ends();
    assert!(open_waits().is_empty());
}

fn it_costs_at_most_a_line_of_the_cache<F: Flavour>() {
    assert!(size_of::<Event<F>>() <= 64, "{}", size_of::<Event<F>>());
}

#[test]
fn it_crosses_threads() {
    assert!(is!(Event<Shared>: Send) && is!(Event<Shared>: Sync) && is!(WaitSet<'_, Shared>: Send));
    assert!(!is!(runtime_sync::Event: Send) && !is!(runtime_sync::Event: Sync));
}

/// Whoever sets it after a change is heard by whoever clears it and then looks: one of the two sees the other.
#[test]
fn a_change_before_set_is_seen_by_who_clears_it() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 1_000 };
    let (event, number) = (runtime_sync::shared::Event::new(), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                number.store(round, Ordering::Relaxed);
                event.set();
            }
        });
        let mut seen = 0;
        while seen < ROUNDS {
            event.blocking_wait();
            event.clear();
            seen = number.load(Ordering::Relaxed);
        }
    });
}

#[test]
fn threads_pass_together() {
    const THREADS: usize = 3;
    let (event, ready) = (runtime_sync::shared::Event::new(), Barrier::new(THREADS + 1));
    let passed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                ready.wait();
                event.blocking_wait(); // before it is set or after
                passed.fetch_add(1, Ordering::Relaxed);
            });
        }
        ready.wait();
        assert_eq!(passed.load(Ordering::Relaxed), 0);
        event.set();
    });
    assert_eq!(passed.into_inner(), THREADS);
}
