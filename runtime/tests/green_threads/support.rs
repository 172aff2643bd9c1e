//! What the stories have in common: a greenlet on a paused clock, a log, and values that tell of their end.

use runtime::{Builder, green::thread, greenlet, time::Instant};
use std::{cell::RefCell, rc::Rc, time::Duration};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Runs `f` as a greenlet, on a clock that stands still while anybody can go on.
#[track_caller]
pub(crate) fn story<T: 'static>(f: impl FnOnce() -> T + 'static) -> T {
    Builder::new().start_paused(true).build().unwrap().block_on(greenlet::run(f))
}

/// What has happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// What was said since the last time.
    pub(crate) fn take(&self) -> String {
        self.0.take().join(", ")
    }
}

/// Says something when it is dropped.
pub(crate) struct Says(pub(crate) &'static str, pub(crate) Log);

impl Drop for Says {
    fn drop(&mut self) {
        self.1.say(self.0);
    }
}

/// Waits a second when it is dropped, and says so before and after.
pub(crate) struct Lingers(pub(crate) Log);

impl Drop for Lingers {
    fn drop(&mut self) {
        self.0.say("lingers");
        thread::sleep(SECOND);
        self.0.say("leaves");
    }
}

/// Calls it, and gives the message of its panic.
#[track_caller]
pub(crate) fn message_of_panic<R>(f: impl FnOnce() -> R) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err().expect("it panics");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().expect("a message")).to_owned(),
    }
}

/// How many whole seconds of virtual time it takes.
pub(crate) fn seconds<R>(f: impl FnOnce() -> R) -> (u64, R) {
    let start = Instant::now();
    let result = f();
    (start.elapsed().as_secs(), result)
}
