//! The end of a runtime: what is left is dropped in the order of spawning, inside the runtime's context, and
//! nothing that a Drop tries there can bring the house down.
#![cfg(not(loom))]
#![allow(clippy::async_yields_async, reason = "handles are brought out of a run on purpose")]

mod common;

use common::{Drops, Guarded, Log, OnDrop, elsewhere, executor, own_waker};
use runtime_executor::{
    Executor, Handle, OnExit, RuntimeGone, RuntimeId, Stopped, current, spawn, spawn_blocking,
    task::{self, yield_now},
    time::{self, Clock},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Spawns a task that keeps `value` until it is dropped.
fn keep(value: impl Sized + 'static) -> task::JoinHandle<()> {
    spawn(async move {
        let _value = value;
        pending::<()>().await;
    })
}

#[test]
fn tasks_are_dropped_in_the_order_of_spawning_each_once_inside_the_runtime() {
    let tasks = common::scaled(1_000, 30);
    let order = Rc::new(RefCell::new(Vec::new()));
    let executor = executor();
    let id = executor.block_on(async {
        // Ends every second one early, so that slots are used again out of order.
        let early: Vec<_> = (0..tasks).map(|_| spawn(async {})).collect();
        for (number, handle) in early.into_iter().enumerate() {
            if number % 2 == 0 {
                handle.await.unwrap();
            }
        }
        let id = RuntimeId::current().unwrap();
        for number in 0..tasks {
            let order = order.clone();
            keep(OnDrop::new(move || {
                assert!(id.is_current() && current::is_entered());
                order.borrow_mut().push(number);
            }))
            .detach();
            if number % 3 == 0 {
                yield_now().await; // some have run, some wait for their first poll
            }
        }
        id
    });
    drop(executor);
    assert_eq!(*order.borrow(), (0..tasks).collect::<Vec<_>>());
    assert!(!id.is_current());
}

#[test]
fn a_task_spawned_inside_a_drop_at_shutdown_is_dropped_at_once_and_its_handle_says_cancelled() {
    let log = Log::default();
    let handles: Rc<RefCell<Vec<task::JoinHandle<()>>>> = Rc::default();
    let executor = executor();
    executor.block_on(async {
        for name in ["first", "second"] {
            let (log, handles) = (log.clone(), handles.clone());
            keep(OnDrop::new(move || {
                log.add(name);
                let guard = log.on_drop("spawned too late");
                let late = spawn(async move {
                    let _guard = guard;
                    unreachable!("the runtime takes no more tasks");
                });
                assert!(late.is_finished());
                let note = log.clone();
                late.on_done(move |outcome| note.add(format!("cancelled: {}", outcome.is_err())));
                handles.borrow_mut().push(late);
            }))
            .detach();
        }
        yield_now().await;
    });
    drop(executor);
    let one = |name| [name, "spawned too late", "cancelled: true"];
    assert_eq!(log.take(), [one("first"), one("second")].concat());
    for mut handle in handles.take() {
        let outcome = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(outcome, Poll::Ready(Err(error)) if error.is_cancelled()));
    }
}

#[test]
fn a_wake_inside_a_drop_at_shutdown_is_nothing() {
    let drops = Drops::default();
    let executor = executor();
    executor.block_on(async {
        let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
        for _ in 0..3 {
            let (store, user) = (wakers.clone(), wakers.clone());
            let both =
                (drops.value(), OnDrop::new(move || user.borrow().iter().for_each(Waker::wake_by_ref)));
            spawn(Guarded::new(both, move |context| {
                store.borrow_mut().push(context.waker().clone());
                Poll::<()>::Pending
            }))
            .detach();
        }
        let root = own_waker().await;
        wakers.borrow_mut().push(root);
        yield_now().await;
    });
    drop(executor);
    drops.assert_here(3);
}

#[test]
fn a_cancel_inside_a_drop_at_shutdown_changes_nothing() {
    let log = Log::default();
    let executor = executor();
    executor.block_on(async {
        let cancels: Rc<RefCell<Vec<task::CancelHandle>>> = Rc::default();
        for name in ["first", "second", "third"] {
            let (log, user) = (log.clone(), cancels.clone());
            let handle = keep(OnDrop::new(move || {
                log.add(name);
                user.borrow().iter().for_each(task::CancelHandle::cancel);
            }));
            cancels.borrow_mut().push(handle.cancel_handle());
            handle.detach();
        }
        yield_now().await;
    });
    drop(executor);
    assert_eq!(log.take(), ["first", "second", "third"]);
}

