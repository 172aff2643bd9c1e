//! What happened where a wait and its limit of time met.
//!
//! The limits are kept by an executor's timers; here an executor without a clock, in which every sleep is over at its
//! second poll.

use crate::stage::{Task, now};
use runtime_sync::{
    Board, Elapsed, Kind, Observer, Owner, Wait, event::Event, flavour::Flavour, lock::Lock,
    semaphore::Semaphore,
};
use std::{
    future::{Future, poll_fn},
    num::NonZeroU64,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Poll, RawWakerVTable, Waker},
    time::Duration,
};

both!(
    a_lock_that_came_in_time_is_not_lost_to_the_limit,
    a_limit_that_is_over_does_not_keep_the_lock,
    an_event_in_time_is_not_called_late,
    a_permit_does_not_vanish_between_the_limit_and_its_waiter,
);

struct Timers;

impl Observer for Timers {
    fn wakers(&self) -> Option<&'static RawWakerVTable> {
        None
    }
    fn wake(&self, _: usize) {}
    fn enlist(&self, _: &Arc<Board>) {}
    fn begin(&self, _: &Waker, _: &Wait, _: bool) -> Option<NonZeroU64> {
        None
    }
    fn end(&self, _: NonZeroU64) {}
    // Nobody by name: it makes no difference to the other stories whether this was installed before them.
    fn owner(&self, _: &Waker) -> Owner {
        Owner::UNKNOWN
    }
    fn current(&self) -> Owner {
        Owner::UNKNOWN
    }
    fn holds(&self, _: Owner, _: Kind, _: &'static Location<'static>, _: i32) {}
    fn take_budget(&self, _: u8) -> bool {
        true
    }
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut is_over = false;
        Box::pin(poll_fn(move |_| {
            let polled = if is_over { Poll::Ready(()) } else { Poll::Pending };
            is_over = true;
            polled
        }))
    }
}

const SOON: Duration = Duration::from_secs(1);

/// asyncio, gh-86296, bpo-37658: the lock and the end of the time came in one turn of the loop; `wait_for` said that
/// time was over, and dropped a lock that nobody held from then on.
fn a_lock_that_came_in_time_is_not_lost_to_the_limit<F: Flavour>() {
    runtime_sync::install(&Timers);
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let mut waiter = Task::waiting(lock.acquire_timeout(SOON));
    drop(guard);
    let guard = waiter.ends().expect("it is there, whatever the time");
    assert!(lock.try_acquire().is_none());
    drop(guard);
    assert!(!lock.locked());
}

/// asyncio, gh-87555: whoever gave up was still in the queue, and the lock went to it.
fn a_limit_that_is_over_does_not_keep_the_lock<F: Flavour>() {
    runtime_sync::install(&Timers);
    let lock = Lock::<_, F>::new(());
    let guard = now(lock.acquire());
    let mut hurried = Task::waiting(lock.acquire_timeout(SOON));
    let mut patient = Task::waiting(lock.acquire());
    assert!(matches!(hurried.poll(), Poll::Ready(Err(Elapsed))));
    drop(guard);
    drop(patient.ends());
}

/// asyncio, bpo-42130: what was done in time counts, even if somebody looks later.
fn an_event_in_time_is_not_called_late<F: Flavour>() {
    runtime_sync::install(&Timers);
    let event = Event::<F>::new();
    let mut waiter = Task::waiting(event.wait_timeout(SOON));
    event.set();
    assert!(waiter.ends());
    event.clear();
    let mut late = Task::waiting(event.wait_timeout(SOON));
    assert_eq!(late.poll(), Poll::Ready(false));
}

/// asyncio, cpython #28149: the child had the resource, the parent was cancelled before it took it over.
fn a_permit_does_not_vanish_between_the_limit_and_its_waiter<F: Flavour>() {
    runtime_sync::install(&Timers);
    let semaphore = Semaphore::<F>::new(1);
    let permit = now(semaphore.acquire()).unwrap();
    let heir = Task::waiting(semaphore.acquire_timeout(SOON));
    drop(permit);
    assert!(heir.is_woken());
    drop(heir);
    assert_eq!(semaphore.available_permits(), 1);
}
