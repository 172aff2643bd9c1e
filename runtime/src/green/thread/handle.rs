//! Starting greenlets by the names of [`std::thread`], and waiting for their end.

use super::{Result, Thread};
use crate::{green::waiting::wait, greenlet};
use runtime_executor::{current, task::JoinError};
use std::{fmt, io};

/// Starts a greenlet, on this thread. See [`std::thread::spawn`].
///
/// # Panics
/// If no runtime runs on this thread.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    Builder::new().start(f)
}

/// A greenlet with a name, or with a stack of another size. See [`std::thread::Builder`].
///
/// ```
/// use runtime::green::thread;
///
/// # runtime::run(runtime::greenlet::run(|| {
/// let builder = thread::Builder::new().name("parser".into()).stack_size(256 << 10);
/// let parser = builder.spawn(|| thread::current().name().map(str::to_owned)).unwrap();
/// assert_eq!(parser.join().unwrap().as_deref(), Some("parser"));
/// # }));
/// ```
#[derive(Debug, Default)]
#[must_use = "must eventually spawn the thread"]
pub struct Builder {
    greenlet: greenlet::Builder,
    name: Option<String>,
}

impl Builder {
    /// See [`std::thread::Builder::new`].
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the greenlet, also in reports. See [`std::thread::Builder::name`].
    pub fn name(mut self, name: String) -> Self {
        self.greenlet = self.greenlet.name(name.as_str());
        self.name = Some(name);
        self
    }

    /// Bytes of stack. See [`std::thread::Builder::stack_size`], and
    /// [`greenlet::Builder::stack_size`](crate::greenlet::Builder::stack_size) for what is usual here.
    pub fn stack_size(mut self, size: usize) -> Self {
        self.greenlet = self.greenlet.stack_size(size);
        self
    }

    /// Starts it. See [`std::thread::Builder::spawn`].
    ///
    /// # Errors
    /// If no runtime runs on this thread. (The stack is taken later, at the first turn: if there is no memory for it, the
    /// greenlet panics.)
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.check()?;
        Ok(self.start(f))
    }

    /// Whether there is a runtime to spawn into.
    pub(super) fn check(&self) -> io::Result<()> {
        if current::is_entered() {
            return Ok(());
        }
        Err(io::Error::other(
            "a greenlet needs a runtime on this thread, and none runs here: spawn it inside `runtime::run`, or by \
             `std::thread` as a thread",
        ))
    }

    #[track_caller]
    pub(super) fn start<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let thread = Thread::new(self.name);
        let greenlet = self.greenlet.spawn({
            let thread = thread.clone();
            move || {
                thread.take_on();
                drop(thread);
                f()
            }
        });
        JoinHandle { greenlet, thread }
    }
}

/// Waits for a greenlet's end. Dropping it lets the greenlet go on alone. See [`std::thread::JoinHandle`].
pub struct JoinHandle<T: 'static> {
    greenlet: greenlet::JoinHandle<T>,
    thread: Thread,
}

impl<T> JoinHandle<T> {
    /// Waits for the greenlet's end, and gives its value. See [`std::thread::JoinHandle::join`].
    ///
    /// # Errors
    /// What it panicked with. If it was killed, a [`JoinError`](runtime_executor::task::JoinError).
    ///
    /// # Panics
    /// Outside a greenlet on a thread that runs a runtime, unless it has ended.
    #[track_caller]
    pub fn join(self) -> Result<T> {
        join(self.greenlet).map_err(payload)
    }

    /// See [`std::thread::JoinHandle::thread`].
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// See [`std::thread::JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.greenlet.is_finished()
    }

    pub(super) fn into_parts(self) -> (greenlet::JoinHandle<T>, Thread) {
        (self.greenlet, self.thread)
    }

    /// The greenlet behind it, for what threads cannot: to be killed, above all.
    pub fn as_greenlet(&self) -> &greenlet::JoinHandle<T> {
        &self.greenlet
    }

    /// The greenlet behind it, to be awaited.
    pub fn into_greenlet(self) -> greenlet::JoinHandle<T> {
        self.greenlet
    }
}

/// Waits for the end.
#[track_caller]
pub(super) fn join<T>(greenlet: greenlet::JoinHandle<T>) -> std::result::Result<T, JoinError> {
    if greenlet.is_finished() && !greenlet::is_inside() {
        return futures_lite::future::block_on(greenlet);
    }
    wait("`JoinHandle::join`", greenlet)
}

/// What a thread's end gives instead of a value.
pub(super) fn payload(error: JoinError) -> Box<dyn std::any::Any + Send> {
    error.try_into_panic().unwrap_or_else(|cancelled| Box::new(cancelled))
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("thread", &self.thread).finish_non_exhaustive()
    }
}
