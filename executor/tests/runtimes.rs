//! Several runtimes: side by side in one thread, one inside a task of another, one in its own task, one in a
//! thread-local, many in one process.
#![cfg(not(loom))]
#![allow(clippy::async_yields_async, reason = "handles are brought out of a run on purpose")]

mod common;

use common::{Drops, Log, OnDrop, elsewhere, executor, own_waker, pause, scaled};
use runtime_executor::{
    Executor, Handle, JoinHandle, RuntimeId, current, spawn,
    task::yield_now,
    time::{self, Clock},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

#[test]
fn two_runtimes_of_one_thread_take_turns() {
    let log = Log::default();
    let (first, second) = (executor(), executor());
    let worker = |name: &'static str| {
        let log = log.clone();
        spawn(async move {
            for round in 0..3 {
                log.add(format!("{name} {round}"));
                yield_now().await;
            }
        })
        .detach();
    };
    first.block_on(async { worker("first") });
    second.block_on(async { worker("second") });
    for _ in 0..3 {
        first.block_on(yield_now());
        second.block_on(yield_now());
    }
    let mut lines = log.take();
    assert_eq!(lines.len(), 6);
    lines.sort();
    assert_eq!(lines, ["first 0", "first 1", "first 2", "second 0", "second 1", "second 2"]);
}

#[test]
fn a_task_of_one_runtime_wakes_a_task_of_another() {
    let (first, second) = (executor(), executor());
    let polls = Rc::new(Cell::new(0));
    let waker: Waker = first.block_on(async {
        let (count, (give, take)) = (polls.clone(), std::sync::mpsc::channel());
        spawn(poll_fn(move |context| -> Poll<()> {
            count.set(count.get() + 1);
            let _ = give.send(context.waker().clone());
            Poll::Pending
        }))
        .detach();
        yield_now().await;
        take.recv().unwrap()
    });
    assert_eq!(polls.get(), 1);
    second.block_on(async move {
        let clone = waker.clone();
        spawn(async move { clone.wake() }).await.unwrap();
        waker.wake_by_ref();
    });
    assert_eq!(polls.get(), 1, "it runs where it lives");
    first.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(polls.get(), 2);
}

/// Same numbers everywhere: slots and generations of two fresh runtimes are alike, so only the runtime's own part
/// of a waker tells their tasks apart.
#[test]
fn a_waker_never_means_the_task_of_the_other_runtime_in_the_same_slot() {
    let (first, second) = (executor(), executor());
    let polls = [0; 2].map(|_| Rc::new(Cell::new(0)));
    let mut wakers = Vec::new();
    for (executor, polls) in [&first, &second].into_iter().zip(&polls) {
        let (count, (give, take)) = (polls.clone(), std::sync::mpsc::channel());
        executor.block_on(async {
            spawn(poll_fn(move |context| -> Poll<()> {
                count.set(count.get() + 1);
                let _ = give.send(context.waker().clone());
                Poll::Pending
            }))
            .detach();
            yield_now().await;
        });
        wakers.push(take.recv().unwrap());
    }
    assert!(!wakers[0].will_wake(&wakers[1]));
    second.block_on(async {
        wakers[0].wake_by_ref();
        yield_now().await;
        yield_now().await;
    });
    assert_eq!((polls[0].get(), polls[1].get()), (1, 1));
}

async fn yield_then<T>(value: T) -> T {
    yield_now().await;
    value
}

#[test]
fn a_handle_of_one_runtimes_task_is_awaited_in_another() {
    let (first, second) = (executor(), executor());
    let handle = first.block_on(async { spawn(yield_then(7)) });
    let joiner = second.block_on(async {
        let joiner = spawn(handle);
        yield_now().await;
        joiner
    });
    // The task ends here, and wakes a task over there.
    first.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(second.block_on(joiner).unwrap().unwrap(), 7);
}

#[test]
fn a_nested_block_on_is_refused_with_a_sentence() {
    let (outer, inner) = (executor(), executor());
    let refused = outer.block_on(async {
        spawn(async move {
            inner.block_on(async {});
        })
        .await
        .unwrap_err()
    });
    let text = refused.to_string();
    assert!(
        text.contains("a runtime runs on this thread already") && text.contains("spawn_blocking"),
        "{text}"
    );

    let same = Rc::new(executor());
    let clone = same.clone();
    let refused = same
        .block_on(async move { catch_unwind(AssertUnwindSafe(|| clone.block_on(async {}))).unwrap_err() });
    assert!(refused.downcast_ref::<&str>().unwrap().contains("runs on this thread already"));
    assert_eq!(same.block_on(async { 7 }), 7, "no harm done");
}

