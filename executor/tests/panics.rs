//! Panics wherever user code can run: in a poll, in a Drop, in a waker, in a callback. Each stays with whom it
//! concerns: the others run on, and what was owned is dropped once.
#![cfg(not(loom))]
#![allow(clippy::async_yields_async, reason = "handles are brought out of a run on purpose")]

mod common;

use common::{
    Guarded, Log, OnDrop, bomb, executor,
    foreign::{Bad, alive, behave_badly, waker},
    own_waker, poll_once,
};
use runtime_executor::{
    RuntimeId, spawn,
    task::{JoinError, yield_now},
    time,
};
use std::{
    cell::Cell,
    future::{pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

/// The text of a task's panic.
fn message(error: JoinError) -> String {
    let payload = error.into_panic();
    match payload.downcast::<&'static str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => *payload.downcast::<String>().expect("a text"),
    }
}

#[test]
fn a_panic_in_the_first_poll_is_the_outcome_and_the_others_run_on() {
    let log = Log::default();
    executor().block_on(async {
        let before = spawn(async { 1 });
        let bad = spawn({
            let gone = log.on_drop("what the panicking task held is dropped");
            async move {
                let _gone = gone;
                panic!("first poll");
            }
        });
        let after = spawn(async { 2 });
        assert_eq!(message(bad.await.unwrap_err()), "first poll");
        assert_eq!(log.take(), ["what the panicking task held is dropped"]);
        assert_eq!((before.await.unwrap(), after.await.unwrap()), (1, 2));
    });
}

#[test]
fn a_panic_in_the_kth_poll_is_the_outcome_and_there_is_no_further_poll() {
    executor().block_on(async {
        let polls = Rc::new(Cell::new(0));
        let seen = polls.clone();
        let bad = spawn(poll_fn(move |context| -> Poll<()> {
            seen.set(seen.get() + 1);
            context.waker().wake_by_ref(); // also before the panic: the ticket must find nobody
            assert!(seen.get() < 5, "fifth poll");
            Poll::Pending
        }));
        assert_eq!(message(bad.await.unwrap_err()), "fifth poll");
        yield_now().await;
        yield_now().await;
        assert_eq!(polls.get(), 5);
    });
}

#[test]
fn a_payload_of_any_type_and_size_arrives_as_it_was() {
    executor().block_on(async {
        let number = spawn(async { panic_any(42_u8) }).await.unwrap_err();
        assert_eq!(number.to_string().split(": ").count(), 1, "no text to show: {number}");
        assert_eq!(*number.into_panic().downcast::<u8>().unwrap(), 42);

        let large = spawn(async { panic_any(vec![7_u8; 2 << 20]) }).await.unwrap_err();
        assert_eq!(*large.into_panic().downcast::<Vec<u8>>().unwrap(), vec![7; 2 << 20]);

        let owned = spawn(async { panic!("{} of {}", 1, 2) }).await.unwrap_err();
        assert!(owned.to_string().ends_with("panicked: 1 of 2"), "{owned}");
    });
}

#[test]
fn a_panic_in_the_futures_drop_on_cancel_is_the_outcome() {
    executor().block_on(async {
        let held = bomb("drop on cancel");
        let handle = spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        yield_now().await;
        let other = spawn(async { 7 });
        assert!(handle.cancel());
        assert_eq!(message(handle.await.unwrap_err()), "drop on cancel");
        assert_eq!(other.await.unwrap(), 7);
    });
}

#[test]
fn a_panic_in_the_futures_drop_on_completion_is_the_outcome_and_the_value_is_dropped() {
    let log = Log::default();
    executor().block_on(async {
        let value = Cell::new(Some(log.on_drop("value")));
        let handle = spawn(Guarded::new(bomb("drop on completion"), move |_| Poll::Ready(value.take())));
        let error = handle.await.map(|_| ()).unwrap_err();
        assert_eq!(log.take(), ["value"]);
        assert_eq!(message(error), "drop on completion");
    });
}

#[test]
fn a_panic_in_poll_and_another_in_the_drop_that_follows_do_not_abort() {
    executor().block_on(async {
        let handle = spawn(Guarded::new(bomb("the consequence"), |_| -> Poll<()> { panic!("the cause") }));
        assert!(handle.await.unwrap_err().is_panic());
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
    });
}

#[test]
fn a_panic_in_a_futures_drop_at_shutdown_leaves_no_other_task_behind() {
    let log = Log::default();
    let executor = executor();
    let handles = executor.block_on(async {
        let hold = |guard| {
            spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            })
        };
        let first = hold(Box::new(log.on_drop("first")) as Box<dyn std::any::Any>);
        let bad = hold(Box::new(bomb("drop at shutdown")));
        let last = hold(Box::new(log.on_drop("last")));
        yield_now().await;
        [first, bad, last]
    });
    drop(executor);
    assert_eq!(log.take(), ["first", "last"]);
    let outcomes = common::executor().block_on(runtime_executor::join_all(handles));
    let panicked: Vec<bool> = outcomes.into_iter().map(|outcome| outcome.unwrap_err().is_panic()).collect();
    assert_eq!(panicked, [false, true, false]);
}

