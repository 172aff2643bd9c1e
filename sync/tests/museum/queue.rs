//! What happened to queues.

use crate::stage::{OnDrop, Task, now};
use runtime_sync::{
    flavour::Flavour,
    queue::{Fifo, GetError, Lifo, Priority, PutError, Queue, TryGetError, TryPutError},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

both!(
    an_item_does_not_vanish_with_a_cancelled_getter,
    an_item_does_not_vanish_with_a_cancelled_putter,
    a_getter_that_was_woken_is_not_overtaken,
    a_join_does_not_end_early,
    a_join_does_not_sleep_for_ever,
    work_put_in_by_waiting_is_not_forgotten,
    an_item_dropped_at_the_close_is_not_waited_for,
    a_close_does_not_drop_what_is_there,
    a_close_does_not_leave_anyone_asleep,
    work_is_not_done_more_often_than_it_was_put_in,
    an_urgent_item_does_not_wait_behind_a_granted_one,
    equals_do_not_overtake_each_other,
    an_item_is_not_dropped_under_the_borrow,
);

/// asyncio, bpo-23812: the item was handed to a getter that had just been cancelled.
fn an_item_does_not_vanish_with_a_cancelled_getter<F: Flavour>() {
    let queue = Queue::<Lifo<_>, F>::unbounded();
    let chosen = Task::waiting(queue.get());
    let mut next = Task::waiting(queue.get());
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    assert!(chosen.is_woken());
    drop(chosen);
    assert_eq!(next.ends(), Ok(2));
    assert_eq!(queue.try_get(), Ok(1));
}

/// asyncio #201: the place was given to a putter that had just been cancelled, and the others slept beside room.
fn an_item_does_not_vanish_with_a_cancelled_putter<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(1);
    queue.try_put(0).unwrap();
    let chosen = Task::waiting(queue.put(1));
    let mut next = Task::waiting(queue.put(2));
    assert_eq!(queue.try_get(), Ok(0));
    drop(chosen);
    next.ends().unwrap();
    assert_eq!(queue.try_get(), Ok(2));
    assert_eq!(queue.unfinished(), 2, "what was cancelled was never put in");
}

/// asyncio, gh-90155, for queues.
fn a_getter_that_was_woken_is_not_overtaken<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(1);
    let mut first = Task::waiting(queue.get());
    queue.try_put('a').unwrap();
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(queue.try_put('b'), Err(TryPutError::Full('b')), "it is there until it is taken");
    assert_eq!(first.ends(), Ok('a'));
    queue.try_put('b').unwrap();
}

/// tokio #8062's pattern, two truths: the items were all taken, and not all done with.
fn a_join_does_not_end_early<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    let mut join = Task::waiting(queue.join());
    (0..2).for_each(|_| _ = queue.try_get().unwrap());
    queue.task_done();
    assert!(!join.is_woken() && queue.is_empty());
    queue.try_put(3).unwrap();
    queue.task_done();
    assert!(!join.is_woken(), "there is new work");
    queue.task_done();
    join.ends();
}

/// asyncio, #93222's pattern: the end of the work told one of those who waited for it.
fn a_join_does_not_sleep_for_ever<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    now(queue.join());
    queue.try_put(1).unwrap();
    let mut joins: Vec<_> = (0..3).map(|_| Task::waiting(queue.join())).collect();
    drop(joins.remove(1));
    queue.task_done();
    joins.iter_mut().for_each(Task::ends);
}

/// tokio #8062's pattern: counted on the one way in, and not on the other.
fn work_put_in_by_waiting_is_not_forgotten<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(2);
    now(queue.put(1)).unwrap();
    now(queue.put(2)).unwrap();
    let mut late = Task::waiting(queue.put(3));
    assert_eq!((queue.unfinished(), now(queue.get())), (2, Ok(1)));
    late.ends().unwrap();
    assert_eq!(queue.unfinished(), 3);
}