#[test]
fn a_runtime_on_another_thread_may_run_while_this_one_waits() {
    executor().block_on(async {
        let mine = RuntimeId::current().unwrap();
        let theirs = elsewhere(|| {
            executor().block_on(async {
                spawn(async {}).await.unwrap();
                RuntimeId::current().unwrap()
            })
        });
        assert_ne!(mine, theirs);
        assert!(mine.is_current());
    });
}

#[test]
fn a_runtime_owned_by_a_task_of_another_ends_with_the_task() {
    let log = Log::default();
    let outer = executor();
    outer.block_on(async {
        let inner = executor();
        let outer_id = RuntimeId::current().unwrap();
        let inner_id = inner.handle().runtime();
        let note = log.clone();
        let owner = spawn(async move {
            let _inner = inner;
            let _note = OnDrop::new(move || {
                assert!(outer_id.is_current());
                note.add("owner's locals");
            });
            pending::<()>().await;
        });
        yield_now().await;
        owner.cancel_and_wait().await.unwrap_err();
        assert!(outer_id.is_current(), "back in the outer one");
        assert!(inner_id.post(|| ()).is_err());
    });
    assert_eq!(log.take(), ["owner's locals"]);
}

/// The inner runtime's tasks are dropped inside a turn of the outer one, and talk to it.
#[test]
fn tasks_of_a_runtime_that_ends_inside_another_wake_and_spawn_as_in_their_own() {
    let log = Log::default();
    let (outer, inner) = (executor(), executor());
    let outer_waker: Rc<Cell<Option<Waker>>> = Rc::default();
    let foreign_task: Rc<Cell<Option<JoinHandle<()>>>> = Rc::default();
    inner.block_on(async {
        let id = RuntimeId::current().unwrap();
        let (note, wakes, cancels) = (log.clone(), outer_waker.clone(), foreign_task.clone());
        let last = OnDrop::new(move || {
            assert!(id.is_current(), "its own context");
            note.add("inner task dropped");
            assert!(spawn(async {}).is_finished(), "which takes no tasks any more");
            wakes.take().unwrap().wake();
            assert!(cancels.take().unwrap().cancel());
        });
        spawn(async move {
            let _last = last;
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    outer.block_on(async {
        let id = RuntimeId::current().unwrap();
        let note = log.clone();
        let victim = OnDrop::new(move || {
            assert!(id.is_current());
            note.add("outer victim dropped");
        });
        foreign_task.set(Some(spawn(async move {
            let _victim = victim;
            pending::<()>().await;
        })));
        let (store, note) = (outer_waker.clone(), log.clone());
        let woken = spawn(async move {
            store.set(Some(own_waker().await));
            pause().await;
            note.add("outer task woken");
        });
        yield_now().await;
        drop(inner);
        assert!(id.is_current());
        assert_eq!(log.take(), ["inner task dropped"]);
        woken.await.unwrap();
        yield_now().await;
    });
    let mut lines = log.take();
    lines.sort();
    assert_eq!(lines, ["outer task woken", "outer victim dropped"]);
}

// A runtime dropped inside its own task. `block_on` borrows the runtime, so as long as one of its tasks can run,
// somebody on this stack holds it: no safe code gets the last owner into a running task. What comes closest:

#[test]
fn a_task_may_own_its_runtime_together_with_others_and_let_go() {
    let drops = Drops::default();
    let owner = Rc::new(executor());
    let (inside, guard) = (owner.clone(), drops.value());
    owner.block_on(async {
        spawn(async move {
            let _guard = guard;
            assert!(Rc::try_unwrap(inside).is_err(), "it runs, so somebody else holds it");
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    drops.assert_here(0);
    drop(owner);
    drops.assert_here(1);
}

#[test]
fn a_task_that_alone_owns_its_runtime_keeps_it_until_it_lets_go() {
    let drops = Drops::default();
    let owner = Rc::new(executor());
    let (inside, weak) = (owner.clone(), Rc::downgrade(&owner));
    let (waker, guard): (Rc<Cell<Option<Waker>>>, _) = (Rc::default(), drops.value());
    let store = waker.clone();
    owner.block_on(async {
        spawn(async move {
            let _guard = guard;
            store.set(Some(own_waker().await));
            pause().await;
            drop(inside); // in its own turn
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    drop(owner);
    drops.assert_here(0); // a cycle, as any of Rc

    let owner = weak.upgrade().expect("the task keeps its runtime");
    waker.take().unwrap().wake();
    owner.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    drops.assert_here(0);
    drop(owner); // now it is the last
    drops.assert_here(1);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_runtime_behind_a_ref_cell_cannot_be_taken_out_by_its_own_task() {
    let drops = Drops::default();
    let slot = Rc::new(RefCell::new(Some(executor())));
    let (inside, guard) = (slot.clone(), drops.value());
    let outcome = slot.borrow().as_ref().unwrap().block_on(async {
        spawn(async move {
            let _guard = guard;
            drop(inside.take()); // would free the loop under its own feet: RefCell says no
        })
        .await
    });
    assert!(outcome.unwrap_err().is_panic());
    drops.assert_here(1);
    assert!(slot.take().is_some());
}

#[test]
fn a_runtime_whose_task_owns_another_runtime_takes_it_along() {
    let drops = Drops::default();
    let outer = executor();
    outer.block_on(async {
        let inner = executor();
        let guard = drops.value();
        inner.handle().spawn(move || async move { drop(guard) }); // unread mail of the inner one
        spawn(async move {
            let _inner = inner;
            pending::<()>().await;
        })
        .detach();
        yield_now().await;
    });
    drops.assert_here(0);
    drop(outer);
    drops.assert_here(1);
}

#[test]
fn an_extension_may_own_a_runtime() {
    struct Inner(#[expect(dead_code, reason = "for its drop")] Executor);
    let inner = executor();
    let id = inner.handle().runtime();
    let outer = Executor::builder().extension(Inner(inner)).build();
    outer.block_on(async { assert!(current::with_extension(|_: &Inner| ()).is_some()) });
    assert!(id.post(|| ()).is_ok());
    drop(outer);
    assert!(id.post(|| ()).is_err());
}

#[test]
fn runtimes_have_clocks_of_their_own() {
    let paused = Executor::builder().clock(Clock::paused()).build();
    let other = Executor::builder().clock(Clock::paused()).build();
    paused.block_on(async {
        let start = time::Instant::now();
        time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(3600));
    });
    other.block_on(async {
        let start = time::Instant::now();
        yield_now().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn many_runtimes_come_and_go() {
    let mut ids = std::collections::HashSet::new();
    for round in 0..scaled(2_000, 20) {
        let executor = executor();
        assert!(ids.insert(executor.handle().runtime()), "a name is never used again");
        assert_eq!(executor.block_on(async { spawn(async move { round }).await.unwrap() }), round);
    }
}

#[test]
fn runtimes_of_many_threads_talk_to_each_other() {
    let (threads, rounds) = (scaled(8, 3), scaled(300, 4));
    let (give, take) = std::sync::mpsc::channel::<Handle>();
    let barrier = std::sync::Barrier::new(threads);
    let all = std::sync::OnceLock::<Vec<Handle>>::new();
    std::thread::scope(|scope| {
        for me in 0..threads {
            let (give, barrier, all) = (give.clone(), &barrier, &all);
            scope.spawn(move || {
                let executor = executor();
                give.send(executor.handle()).unwrap();
                executor.block_on(async {
                    let peers = loop {
                        match all.get() {
                            Some(peers) => break peers,
                            None => yield_now().await,
                        }
                    };
                    for round in 0..rounds {
                        let peer = &peers[(me + round) % threads];
                        let echoed = peer.spawn(move || async move {
                            yield_now().await;
                            round
                        });
                        assert_eq!(echoed.await.unwrap(), round);
                    }
                });
                // Runs on for the others until all have finished.
                let waiting = std::sync::atomic::AtomicBool::new(true);
                std::thread::scope(|inner| {
                    let handle = executor.handle();
                    let waiting = &waiting;
                    inner.spawn(move || {
                        barrier.wait();
                        waiting.store(false, std::sync::atomic::Ordering::Release);
                        handle.stop();
                    });
                    assert_eq!(executor.try_block_on(pending::<()>()), Err(runtime_executor::Stopped));
                });
            });
        }
        all.set(take.iter().take(threads).collect()).unwrap();
    });
}
