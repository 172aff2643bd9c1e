//! Scopes: children that borrow, each polled only when it woke, siblings from siblings, panics, and a scope that is
//! dropped, or forgotten, at any point.

mod common;

use common::{
    Drops, Guarded, Log, OnDrop, bomb,
    every_point::{Point, at_every_point},
    executor, own_waker, paused, poll_once, scaled,
};
use runtime_executor::{
    join, spawn,
    task::{self, CancelScope, Scope, scope, yield_now},
    time::{Instant, sleep},
};
use runtime_sync::{Event, Lock};
use std::{
    cell::{Cell, RefCell},
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    ptr,
    rc::Rc,
    sync::atomic::{AtomicPtr, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn children_borrow_from_the_caller_and_run_side_by_side() {
    let log = Log::default();
    paused().block_on(async {
        let start = Instant::now();
        let names = [String::from("a"), String::from("b")];
        let mut total = 0;
        let value = scope(async |s| {
            let lengths: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(n, name)| {
                    let log = &log;
                    s.spawn(async move {
                        sleep((2 - n as u32) * SECOND).await;
                        log.add(name.clone());
                        name.len()
                    })
                })
                .collect();
            log.add("body");
            for length in lengths {
                total += length.await;
            }
            "value"
        })
        .await;
        assert_eq!((value, total), ("value", 2));
        assert_eq!(start.elapsed(), 2 * SECOND);
    });
    assert_eq!(log.take(), ["body", "b", "a"]);
}

#[test]
fn a_child_may_borrow_uniquely() {
    let mut counts = [0; 3];
    executor().block_on(scope(async |s| {
        for (n, count) in counts.iter_mut().enumerate() {
            s.spawn(async move {
                yield_now().await;
                *count = n;
            });
        }
    }));
    assert_eq!(counts, [0, 1, 2]);
}

#[test]
fn the_scope_waits_for_children_whose_handles_were_dropped() {
    let done = Cell::new(false);
    executor().block_on(scope(async |s| {
        s.spawn(async {
            yield_now().await;
            done.set(true);
        });
    }));
    assert!(done.get());
}

#[test]
fn an_empty_scope_is_ready_at_once() {
    executor().block_on(async {
        let mut empty = pin!(scope(async |_| 7));
        assert_eq!(poll_once(&mut empty).await, Poll::Ready(7));
    });
}

#[test]
fn children_spawn_siblings() {
    fn descend<'env>(s: &Scope<'env>, depths: &'env RefCell<Vec<u32>>, depth: u32) {
        let own = s.clone();
        s.spawn(async move {
            yield_now().await;
            depths.borrow_mut().push(depth);
            if depth < 3 {
                descend(&own, depths, depth + 1);
            }
        });
    }
    let depths = RefCell::default();
    executor().block_on(scope(async |s| descend(&s, &depths, 1)));
    assert_eq!(depths.into_inner(), [1, 2, 3]);
}

#[test]
fn siblings_await_each_other() {
    let sum = executor().block_on(scope(async |s| {
        let first = s.spawn(async {
            yield_now().await;
            20
        });
        let second = s.spawn(async { first.await + 1 });
        let third = s.spawn(async { second.await * 2 });
        third.await
    }));
    assert_eq!(sum, 42);
}

#[test]
fn a_child_that_spawns_for_ever_leaves_the_others_their_turns() {
    fn again(s: &Scope<'_>) {
        let own = s.clone();
        s.spawn(async move { again(&own) });
    }
    let turns = Cell::new(0);
    executor().block_on(async {
        let stop = CancelScope::new();
        let forever = stop.run(scope(async |s| {
            again(&s);
            s.spawn(async {
                loop {
                    yield_now().await;
                    turns.set(turns.get() + 1);
                }
            });
            while turns.get() < 10 {
                yield_now().await;
            }
            // The task gives way to others as well.
            spawn(async {}).await.unwrap();
            stop.cancel("ten turns");
        }));
        assert_eq!(forever.await.unwrap_err().reason(), "ten turns");
    });
}

