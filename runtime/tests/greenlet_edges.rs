//! Stories of greenlets at the edges of what their stacks, wakers and neighbours take.

#![cfg(all(feature = "greenlet", not(miri)))]

use corosensei::Coroutine;
use runtime::greenlet::{self, Generator, Greenlet};
use runtime_io::stack::{Options, Stack, StackPool};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

/// Whoever is asked for the first time says Pending, and wakes nobody.
fn second_time() -> impl Future<Output = ()> {
    let mut is_first = true;
    poll_fn(move |_| if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) })
}

#[test]
fn a_function_may_be_large() {
    let large = [7_u8; 20_000];
    let sum = runtime::run(greenlet::run(move || large.iter().map(|&byte| u64::from(byte)).sum::<u64>()));
    assert_eq!(sum, 140_000);
    let large = [7_u8; 200_000];
    let unused = greenlet::run(move || large[0]);
    drop(unused);
}

/// A waker that panics when the last of its clones is dropped.
struct Touchy;

impl Wake for Touchy {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Touchy {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a waker's destructor panics");
    }
}

#[test]
fn a_waker_that_panics_when_it_is_replaced_is_nowhere_any_more() {
    let is_dropped = Rc::new(Cell::new(false));
    let guard = SetOnDrop(is_dropped.clone());
    let mut run = pin!(greenlet::run(move || {
        let _guard = guard;
        greenlet::wait(second_time());
        greenlet::wait(second_time());
    }));
    let touchy = Waker::from(Arc::new(Touchy));
    assert!(run.as_mut().poll(&mut Context::from_waker(&touchy)).is_pending());
    drop(touchy); // the greenlet has the last one
    let second =
        catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(second.is_err(), "the panic is that of the greenlet, which had the waker");
    assert!(is_dropped.get());
}

struct SetOnDrop(Rc<Cell<bool>>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_poll_in_the_middle_may_be_taken_from_one_greenlet_to_another() {
    let stack: Stack = StackPool::new(Options::default()).take().unwrap();
    // It leaves in the middle of a poll that it makes on the greenlet below, and finds itself above another one.
    let mut wanderer = Coroutine::<(), (), u32, Stack>::with_stack(stack, |yielder, ()| {
        let polls = Cell::new(0);
        greenlet::wait(poll_fn(|context| {
            polls.set(polls.get() + 1);
            if polls.get() == 1 {
                yielder.suspend(());
            }
            context.waker().wake_by_ref();
            if polls.get() < 3 { Poll::Pending } else { Poll::Ready(()) }
        }));
        polls.get()
    });
    let polls = runtime::run(async move {
        let first = greenlet::spawn(move || {
            assert!(wanderer.resume(()).as_yield().is_some());
            wanderer
        });
        let mut wanderer = first.await.unwrap();
        greenlet::spawn(move || wanderer.resume(()).as_return()).await.unwrap()
    });
    assert_eq!(polls, Some(3));
}

#[test]
fn a_generator_that_yields_in_the_middle_of_a_poll_goes_on_in_another_greenlet() {
    // It says Pending when it comes back, and only who polls it there can wake it.
    let generator = Generator::<u32>::new(|yielder| {
        let mut polls = 0;
        greenlet::wait(poll_fn(|context| {
            polls += 1;
            match polls {
                1 => {
                    yielder.yield_(1);
                    Poll::Pending
                }
                2 => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        }));
        yielder.yield_(polls);
    });
    let (first, rest) = runtime::run(async move {
        let first = greenlet::spawn(move || {
            let mut generator = generator;
            (generator.next(), generator)
        });
        let (first, generator) = first.await.unwrap();
        (first, greenlet::spawn(move || generator.collect::<Vec<_>>()).await.unwrap())
    });
    assert_eq!((first, rest), (Some(1), vec![3]));
}

/// Goes to main when it is dropped.
struct Leaves;

impl Drop for Leaves {
    fn drop(&mut self) {
        Greenlet::<u8>::main().switch(1);
    }
}

#[test]
fn a_greenlet_whose_end_is_left_in_the_middle_ends_when_the_one_below_is_gone() {
    let is_over = Rc::new(Cell::new(false));
    let middle = Greenlet::<u8>::new({
        let is_over = is_over.clone();
        move |_| {
            let me = Greenlet::<u32>::current();
            let dropped = Greenlet::<u32>::new(move |n| {
                let _leaves = Leaves;
                me.switch(n)
            });
            dropped.switch(7);
            dropped.set_parent(&Greenlet::main());
            drop(dropped);
            is_over.set(true);
            2
        }
    });
    let below = Greenlet::<u32>::new({
        let middle = middle.clone();
        move |_| u32::from(middle.switch(0))
    });
    assert_eq!(below.switch(0), 1);
    assert!(below.is_dead() && !is_over.get());
    drop(below);
    assert_eq!(middle.switch(0), 2);
    assert!(is_over.get());
}

/// Panics when it is dropped.
struct Explodes;

impl Drop for Explodes {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a destructor panics");
    }
}

#[test]
fn what_has_a_stack_and_never_began_is_dropped_even_if_that_panics() {
    let explodes = Explodes;
    let never_begun = Greenlet::<u8>::new(move |n| {
        let _explodes = &explodes;
        n
    });
    let killed = Greenlet::<u8>::new({
        let never_begun = never_begun.clone();
        move |n| {
            let _ = catch_unwind(|| Greenlet::<u8>::main().switch(n));
            // Told to end: it does not get there.
            never_begun.switch(n)
        }
    });
    killed.switch(1);
    drop(killed);
    assert!(!never_begun.is_dead());
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(never_begun)));
    assert!(dropped.is_err());
}

#[test]
fn a_destructor_that_spawns_while_the_runtime_ends_is_refused_and_waits_on() {
    struct Spawns(Rc<Cell<u32>>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let explodes = Gone(self.0.clone());
            let refused = greenlet::spawn(move || drop(explodes));
            greenlet::sleep(std::time::Duration::from_millis(1));
            assert!(greenlet::wait(refused).unwrap_err().is_cancelled());
            self.0.set(self.0.get() + 10);
        }
    }
    struct Gone(Rc<Cell<u32>>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let count = Rc::new(Cell::new(0));
    let spawns = Spawns(count.clone());
    runtime::run(async move {
        greenlet::spawn(move || {
            let _spawns = spawns;
            greenlet::wait(std::future::pending::<()>());
        });
        runtime::task::yield_now().await;
    });
    assert_eq!(count.get(), 11);
}
