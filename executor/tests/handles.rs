//! Handles: the owner's of a task, and the front of a runtime for other threads.
#![cfg(not(loom))]

mod common;

use common::{Drops, Guarded, Log, OnDrop, bomb, elsewhere, executor, pause, poll_once, scaled};
use runtime_executor::{
    Executor, Handle, JoinHandle, OnExit, RuntimeGone, RuntimeId, Stopped, current, join_all, spawn,
    task::{self, yield_now},
    time::{self, Clock},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

#[test]
fn polled_after_it_gave_its_output_a_join_handle_panics_with_a_sentence() {
    executor().block_on(async {
        let mut handle = spawn(async { 7 });
        assert_eq!((&mut handle).await.unwrap(), 7);
        assert!(handle.is_finished());
        let polled = catch_unwind(AssertUnwindSafe(|| {
            Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        }));
        let message = polled.unwrap_err();
        assert!(message.downcast_ref::<&str>().unwrap().contains("after it had given its output"));
        let registered = catch_unwind(AssertUnwindSafe(|| handle.on_done(|_| ())));
        assert!(registered.is_err(), "and there is nothing to show to a callback");
        assert!(!handle.cancel());
    });
}

#[test]
fn a_value_that_may_not_leave_its_thread_goes_through_a_join_handle() {
    executor().block_on(async {
        let shared = Rc::new(7);
        let mine = shared.clone();
        assert!(Rc::ptr_eq(&spawn(async move { mine }).await.unwrap(), &shared));
    });
}

#[test]
fn a_borrowed_handle_may_be_awaited_again() {
    executor().block_on(async {
        let mut handle = spawn(async {
            for _ in 0..3 {
                yield_now().await;
            }
            7
        });
        assert!(poll_once(&mut handle).await.is_pending());
        assert!(poll_once(&mut handle).await.is_pending());
        assert_eq!(handle.await.unwrap(), 7);
    });
}

#[test]
fn join_timeout_leaves_task_and_handle_as_they_were() {
    let drops = Drops::default();
    Executor::builder().clock(Clock::paused()).build().block_on(async {
        let guard = drops.value();
        let mut handle = spawn(async move {
            let _guard = guard;
            time::sleep(Duration::from_secs(3)).await;
            7
        });
        let start = time::Instant::now();
        for _ in 0..2 {
            assert!(handle.join_timeout(Duration::from_secs(1)).await.is_err());
        }
        drops.assert_here(0);
        assert_eq!(handle.join_timeout(Duration::from_secs(60)).await.unwrap().unwrap(), 7);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        drops.assert_here(1);
    });
}

#[test]
fn join_timeout_gives_a_value_that_is_there_whatever_the_limit() {
    executor().block_on(async {
        let mut handle = spawn(async { 7 });
        yield_now().await;
        assert_eq!(handle.join_timeout(Duration::ZERO).await.unwrap().unwrap(), 7);
        let mut cancelled = spawn(pending::<()>());
        cancelled.cancel();
        assert!(cancelled.join_timeout(Duration::MAX).await.unwrap().unwrap_err().is_cancelled());
    });
}

#[test]
fn callbacks_are_called_in_the_order_of_registration_before_the_joiner_goes_on() {
    let log = Log::default();
    executor().block_on(async {
        let handle = spawn(async { 7 });
        for number in 0..4 {
            let log = log.clone();
            handle.on_done(move |outcome| log.add(format!("{number}: {outcome:?}")));
        }
        assert_eq!(handle.await.unwrap(), 7);
        log.add("joined");
    });
    assert_eq!(log.take(), ["0: Ok(7)", "1: Ok(7)", "2: Ok(7)", "3: Ok(7)", "joined"]);
}

#[test]
fn a_callback_of_a_task_that_has_ended_is_called_at_once() {
    let log = Log::default();
    executor().block_on(async {
        let handle = spawn(async { 7 });
        yield_now().await;
        let note = log.clone();
        handle.on_done(move |outcome| note.add(format!("{outcome:?}")));
        assert_eq!(log.take(), ["Ok(7)"]);
        assert_eq!(handle.await.unwrap(), 7);
    });
}

#[test]
fn a_callback_sees_the_value_although_the_handle_is_gone() {
    executor().block_on(async {
        let seen = Rc::new(Cell::new(0_u64));
        let handle = spawn(async { 0x1234_5678_9ABC_DEF0_u64 });
        let note = seen.clone();
        handle.on_done(move |outcome| note.set(*outcome.as_ref().unwrap()));
        drop(handle);
        yield_now().await;
        assert_eq!(seen.get(), 0x1234_5678_9ABC_DEF0);
    });
}

#[test]
fn a_callback_runs_inside_the_task_that_ended_and_inside_the_runtime() {
    let log = Log::default();
    executor().block_on(async {
        let handle = task::Builder::new().name("ended").spawn(async {});
        let note = log.clone();
        handle.on_done(move |_| {
            assert!(current::is_entered());
            note.add(format!("in {}", task::current().name().unwrap()));
            spawn(async move { note.add("spawned by the callback") }).detach();
        });
        handle.await.unwrap();
        yield_now().await;
    });
    assert_eq!(log.take(), ["in ended", "spawned by the callback"]);
}

/// The handle lives in the callback that its task's end calls, so that the block's last owner goes while the
/// output is being shown.
#[test]
fn a_handle_may_be_dropped_inside_its_own_callback() {
    let drops = Drops::default();
    executor().block_on(async {
        let slot: Rc<RefCell<Option<JoinHandle<common::Dropped>>>> = Rc::default();
        let value = drops.value();
        let handle = spawn(async move { value });
        let (mine, inner) = (slot.clone(), drops.clone());
        handle.on_done(move |outcome| {
            let handle = mine.borrow_mut().take().unwrap();
            assert!(handle.is_finished());
            let mut handle = handle;
            let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "not while others look at the output");
            handle.on_done(|outcome| assert!(outcome.is_ok())); // nested: at once
            drop(handle);
            assert!(outcome.is_ok(), "still there");
            assert_eq!(inner.count(), 0);
        });
        let seen = Rc::new(Cell::new(false));
        let set = seen.clone();
        handle.on_done(move |outcome| {
            assert!(outcome.is_ok());
            set.set(true);
        });
        *slot.borrow_mut() = Some(handle);
        yield_now().await;
        assert!(seen.get());
        drops.assert_here(1);
    });
}