#[test]
fn each_of_many_children_is_polled_only_when_it_was_woken() {
    const CHILDREN: usize = scaled(10_000, 50);
    let polls = Cell::new(0);
    let body_polls = Cell::new(0);
    paused().block_on(scope(async |s| {
        for n in 0..CHILDREN {
            let polls = &polls;
            s.spawn(async move {
                let mut sleep = pin!(sleep(Duration::from_millis(n as u64 + 1)));
                poll_fn(|context| {
                    polls.set(polls.get() + 1);
                    sleep.as_mut().poll(context)
                })
                .await;
            });
        }
        let mut sleep = pin!(sleep(Duration::from_millis(3)));
        poll_fn(|context| {
            body_polls.set(body_polls.get() + 1);
            sleep.as_mut().poll(context)
        })
        .await;
    }));
    assert_eq!((polls.get(), body_polls.get()), (2 * CHILDREN, 2));
}

#[test]
fn the_panic_of_a_child_goes_on_when_all_have_been_dropped() {
    let log = Log::default();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        executor().block_on(scope(async |s| {
            let _body = log.on_drop("body");
            for name in ["waiting", "new"] {
                let dropped = log.on_drop(name);
                s.spawn(async move {
                    let _dropped = dropped;
                    pending::<()>().await;
                });
                if name == "waiting" {
                    yield_now().await;
                    s.spawn(async { panic!("out of tea") });
                }
            }
            pending::<()>().await;
        }));
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "out of tea");
    assert_eq!(log.take(), ["body", "waiting", "new"]);
}

#[test]
fn the_panic_of_the_body_goes_on_likewise() {
    let log = Log::default();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        executor().block_on(scope(async |s| {
            let dropped = log.on_drop("child");
            s.spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            yield_now().await;
            if true {
                panic!("no milk");
            }
        }));
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "no milk");
    assert_eq!(log.take(), ["child"]);
}

#[test]
fn bad_drops_of_a_future_or_an_output_are_panics_of_the_child() {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        executor().block_on(scope(async |s| {
            let bomb = bomb("future");
            let handle = s.spawn(poll_fn(move |_| {
                let _bomb = &bomb;
                Poll::Ready(vec![7])
            }));
            handle.await
        }))
    }));
    assert_eq!(*caught.unwrap_err().downcast::<String>().unwrap(), "future");
    let caught = catch_unwind(AssertUnwindSafe(|| {
        executor().block_on(scope(async |s| {
            drop(s.spawn(async { bomb("output") }));
        }));
    }));
    assert_eq!(*caught.unwrap_err().downcast::<String>().unwrap(), "output");
}

#[test]
fn dropping_the_scope_drops_body_and_children_before_it_returns() {
    let log = Log::default();
    paused().block_on(async {
        let mut run = Box::pin(scope(async |s| {
            let _body = log.on_drop("body");
            for name in ["first", "second"] {
                let dropped = log.on_drop(name);
                s.spawn(async move {
                    let _dropped = dropped;
                    sleep(SECOND).await;
                });
            }
            pending::<()>().await;
        }));
        assert!(poll_once(&mut run).await.is_pending());
        drop(run);
        assert_eq!(log.take(), ["body", "first", "second"]);
    });
}

#[test]
fn a_handle_may_outlive_its_scope_and_its_child() {
    executor().block_on(async {
        let mut kept = None;
        scope(async |s| {
            let text = s.spawn(async { String::from("kept") });
            kept = Some(text);
        })
        .await;
        let kept = kept.unwrap();
        assert!(kept.is_finished());
        assert_eq!(kept.await, "kept");

        let mut lost = None;
        let mut run = Box::pin(scope(async |s| {
            lost = Some(s.spawn(pending::<String>()));
            pending::<()>().await;
        }));
        assert!(poll_once(&mut run).await.is_pending());
        drop(run);
        let caught = spawn(lost.unwrap()).await.unwrap_err();
        assert!(caught.to_string().contains("after its scope had ended without one"));
    });
}

