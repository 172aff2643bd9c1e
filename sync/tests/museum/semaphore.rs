//! What happened to semaphores.

use crate::stage::{On, Task, now};
use runtime_sync::{
    flavour::Flavour,
    semaphore::{BoundedSemaphore, OverRelease, Semaphore, TryAcquireError},
};
use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

both!(
    a_cancelled_heir_does_not_keep_its_permit,
    a_permit_is_not_free_and_granted_at_once,
    a_newcomer_does_not_overtake_one_that_asks_for_much,
    a_look_does_not_overtake_one_that_asks_for_much,
    the_queue_does_not_stay_marked_when_nobody_waits,
    many_permits_do_not_wake_only_one,
    permits_in_one_batch_do_not_vanish_with_its_waiter,
    a_cancelled_head_does_not_leave_those_behind_it_asleep,
    cancelling_one_that_waits_does_not_make_permits,
    a_second_poll_does_not_take_permits_twice,
    closed_does_not_open_again,
    a_close_does_not_leave_anyone_asleep,
    a_permit_granted_before_the_close_is_not_lost_by_it,
    more_permits_than_fit_do_not_wrap_around,
    more_is_not_given_back_than_was_taken,
    forgetting_does_not_spin_while_somebody_waits,
    a_permit_between_the_look_and_the_queue_is_not_missed,
    a_part_taken_off_does_not_count_twice,
    waiters_do_not_find_the_count_wrong_while_they_are_woken,
);

/// asyncio #270: release, the first waiter is chosen, it is cancelled, the second hangs with the value at 1.
fn a_cancelled_heir_does_not_keep_its_permit<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let permit = now(semaphore.acquire()).unwrap();
    let heir = Task::waiting(semaphore.acquire());
    let mut next = Task::waiting(semaphore.acquire());
    drop(permit);
    assert!(heir.is_woken());
    drop(heir);
    drop(next.ends());
    assert_eq!(semaphore.available_permits(), 1);
}

/// asyncio, gh-90155: the permit that was on its way to a waiter could be taken by others as well.
fn a_permit_is_not_free_and_granted_at_once<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let permit = now(semaphore.acquire()).unwrap();
    let mut heir = Task::waiting(semaphore.acquire());
    let mut other = Task::waiting(semaphore.acquire());
    drop(permit);
    assert!(!other.is_woken());
    assert_eq!(semaphore.available_permits(), 0);
    assert!(semaphore.try_acquire().is_err());
    let permit = heir.ends();
    assert!(!other.is_woken());
    drop(permit);
    drop(other.ends());
    assert_eq!(semaphore.available_permits(), 1);
}

/// asyncio, gh-90155 (and what `FIFO` means for tokio's batches): newcomers that ask for little went past one that
/// asks for much, which starved.
fn a_newcomer_does_not_overtake_one_that_asks_for_much<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(3);
    let permit = now(semaphore.acquire()).unwrap();
    let mut much = Task::waiting(semaphore.acquire_many(3));
    let mut little = Task::waiting(semaphore.acquire());
    drop(permit);
    assert!(!little.is_woken());
    drop(much.ends());
    drop(little.ends());
}

/// asyncio, gh-90155: nor does one that does not wait at all.
fn a_look_does_not_overtake_one_that_asks_for_much<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(3);
    let permit = now(semaphore.acquire()).unwrap();
    let _much = Task::waiting(semaphore.acquire_many(3));
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    drop(permit);
}

/// asyncio, #93222: the note that a wake-up was under way stayed when nobody was left to take it, and everybody
/// waited from then on.
fn the_queue_does_not_stay_marked_when_nobody_waits<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let permit = now(semaphore.acquire()).unwrap();
    let waiter = Task::waiting(semaphore.acquire());
    drop(permit);
    drop(waiter);
    drop(semaphore.try_acquire().expect("it is free and nobody waits"));
    let permit = now(semaphore.acquire()).unwrap();
    drop(Task::waiting(semaphore.acquire()));
    drop(permit);
    drop(now(semaphore.acquire()));
    let two = Semaphore::<F>::new(2);
    let _permit = now(two.acquire()).unwrap();
    drop(Task::waiting(two.acquire_many(2)));
    assert!(two.try_acquire().is_ok());
}