#[test]
fn a_handle_polled_inside_its_callback_is_woken_afterwards() {
    executor().block_on(async {
        let slot: Rc<RefCell<Option<JoinHandle<u32>>>> = Rc::default();
        let handle = spawn(async { 7 });
        let (mine, counting) = (slot.clone(), Arc::new(common::Counting::default()));
        let waker: Waker = counting.clone().into();
        handle.on_done(move |_| {
            let mut handle = mine.borrow_mut();
            let polled = Pin::new(handle.as_mut().unwrap()).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        });
        *slot.borrow_mut() = Some(handle);
        yield_now().await;
        assert_eq!(counting.wakes.load(Ordering::Relaxed), 1);
        let handle = slot.borrow_mut().take().unwrap();
        assert_eq!(handle.await.unwrap(), 7);
    });
}

#[test]
fn the_callbacks_of_a_cancelled_task_see_the_cancellation() {
    let log = Log::default();
    executor().block_on(async {
        let handle = spawn(pending::<()>());
        let note = log.clone();
        handle.on_done(move |outcome| {
            note.add(format!("cancelled: {}", outcome.as_ref().unwrap_err().is_cancelled()));
        });
        handle.cancel();
        assert_eq!(log.take(), [""; 0], "not inside the caller's stack");
        handle.await.unwrap_err();
        assert_eq!(log.take(), ["cancelled: true"]);
    });
}

#[test]
fn the_value_of_a_detached_task_is_dropped_when_the_task_ends() {
    let drops = Drops::default();
    executor().block_on(async {
        let value = drops.value();
        spawn(async move { value }).detach();
        yield_now().await;
        drops.assert_here(1);
    });
}

#[test]
fn a_value_holding_the_handle_of_its_own_task_is_dropped() {
    struct Loop(
        #[expect(dead_code, reason = "for its drop")] common::Dropped,
        Cell<Option<JoinHandle<Rc<Loop>>>>,
    );
    let drops = Drops::default();
    executor().block_on(async {
        let value = Rc::new(Loop(drops.value(), Cell::new(None)));
        let inner = value.clone();
        let handle = spawn(async move { inner });
        value.1.set(Some(handle));
        yield_now().await;
        let handle = value.1.take().unwrap();
        let output = handle.await.unwrap();
        drop((value, output));
        drops.assert_here(1);
    });
}