#[test]
fn an_output_that_nobody_takes_is_dropped_once() {
    let drops = Drops::default();
    executor().block_on(scope(async |s| {
        // Before the child is done, and after.
        drop(s.spawn(async { drops.value() }));
        let kept = s.spawn(async { drops.value() });
        yield_now().await;
        yield_now().await;
        assert!(kept.is_finished());
        assert_eq!(drops.count(), 1);
        drop(kept);
        drops.assert_here(2);
    }));
    drops.assert_here(2);
}

#[test]
fn a_scope_that_has_ended_drops_what_it_is_given() {
    let log = Log::default();
    executor().block_on(async {
        let leaked = Rc::new(RefCell::new(None));
        scope(async |s| *leaked.borrow_mut() = Some(s)).await;
        let s = leaked.take().unwrap();
        let dropped = log.on_drop("refused");
        let handle = s.spawn(async move { drop(dropped) });
        assert_eq!(log.take(), ["refused"]);
        assert!(handle.is_finished());
    });
}

#[test]
fn a_child_from_beside_the_scope_wakes_it() {
    executor().block_on(async {
        let done = Event::new();
        let outside = RefCell::new(None);
        join!(
            scope(async |s| {
                *outside.borrow_mut() = Some(s);
                done.wait().await;
            }),
            async {
                yield_now().await;
                let s = outside.take().unwrap();
                // Nobody else wakes the scope, which alone polls the child.
                s.spawn(async { done.set() });
            }
        );
    });
}

/// Something with suspension points of every kind.
async fn busy(log: &Log) -> usize {
    scope(async |s| {
        let dropped = log.on_drop("-first");
        log.add("+first");
        let first = s.spawn(async move {
            let _dropped = dropped;
            sleep(SECOND).await;
            1
        });
        let dropped = log.on_drop("-nested");
        log.add("+nested");
        let second = s.spawn(async move {
            let _dropped = dropped;
            scope(async |inner| {
                let dropped = log.on_drop("-inner");
                log.add("+inner");
                let handle = inner.spawn(async move {
                    let _dropped = dropped;
                    yield_now().await;
                    sleep(2 * SECOND).await;
                    2
                });
                yield_now().await;
                handle.await
            })
            .await
        });
        first.await + second.await
    })
    .await
}

#[test]
fn cancelled_at_any_suspension_point_a_scope_leaves_nothing_behind() {
    let points = at_every_point(async |point: Point| {
        let log = Log::default();
        let outcome = point.run(busy(&log)).await;
        let lines = log.take();
        let begun = lines.iter().filter(|line| line.starts_with('+')).count();
        assert_eq!(lines.len(), 2 * begun, "{point:?}: {lines:?}");
        assert!(outcome.is_none_or(|value| value == 3));
    });
    assert!(points >= 3, "only {points} suspension points");
}

/// Where a scope is forgotten: a pointer in a static, which checkers of leaks do not take for one.
static FORGOTTEN: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Nothing may be reached after what it borrows. Miri watches.
#[test]
fn a_scope_that_is_forgotten_is_sound() {
    let executor = executor();
    executor.block_on(async {
        let woken_later = Rc::new(RefCell::new(None));
        {
            let local = Cell::new(0);
            let mut run = Box::pin(scope(async |s| {
                s.spawn(async {
                    poll_fn(|context| {
                        *woken_later.borrow_mut() = Some(context.waker().clone());
                        local.set(local.get() + 1);
                        Poll::<()>::Pending
                    })
                    .await;
                });
                pending::<()>().await;
            }));
            assert!(poll_once(&mut run).await.is_pending());
            assert_eq!(local.get(), 1);
            FORGOTTEN.store(Box::into_raw(Box::new(run)).cast(), Ordering::Relaxed);
        }
        woken_later.take().unwrap().wake();
        yield_now().await;
        yield_now().await;
    });
}

