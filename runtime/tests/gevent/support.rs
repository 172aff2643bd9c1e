//! What the stories share.

use runtime::{Builder, Report, greenlet};
use std::{cell::RefCell, future::pending, rc::Rc, time::Duration};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What was said, in order.
#[derive(Clone, Default, Debug)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    /// What was said since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// Says something when it is dropped.
    pub(crate) fn at_drop(&self, what: &'static str) -> Says {
        Says(what, self.clone())
    }
}

/// Says something when it is dropped.
#[derive(Debug)]
pub(crate) struct Says(&'static str, Log);

impl Drop for Says {
    fn drop(&mut self) {
        self.1.say(self.0);
    }
}

/// Runs a program as a greenlet, on a paused clock.
pub(crate) fn inside<T: 'static>(program: impl FnOnce() -> T + 'static) -> T {
    Builder::new().start_paused(true).build().unwrap().block_on(greenlet::run(program))
}

/// The same, and nobody has anything to report.
pub(crate) fn reports<T: 'static>(program: impl FnOnce() -> T + 'static) -> (T, Vec<String>) {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let seen = reports.clone();
    let runtime = Builder::new()
        .start_paused(true)
        .on_report(move |report: &Report| seen.borrow_mut().push(report.to_string()))
        .build();
    let value = runtime.unwrap().block_on(greenlet::run(program));
    (value, reports.take())
}

pub(crate) fn wait_for_ever() {
    greenlet::wait(pending::<()>());
}

/// The text of a panic.
pub(crate) fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).expect("a panic with a text")
}
