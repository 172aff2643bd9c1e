//! The owner's view of a greenlet: gevent's `Greenlet`, without its `start`.

use super::wait::{is_unwinding, wait};
use crate::{
    sync::Event,
    task::{self, JoinError},
    time::{Elapsed, timeout},
};
use std::{
    cell::{Cell, OnceCell},
    fmt,
    future::{pending, poll_fn},
    ops::Deref,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// Owns a greenlet's output. It is the handle of a task, to which it dereferences ([`cancel`](crate::JoinHandle::cancel),
/// [`name`](crate::JoinHandle::name), …) and which can be awaited; dropping it detaches the greenlet, which goes on. In
/// addition it has the forms for blocking-style code, which wait as [`greenlet::wait`](super::wait()) does: another greenlet
/// may call them, and several may wait for the same one.
///
/// ```
/// use runtime::greenlet;
///
/// #[runtime::main]
/// async fn main() {
///     let outer = greenlet::spawn(|| {
///         let one = greenlet::spawn(|| 42);
///         one.join(); // the value stays
///         assert!(one.is_dead() && one.is_successful());
///         assert_eq!(one.get().unwrap(), 42);
///
///         let two = greenlet::spawn(|| unreachable!("killed before it ran"));
///         two.kill();
///         two.kill(); // once more is no mistake
///         assert!(two.is_dead());
///         assert!(two.get().map(|()| ()).unwrap_err().is_cancelled());
///     });
///     outer.await.unwrap();
/// }
/// ```
pub struct JoinHandle<T: 'static> {
    task: crate::JoinHandle<T>,
    /// Somebody waits at the task itself, where reports look; who else waits does so for the event.
    is_joined: Cell<bool>,
    ended: OnceCell<Rc<Event>>,
    /// Once the output was given: whether it was a value.
    given: Option<bool>,
}