#[test]
fn the_children_of_a_scope_are_part_of_the_task_that_awaits_it() {
    executor().block_on(async {
        let outer = task::current();
        scope(async |s| {
            let outer = &outer;
            s.spawn(async move { assert_eq!(&task::current(), outer) });
        })
        .await;
        assert_eq!(task::count(), 0);
    });
}

// What a review found.

/// The scope is polled with the waker of its own child: who is above whom has no end.
#[test]
fn a_scope_above_itself_does_not_stop_the_loop() {
    paused().block_on(async {
        let (lock, waker) = (Rc::new(Lock::new(())), Rc::new(RefCell::new(None)));
        let (same, gives) = (lock.clone(), waker.clone());
        let mut inside = Box::pin(scope(async move |s| {
            s.spawn(async move {
                *gives.borrow_mut() = Some(own_waker().await);
                let _guard = same.acquire().await;
                pending::<()>().await;
            });
            pending::<()>().await;
        }));
        let guard = lock.acquire().await;
        assert!(poll_once(&mut inside).await.is_pending());
        let own = waker.take().expect("the child was polled");
        assert!(inside.as_mut().poll(&mut Context::from_waker(&own)).is_pending());
        drop(own);
        drop(guard);
        sleep(SECOND).await;
    });
}

#[test]
fn who_awaits_a_handle_outside_is_woken_when_the_child_panics_in_its_drop() {
    paused().block_on(async {
        let handle = Rc::new(RefCell::new(None));
        let given = handle.clone();
        let outside = spawn(async move {
            yield_now().await;
            let handle: task::ScopedHandle<u8> = given.take().expect("the child was spawned");
            assert_eq!(handle.await, 7);
        });
        let inside = spawn(async move {
            scope(async |s| {
                // It is dropped with the future, once that is done.
                let (late, mut sleep) = (bomb("late"), Box::pin(sleep(SECOND)));
                let child = poll_fn(move |context| {
                    let _ = &late;
                    sleep.as_mut().poll(context).map(|()| 7)
                });
                *handle.borrow_mut() = Some(s.spawn(child));
                pending::<()>().await;
            })
            .await;
        });
        assert!(inside.await.unwrap_err().is_panic());
        outside.await.unwrap();
    });
}

#[test]
fn a_body_that_panics_before_it_is_a_future_closes_the_scope() {
    executor().block_on(async {
        let escaped = RefCell::new(None::<Scope<'static>>);
        let run = scope(|s: Scope<'static>| -> std::future::Ready<()> {
            *escaped.borrow_mut() = Some(s);
            panic!("no future")
        });
        let mut run = Box::pin(run);
        let polled =
            poll_fn(|context| Poll::Ready(catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context)))));
        assert!(polled.await.is_err());
        let (value, shared) = (Rc::new(()), escaped.take().expect("it has escaped"));
        let kept = value.clone();
        drop(shared.spawn(async move { drop(kept) }));
        assert_eq!(Rc::strong_count(&value), 1, "it takes no more children");
    });
}

#[test]
fn whoever_polls_a_handle_in_the_drop_of_its_own_child_is_told_so() {
    let own: Rc<RefCell<Option<task::ScopedHandle<()>>>> = Rc::default();
    let message = Rc::new(RefCell::new(String::new()));
    executor().block_on(scope(async |s| {
        let (handle, heard) = (own.clone(), message.clone());
        let in_drop = OnDrop::new(move || {
            let mut handle = handle.take().expect("put there below");
            let poll = || Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
            let payload = catch_unwind(AssertUnwindSafe(poll)).unwrap_err();
            *heard.borrow_mut() = payload.downcast_ref::<&str>().copied().unwrap_or("no text").to_owned();
        });
        *own.borrow_mut() = Some(s.spawn(Guarded::new(in_drop, |_| Poll::Ready(()))));
    }));
    assert!(message.borrow().ends_with("or by the drop of its own child"), "{message:?}");
}