#[test]
fn what_else_a_drop_at_shutdown_may_try() {
    let log = Log::default();
    let executor = executor();
    executor.block_on(async {
        let handle = Handle::current();
        let note = log.clone();
        keep(OnDrop::new(move || {
            note.add(format!("post: {:?}", RuntimeId::current().unwrap().post(|| ())));
            let remote = elsewhere(|| handle.spawn(async || 1).blocking_join());
            note.add(format!("remote spawn cancelled: {}", remote.unwrap_err().is_cancelled()));
            handle.stop();
            let blocking = spawn_blocking(|| 1);
            note.add(format!("spawn_blocking cancelled: {}", blocking.is_finished()));
            let mut sleep = time::sleep(Duration::from_secs(1));
            let polled = Pin::new(&mut sleep).poll(&mut Context::from_waker(Waker::noop()));
            note.add(format!("sleep pending: {}", polled.is_pending()));
            let yielded = yield_now();
            drop(yielded);
        }))
        .detach();
        let note = log.clone();
        let outcome = keep(OnDrop::new(|| {
            let other = common::executor();
            other.block_on(async {}); // nested: refused
        }));
        outcome.on_done(move |outcome| note.add(format!("nested: {}", outcome.as_ref().unwrap_err())));
        yield_now().await;
    });
    drop(executor);
    let lines = log.take();
    assert_eq!(
        lines[..4],
        [
            "post: Err(RuntimeGone)",
            "remote spawn cancelled: true",
            "spawn_blocking cancelled: true",
            "sleep pending: true"
        ]
    );
    assert!(lines[4].contains("panicked: a runtime runs on this thread already"), "{}", lines[4]);
}

#[test]
fn a_callback_registered_before_the_end_is_called_at_the_end() {
    let log = Log::default();
    let executor = executor();
    executor.block_on(async {
        let handle = keep(());
        let note = log.clone();
        handle.on_done(move |outcome| note.add(format!("done, cancelled: {}", outcome.is_err())));
        handle.detach();
        yield_now().await;
    });
    assert_eq!(log.take(), [""; 0]);
    drop(executor);
    assert_eq!(log.take(), ["done, cancelled: true"]);
}

#[test]
fn a_joiner_of_another_runtime_learns_of_the_end() {
    // The handle and its task are on one thread, the joiner in another runtime of that thread.
    let first = executor();
    let handle = first.block_on(async {
        let handle = keep(());
        yield_now().await;
        handle
    });
    executor().block_on(async {
        let joiner = spawn(handle);
        yield_now().await;
        assert!(!joiner.is_finished());
        drop(first);
        assert!(joiner.await.unwrap().unwrap_err().is_cancelled());
    });
}

