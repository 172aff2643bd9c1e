//! Wakers: good for ever, from everywhere, and never a wake too few.
#![cfg(not(loom))]
#![allow(clippy::waker_clone_wake, reason = "the clone is what some stories are about")]

mod common;

use common::{
    Counting, FakePark, Guarded, Log, OnDrop, elsewhere, executor, own_waker, pause, poll_once, scaled, until,
};
use runtime_executor::{
    Executor, RuntimeId, spawn,
    task::{self, yield_now},
};
use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
};

/// A task that counts its polls, and its waker.
async fn counted() -> (Rc<Cell<usize>>, Waker) {
    let polls = Rc::new(Cell::new(0));
    let (seen, (give, take)) = (polls.clone(), mpsc::channel());
    spawn(poll_fn(move |context| -> Poll<()> {
        if seen.get() == 0 {
            give.send(context.waker().clone()).unwrap();
        }
        seen.set(seen.get() + 1);
        Poll::Pending
    }))
    .detach();
    yield_now().await;
    (polls, take.try_recv().unwrap())
}

#[test]
fn a_wake_after_completion_is_nothing() {
    executor().block_on(async {
        let handle = spawn(own_waker());
        let waker = handle.await.unwrap();
        waker.wake_by_ref();
        waker.clone().wake();
        elsewhere(|| {
            waker.wake_by_ref();
            waker.clone().wake();
        });
        yield_now().await;
        elsewhere(move || drop(waker));
        yield_now().await;
    });
}

#[test]
fn a_stale_waker_does_not_poll_the_successor_in_its_slot() {
    executor().block_on(async {
        let stale = spawn(own_waker()).await.unwrap();
        let (polls, current) = counted().await;
        assert!(!stale.will_wake(&current));
        stale.wake_by_ref();
        stale.wake();
        yield_now().await;
        assert_eq!(polls.get(), 1);
        current.wake();
        yield_now().await;
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn a_wake_after_the_runtime_is_gone_is_nothing() {
    let executor = executor();
    let (waker, root) = executor.block_on(async { (counted().await.1, own_waker().await) });
    drop(executor);
    for waker in [waker, root] {
        waker.wake_by_ref();
        waker.clone().wake();
        elsewhere(|| waker.wake_by_ref());
        elsewhere(move || drop(waker));
    }
}

#[test]
fn a_wake_by_a_waker_of_a_former_runtime_is_at_most_spurious() {
    let first = executor();
    let old = first.block_on(async {
        spawn(own_waker()).detach(); // so that the slots differ
        counted().await.1
    });
    drop(first);
    executor().block_on(async {
        let handle = spawn(async {
            pause().await;
            7
        });
        yield_now().await;
        old.wake_by_ref();
        elsewhere(|| old.wake_by_ref());
        old.wake();
        yield_now().await;
        yield_now().await;
        handle.cancel();
        // It may have been polled once too often, by which `pause` ends; more must not have happened.
        match handle.await {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert!(error.is_cancelled()),
        }
    });
}

type LastWord = OnDrop<Box<dyn FnOnce()>>;

thread_local! {
    static LAST_WORDS: RefCell<Vec<LastWord>> = const { RefCell::new(Vec::new()) };
}

/// Has `f` run among the destructors of this thread's locals.
fn at_thread_end(f: impl FnOnce() + 'static) {
    LAST_WORDS.with_borrow_mut(|words| words.push(OnDrop::new(Box::new(f))));
}

#[test]
fn a_wake_from_a_thread_locals_destructor_arrives() {
    let flag = Arc::new(AtomicBool::new(false));
    executor().block_on(async {
        let waker = own_waker().await;
        let setter = flag.clone();
        let thread = thread::Builder::new()
            .spawn(move || {
                at_thread_end(move || {
                    let clone = waker.clone();
                    setter.store(true, Ordering::Release);
                    waker.wake();
                    drop(clone);
                });
            })
            .unwrap();
        until(&flag).await;
        thread.join().unwrap();
    });
}

#[test]
fn a_wake_from_a_thread_locals_destructor_after_the_runtime_is_gone_is_nothing() {
    elsewhere(|| {
        // Registered before the runtime touches any local of its own, and after: both orders of destruction.
        let early: Rc<Cell<Option<Waker>>> = Rc::default();
        let late = early.clone();
        at_thread_end(move || {
            let waker = early.take().unwrap();
            waker.wake_by_ref();
            drop(waker.clone());
            waker.wake();
        });
        let waker = executor().block_on(async { counted().await.1 });
        late.set(Some(waker.clone()));
        at_thread_end(move || waker.wake());
    });
}

#[test]
fn a_runtime_that_lives_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static RUNTIME: Executor = executor();
    }
    let dropped = Arc::new(Mutex::new(None));
    let report = dropped.clone();
    let home = elsewhere(move || {
        RUNTIME.with(|executor| {
            executor.block_on(async {
                let waker = counted().await.1;
                let guard = OnDrop::new(move || {
                    waker.wake(); // of a task dropped before this one
                    let spawned = spawn(async {});
                    *report.lock().unwrap() = Some((thread::current().id(), spawned.is_finished()));
                });
                spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })
                .detach();
                yield_now().await;
            });
        });
        thread::current().id()
    });
    assert_eq!(dropped.lock().unwrap().take(), Some((home, true)));
}

