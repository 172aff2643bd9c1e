//! Waiting until nobody else can go on.

use crate::{current, registry::RuntimeId, task::waker::Waiter};
use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Completes when nothing else can run without time passing: every other task has gone as far as it can, what the
/// outside had to say when asked was listened to, and timers that were due have fired. Time itself does not pass, on
/// a paused clock. Tasks that are in `settle` too do not count; all complete together.
///
/// Other threads are not waited for, so jobs of `spawn_blocking` may still run. A task that never comes to rest, because
/// it yields in a loop, keeps it waiting for ever.
///
/// ```
/// use runtime_executor::{Executor, settle, spawn, task::yield_now};
/// use std::{cell::Cell, rc::Rc};
///
/// Executor::builder().build().block_on(async {
///     let steps = Rc::new(Cell::new(0));
///     let walker = steps.clone();
///     spawn(async move {
///         for _ in 0..10 {
///             yield_now().await;
///             walker.set(walker.get() + 1);
///         }
///     })
///     .detach();
///     settle().await;
///     assert_eq!(steps.get(), 10);
/// });
/// ```
///
/// # Panics
/// When polled, if no runtime runs on this thread, or another one than at the first poll.
///
/// # Cancel safety
/// Dropping it changes nothing for anybody.
pub fn settle() -> Settle {
    Settle { place: None, thread: PhantomData }
}

/// The future of [`settle`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Settle {
    /// In which runtime's list, and under which number; set by the first poll.
    place: Option<(RuntimeId, u64)>,
    thread: PhantomData<Rc<()>>,
}

impl Future for Settle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        current::expect("testing::settle", |core| match self.place {
            None => {
                let number = core.settlers().enter(Waiter::new(context.waker()));
                self.place = Some((core.id(), number));
                Poll::Pending
            }
            Some((runtime, number)) => {
                assert!(runtime == core.id(), "`settle` waits for the runtime in which it was first polled");
                core.settlers().poll(number, context)
            }
        })
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        // Elsewhere, the place stays and its owner is at worst woken once for nothing.
        if let Some((runtime, number)) = self.place {
            current::with(|core| (core.id() == runtime).then(|| core.settlers().leave(number)));
        }
    }
}

/// Who waits until nobody else is ready, in the order of their first polls.
#[derive(Default)]
pub(crate) struct Settlers {
    waiting: RefCell<Vec<(u64, Waiter)>>,
    last_number: Cell<u64>,
}

impl Settlers {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// Nobody else is ready.
    pub(crate) fn wake_all(&self) {
        for (_, waiter) in self.waiting.take() {
            waiter.wake();
        }
    }

    fn enter(&self, waiter: Waiter) -> u64 {
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        self.waiting.borrow_mut().push((number, waiter));
        number
    }

    fn poll(&self, number: u64, context: &mut Context<'_>) -> Poll<()> {
        let waiter = Waiter::new(context.waker());
        let mut waiting = self.waiting.borrow_mut();
        let Some((_, place)) = waiting.iter_mut().find(|(other, _)| *other == number) else {
            return Poll::Ready(());
        };
        let former = std::mem::replace(place, waiter);
        drop(waiting);
        drop(former);
        Poll::Pending
    }

    fn leave(&self, number: u64) {
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.iter().position(|(other, _)| *other == number);
        let left = place.map(|place| waiting.remove(place));
        drop(waiting);
        drop(left);
    }
}