impl<T: 'static> JoinHandle<T> {
    pub(super) fn new(task: crate::JoinHandle<T>) -> Self {
        Self { task, is_joined: Cell::new(false), ended: OnceCell::new(), given: None }
    }

    /// The handle of the task.
    pub fn into_task(self) -> crate::JoinHandle<T> {
        self.task
    }

    /// Lets the greenlet go on alone. Should it panic, that is reported on standard error.
    pub fn detach(self) {}

    /// Whether it has ended: with a value, by a panic, or killed.
    pub fn is_dead(&self) -> bool {
        self.is_finished()
    }

    /// Whether it has ended with a value (`successful`). Another than with gevent, one that was killed has none.
    pub fn is_successful(&self) -> bool {
        self.given.unwrap_or_else(|| self.is_finished() && !self.task.has_failed())
    }

    /// Waits for the end, and gives the output.
    ///
    /// # Errors
    /// [`JoinError`]: the greenlet was killed, or panicked.
    ///
    /// # Panics
    /// As [`join`](JoinHandle::join), and if the output was given already.
    #[track_caller]
    pub fn get(self) -> Result<T, JoinError> {
        self.refuse_own_end();
        wait(self)
    }

    /// Waits for the end, but no longer than `limit`, and gives the output. The greenlet goes on either way.
    ///
    /// ```
    /// use runtime::{greenlet, time::sleep};
    /// use std::time::Duration;
    ///
    /// #[runtime::main]
    /// async fn main() {
    ///     # runtime::time::pause();
    ///     let outer = greenlet::spawn(|| {
    ///         let second = Duration::from_secs(1);
    ///         let mut slow = greenlet::spawn(move || {
    ///             greenlet::sleep(3 * second);
    ///             42
    ///         });
    ///         assert!(slow.get_timeout(2 * second).is_err());
    ///         assert_eq!(slow.get_timeout(2 * second).unwrap().unwrap(), 42);
    ///     });
    ///     outer.await.unwrap();
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Elapsed`] if the time ran out first; inside, [`JoinError`] as from [`get`](JoinHandle::get).
    ///
    /// # Panics
    /// As [`get`](JoinHandle::get).
    #[track_caller]
    pub fn get_timeout(&mut self, limit: Duration) -> Result<Result<T, JoinError>, Elapsed> {
        self.join_timeout(limit)?;
        Ok(wait(self))
    }

    /// Waits for the end; the output stays where it is.
    ///
    /// # Panics
    /// If there is no greenlet to suspend, as [`greenlet::wait`](super::wait()); and if a greenlet waits for its own end.
    #[track_caller]
    pub fn join(&self) {
        self.refuse_own_end();
        wait(self.ended());
    }

    /// Waits for the end, but no longer than `limit`. The greenlet goes on either way.
    ///
    /// # Errors
    /// [`Elapsed`] if the time ran out first.
    ///
    /// # Panics
    /// As [`join`](JoinHandle::join).
    #[track_caller]
    pub fn join_timeout(&self, limit: Duration) -> Result<(), Elapsed> {
        self.refuse_own_end();
        wait(timeout(limit, self.ended()))
    }

    /// Kills it, and waits until its stack is empty. One that has not begun never does; one that has ended stays as it is.
    ///
    /// What it waits for gives up its place there and panics with [`Killed`](super::Killed), so destructors run, and they may
    /// wait. To ask for its end without waiting: [`cancel`](crate::JoinHandle::cancel).
    ///
    /// While another greenlet of this thread waits in a destructor, half unwound, one that has begun to wait since then cannot
    /// be told from one that unwinds: it hears of the kill only after that.
    ///
    /// Called by the greenlet itself it does not return: it unwinds right there. Except in a destructor of a stack that
    /// unwinds anyway, where the greenlet goes on, to its end.
    ///
    /// # Panics
    /// If there is no greenlet to suspend, as [`greenlet::wait`](super::wait()): a task awaits
    /// [`cancel_and_wait`](JoinHandle::cancel_and_wait).
    #[track_caller]
    pub fn kill(&self) {
        self.cancel();
        if self.is_own() {
            end_here();
        } else {
            wait(self.ended());
        }
    }

    /// Kills it, and waits until its stack is empty, but no longer than `limit`. It is killed either way.
    ///
    /// # Errors
    /// [`Elapsed`] if the time ran out first: it does not heed it, or its destructors wait.
    ///
    /// # Panics
    /// As [`kill`](JoinHandle::kill).
    #[track_caller]
    pub fn kill_timeout(&self, limit: Duration) -> Result<(), Elapsed> {
        self.cancel();
        if self.is_own() {
            end_here();
            return Ok(());
        }
        wait(timeout(limit, self.ended()))
    }

    /// Kills it, and waits until its stack is empty: for tasks, which await this. See
    /// [`task`](crate::JoinHandle::cancel_and_wait).
    ///
    /// # Errors
    /// [`JoinError`]: cancelled, in the usual case.
    pub fn cancel_and_wait(self) -> Self {
        self.cancel();
        self
    }

    /// Calls `f` with the outcome when the greenlet ends, before anyone who waits for it goes on; at once if it has ended.
    /// Several are called in the order in which they were linked, and a panic in one does not reach the others.
    ///
    /// It is called between two turns, on no greenlet's stack, so it must not wait: what has to belongs into a greenlet that
    /// it spawns.
    ///
    /// ```
    /// use runtime::greenlet;
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// #[runtime::main]
    /// async fn main() {
    ///     let seen = Rc::new(Cell::new(0));
    ///     let greenlet = greenlet::spawn(|| 42);
    ///     greenlet.link_value({
    ///         let seen = seen.clone();
    ///         move |value| seen.set(*value)
    ///     });
    ///     greenlet.link_exception(|error| eprintln!("no answer: {error}"));
    ///     greenlet.await.unwrap();
    ///     assert_eq!(seen.get(), 42);
    /// }
    /// ```
    ///
    /// # Panics
    /// If this handle has given its output already.
    #[track_caller]
    pub fn link(&self, f: impl FnOnce(&Result<T, JoinError>) + 'static) {
        self.on_done(f);
    }

    /// Calls `f` as [`link`](JoinHandle::link) does, if the greenlet ends with a value.
    ///
    /// # Panics
    /// As [`link`](JoinHandle::link).
    #[track_caller]
    pub fn link_value(&self, f: impl FnOnce(&T) + 'static) {
        self.on_done(|outcome| {
            if let Ok(value) = outcome {
                f(value);
            }
        });
    }

    /// Calls `f` as [`link`](JoinHandle::link) does, if the greenlet panics or is killed.
    ///
    /// # Panics
    /// As [`link`](JoinHandle::link).
    #[track_caller]
    pub fn link_exception(&self, f: impl FnOnce(&JoinError) + 'static) {
        self.on_done(|outcome| {
            if let Err(error) = outcome {
                f(error);
            }
        });
    }

    /// Waits for the end, and leaves the output. As many may do so at once as like.
    pub(super) async fn ended(&self) {
        if self.is_finished() {
            return;
        }
        if self.is_joined.replace(true) {
            self.event().wait().await;
            return;
        }
        let _place = Place(self);
        poll_fn(|context| self.task.poll_finished(context)).await;
    }

    fn event(&self) -> &Event {
        self.ended.get_or_init(|| {
            let event = Rc::new(Event::new());
            let ended = event.clone();
            self.on_done(move |_| ended.set());
            event
        })
    }

    /// Whether it is the greenlet that runs now.
    pub(super) fn is_own(&self) -> bool {
        !self.is_finished() && super::is_inside() && task::current().id() == self.id()
    }

    #[track_caller]
    fn refuse_own_end(&self) {
        assert!(!self.is_own(), "a greenlet waits for its own end, which never comes while it waits");
    }
}

/// The greenlet that runs here was told to end.
#[track_caller]
fn end_here() {
    if !is_unwinding() {
        wait(pending::<()>());
    }
}

/// The place at the task of who waits there.
struct Place<'a, T: 'static>(&'a JoinHandle<T>);

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        self.0.task.forget_waiter();
        self.0.is_joined.set(false);
    }
}

impl<T> Deref for JoinHandle<T> {
    type Target = crate::JoinHandle<T>;

    fn deref(&self) -> &Self::Target {
        &self.task
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let output = ready!(Pin::new(&mut self.task).poll(context));
        self.given = Some(output.is_ok());
        Poll::Ready(output)
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)
    }
}