#[test]
fn a_wake_during_the_own_poll_from_another_thread_means_one_more_poll() {
    executor().block_on(async {
        let mut polls = 0;
        poll_fn(|context| {
            polls += 1;
            if polls < 4 {
                let waker = context.waker();
                elsewhere(|| {
                    waker.wake_by_ref();
                    waker.clone().wake();
                });
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(polls, 4);

        let polls = Rc::new(Cell::new(0));
        let seen = polls.clone();
        let handle = spawn(poll_fn(move |context| -> Poll<()> {
            seen.set(seen.get() + 1);
            if seen.get() == 1 {
                let waker = context.waker();
                elsewhere(|| waker.wake_by_ref());
            }
            Poll::Pending
        }));
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(polls.get(), 2);
        handle.cancel_and_wait().await.unwrap_err();
    });
}

#[test]
fn a_wake_during_the_own_poll_by_itself_means_one_more_poll() {
    executor().block_on(async {
        let polls = Rc::new(Cell::new(0));
        let seen = polls.clone();
        spawn(poll_fn(move |context| -> Poll<()> {
            seen.set(seen.get() + 1);
            if seen.get() == 1 {
                context.waker().wake_by_ref();
                context.waker().clone().wake();
            }
            Poll::Pending
        }))
        .detach();
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn a_wake_during_a_poll_that_ends_the_task_is_nothing() {
    executor().block_on(async {
        let handle = spawn(poll_fn(|context| {
            context.waker().wake_by_ref();
            let waker = context.waker();
            elsewhere(|| waker.wake_by_ref());
            Poll::Ready(7)
        }));
        let (polls, _) = counted().await;
        assert_eq!(handle.await.unwrap(), 7);
        for _ in 0..4 {
            yield_now().await;
        }
        assert_eq!(polls.get(), 1);
    });
}

#[test]
fn a_million_wakes_while_queued_are_one_poll() {
    executor().block_on(async {
        let (polls, waker) = counted().await;
        for _ in 0..scaled(1_000_000, 100) {
            waker.wake_by_ref();
        }
        yield_now().await;
        assert_eq!(polls.get(), 2);
        elsewhere(|| {
            for _ in 0..scaled(1_000_000, 100) {
                waker.wake_by_ref();
            }
        });
        for _ in 0..4 {
            yield_now().await;
        }
        assert_eq!(polls.get(), 3, "the mail is one letter");
    });
}

#[test]
fn wakers_may_be_cloned_and_dropped_on_other_threads() {
    executor().block_on(async {
        let (polls, waker) = counted().await;
        thread::scope(|scope| {
            for _ in 0..4 {
                let clone = waker.clone();
                scope.spawn(move || {
                    let more: Vec<Waker> = (0..scaled(100, 5)).map(|_| clone.clone()).collect();
                    assert!(more.iter().all(|waker| waker.will_wake(&clone)));
                    drop(more);
                });
            }
        });
        yield_now().await;
        assert_eq!(polls.get(), 1, "that wakes nobody");
        elsewhere(|| waker.clone().wake());
        while polls.get() == 1 {
            yield_now().await;
        }
        assert_eq!(polls.get(), 2);
    });
}

#[test]
fn will_wake_is_exact() {
    executor().block_on(async {
        let (_, first) = counted().await;
        let (_, second) = counted().await;
        let root = own_waker().await;
        assert!(first.will_wake(&first.clone()) && root.will_wake(&root.clone()));
        assert!(!first.will_wake(&second) && !second.will_wake(&root));
        assert!(!first.will_wake(Waker::noop()));
        let again = poll_fn(|context| Poll::Ready(context.waker().will_wake(&root))).await;
        assert!(again, "the same in each poll");
    });
}

#[test]
fn the_waker_of_an_earlier_poll_stays_good() {
    executor().block_on(async {
        let first = Rc::new(RefCell::new(None));
        let store = first.clone();
        let handle = spawn(async move {
            *store.borrow_mut() = Some(own_waker().await);
            for _ in 0..3 {
                yield_now().await;
            }
            pause().await;
            7
        });
        for _ in 0..6 {
            yield_now().await;
        }
        assert!(!handle.is_finished());
        let waker: Waker = first.take().unwrap();
        waker.wake();
        assert_eq!(handle.await.unwrap(), 7);
    });
}

#[test]
fn a_wake_between_two_runs_is_served_by_the_next() {
    let executor = executor();
    let (polls, here) = executor.block_on(counted());
    let (other_polls, there) = executor.block_on(counted());
    here.wake();
    elsewhere(move || there.wake());
    assert_eq!((polls.get(), other_polls.get()), (1, 1));
    executor.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    assert_eq!((polls.get(), other_polls.get()), (2, 2));
}

#[test]
fn a_wake_of_the_former_root_does_not_disturb_the_next() {
    let executor = executor();
    let former = executor.block_on(own_waker());
    former.wake_by_ref();
    elsewhere(|| former.wake_by_ref());
    let mut polls = 0;
    executor.block_on(poll_fn(|context| {
        polls += 1;
        if polls == 3 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }));
    assert_eq!(polls, 3);
}

#[test]
fn the_loop_that_sleeps_is_woken_by_every_kind_of_mail() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    let polls = Rc::new(Cell::new(0));
    let seen = polls.clone();
    // Each sleep is ended by another kind of mail, sent while the loop is inside `park`.
    let stage = Cell::new(0);
    executor.block_on(async {
        let (root, id) = (own_waker().await, RuntimeId::current().unwrap());
        let victim = spawn(pending::<()>());
        let cancel = victim.cancel_handle();
        let unparks = park.unparks.clone();
        park.on_park(move |_| {
            let before = unparks.wakes.load(Ordering::Relaxed);
            stage.set(stage.get() + 1);
            match stage.get() {
                1 => elsewhere(|| root.wake_by_ref()),
                2 => elsewhere(|| cancel.cancel()),
                3 => {
                    let root = root.clone();
                    elsewhere(move || id.post(move || root.wake()).unwrap());
                }
                more => panic!("slept {more} times"),
            }
            assert_eq!(unparks.wakes.load(Ordering::Relaxed), before + 1, "each rings once");
        });
        pause().await;
        seen.set(seen.get() + 1);
        assert!(victim.await.unwrap_err().is_cancelled());
        seen.set(seen.get() + 1);
        pause().await;
        seen.set(seen.get() + 1);
    });
    assert_eq!(polls.get(), 3);
    assert_eq!(park.take_calls().len(), 3);
}

#[test]
fn of_many_wakes_while_the_loop_sleeps_only_the_first_rings() {
    let park = FakePark::new();
    let executor = Executor::builder().park(park.clone()).build();
    executor.block_on(async {
        let wakers: Vec<Waker> = {
            let mut all = vec![own_waker().await];
            for _ in 0..20 {
                all.push(counted().await.1);
            }
            all
        };
        park.on_park(move |_| elsewhere(|| wakers.iter().for_each(Waker::wake_by_ref)));
        pause().await;
    });
    assert_eq!(park.unparks.wakes.load(Ordering::Relaxed), 1);
}

#[test]
fn eight_threads_wake_a_parked_loop_and_no_wake_is_lost() {
    const THREADS: usize = 8;
    let wakes = scaled(100_000, 17);
    let asked: Arc<[AtomicUsize; THREADS]> = Arc::default();
    let answered: Arc<[AtomicUsize; THREADS]> = Arc::default();
    executor().block_on(async {
        let waker = own_waker().await;
        let threads: Vec<_> = (0..THREADS)
            .map(|me| {
                let (asked, answered, waker) = (asked.clone(), answered.clone(), waker.clone());
                let run = move || {
                    for wake in 1..=wakes {
                        asked[me].store(wake, Ordering::Release);
                        waker.wake_by_ref();
                        // Now and then waits for the answer, so that the loop goes to sleep and any wake may
                        // be the only one.
                        while wake % 16 == 0 && answered[me].load(Ordering::Acquire) < wake {
                            thread::yield_now();
                        }
                    }
                };
                thread::Builder::new().spawn(run).unwrap()
            })
            .collect();
        poll_fn(|_| {
            let mut done = true;
            for (asked, answered) in asked.iter().zip(answered.iter()) {
                let seen = asked.load(Ordering::Acquire);
                answered.store(seen, Ordering::Release);
                done &= seen == wakes;
            }
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn threads_wake_many_tasks_of_a_parked_loop_and_no_wake_is_lost() {
    let (threads, tasks, wakes) = (4, scaled(64, 4), scaled(2_000, 10));
    executor().block_on(async {
        let counters: Arc<Vec<AtomicUsize>> = Arc::new((0..tasks).map(|_| AtomicUsize::new(0)).collect());
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let handles: Vec<_> = (0..tasks)
            .map(|me| {
                let (counters, wakers) = (counters.clone(), wakers.clone());
                let mut registered = false;
                spawn(poll_fn(move |context| {
                    if !std::mem::replace(&mut registered, true) {
                        wakers.lock().unwrap().push(context.waker().clone());
                    }
                    if counters[me].load(Ordering::Acquire) == threads * wakes {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                }))
            })
            .collect();
        yield_now().await;
        let wakers: Arc<Vec<Waker>> = Arc::new(wakers.lock().unwrap().drain(..).collect());
        let threads: Vec<_> = (0..threads)
            .map(|offset| {
                let (counters, wakers) = (counters.clone(), wakers.clone());
                let run = move || {
                    for wake in 0..wakes * tasks {
                        let target = (wake * 7 + offset) % tasks;
                        counters[target].fetch_add(1, Ordering::Release);
                        wakers[target].wake_by_ref();
                    }
                };
                thread::Builder::new().spawn(run).unwrap()
            })
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Wakers of a runtime that has ended race with the next runtime's, which lives under the same index and uses the
/// same slots.
#[test]
fn stale_wakes_take_no_wake_from_the_next_runtime() {
    let rounds = scaled(3_000, 4);
    let (stale_wakers, receiver) = mpsc::channel::<Waker>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for stale in receiver {
                for _ in 0..20 {
                    stale.wake_by_ref();
                }
            }
        });
        for _ in 0..rounds {
            let flag = AtomicBool::new(false);
            let stale = executor().block_on(async {
                let waker = own_waker().await;
                thread::scope(|scope| {
                    let flag = &flag;
                    let waker = &waker;
                    scope.spawn(move || {
                        flag.store(true, Ordering::Release);
                        waker.wake_by_ref();
                    });
                });
                until(&flag).await;
                waker
            });
            stale_wakers.send(stale).unwrap();
        }
        drop(stale_wakers);
    });
}

#[test]
fn a_wake_inside_the_own_drop_is_nothing() {
    executor().block_on(async {
        let waker = Rc::new(RefCell::new(None::<Waker>));
        let (store, user) = (waker.clone(), waker.clone());
        let handle = spawn(Guarded::new(
            OnDrop::new(move || {
                let waker = user.borrow_mut().take().unwrap();
                waker.wake_by_ref();
                waker.wake();
            }),
            move |context| {
                *store.borrow_mut() = Some(context.waker().clone());
                Poll::<()>::Pending
            },
        ));
        yield_now().await;
        assert!(handle.cancel_and_wait().await.unwrap_err().is_cancelled());
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!(task::count(), 0);
    });
}

#[test]
fn a_wake_inside_the_own_callback_is_nothing() {
    executor().block_on(async {
        for keep_handle in [true, false] {
            let (give, take) = mpsc::channel();
            let handle = spawn(poll_fn(move |context| {
                give.send(context.waker().clone()).unwrap();
                Poll::Ready(vec![7])
            }));
            handle.on_done(move |_| {
                let waker: Waker = take.recv().unwrap();
                waker.wake_by_ref();
                waker.wake();
            });
            if keep_handle {
                assert_eq!(handle.await.unwrap(), [7]);
            } else {
                drop(handle);
            }
            for _ in 0..3 {
                yield_now().await;
            }
            assert_eq!(task::count(), 0);
        }
    });
}

/// The joiner is foreign code: it may come straight back to us.
#[test]
fn a_joiners_waker_may_come_back_to_what_wakes_it() {
    let log = Log::default();
    executor().block_on(async {
        let handle = Rc::new(RefCell::new(Some(spawn(async { 7 }))));
        let (mine, writer) = (handle.clone(), log.clone());
        let waker = common::local_waker(move || {
            let mut taken = mine.borrow_mut().take().unwrap();
            assert!(taken.is_finished() && !taken.cancel());
            let polled = Pin::new(&mut taken).poll(&mut Context::from_waker(Waker::noop()));
            writer.add(format!("{polled:?}"));
            drop(taken); // and with it the task's block
            spawn(async {}).detach();
        });
        {
            let mut watched = handle.borrow_mut();
            let polled = Pin::new(watched.as_mut().unwrap()).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        yield_now().await;
        assert_eq!(log.take(), ["Ready(Ok(7))"]);
    });
}

#[test]
fn a_handle_that_is_dropped_lets_go_of_the_waker_it_was_polled_with() {
    executor().block_on(async {
        let counting = Arc::new(Counting::default());
        let waker: Waker = counting.clone().into();
        let (_, task_waker) = counted().await;
        let mut handle = spawn(async {
            yield_now().await;
        });
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&counting), 2);
        drop(handle);
        assert_eq!(Arc::strong_count(&counting), 1, "nobody waits any more");
        for _ in 0..4 {
            yield_now().await;
        }
        assert_eq!(counting.wakes.load(Ordering::Relaxed), 0);
        drop(task_waker);
    });
}

#[test]
fn the_last_of_several_pollers_is_woken() {
    executor().block_on(async {
        let mut handle = spawn(async {
            yield_now().await;
        });
        let [first, last] = [0; 2].map(|_| Arc::new(Counting::default()));
        for counting in [&first, &last, &first, &last] {
            let waker: Waker = counting.clone().into();
            assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        for _ in 0..3 {
            yield_now().await;
        }
        let wakes = |counting: &Arc<Counting>| counting.wakes.load(Ordering::Relaxed);
        assert_eq!((wakes(&first), wakes(&last)), (0, 1));
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&last)), (1, 1));
        assert!(poll_once(&mut handle).await.is_ready());
    });
}