#[test]
fn a_join_handle_may_outlive_its_runtime() {
    let drops = Drops::default();
    let executor = executor();
    let (done, cancelled, unread) = executor.block_on(async {
        let done = spawn(async { "done" });
        let guard = drops.value();
        let unread = spawn(async move { guard });
        let cancelled = keep(());
        yield_now().await;
        (done, cancelled, unread)
    });
    drop(executor);
    assert!(done.is_finished() && cancelled.is_finished());
    assert!(!done.cancel() && !cancelled.cancel());
    done.cancel_handle().cancel();
    assert_eq!(drops.count(), 0);
    drop(unread);
    drops.assert_here(1);
    common::executor().block_on(async {
        assert_eq!(done.await.unwrap(), "done");
        assert!(cancelled.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_that_holds_its_own_join_handle_is_freed_at_shutdown() {
    let drops = Drops::default();
    let executor = executor();
    executor.block_on(async {
        let own: Rc<RefCell<Option<task::JoinHandle<()>>>> = Rc::default();
        let handle = keep((own.clone(), drops.value()));
        *own.borrow_mut() = Some(handle);
        yield_now().await;
    });
    drop(executor);
    drops.assert_here(1);
}

#[test]
fn a_task_that_waits_for_itself_is_freed_at_shutdown() {
    let drops = Drops::default();
    let executor = executor();
    executor.block_on(async {
        let own: Rc<RefCell<Option<task::JoinHandle<()>>>> = Rc::default();
        let (taker, guard) = (own.clone(), drops.value());
        let handle = spawn(async move {
            let _guard = guard;
            let own = taker.take().unwrap();
            own.await.unwrap();
        });
        *own.borrow_mut() = Some(handle);
        yield_now().await;
    });
    drop(executor);
    drops.assert_here(1);
}

#[test]
fn extensions_are_dropped_after_all_tasks_the_last_one_first() {
    let log = Log::default();
    struct First(#[expect(dead_code, reason = "for its drop")] Box<dyn std::any::Any>);
    struct Second(#[expect(dead_code, reason = "for its drop")] Box<dyn std::any::Any>);
    let executor = Executor::builder()
        .extension(First(Box::new(log.on_drop("first extension"))))
        .extension(Second(Box::new(log.on_drop("second extension"))))
        .build();
    executor.block_on(async {
        keep(log.on_drop("task")).detach();
        assert!(current::with_extension(|_: &First| ()).is_some());
        assert!(current::with_extension(|_: &u8| ()).is_none());
    });
    drop(executor);
    assert_eq!(log.take(), ["task", "second extension", "first extension"]);
}

#[test]
fn timers_end_with_their_runtime_and_may_be_dropped_after_it() {
    let executor = executor();
    let mut sleep = time::sleep(Duration::from_secs(3600));
    let counting = Arc::new(common::Counting::default());
    executor.block_on(async {
        let waker = counting.clone().into();
        assert!(Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)).is_pending());
    });
    drop(executor);
    assert_eq!(Arc::strong_count(&counting), 1);
    drop(sleep);
}

#[test]
fn the_handle_of_a_runtime_that_is_gone_refuses_politely() {
    let executor = executor();
    let (handle, id) = (executor.handle(), executor.handle().runtime());
    drop(executor);
    let drops = Drops::default();
    let guard = drops.value();
    let remote = handle.spawn(move || async move { drop(guard) });
    drops.assert_here(1);
    assert!(remote.blocking_join().unwrap_err().is_cancelled());
    handle.stop();
    let guard = drops.value();
    assert_eq!(id.post(move || drop(guard)), Err(RuntimeGone));
    drops.assert_here(2);
}

#[test]
fn mail_that_nobody_read_is_dropped_by_the_owner() {
    let drops = Drops::default();
    let executor = executor();
    let id = executor.handle().runtime();
    let guard = drops.value();
    elsewhere(move || id.post(move || drop(guard)).unwrap());
    drop(executor);
    drops.assert_here(1);
}

#[test]
fn mail_that_races_with_the_end_is_run_or_dropped_but_never_lost() {
    for _ in 0..common::scaled(300, 5) {
        let drops = Drops::default();
        let executor = executor();
        let id = executor.handle().runtime();
        let posted = std::thread::scope(|scope| {
            let poster = scope.spawn(|| {
                let mut posted = 0;
                loop {
                    let guard = drops.value();
                    posted += 1;
                    if id.post(move || drop(guard)).is_err() {
                        return posted;
                    }
                }
            });
            executor.block_on(yield_now());
            drop(executor);
            poster.join().unwrap()
        });
        assert_eq!(drops.count(), posted);
    }
}

#[test]
fn on_exit_wait_returns_when_all_but_daemons_have_ended() {
    let log = Log::default();
    let executor = Executor::builder().on_exit(OnExit::Wait).clock(Clock::paused()).build();
    let output = executor.block_on(async {
        let note = log.clone();
        spawn(async move {
            time::sleep(Duration::from_secs(5)).await;
            let child = note.clone();
            spawn(async move {
                time::sleep(Duration::from_secs(5)).await;
                child.add("grandchild");
            })
            .detach();
            note.add("child");
        })
        .detach();
        let guard = log.on_drop("daemon");
        task::Builder::new()
            .daemon(true)
            .spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            })
            .detach();
        log.add("main");
        7
    });
    assert_eq!(output, 7);
    assert_eq!(log.take(), ["main", "child", "grandchild"]);
    drop(executor);
    assert_eq!(log.take(), ["daemon"]);
}

#[test]
fn on_exit_wait_ends_by_a_stop() {
    let executor = Executor::builder().on_exit(OnExit::Wait).build();
    let handle = executor.handle();
    let stopped = executor.try_block_on(async {
        keep(()).detach();
        spawn(async move {
            yield_now().await;
            elsewhere(move || handle.stop());
        })
        .detach();
    });
    assert_eq!(stopped, Err(Stopped));
}

#[test]
fn shutdown_timeout_drops_tasks_as_the_drop_does() {
    let log = Log::default();
    let executor = executor();
    let id = executor.block_on(async {
        keep(log.on_drop("first")).detach();
        keep(log.on_drop("second")).detach();
        RuntimeId::current().unwrap()
    });
    assert_eq!(executor.shutdown_timeout(Duration::from_secs(60)), 0);
    assert_eq!(log.take(), ["first", "second"]);
    assert_eq!(id.post(|| ()), Err(RuntimeGone));
}

#[test]
fn a_group_of_children_may_be_dropped_at_shutdown_between_runs_and_after_the_end() {
    let drops = Drops::default();
    for moment in ["shutdown", "between runs", "after the end"] {
        let executor = executor();
        let slot: Rc<Cell<Option<Box<dyn std::any::Any>>>> = Rc::default();
        executor.block_on(async {
            let mut group = runtime_executor::join_all(
                (0..70).map(|_| Guarded::new(drops.value(), |_| Poll::<()>::Pending)),
            );
            for _ in 0..2 {
                let polled = poll_fn(|context| Poll::Ready(Pin::new(&mut group).poll(context))).await;
                assert!(polled.is_pending());
            }
            if moment == "shutdown" {
                keep(group).detach();
            } else {
                slot.set(Some(Box::new(group)));
            }
        });
        if moment == "between runs" {
            drop(slot.take());
            executor.block_on(yield_now());
        }
        drop(executor);
        drop(slot.take());
    }
    drops.assert_here(210);
}

#[test]
fn a_value_taken_from_a_finished_task_may_hold_whatever_outlives_the_runtime() {
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let note = seen.clone();
    let value = executor().block_on(async {
        spawn(async move {
            OnDrop::new(move || {
                assert!(!current::is_entered());
                let spawned = catch_unwind(AssertUnwindSafe(|| spawn(async {}).detach()));
                assert!(spawned.is_err(), "no runtime here any more");
                note.lock().unwrap().push("dropped");
            })
        })
        .await
        .unwrap()
    });
    assert!(seen.lock().unwrap().is_empty());
    drop(value);
    assert_eq!(*seen.lock().unwrap(), ["dropped"]);
}