/// asyncio, gh-96471 (`Queue.shutdown(immediate=True)`): what is thrown away will never be reported as done.
fn an_item_dropped_at_the_close_is_not_waited_for<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    queue.try_get().unwrap();
    let mut join = Task::waiting(queue.join());
    queue.close_now();
    assert!(!join.is_woken(), "one is being worked on");
    queue.task_done();
    join.ends();
    assert_eq!((queue.len(), queue.unfinished()), (0, 0));
}

/// tokio #7686's neighbour: a close that lost what had been accepted.
fn a_close_does_not_drop_what_is_there<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::bounded(2);
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    let mut refused = Task::waiting(queue.put(3));
    queue.close();
    assert_eq!(refused.ends(), Err(PutError(3)));
    assert_eq!((now(queue.get()), queue.try_get()), (Ok(1), Ok(2)));
    assert_eq!((now(queue.get()), queue.try_get()), (Err(GetError), Err(TryGetError::Closed)));
}

/// tokio #2123's kin: an end that told one.
fn a_close_does_not_leave_anyone_asleep<F: Flavour>() {
    let queue = Queue::<Fifo<u8>, F>::unbounded();
    let mut getters: Vec<_> = (0..3).map(|_| Task::waiting(queue.get())).collect();
    queue.close();
    assert!(getters.iter_mut().all(|getter| getter.ends() == Err(GetError)));
    let queue = Queue::<Fifo<u8>, F>::bounded(1);
    queue.try_put(0).unwrap();
    let mut putters: Vec<_> = (1..4).map(|item| Task::waiting(queue.put(item))).collect();
    queue.close_now();
    assert!(putters.iter_mut().all(|putter| putter.ends().is_err()));
}

/// asyncio's `BoundedSemaphore` mistake, in a queue: a count below nothing.
fn work_is_not_done_more_often_than_it_was_put_in<F: Flavour>() {
    let queue = Queue::<Fifo<_>, F>::unbounded();
    queue.try_put(1).unwrap();
    queue.task_done();
    assert!(catch_unwind(AssertUnwindSafe(|| queue.task_done())).is_err());
    assert_eq!(queue.unfinished(), 0);
    queue.try_put(2).unwrap();
    Task::waiting(queue.join());
}

/// What "the lowest first" means while one has been woken and has not run: it takes the lowest of those that are there
/// when it runs, and the other stays for the next.
fn an_urgent_item_does_not_wait_behind_a_granted_one<F: Flavour>() {
    let queue = Queue::<Priority<_>, F>::unbounded();
    let mut first = Task::waiting(queue.get());
    queue.try_put(7).unwrap();
    queue.try_put(3).unwrap();
    assert_eq!(first.ends(), Ok(3));
    assert_eq!(queue.try_get(), Ok(7));
}

/// gevent #1520, with priorities: among equals, who came first.
fn equals_do_not_overtake_each_other<F: Flavour>() {
    #[derive(PartialEq, Eq)]
    struct Job(u8, &'static str);
    impl Ord for Job {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    impl PartialOrd for Job {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    let queue = Queue::<Priority<_>, F>::unbounded();
    for (urgency, name) in [(2, "c"), (1, "a"), (2, "d"), (1, "b"), (2, "e")] {
        assert!(queue.try_put(Job(urgency, name)).is_ok());
    }
    let names: Vec<_> = std::iter::from_fn(|| queue.try_get().ok()).map(|job| job.1).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

/// tokio #1886, for queues: what `close_now` throws away may come back to the queue in its `drop`.
fn an_item_is_not_dropped_under_the_borrow<F: Flavour>() {
    let queue = Rc::new(Queue::<Fifo<OnDrop>, F>::unbounded());
    let again = Rc::clone(&queue);
    let item = OnDrop::new(move || {
        assert!(again.is_closed() && again.is_empty());
        assert_eq!(again.unfinished(), 0);
    });
    assert!(queue.try_put(item).is_ok());
    queue.close_now();
    assert_eq!(Rc::strong_count(&queue), 1, "it was dropped");
}
