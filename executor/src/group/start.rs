//! `TaskGroup::start`: a child that says when it is ready.

use super::{Outcome, StartError};
use runtime_sync::oneshot;
use std::{cell::RefCell, fmt, rc::Rc};

type Report<V, E> = oneshot::Sender<Result<V, StartError<E>>>;

/// Where the first report of a child goes. Empty once it has reported.
pub(super) struct Starting<V, E>(Rc<RefCell<Option<Report<V, E>>>>);

/// How a child that [`TaskGroup::start`](super::TaskGroup::start) runs says that it is ready.
pub struct Started<V> {
    report: Box<dyn FnOnce(V)>,
}

impl<V> Started<V> {
    /// Lets `start` return `value`. From now on the child's errors are its group's.
    pub fn set(self, value: V) {
        (self.report)(value);
    }
}

impl<V> fmt::Debug for Started<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Started(..)")
    }
}

impl<V: 'static, E: 'static> Starting<V, E> {
    pub(super) fn new(report: Report<V, E>) -> Self {
        Self(Rc::new(RefCell::new(Some(report))))
    }

    pub(super) fn started(&self) -> Started<V> {
        let place = Rc::clone(&self.0);
        let report = move |value| {
            let report = place.take();
            if let Some(report) = report {
                // Nobody listens: `start` was dropped, and the child is about to be.
                drop(report.send(Ok(value)));
            }
        };
        Started { report: Box::new(report) }
    }

    /// Runs the child until it is done; what it ends with before it was ready is for `start`.
    pub(super) async fn run<F>(self, child: F) -> Result<(), E>
    where
        F: Future<Output: Outcome<E>>,
    {
        let result = child.await.into_result().map(drop);
        let Some(report) = self.0.take() else { return result };
        let error = result.err().map_or(StartError::NeverReady, StartError::Failed);
        drop(report.send(Err(error)));
        Ok(())
    }
}
