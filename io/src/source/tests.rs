//! The letter boxes and their waiters, step by step.

use super::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

const BOTH: Readiness = Readiness::READABLE.with(Readiness::WRITABLE);

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn seat(table: &mut Table, token: Token, direction: Direction, id: &mut WaiterId, waker: &Waker) -> Standing {
    table.ask(token, direction, id, &mut Some(Waiter::new(waker)))
}

#[test]
fn a_source_is_one_cache_line() {
    assert!(size_of::<Source>() <= 64, "{}", size_of::<Source>());
    // The slab's own mark hides in the generation.
    assert_eq!(size_of::<Option<Source>>(), size_of::<Source>());
}

#[test]
fn an_event_for_a_source_that_is_gone_does_not_reach_the_next_in_its_slot() {
    let mut table = Table::default();
    let mut woken = Vec::new();
    let gone = table.insert(7).unwrap();
    table.remove(gone, &mut woken);
    let next = table.insert(7).unwrap();
    assert_eq!(gone.0 & INDEX_MASK, next.0 & INDEX_MASK, "the slot is used again");
    let mut id = WaiterId::NONE;
    assert!(matches!(seat(&mut table, next, Direction::Read, &mut id, Waker::noop()), Standing::Waiting));

    table.deliver(gone, BOTH, &mut woken);
    assert!(woken.is_empty());
    assert_eq!(table.take_event(next, Direction::Read), None);
    assert_eq!(table.take_event(gone, Direction::Read), None);
    table.deliver(next, BOTH, &mut woken);
    assert_eq!((woken.len(), table.waiting()), (1, 0));
}

#[test]
fn a_crowd_is_woken_in_its_order_and_direction() {
    let mut table = Table::default();
    let token = table.insert(7).unwrap();
    let counters: Vec<Arc<Counter>> = (0..6).map(|_| Arc::default()).collect();
    let mut ids = [WaiterId::NONE; 6];
    for (index, counter) in counters.iter().enumerate() {
        let direction = if index % 2 == 0 { Direction::Read } else { Direction::Write };
        let standing = seat(&mut table, token, direction, &mut ids[index], &Waker::from(Arc::clone(counter)));
        assert!(matches!(standing, Standing::Waiting));
    }
    assert_eq!(table.waiting(), 6);
    // The second reader gives up; giving up twice, or in the wrong direction, hits nobody.
    drop(table.unseat(token, Direction::Write, ids[2]));
    assert_eq!(table.waiting(), 6);
    drop(table.unseat(token, Direction::Read, ids[2]));
    drop(table.unseat(token, Direction::Read, ids[2]));
    assert_eq!(table.waiting(), 5);

    let mut woken = Vec::new();
    table.deliver(token, Readiness::READABLE, &mut woken);
    assert_eq!((woken.len(), table.waiting()), (2, 3));
    let counts = || counters.iter().map(|counter| counter.0.load(Ordering::Relaxed)).collect::<Vec<_>>();
    let mut woken = woken.into_iter();
    woken.next().unwrap().wake();
    assert_eq!(counts(), [1, 0, 0, 0, 0, 0]);
    woken.next().unwrap().wake();
    assert_eq!(counts(), [1, 0, 0, 0, 1, 0]);

    let mut rest = Vec::new();
    table.remove(token, &mut rest);
    assert_eq!((rest.len(), table.waiting(), table.len()), (3, 0, 0));
    drop(rest);
    assert!(counters.iter().all(|counter| Arc::strong_count(counter) == 1), "a waker is left");
}

#[test]
fn an_event_nobody_waits_for_is_kept_until_it_is_taken() {
    let mut table = Table::default();
    let token = table.insert(7).unwrap();
    let mut woken = Vec::new();
    table.deliver(token, BOTH.with(Readiness::PRIORITY), &mut woken);
    table.deliver(token, Readiness::WRITABLE, &mut woken);
    let mut id = WaiterId::NONE;
    let Standing::Ready(event) = seat(&mut table, token, Direction::Read, &mut id, Waker::noop()) else {
        panic!("the event was lost");
    };
    assert!(event.intersects(Readiness::PRIORITY));
    assert!(id.is_none() && table.waiting() == 0, "nobody was seated");
    assert_eq!(table.take_event(token, Direction::Read), None, "it is taken once");
    let event = table.take_event(token, Direction::Write).expect("the writer's is still there");
    assert!(!event.intersects(Readiness::PRIORITY));
}

#[test]
fn a_hang_up_is_told_to_every_later_asker() {
    let mut table = Table::default();
    let token = table.insert(7).unwrap();
    table.deliver(token, BOTH.with(Readiness::HUNG_UP), &mut Vec::new());
    for direction in [Direction::Read, Direction::Write] {
        assert!(table.take_event(token, direction).unwrap().intersects(Readiness::HUNG_UP));
    }
}

#[test]
fn polling_again_moves_the_wake_to_the_last_waker() {
    let mut table = Table::default();
    let token = table.insert(7).unwrap();
    let (first, second) = (Arc::<Counter>::default(), Arc::<Counter>::default());
    for counter in [&first, &second] {
        let mut id = WaiterId::shared();
        let standing = seat(&mut table, token, Direction::Read, &mut id, &Arc::clone(counter).into());
        assert!(matches!(standing, Standing::Waiting));
    }
    assert_eq!((table.waiting(), Arc::strong_count(&first)), (1, 1));
    let mut woken = Vec::new();
    table.deliver(token, Readiness::READABLE, &mut woken);
    woken.into_iter().for_each(Waiter::wake);
    assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
}

#[test]
fn who_is_seated_already_is_found_so_and_no_other() {
    let mut table = Table::default();
    let token = table.insert(7).unwrap();
    let (ours, other) = (Waker::from(Arc::<Counter>::default()), Waker::from(Arc::<Counter>::default()));
    let mut look = |id, waker| table.look(token, Direction::Read, id, waker);
    assert!(
        look(WaiterId::NONE, &ours).is_none() && look(WaiterId::shared(), &ours).is_none(),
        "nobody sits"
    );
    let mut id = WaiterId::shared();
    assert!(matches!(seat(&mut table, token, Direction::Read, &mut id, &ours), Standing::Waiting));

    assert!(matches!(table.look(token, Direction::Read, id, &ours), Some(Standing::Waiting)));
    assert!(table.look(token, Direction::Read, id, &other).is_none(), "another task is to take the seat");
    assert!(table.look(token, Direction::Write, id, &ours).is_none(), "of the other direction");
    assert!(table.look(token, Direction::Read, WaiterId::NONE, &ours).is_none(), "a seat of his own");
    table.deliver(token, Readiness::READABLE, &mut Vec::new());
    assert!(matches!(table.look(token, Direction::Read, id, &ours), Some(Standing::Ready(_))));
    assert!(table.look(token, Direction::Read, id, &ours).is_none(), "the event is taken once");
    table.remove(token, &mut Vec::new());
    assert!(matches!(table.look(token, Direction::Read, id, &ours), Some(Standing::Gone)));
}