/// The output's Drop drops the handle's neighbours and spawns, in the middle of the block's end.
#[test]
fn an_outputs_drop_may_come_back_to_the_runtime() {
    let log = Log::default();
    executor().block_on(async {
        let neighbour = spawn(async { "neighbour" });
        let note = log.clone();
        let output = OnDrop::new(move || {
            drop(neighbour);
            let log = note.clone();
            spawn(async move { log.add("spawned by the output's drop") }).detach();
            note.add("output dropped");
        });
        let handle = spawn(async move { output });
        yield_now().await;
        drop(handle);
        assert_eq!(log.take(), ["output dropped"]);
        yield_now().await;
        assert_eq!(log.take(), ["spawned by the output's drop"]);
    });
}

#[test]
fn names_numbers_and_spawn_sites_are_kept() {
    executor().block_on(async {
        let handle = task::Builder::new().name("worker").spawn(async { task::current() });
        let (id, line) = (handle.id(), line!() - 1);
        assert_eq!(handle.name().as_deref(), Some("worker"));
        let description = format!("{handle:?}");
        assert!(description.contains("'worker'") && description.contains("handles.rs"), "{description}");
        let info = handle.await.unwrap();
        assert_eq!((info.id(), info.name()), (id, Some("worker")));
        let place = info.spawned_at().unwrap();
        assert!(place.file().ends_with("handles.rs") && place.line() == line, "{place}");

        let error = spawn(pending::<()>()).cancel_and_wait().await.unwrap_err();
        assert!(error.to_string().contains("handles.rs"), "{error}");
        assert_eq!(task::current().id().get(), 0, "the future of block_on");
        assert_eq!(task::current().spawned_at(), None);
    });
}

// The front for other threads.

#[test]
fn threads_spawn_tasks_that_may_hold_anything() {
    executor().block_on(async {
        let (handle, home) = (Handle::current(), thread::current().id());
        let remotes: Vec<_> = (0..4)
            .map(|number| {
                let handle = handle.clone();
                elsewhere(move || {
                    handle.spawn(move || {
                        let local = Rc::new(number); // made over there
                        async move {
                            yield_now().await;
                            (*local, thread::current().id())
                        }
                    })
                })
            })
            .collect();
        for (number, remote) in remotes.into_iter().enumerate() {
            assert_eq!(remote.await.unwrap(), (number, home));
        }
    });
}