/// asyncio, #93222: several releases in one turn woke one waiter, and the others slept beside free permits.
fn many_permits_do_not_wake_only_one<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(0);
    let mut waiters: Vec<_> = (0..4).map(|_| Task::waiting(semaphore.acquire())).collect();
    semaphore.add_permits(3);
    let permits: Vec<_> = waiters[..3].iter_mut().map(Task::ends).collect();
    assert!(!waiters[3].is_woken());
    drop(permits);
    drop(waiters[3].ends());
    assert_eq!(semaphore.available_permits(), 3);
}

/// tokio #904: of a batch of permits that had reached a waiter, a part was lost when it was dropped.
fn permits_in_one_batch_do_not_vanish_with_its_waiter<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(4);
    let permits = now(semaphore.acquire_many(4)).unwrap();
    let heir = Task::waiting(semaphore.acquire_many(3));
    let mut two = Task::waiting(semaphore.acquire_many(2));
    drop(permits);
    assert!(heir.is_woken() && !two.is_woken());
    drop(heir);
    drop(two.ends());
    assert_eq!(semaphore.available_permits(), 4);
}

/// tokio #795 (and #2849 for its readers-writer lock): the head of the queue asked for more than there was and was
/// cancelled; those behind it could have been served, and nobody told them.
fn a_cancelled_head_does_not_leave_those_behind_it_asleep<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(3);
    let permit = now(semaphore.acquire()).unwrap();
    let much = Task::waiting(semaphore.acquire_many(3));
    let mut others: Vec<_> = (0..3).map(|_| Task::waiting(semaphore.acquire())).collect();
    drop(much);
    let permits: Vec<_> = others[..2].iter_mut().map(Task::ends).collect();
    assert!(!others[2].is_woken());
    drop((permits, permit));
    drop(others[2].ends());
    assert_eq!(semaphore.available_permits(), 3);
}

/// libunifex #659: a waiter that gave up before its turn gave back what it never had.
fn cancelling_one_that_waits_does_not_make_permits<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let permit = now(semaphore.acquire()).unwrap();
    let gone = Task::waiting(semaphore.acquire_many(1));
    let mut next = Task::waiting(semaphore.acquire());
    drop(gone);
    assert!(!next.is_woken());
    drop(permit);
    drop(next.ends());
    assert_eq!(semaphore.available_permits(), 1);
}

/// tokio #2325: polled again after it had queued, a waiter took permits once more.
fn a_second_poll_does_not_take_permits_twice<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(2);
    let permits = now(semaphore.acquire_many(2)).unwrap();
    let mut waiter = Task::waiting(semaphore.acquire_many(2));
    waiter.waits();
    waiter.waits();
    drop(permits);
    drop(waiter.ends());
    assert_eq!(semaphore.available_permits(), 2);
}

/// tokio #8021, #3644: giving permits back to a semaphore that was closed opened it again.
fn closed_does_not_open_again<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(2);
    let (one, two) = (now(semaphore.acquire()).unwrap(), now(semaphore.acquire()).unwrap());
    let waiter = Task::waiting(semaphore.acquire());
    semaphore.close();
    drop(waiter);
    drop(one);
    two.forget();
    semaphore.add_permits(1);
    assert!(semaphore.is_closed());
    assert_eq!(semaphore.available_permits(), 2, "what comes back is counted all the same");
    assert!(now(semaphore.acquire()).is_err());
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    assert_eq!(semaphore.forget_permits(1), 0);
    semaphore.close();
}

/// tokio #2123 (there a channel): a close told the first of those who waited and not the rest.
fn a_close_does_not_leave_anyone_asleep<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let mut waiters: Vec<_> = [2, 1, 3].map(|wanted| Task::waiting(semaphore.acquire_many(wanted))).into();
    semaphore.close();
    assert!(waiters.iter_mut().all(|waiter| waiter.ends().is_err()));
    assert_eq!(semaphore.available_permits(), 1);
}

