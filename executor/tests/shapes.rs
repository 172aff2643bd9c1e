//! Futures and outputs of every size and alignment: each is built, moved and freed as what it is. (Miri and the
//! allocator of a sanitizer are the ones to watch.)
#![cfg(not(loom))]
#![allow(clippy::async_yields_async, reason = "some outputs are futures, to have their shape")]

mod common;

use common::{Drops, Guarded, executor, scaled};
use runtime_executor::{JoinHandle, join_all, spawn, task::yield_now};
use std::{
    cell::Cell,
    future::{pending, poll_fn, ready},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    thread,
};

/// A future of exactly `N` bytes that waits once, and checks that it is what it was.
struct Sized<const N: usize> {
    bytes: [u8; N],
    polled: bool,
}

impl<const N: usize> Sized<N> {
    fn new() -> Self {
        Self { bytes: [0; N], polled: false }
    }
}

impl<const N: usize> Future for Sized<N> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let first = u8::from(self.polled);
        assert!(self.bytes.iter().all(|byte| *byte == first), "somebody else wrote here");
        if self.polled {
            return Poll::Ready(N);
        }
        self.polled = true;
        self.bytes.fill(1);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

const MEGABYTE: usize = if cfg!(miri) { 1 << 14 } else { 1 << 20 };

/// On a frame of its own, which holds all the copies.
#[inline(never)]
fn spawn_a_megabyte() -> JoinHandle<usize> {
    spawn(Sized { bytes: [0; MEGABYTE], polled: false })
}

/// Optimised, the future is built in its block: a stack of a quarter of it is enough. Without optimisation each move
/// on the way there is a copy in the one frame into which everything is inlined, some seventeen of them.
#[test]
fn a_future_of_a_megabyte() {
    let stack = if cfg!(debug_assertions) { 24 * MEGABYTE } else { MEGABYTE / 2 };
    let run = || {
        executor().block_on(async {
            assert_eq!(spawn_a_megabyte().await.unwrap(), MEGABYTE);
            let cancelled = spawn_a_megabyte();
            yield_now().await;
            assert!(cancelled.cancel_and_wait().await.unwrap_err().is_cancelled());
            drop(spawn_a_megabyte());
        });
    };
    thread::Builder::new().stack_size(stack).spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_boxed_future_of_a_megabyte_needs_no_stack() {
    struct Large(Vec<u8>);
    impl Future for Large {
        type Output = usize;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<usize> {
            Poll::Ready(self.0.len())
        }
    }
    executor().block_on(async {
        let future: Pin<Box<dyn Future<Output = usize>>> = Box::pin(Large(vec![0; MEGABYTE]));
        assert_eq!(spawn(future).await.unwrap(), MEGABYTE);
    });
}

#[test]
fn an_output_much_larger_than_its_future() {
    const SIZE: usize = 1 << 15;
    executor().block_on(async {
        let output = spawn(poll_fn(|_| Poll::Ready([7_u8; SIZE]))).await.unwrap();
        assert!(output.iter().all(|byte| *byte == 7));
        let unread = spawn(ready([7_u8; SIZE]));
        yield_now().await;
        drop(unread);
    });
}

#[test]
fn a_future_much_larger_than_its_output() {
    executor().block_on(async {
        assert_eq!(spawn(Sized::<5_000>::new()).await.unwrap(), 5_000);
    });
}

#[test]
fn futures_and_outputs_of_no_size() {
    struct Nothing;
    impl Future for Nothing {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPS.set(DROPS.get() + 1);
        }
    }
    thread_local! {
        static DROPS: Cell<usize> = const { Cell::new(0) };
    }
    assert_eq!(size_of::<Nothing>(), 0);
    executor().block_on(async {
        spawn(Nothing).await.unwrap();
        spawn(Nothing).detach();
        spawn(Nothing).cancel_and_wait().await.unwrap_err();
        yield_now().await;
        assert_eq!(DROPS.get(), 3);
        let output = spawn(ready(Nothing)).await.unwrap();
        assert_eq!(DROPS.get(), 3);
        drop(output);
        spawn(ready(Nothing)).detach();
        yield_now().await;
        assert_eq!(DROPS.get(), 5);
        assert_eq!(join_all([Nothing, Nothing]).await, [(), ()]);
        assert_eq!(DROPS.get(), 7);
    });
}