#[test]
fn a_thread_may_block_for_what_it_spawned() {
    let (give, take) = mpsc::channel();
    executor().block_on(async {
        let handle = Handle::current();
        let threads: Vec<_> = (0..scaled(4, 2))
            .map(|number| {
                let (handle, give) = (handle.clone(), give.clone());
                let run = move || {
                    for round in 0..scaled(200, 3) {
                        let sum =
                            handle.spawn(move || async move { number + round }).blocking_join().unwrap();
                        assert_eq!(sum, number + round);
                    }
                    let done = handle.spawn(move || async move { give.send(()).unwrap() });
                    done.blocking_join().unwrap();
                };
                thread::Builder::new().spawn(run).unwrap()
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            yield_now().await;
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    drop(give);
    assert_eq!(take.iter().count(), scaled(4, 2));
}

#[test]
fn the_panic_of_a_remote_task_reaches_whoever_spawned_it() {
    executor().block_on(async {
        let handle = Handle::current();
        let in_future = handle.spawn(|| async { panic!("in the future") });
        let in_maker = handle.spawn(|| -> std::future::Ready<()> { panic!("in the maker") });
        assert!(in_future.await.unwrap_err().to_string().contains("in the future"));
        assert!(in_maker.await.unwrap_err().to_string().contains("in the maker"));
    });
}

#[test]
fn a_panic_in_the_drop_of_a_remote_tasks_future_is_its_outcome() {
    executor().block_on(async {
        let handle = Handle::current();
        let on_completion = handle.spawn(|| Guarded::new(bomb("drop on completion"), |_| Poll::Ready(1)));
        let error = on_completion.await.unwrap_err();
        assert!(error.is_panic(), "{error}");
    });
}

#[test]
fn a_remote_task_nobody_awaits_runs_all_the_same() {
    let ran = Arc::new(AtomicUsize::new(0));
    executor().block_on(async {
        let (handle, count) = (Handle::current(), ran.clone());
        drop(handle.spawn(move || async move { count.fetch_add(1, Ordering::Relaxed) }));
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

#[test]
fn a_remote_task_can_be_awaited_from_another_runtime() {
    let (give, take) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let thread = thread::Builder::new()
        .spawn(move || {
            executor().block_on(async {
                give.send(Handle::current()).unwrap();
                while ended.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    yield_now().await;
                }
            });
        })
        .unwrap();
    let far = take.recv().unwrap();
    executor().block_on(async {
        let name = far.spawn(|| async { format!("{:?}", thread::current().id()) }).await.unwrap();
        assert_ne!(name, format!("{:?}", thread::current().id()));
    });
    end.send(()).unwrap();
    thread.join().unwrap();
    assert!(far.spawn(|| async {}).blocking_join().unwrap_err().is_cancelled(), "gone by now");
}

#[test]
fn stop_ends_a_run_before_its_future_is_done() {
    let drops = Drops::default();
    let executor = executor();
    let handle = executor.handle();
    let guard = drops.value();
    let stopped = executor.try_block_on(async {
        let _guard = guard;
        elsewhere(|| handle.stop());
        pending::<()>().await;
    });
    assert_eq!(stopped, Err(Stopped));
    drops.assert_here(1);
    assert_eq!(executor.block_on(async { 7 }), 7, "one stop ends one run");
}

#[test]
fn stop_wakes_a_loop_that_sleeps() {
    let executor = executor();
    let handle = executor.handle();
    let (asleep, at_sleep) = mpsc::channel();
    let stopper = thread::Builder::new()
        .spawn(move || {
            at_sleep.recv().unwrap();
            handle.stop();
        })
        .unwrap();
    let stopped = executor.try_block_on(async {
        asleep.send(()).unwrap();
        pending::<()>().await;
    });
    assert_eq!(stopped, Err(Stopped));
    stopper.join().unwrap();
}

#[test]
fn stop_ends_a_run_whose_tasks_never_rest() {
    let executor = executor();
    let handle = executor.handle();
    let stopped = executor.try_block_on(async {
        for _ in 0..3 {
            spawn(async {
                loop {
                    yield_now().await;
                }
            })
            .detach();
        }
        yield_now().await;
        elsewhere(|| handle.stop());
        pending::<()>().await;
    });
    assert_eq!(stopped, Err(Stopped));
}

#[test]
fn stopped_block_on_panics_with_a_sentence() {
    let executor = executor();
    let handle = executor.handle();
    let stopped = catch_unwind(AssertUnwindSafe(|| {
        executor.block_on(async {
            handle.stop();
            pending::<()>().await;
        });
    }));
    let message = stopped.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("use try_block_on"), "{message}");
}

#[test]
fn a_stop_between_two_runs_ends_the_next() {
    let executor = executor();
    executor.handle().stop();
    let polled = Cell::new(false);
    assert_eq!(executor.try_block_on(async { polled.set(true) }), Err(Stopped));
    assert!(!polled.get());
    assert_eq!(executor.try_block_on(async { 7 }), Ok(7));
}

#[test]
fn a_stop_that_comes_too_late_for_its_run_does_not_end_the_next() {
    for posted_by in ["another thread", "the run itself"] {
        let executor = executor();
        let handle = executor.handle();
        let output = executor.try_block_on(async {
            if posted_by == "another thread" {
                elsewhere(|| handle.stop());
            } else {
                handle.stop();
            }
            7
        });
        assert_eq!(output, Ok(7), "it was done before the end of the turn");
        assert_eq!(
            executor.try_block_on(async { 8 }),
            Ok(8),
            "that stop was for the run before ({posted_by})"
        );
    }
}

#[test]
fn mail_runs_inside_the_runtime_between_polls_in_the_order_of_posting() {
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    executor().block_on(async {
        let id = RuntimeId::current().unwrap();
        elsewhere(|| {
            for number in 0..100 {
                let order = order.clone();
                id.post(move || {
                    assert!(id.is_current());
                    order.lock().unwrap().push(number);
                })
                .unwrap();
            }
        });
        assert!(order.lock().unwrap().is_empty(), "not inside this poll");
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn mail_may_spawn_and_post_again() {
    let ran = Arc::new(AtomicUsize::new(0));
    executor().block_on(async {
        let id = RuntimeId::current().unwrap();
        let (outer, inner) = (ran.clone(), ran.clone());
        id.post(move || {
            spawn(async move { outer.fetch_add(1, Ordering::Relaxed) }).detach();
            id.post(move || {
                inner.fetch_add(10, Ordering::Relaxed);
            })
            .unwrap();
        })
        .unwrap();
        for _ in 0..4 {
            yield_now().await;
        }
    });
    assert_eq!(ran.load(Ordering::Relaxed), 11);
}

#[test]
fn bits_made_up_name_a_runtime_that_is_gone() {
    assert_eq!(RuntimeId::from_bits(0), None);
    let drops = Drops::default();
    // The small ones lead to the block of some runtime, alive or gone, but not to any that it ever served; the large
    // ones name runtimes that are still to come.
    for bits in (1..5_000).step_by(scaled(1, 1_000)).chain([4_095, 4_096 << 40, u64::MAX, 1 << 63]) {
        let Some(id) = RuntimeId::from_bits(bits) else { continue };
        assert!(bits >= 4_096, "{bits} has no number of a runtime in it");
        assert!(!id.is_current());
        if bits > 1 << 40 {
            let guard = drops.value();
            assert_eq!(id.post(move || drop(guard)), Err(RuntimeGone), "{bits}");
        }
    }
    drops.assert_here(3);
}

#[test]
fn a_runtime_is_current_only_while_it_runs() {
    let (first, second) = (executor(), executor());
    let (one, two) = (first.handle().runtime(), second.handle().runtime());
    assert_ne!(one, two);
    assert_eq!(RuntimeId::current(), None);
    first.block_on(async { assert!(one.is_current() && !two.is_current()) });
    second.block_on(async { assert!(two.is_current() && RuntimeId::current() == Some(two)) });
    assert!(!one.is_current());
    drop(first);
    let third = executor();
    assert_ne!(third.handle().runtime(), one, "a name is never used again");
}

#[test]
fn without_a_runtime_every_front_says_what_to_do() {
    fn refusal(f: impl FnOnce()) -> String {
        let refused = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        *refused.downcast::<String>().unwrap()
    }
    assert!(refusal(|| spawn(async {}).detach()).starts_with("spawn needs a runtime on this thread"));
    assert!(refusal(|| _ = Handle::current()).starts_with("Handle::current needs a runtime"));
    assert!(refusal(|| _ = task::current()).starts_with("task::current needs a runtime"));
    assert!(refusal(|| assert_eq!(task::count(), 0)).starts_with("task::count needs a runtime"));
    assert!(refusal(|| runtime_executor::spawn_blocking(|| ()).detach()).contains("needs a runtime"));
}

#[test]
fn on_exit_wait_waits_for_remote_tasks_that_have_begun() {
    let executor = Executor::builder().on_exit(OnExit::Wait).build();
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    executor.block_on(async {
        drop(Handle::current().spawn(move || async move {
            yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
        }));
        yield_now().await;
    });
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

#[test]
fn handles_of_many_tasks_may_be_joined_in_any_order() {
    executor().block_on(async {
        let handles: Vec<_> = (0..50)
            .map(|number| {
                spawn(async move {
                    for _ in 0..number % 7 {
                        yield_now().await;
                    }
                    number
                })
            })
            .rev()
            .collect();
        let outputs: Vec<_> = join_all(handles).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(outputs, (0..50).rev().collect::<Vec<_>>());
    });
}

#[test]
fn a_root_that_is_moved_between_polls_is_not() {
    // The future of block_on is pinned: its address is the same in each poll.
    let addresses = RefCell::new(Vec::new());
    executor().block_on(async {
        let local = 7;
        for _ in 0..3 {
            addresses.borrow_mut().push(&raw const local as usize);
            yield_now().await;
        }
        poll_fn(|_| Poll::Ready(())).await;
        pause_never().await;
    });
    let addresses = addresses.into_inner();
    assert!(addresses.iter().all(|address| *address == addresses[0]));
}

async fn pause_never() {
    let waker = common::own_waker().await;
    waker.wake_by_ref();
    pause().await;
}