#[test]
fn a_panic_in_the_outputs_drop_when_its_handle_is_dropped_stays_there() {
    executor().block_on(async {
        let handle = spawn(async { bomb("output") });
        yield_now().await;
        assert!(handle.is_finished());
        drop(handle);
        assert_eq!(spawn(async { 1 }).await.unwrap(), 1);
    });
}

#[test]
fn a_panic_in_the_outputs_drop_of_a_detached_task_stays_there() {
    executor().block_on(async {
        let next = {
            spawn(async { bomb("output") }).detach();
            spawn(async { 1 })
        };
        assert_eq!(next.await.unwrap(), 1);
    });
}

#[test]
fn a_panic_in_the_outputs_drop_is_the_takers_once_it_was_taken() {
    executor().block_on(async {
        let output = spawn(async { bomb("output") }).await.unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(output))).is_err());
    });
}

#[test]
fn a_payload_whose_drop_panics_with_one_whose_drop_panics_does_not_abort() {
    // Of no size, as what is given up on leaks.
    struct Nested;
    thread_local! {
        static MORE: Cell<u32> = const { Cell::new(0) };
    }
    impl Nested {
        fn throw() -> ! {
            MORE.set(3);
            panic_any(Nested)
        }
    }
    impl Drop for Nested {
        fn drop(&mut self) {
            if MORE.get() > 0 {
                MORE.set(MORE.get() - 1);
                panic_any(Nested);
            }
        }
    }
    executor().block_on(async {
        drop(spawn(async { Nested::throw() }).await.unwrap_err());
        let detached = spawn(async { Nested::throw() });
        detached.detach();
        yield_now().await;
        let finished = spawn(async { Nested::throw() });
        yield_now().await;
        drop(finished);
        RuntimeId::current().unwrap().post(|| Nested::throw()).unwrap();
        yield_now().await;
        yield_now().await;
    });
}

#[test]
fn a_joiners_waker_that_panics_when_woken_takes_nobody_with_it() {
    executor().block_on(async {
        let bad_waker = waker();
        let mut watched = spawn(async { 1 });
        assert!(Pin::new(&mut watched).poll(&mut Context::from_waker(&bad_waker)).is_pending());
        let other = spawn(async { 2 });
        behave_badly(Some(Bad::Wake));
        yield_now().await;
        behave_badly(None);
        assert_eq!(watched.await.unwrap(), 1, "the output is still there");
        assert_eq!(other.await.unwrap(), 2);
        drop(bad_waker);
    });
    assert_eq!(alive(), 0);
}

#[test]
fn a_waker_that_panics_when_cloned_leaves_the_join_handle_good() {
    executor().block_on(async {
        let mut handle = spawn(async {
            yield_now().await;
            1
        });
        let bad_waker = waker();
        for earlier_joiner in [false, true] {
            if earlier_joiner {
                assert!(poll_once(&mut handle).await.is_pending());
            }
            behave_badly(Some(Bad::Clone));
            let polled = catch_unwind(AssertUnwindSafe(|| {
                Pin::new(&mut handle).poll(&mut Context::from_waker(&bad_waker)).is_pending()
            }));
            behave_badly(None);
            assert!(polled.is_err(), "the panic is the poller's");
        }
        assert_eq!(handle.await.unwrap(), 1);
        drop(bad_waker);
    });
    assert_eq!(alive(), 0);
}

#[test]
fn a_joiners_waker_that_panics_when_dropped_leaves_the_join_handle_good() {
    executor().block_on(async {
        let mut handle = spawn(async {
            yield_now().await;
            1
        });
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker())).is_pending());
        behave_badly(Some(Bad::Drop));
        let polled = catch_unwind(AssertUnwindSafe(|| {
            Pin::new(&mut handle).poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
        }));
        behave_badly(None);
        assert!(polled.unwrap(), "the panic is nobody's business");
        assert_eq!(handle.await.unwrap(), 1);
    });
    assert_eq!(alive(), 0);
}