/// tokio #8075 (there a channel): what had been granted when the close came was neither used nor returned.
fn a_permit_granted_before_the_close_is_not_lost_by_it<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(0);
    let mut heir = Task::waiting(semaphore.acquire());
    let cancelled = Task::waiting(semaphore.acquire());
    semaphore.add_permits(2);
    semaphore.close();
    assert_eq!(heir.ends().unwrap().count(), 1);
    drop(cancelled);
    assert_eq!(semaphore.available_permits(), 2);
}

/// tokio #3188: adding too many wrapped the count, and the bits beside it, around.
fn more_permits_than_fit_do_not_wrap_around<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(Semaphore::<F>::MAX_PERMITS);
    for too_many in [1, usize::MAX] {
        let added = catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(too_many)));
        assert!(added.is_err());
    }
    assert_eq!(semaphore.available_permits(), Semaphore::<F>::MAX_PERMITS);
    assert!(!semaphore.is_closed());
    let all = semaphore.try_acquire_many(Semaphore::<F>::MAX_PERMITS).unwrap();
    let added = catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(1)));
    assert!(added.is_err(), "those that are out will come back");
    drop(all);
}

/// asyncio, `BoundedSemaphore`: a release too many, and the limit has silently become another.
fn more_is_not_given_back_than_was_taken<F: Flavour>() {
    let semaphore = BoundedSemaphore::<F>::new(2);
    now(semaphore.acquire()).unwrap().forget();
    assert_eq!(semaphore.release(2), Err(OverRelease { bound: 2 }));
    assert_eq!(semaphore.available_permits(), 1);
    assert_eq!(semaphore.release(1), Ok(()));
    assert_eq!(semaphore.release(1), Err(OverRelease { bound: 2 }));
    assert_eq!(semaphore.available_permits(), 2);
}

/// async-lock 1.1.2: a loop that tried again and again for what only somebody else's turn could bring.
fn forgetting_does_not_spin_while_somebody_waits<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(2);
    let permit = now(semaphore.acquire()).unwrap();
    let mut much = Task::waiting(semaphore.acquire_many(2));
    assert_eq!(semaphore.forget_permits(1), 0, "what is free is meant for the one who waits");
    drop(permit);
    assert_eq!(much.ends().unwrap().count(), 2);
}

/// event-listener #138: see the lock's story of the same name. Two permits come just then, one too many.
fn a_permit_between_the_look_and_the_queue_is_not_missed<F: Flavour>() {
    let semaphore = Rc::new(Semaphore::<F>::new(0));
    let mut late = Task::new(semaphore.acquire());
    let giver = RefCell::new(Some(Rc::clone(&semaphore)));
    late.probe().on(On::Clone, move || {
        if let Some(semaphore) = giver.take() {
            semaphore.add_permits(2);
        }
    });
    let permit = late.poll();
    assert!(permit.is_ready());
    assert_eq!(semaphore.available_permits(), 1);
}

/// tokio #904, once more: the two halves of a batch together are the batch.
fn a_part_taken_off_does_not_count_twice<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(5);
    let mut five = now(semaphore.acquire_many(5)).unwrap();
    let mut waiter = Task::waiting(semaphore.acquire_many(3));
    let two = five.split(2).unwrap();
    drop(two);
    assert!(!waiter.is_woken());
    drop(five);
    drop(waiter.ends());
    assert_eq!(semaphore.available_permits(), 5);
}

/// tokio #8062 (there a channel): a counter told something else than what could be had.
fn waiters_do_not_find_the_count_wrong_while_they_are_woken<F: Flavour>() {
    let semaphore = Rc::new(Semaphore::<F>::new(0));
    let mut waiter = Task::waiting(semaphore.acquire_many(2));
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (look, note) = (Rc::clone(&semaphore), Rc::clone(&seen));
    waiter.probe().on(On::Wake, move || {
        let taken = look.try_acquire().is_ok();
        note.borrow_mut().push((look.available_permits(), taken));
    });
    semaphore.add_permits(3);
    assert_eq!(*seen.borrow(), [(1, true)], "three came, two are the waiter's");
    drop(waiter.ends());
}