/// A value whose address must be a multiple of its alignment.
macro_rules! aligned {
    ($name:ident, $align:literal) => {
        #[repr(align($align))]
        struct $name(u8);

        impl $name {
            fn check(&self) {
                assert_eq!((&raw const *self).addr() % $align, 0);
                assert_eq!(self.0, 42);
            }
        }

        impl Future for $name {
            type Output = $name;

            fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<$name> {
                assert_eq!((&raw const *self).addr() % $align, 0);
                self.0 += 1;
                if self.0 == 42 {
                    return Poll::Ready($name(42));
                }
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    };
}

aligned!(Aligned16, 16);
aligned!(Aligned32, 32);
aligned!(Aligned64, 64);
aligned!(Aligned4096, 4096);

#[test]
fn futures_and_outputs_of_large_alignment() {
    executor().block_on(async {
        macro_rules! try_out {
            ($($name:ident)*) => {$({
                spawn($name(40)).await.unwrap().check();
                let handle = spawn($name(40));
                handle.on_done(|outcome| outcome.as_ref().unwrap().check());
                yield_now().await;
                yield_now().await;
                yield_now().await;
                drop(handle);
                spawn($name(0)).cancel_and_wait().await.map(|_| ()).unwrap_err();
                join_all([$name(39), $name(41)]).await.iter().for_each($name::check);
                // A large alignment in the output only.
                spawn(async { $name(42) }).await.unwrap().check();
            })*};
        }
        try_out!(Aligned16 Aligned32 Aligned64 Aligned4096);
    });
}

#[test]
fn every_size_around_those_that_are_cached() {
    executor().block_on(async {
        macro_rules! sizes {
            ($($size:literal)*) => {$(
                // Twice: from the allocator, then from the cache.
                for _ in 0..2 {
                    let both = [spawn(Sized::<$size>::new()), spawn(Sized::<$size>::new())];
                    for handle in both {
                        assert_eq!(handle.await.unwrap(), $size);
                    }
                }
            )*};
        }
        sizes!(0 1 2 7 8 9 15 16 17 31 32 33 63 64 65 127 128 129 255 256 257);
        sizes!(900 910 920 930 940 944 948 950 952 956 960 961 968 976 984 1000 1008 1016 1023 1024 1025 1100);
    });
}

/// The cache of blocks belongs to a runtime, the blocks do not: a handle may bring one home to another runtime.
#[test]
fn blocks_freed_under_another_runtime_or_none() {
    for _ in 0..scaled(100, 3) {
        let (first, second) = (executor(), executor());
        let make = || async { [0; 3].map(|_| spawn(async { vec![1_u8; 10] })) };
        let [one, two, three] = first.block_on(async {
            let handles = make().await;
            yield_now().await;
            handles
        });
        second.block_on(async {
            assert_eq!(one.await.unwrap().len(), 10);
            drop(two);
            for handle in make().await {
                handle.await.unwrap();
            }
        });
        drop(first);
        drop(three);
        drop(second);
    }
}

#[test]
fn a_future_that_points_into_itself() {
    let drops = Drops::default();
    executor().block_on(async {
        let task = |waits: usize| {
            let guard = drops.value();
            spawn(async move {
                let _guard = guard;
                let words = [String::from("one"), String::from("two"), String::from("three")];
                let mut borrowed: Vec<&str> = Vec::new();
                for word in &words {
                    borrowed.push(word);
                    for _ in 0..waits {
                        yield_now().await;
                    }
                }
                borrowed.concat()
            })
        };
        let handles = [0, 1, 2].map(task);
        for handle in handles {
            assert_eq!(handle.await.unwrap(), "onetwothree");
        }
        let cancelled = task(9);
        yield_now().await;
        cancelled.cancel_and_wait().await.unwrap_err();
        drops.assert_here(4);
    });
}

#[test]
fn children_that_point_into_themselves_may_be_moved_with_their_group() {
    executor().block_on(async {
        let child = async |waits: usize| {
            let word = String::from("word");
            let borrowed = &word;
            for _ in 0..waits {
                yield_now().await;
            }
            borrowed.len()
        };
        let mut group = join_all((0..4).map(child));
        assert!(common::poll_once(&mut group).await.is_pending());
        let mut moved = Box::new(group);
        assert!(common::poll_once(&mut moved).await.is_pending());
        let back = *moved;
        assert_eq!(back.await, [4; 4]);
    });
}

#[test]
fn a_deep_chain_of_tasks_that_await_each_other() {
    fn chain(depth: usize) -> Pin<Box<dyn Future<Output = usize>>> {
        Box::pin(async move { if depth == 0 { 0 } else { spawn(chain(depth - 1)).await.unwrap() + 1 } })
    }
    let depth = scaled(10_000, 50);
    executor().block_on(async { assert_eq!(spawn(chain(depth)).await.unwrap(), depth) });
}

#[test]
fn a_deep_chain_of_tasks_that_await_each_other_is_dropped_without_recursion() {
    let drops = Drops::default();
    let depth = scaled(10_000, 50);
    let executor = executor();
    executor.block_on(async {
        let mut last = spawn(Guarded::new(drops.value(), |_| Poll::<()>::Pending));
        for _ in 0..depth {
            let guard = drops.value();
            last = spawn(async move {
                let _guard = guard;
                last.await.unwrap();
            });
        }
        last.detach();
        yield_now().await;
    });
    drop(executor);
    drops.assert_here(depth + 1);
}

#[test]
fn many_tasks_at_once() {
    let tasks = scaled(200_000, 500);
    executor().block_on(async {
        let ended = Rc::new(Cell::new(0));
        let handles: Vec<_> = (0..tasks)
            .map(|number| {
                let ended = ended.clone();
                spawn(async move {
                    yield_now().await;
                    ended.set(ended.get() + 1);
                    number
                })
            })
            .collect();
        for (number, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.await.unwrap(), number);
        }
        assert_eq!(ended.get(), tasks);
        for _ in 0..scaled(1_000, 100) {
            spawn(pending::<()>()).detach();
        }
    });
}