#[test]
fn a_handle_dropped_with_a_waker_that_panics_when_dropped_still_detaches() {
    let log = Log::default();
    executor().block_on(async {
        let writer = log.clone();
        let mut handle = spawn(async move {
            yield_now().await;
            writer.add("the task went on");
        });
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker())).is_pending());
        behave_badly(Some(Bad::Drop));
        drop(handle);
        behave_badly(None);
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!(log.take(), ["the task went on"]);
    });
    assert_eq!(alive(), 0);
}

#[test]
fn a_timers_waker_that_panics_when_woken_takes_no_other_timer_with_it() {
    let executor = runtime_executor::Executor::builder().clock(time::Clock::paused()).build();
    executor.block_on(async {
        let mut bad = time::sleep(Duration::from_secs(1));
        assert!(Pin::new(&mut bad).poll(&mut Context::from_waker(&waker())).is_pending());
        let good = spawn(time::sleep(Duration::from_secs(1)));
        behave_badly(Some(Bad::Wake));
        good.await.unwrap();
        behave_badly(None);
        assert!(bad.is_elapsed());
    });
    assert_eq!(alive(), 0);
}

#[test]
fn a_timers_waker_that_panics_when_dropped_does_not_cut_the_shutdown_short() {
    let log = Log::default();
    let executor = executor();
    let job = executor.block_on(async {
        for _ in 0..3 {
            let mut forgotten = time::sleep(Duration::from_secs(3600));
            assert!(Pin::new(&mut forgotten).poll(&mut Context::from_waker(&waker())).is_pending());
            std::mem::forget(forgotten);
        }
        let guard = log.on_drop("task");
        let job = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_now().await;
        job
    });
    behave_badly(Some(Bad::Drop));
    drop(executor);
    behave_badly(None);
    assert_eq!(log.take(), ["task"]);
    assert!(job.is_finished());
    assert_eq!(alive(), 0);
}

#[test]
fn a_parents_waker_that_panics_when_woken_does_not_reach_the_child_that_woke_it() {
    executor().block_on(async {
        let child_waker = Rc::new(Cell::new(None));
        let slot = child_waker.clone();
        let mut polls = 0;
        let mut group = runtime_executor::join_all([poll_fn(move |context| {
            polls += 1;
            slot.set(Some(context.waker().clone()));
            if polls == 2 { Poll::Ready(polls) } else { Poll::Pending }
        })]);
        assert!(Pin::new(&mut group).poll(&mut Context::from_waker(&waker())).is_pending());
        behave_badly(Some(Bad::Wake));
        child_waker.take().unwrap().wake();
        behave_badly(None);
        assert_eq!(group.await, [2]);
        drop(child_waker.take());
    });
    assert_eq!(alive(), 0);
}

#[test]
fn a_root_panic_propagates_and_the_tasks_are_dropped_later_by_the_same_thread() {
    let drops = common::Drops::default();
    let executor = executor();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let guard = drops.value();
        executor.block_on(async {
            spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            })
            .detach();
            yield_now().await;
            panic!("root");
        });
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"root"));
    assert_eq!(drops.count(), 0, "tasks stay for another block_on");
    assert_eq!(executor.block_on(async { spawn(async { 1 }).await.unwrap() }), 1);
    drop(executor);
    drops.assert_here(1);
}

#[test]
fn a_panic_that_unwinds_through_the_executor_drops_its_tasks_on_the_way() {
    let drops = common::Drops::default();
    let log = Log::default();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let executor = executor();
        let guard = drops.value();
        let note = log.on_drop("after the bad one");
        executor.block_on(async {
            let bad = bomb("in a drop during unwinding");
            spawn(async move {
                let _guard = guard;
                let _bad = bad;
                pending::<()>().await;
            })
            .detach();
            spawn(async move {
                let _note = note;
                pending::<()>().await;
            })
            .detach();
            yield_now().await;
            panic!("root");
        });
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"root"));
    drops.assert_here(1);
    assert_eq!(log.take(), ["after the bad one"]);
}

#[test]
fn a_root_panic_leaves_the_rest_of_its_batch_for_the_next_run() {
    let log = Log::default();
    let executor = executor();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        executor.block_on(async {
            for number in 1..=3 {
                let log = log.clone();
                spawn(async move { log.add(format!("task {number}")) }).detach();
            }
            panic!("root");
        })
    }));
    assert!(caught.is_err());
    assert_eq!(log.take(), [""; 0]);
    executor.block_on(async { log.add("root") });
    executor.block_on(yield_now());
    assert_eq!(log.take(), ["task 1", "task 2", "task 3", "root"], "older work comes first");
}

