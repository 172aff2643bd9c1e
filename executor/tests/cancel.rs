//! Cancelling at every moment of a task's life, from here and from other threads: the future is dropped exactly
//! once, by its own thread, and the outcome is the value or "cancelled", never both and never neither.
#![cfg(not(loom))]

mod common;

use common::{Drops, Guarded, Log, elsewhere, executor, own_waker, pause, poll_once, scaled};
use runtime_executor::{
    Executor, Handle, RuntimeId, join_all, spawn,
    task::{self, CancelHandle, yield_now},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
};

#[test]
fn cancelled_before_its_first_poll_a_task_never_runs() {
    let drops = Drops::default();
    executor().block_on(async {
        let guard = drops.value();
        let handle = spawn(async move {
            let _guard = guard;
            unreachable!("cancelled before it could run");
        });
        assert!(handle.cancel());
        assert_eq!(drops.count(), 0, "not inside the caller's stack");
        assert!(!handle.is_finished());
        let outcome: Result<(), _> = handle.await;
        assert!(outcome.unwrap_err().is_cancelled());
        drops.assert_here(1);
    });
}

#[test]
fn cancelled_while_queued_a_task_is_not_polled_again() {
    let drops = Drops::default();
    executor().block_on(async {
        let polls = Rc::new(Cell::new(0));
        let seen = polls.clone();
        let handle = spawn(Guarded::new(drops.value(), move |context| -> Poll<()> {
            seen.set(seen.get() + 1);
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        yield_now().await;
        assert!(handle.cancel(), "its ticket is in the queue now");
        assert!(handle.await.unwrap_err().is_cancelled());
        assert_eq!(polls.get(), 1);
        drops.assert_here(1);
    });
}

#[test]
fn cancelled_while_it_waits_a_task_is_dropped_at_its_next_turn() {
    let log = Log::default();
    executor().block_on(async {
        let guard = log.on_drop("dropped");
        let handle = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_now().await;
        assert!(handle.cancel());
        log.add("cancel returned");
        assert!(handle.await.unwrap_err().is_cancelled());
        log.add("joined");
    });
    assert_eq!(log.take(), ["cancel returned", "dropped", "joined"]);
}

/// A task that holds a handle for cancelling itself.
fn suicidal<T: 'static>(
    drops: &Drops,
    mut then: impl FnMut(&mut std::task::Context<'_>) -> Poll<T> + Unpin + 'static,
) -> task::JoinHandle<T> {
    let own: Rc<RefCell<Option<CancelHandle>>> = Rc::default();
    let reader = own.clone();
    let handle = spawn(Guarded::new(drops.value(), move |context| {
        reader.borrow().as_ref().unwrap().cancel();
        then(context)
    }));
    *own.borrow_mut() = Some(handle.cancel_handle());
    handle
}

#[test]
fn cancelled_by_itself_a_task_that_then_waits_is_dropped() {
    let drops = Drops::default();
    executor().block_on(async {
        let polls = Rc::new(Cell::new(0));
        let seen = polls.clone();
        let handle = suicidal(&drops, move |_| -> Poll<()> {
            seen.set(seen.get() + 1);
            Poll::Pending
        });
        assert!(handle.await.unwrap_err().is_cancelled());
        assert_eq!(polls.get(), 1);
        drops.assert_here(1);
    });
}

#[test]
fn cancelled_by_itself_a_task_that_then_ends_has_its_value() {
    let drops = Drops::default();
    executor().block_on(async {
        let handle = suicidal(&drops, |_| Poll::Ready(7));
        assert_eq!(handle.await.unwrap(), 7);
        drops.assert_here(1);
        yield_now().await; // the ticket of the cancellation finds nobody
    });
}

#[test]
fn cancelled_by_itself_a_task_that_then_panics_has_panicked() {
    let drops = Drops::default();
    executor().block_on(async {
        let handle = suicidal(&drops, |_| -> Poll<()> { panic!("after all") });
        assert!(handle.await.unwrap_err().is_panic());
        drops.assert_here(1);
    });
}

/// Has another thread cancel the task during its poll.
fn cancelled_during_its_poll(drops: &Drops, end: bool) -> task::JoinHandle<u32> {
    let own: Rc<RefCell<Option<CancelHandle>>> = Rc::default();
    let reader = own.clone();
    let mut polls = 0;
    let handle = spawn(Guarded::new(drops.value(), move |_| {
        polls += 1;
        assert_eq!(polls, 1, "polled after it was cancelled");
        let cancel = reader.borrow().clone().unwrap();
        elsewhere(move || cancel.cancel());
        if end { Poll::Ready(7) } else { Poll::Pending }
    }));
    *own.borrow_mut() = Some(handle.cancel_handle());
    handle
}

#[test]
fn cancelled_by_another_thread_while_it_runs_a_task_that_then_waits_is_dropped_at_home() {
    let drops = Drops::default();
    executor().block_on(async {
        assert!(cancelled_during_its_poll(&drops, false).await.unwrap_err().is_cancelled());
        drops.assert_here(1);
    });
}

#[test]
fn cancelled_by_another_thread_while_it_runs_a_task_that_then_ends_has_its_value() {
    let drops = Drops::default();
    executor().block_on(async {
        assert_eq!(cancelled_during_its_poll(&drops, true).await.unwrap(), 7);
        drops.assert_here(1);
        yield_now().await;
    });
}

#[test]
fn cancelled_after_its_end_a_task_keeps_its_value() {
    executor().block_on(async {
        let handle = spawn(async { 7 });
        let early = handle.cancel_handle();
        yield_now().await;
        assert!(!handle.cancel());
        let late = handle.cancel_handle();
        early.cancel();
        late.cancel();
        elsewhere(|| {
            early.cancel();
            late.cancel();
        });
        yield_now().await;
        assert_eq!(handle.cancel_and_wait().await.unwrap(), 7);
    });
}

#[test]
fn cancelled_twice_a_task_is_dropped_once() {
    let drops = Drops::default();
    executor().block_on(async {
        let handle = spawn(Guarded::new(drops.value(), |_| Poll::<()>::Pending));
        let (first, second) = (handle.cancel_handle(), handle.cancel_handle());
        assert_eq!(first, second);
        yield_now().await;
        assert!(handle.cancel());
        assert!(handle.cancel());
        first.cancel();
        elsewhere(|| second.cancel());
        assert!(handle.await.unwrap_err().is_cancelled());
        yield_now().await;
        first.cancel();
        drops.assert_here(1);
    });
}

#[test]
fn cancelled_by_another_thread_while_the_loop_sleeps_a_task_ends_soon() {
    let drops = Drops::default();
    executor().block_on(async {
        let handle = spawn(Guarded::new(drops.value(), |_| Poll::<()>::Pending));
        let cancel = handle.cancel_handle();
        let started = Arc::new(Barrier::new(2));
        std::thread::scope(|scope| {
            let at_start = started.clone();
            scope.spawn(move || {
                at_start.wait();
                cancel.cancel();
            });
            started.wait();
        });
        assert!(handle.await.unwrap_err().is_cancelled());
        drops.assert_here(1);
    });
}

#[test]
fn the_other_thread_may_cancel_at_any_moment_and_the_outcome_is_always_one() {
    let rounds = scaled(2_000, 30);
    let (tickets, requests) = std::sync::mpsc::channel::<CancelHandle>();
    let drops = Drops::default();
    std::thread::scope(|scope| {
        scope.spawn(move || requests.iter().for_each(|cancel| cancel.cancel()));
        executor().block_on(async {
            let (mut values, mut cancelled) = (0, 0);
            for round in 0..rounds {
                let guard = drops.value();
                let handle = spawn(async move {
                    let _guard = guard;
                    for _ in 0..round % 5 {
                        yield_now().await;
                    }
                    round
                });
                tickets.send(handle.cancel_handle()).unwrap();
                match handle.await {
                    Ok(value) => {
                        assert_eq!(value, round);
                        values += 1;
                    }
                    Err(error) => {
                        assert!(error.is_cancelled());
                        cancelled += 1;
                    }
                }
                drops.assert_here(round + 1);
            }
            assert_eq!(values + cancelled, rounds);
            drop(tickets);
        });
    });
}

#[test]
fn many_threads_may_cancel_many_tasks_of_a_sleeping_loop() {
    let tasks = scaled(1_000, 16);
    let drops = Drops::default();
    executor().block_on(async {
        let handles: Vec<_> =
            (0..tasks).map(|_| spawn(Guarded::new(drops.value(), |_| Poll::<()>::Pending))).collect();
        let cancels: Arc<Vec<_>> = Arc::new(handles.iter().map(task::JoinHandle::cancel_handle).collect());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let cancels = cancels.clone();
                std::thread::Builder::new()
                    .spawn(move || cancels.iter().for_each(CancelHandle::cancel))
                    .unwrap()
            })
            .collect();
        let outcomes = join_all(handles).await;
        assert!(outcomes.into_iter().all(|outcome| outcome.unwrap_err().is_cancelled()));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drops.assert_here(tasks);
    });
}

#[test]
fn a_stale_cancel_handle_never_hits_the_successor_in_its_slot() {
    executor().block_on(async {
        let first = spawn(async {});
        let stale = first.cancel_handle();
        first.await.unwrap();
        // One vacant slot: the successor lives where the first lived.
        let successor = spawn(async {
            for _ in 0..4 {
                yield_now().await;
            }
            7
        });
        yield_now().await;
        stale.cancel();
        elsewhere(|| stale.cancel());
        assert_eq!(successor.await.unwrap(), 7);
    });
}

#[test]
fn a_stale_cancel_handle_never_hits_a_task_of_the_next_runtime() {
    // Same thread, same index, same slot, same task number, and still another task.
    let first = executor();
    let stale = first.block_on(async {
        let handle = spawn(pending::<()>());
        let cancel = handle.cancel_handle();
        handle.detach();
        cancel
    });
    drop(first);
    stale.cancel();
    executor().block_on(async {
        let successor = spawn(async {
            for _ in 0..4 {
                yield_now().await;
            }
            7
        });
        assert_eq!(successor.id(), stale.id());
        stale.cancel();
        elsewhere(|| stale.cancel());
        assert_eq!(successor.await.unwrap(), 7);
    });
}

#[test]
fn between_two_runs_a_request_waits_for_the_next() {
    let drops = Drops::default();
    let executor = executor();
    let [by_handle, by_cancel_handle, from_elsewhere] = executor.block_on(async {
        let handles = [0; 3].map(|_| spawn(Guarded::new(drops.value(), |_| Poll::<()>::Pending)));
        yield_now().await;
        handles
    });
    assert!(by_handle.cancel());
    by_cancel_handle.cancel_handle().cancel();
    let cancel = from_elsewhere.cancel_handle();
    elsewhere(|| cancel.cancel());
    assert_eq!(drops.count(), 0);
    executor.block_on(async {
        for handle in [by_handle, by_cancel_handle, from_elsewhere] {
            assert!(handle.await.unwrap_err().is_cancelled());
        }
        drops.assert_here(3);
    });
}

#[test]
fn cancel_and_wait_resolves_after_the_drop() {
    let log = Log::default();
    executor().block_on(async {
        let guard = log.on_drop("dropped");
        let handle = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_now().await;
        assert!(handle.cancel_and_wait().await.unwrap_err().is_cancelled());
        log.add("waited");
    });
    assert_eq!(log.take(), ["dropped", "waited"]);
}

#[test]
fn the_request_of_cancel_and_wait_stands_though_nobody_polls_it() {
    let drops = Drops::default();
    executor().block_on(async {
        let handle = spawn(Guarded::new(drops.value(), |_| Poll::<()>::Pending));
        yield_now().await;
        drop(handle.cancel_and_wait());
        yield_now().await;
        drops.assert_here(1);
        assert_eq!(task::count(), 0);
    });
}

#[test]
fn a_task_may_cancel_its_siblings_from_its_drop() {
    let log = Log::default();
    executor().block_on(async {
        let guard = log.on_drop("sibling");
        let sibling = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let cancel = sibling.cancel_handle();
        let writer = log.clone();
        let on_drop = common::OnDrop::new(move || {
            cancel.cancel();
            writer.add("asked");
        });
        let first = spawn(async move {
            let _on_drop = on_drop;
            pending::<()>().await;
        });
        yield_now().await;
        assert!(first.cancel_and_wait().await.unwrap_err().is_cancelled());
        assert!(sibling.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["asked", "sibling"], "never inside somebody else's turn");
    });
}

#[test]
fn a_task_cancelled_by_its_own_drop_is_dropped_once() {
    let drops = Drops::default();
    executor().block_on(async {
        let own: Rc<RefCell<Option<CancelHandle>>> = Rc::default();
        let reader = own.clone();
        let again = common::OnDrop::new(move || reader.borrow().as_ref().unwrap().cancel());
        let guard = drops.value();
        let handle = spawn(async move {
            let _both = (guard, again);
            pending::<()>().await;
        });
        *own.borrow_mut() = Some(handle.cancel_handle());
        yield_now().await;
        assert!(handle.cancel_and_wait().await.unwrap_err().is_cancelled());
        yield_now().await;
        drops.assert_here(1);
    });
}

#[test]
fn a_wake_and_a_cancel_together_are_one_turn() {
    executor().block_on(async {
        let waker = Rc::new(RefCell::new(None));
        let store = waker.clone();
        let handle = spawn(async move {
            *store.borrow_mut() = Some(own_waker().await);
            pause().await;
            unreachable!("cancelled before the wake was served");
        });
        yield_now().await;
        waker.borrow().as_ref().unwrap().wake_by_ref();
        handle.cancel();
        let mine: std::task::Waker = waker.take().unwrap();
        elsewhere(|| mine.wake_by_ref());
        let outcome: Result<(), _> = handle.await;
        assert!(outcome.unwrap_err().is_cancelled());
        mine.wake();
        yield_now().await;
    });
}

#[test]
fn a_handle_polled_before_sees_the_cancellation() {
    executor().block_on(async {
        let mut handle = spawn(pending::<()>());
        assert!(poll_once(&mut handle).await.is_pending());
        handle.cancel();
        assert!(poll_once(&mut handle).await.is_pending());
        assert!(handle.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_remote_task_whose_runtime_ends_is_cancelled() {
    let drops = Drops::default();
    let executor = executor();
    let handle = executor.handle();
    let make = drops.clone();
    let remote = handle.spawn(move || {
        let guard = make.value();
        async move {
            let _guard = guard;
            pending::<()>().await;
        }
    });
    executor.block_on(async {
        yield_now().await;
        assert_eq!(task::count(), 1);
    });
    drop(executor);
    drops.assert_here(1);
    assert!(remote.blocking_join().unwrap_err().is_cancelled());
}

#[test]
fn cancel_handles_are_for_every_thread_and_keep_nothing_alive() {
    const fn for_every_thread<T: Send + Sync + Clone>() {}
    const { for_every_thread::<CancelHandle>() };
    const { for_every_thread::<Handle>() };
    const { for_every_thread::<RuntimeId>() };
    let drops = Drops::default();
    let cancel = executor().block_on(async {
        let handle = spawn(ready(drops.value()));
        let cancel = handle.cancel_handle();
        drop(handle);
        yield_now().await;
        cancel
    });
    drops.assert_here(1);
    cancel.cancel();
}

/// The request and the end of the task race with the end of the runtime, too.
#[test]
fn a_cancel_that_races_with_the_end_of_the_runtime_is_harmless() {
    for _ in 0..scaled(200, 5) {
        let drops = Drops::default();
        let go = AtomicBool::new(false);
        let executor = executor();
        let cancel = executor.block_on(async {
            let handle = spawn(Guarded::new(drops.value(), |_| Poll::<()>::Pending));
            let cancel = handle.cancel_handle();
            handle.detach();
            yield_now().await;
            cancel
        });
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !go.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                cancel.cancel();
            });
            go.store(true, Ordering::Release);
            drop(executor);
        });
        drops.assert_here(1);
    }
}

#[test]
fn a_daemon_counts_among_the_tasks_until_it_is_cancelled() {
    Executor::builder().build().block_on(async {
        let daemon = task::Builder::new().daemon(true).spawn(pending::<()>());
        assert_eq!(task::count(), 1);
        assert!(daemon.cancel_and_wait().await.unwrap_err().is_cancelled());
        assert_eq!(task::count(), 0);
    });
}

#[test]
fn a_value_that_came_while_the_request_travelled_stays() {
    let seen = Arc::new(AtomicUsize::new(0));
    executor().block_on(async {
        // The request is in the inbox, unread, when the task ends in this very turn.
        let handle = spawn(poll_fn(|_| Poll::Ready(7)));
        let cancel = handle.cancel_handle();
        let other = spawn(async move { elsewhere(move || cancel.cancel()) });
        other.await.unwrap();
        seen.fetch_add(handle.await.unwrap(), Ordering::Relaxed);
    });
    assert_eq!(seen.load(Ordering::Relaxed), 7);
}