#[test]
fn a_panic_in_a_done_callback_reaches_neither_the_others_nor_the_task() {
    let log = Log::default();
    executor().block_on(async {
        let handle = spawn(async { 5 });
        let (first, last) = (log.clone(), log.clone());
        handle.on_done(move |outcome| first.add(format!("first saw {outcome:?}")));
        handle.on_done(|_| panic!("callback"));
        handle.on_done(move |outcome| last.add(format!("last saw {outcome:?}")));
        assert_eq!(handle.await.unwrap(), 5);
    });
    assert_eq!(log.take(), ["first saw Ok(5)", "last saw Ok(5)"]);
}

#[test]
fn a_panic_in_a_done_callback_that_comes_late_does_not_reach_the_task_either() {
    executor().block_on(async {
        let handle = spawn(async { 5 });
        yield_now().await;
        assert!(handle.is_finished());
        let registered = catch_unwind(AssertUnwindSafe(|| handle.on_done(|_| panic!("callback"))));
        assert!(registered.is_ok(), "a callback's panic is its own, whenever it is called");
        assert_eq!(handle.await.unwrap(), 5);
    });
}

#[test]
fn a_panic_in_posted_mail_is_isolated() {
    let log = Log::default();
    executor().block_on(async {
        let id = RuntimeId::current().unwrap();
        id.post(|| panic!("mail")).unwrap();
        let mine = own_waker().await;
        id.post(move || mine.wake()).unwrap();
        common::pause().await;
        log.add("the next letter was read");
    });
    assert_eq!(log.take(), ["the next letter was read"]);
}

#[test]
fn mail_whose_drop_panics_does_not_cut_the_shutdown_short() {
    let log = Log::default();
    let executor = executor();
    let id = executor.block_on(async {
        let guard = log.on_drop("task");
        spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
        RuntimeId::current().unwrap()
    });
    for _ in 0..2 {
        let bad = OnDrop::new(|| panic!("unread mail"));
        id.post(move || drop(bad)).unwrap();
    }
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(executor)));
    assert_eq!(log.take(), ["task"], "whatever the mail does, the tasks are dropped");
    assert!(dropped.is_ok(), "the panic of unread mail is nobody's: it ends where it began");
    assert!(id.post(|| ()).is_err());
}

#[test]
fn a_panic_in_a_join_all_child_reaches_its_awaiter_and_drops_the_siblings() {
    let log = Log::default();
    executor().block_on(async {
        let sibling = log.on_drop("sibling");
        let children: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![
            Box::pin(async move {
                let _sibling = sibling;
                pending::<()>().await;
            }),
            Box::pin(async {
                yield_now().await;
                panic!("child");
            }),
        ];
        let parent = spawn(runtime_executor::join_all(children));
        assert_eq!(message(parent.await.map(|_| ()).unwrap_err()), "child");
        assert_eq!(log.take(), ["sibling"]);
    });
}

/// A child's slot must not stay behind, pointing into a group that others use by then.
#[test]
fn a_join_all_child_that_panics_in_its_drop_leaves_no_slot_behind() {
    executor().block_on(async {
        let stale = Rc::new(Cell::new(None));
        let slot = stale.clone();
        let mut children: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        for _ in 0..200 {
            children.push(Box::pin(pending()));
        }
        let mut polls = 0;
        children.push(Box::pin(Guarded::new(bomb("child's drop"), move |context| {
            slot.set(Some(context.waker().clone()));
            polls += 1;
            if polls == 2 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })));
        assert!(spawn(runtime_executor::join_all(children)).await.unwrap_err().is_panic());

        // The successor takes over the number of the group; its two children are not the old child's business.
        let mut polls = 0;
        let successor = runtime_executor::join_all([poll_fn(|context| {
            polls += 1;
            let ready = polls == 3;
            context.waker().wake_by_ref();
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })]);
        let waker = stale.take().unwrap();
        let wake = async {
            yield_now().await;
            waker.wake();
        };
        runtime_executor::join!(successor, wake);
        assert_eq!(polls, 3);
    });
}

#[test]
fn a_cancelled_tasks_into_panic_refuses_with_a_sentence() {
    executor().block_on(async {
        let handle = spawn(ready(1));
        handle.cancel();
        let error = handle.await.unwrap_err();
        let error = error.try_into_panic().unwrap_err();
        let refused = catch_unwind(AssertUnwindSafe(|| error.into_panic())).unwrap_err();
        assert!(refused.downcast_ref::<String>().unwrap().contains("did not panic"));
    });
}
