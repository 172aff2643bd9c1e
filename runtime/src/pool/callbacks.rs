//! What waits on a reactor for the end of jobs elsewhere: closures that never leave their thread, known by numbers that do.

use super::error::isolate;
use runtime_executor::current;
use std::{any::Any, cell::RefCell, collections::BTreeMap, fmt};

/// A callback, of whatever job: what it is given is the outcome of that one.
type Callback = Box<dyn FnOnce(&dyn Any)>;

/// The callbacks of a runtime, on its shelf.
#[derive(Default)]
pub(crate) struct Callbacks(RefCell<Registered>);

#[derive(Default)]
struct Registered {
    next: u64,
    callbacks: BTreeMap<u64, Callback>,
}

impl Callbacks {
    /// Registers a callback with the runtime of this thread. `None`: there is no runtime that has callbacks.
    pub(super) fn register(callback: Callback) -> Option<u64> {
        current::with_extension(|Self(registered)| {
            let mut registered = registered.borrow_mut();
            let number = registered.next;
            registered.next += 1;
            registered.callbacks.insert(number, callback);
            number
        })
    }

    /// Takes it back, to be called. `None`: it is not of the runtime of this thread, or was taken.
    pub(super) fn take(number: u64) -> Option<Callback> {
        current::with_extension(|Self(registered)| registered.borrow_mut().callbacks.remove(&number))
            .flatten()
    }
}

impl Drop for Callbacks {
    /// Of jobs that have not ended: what they own is the user's, and may panic when it is dropped.
    fn drop(&mut self) {
        for callback in std::mem::take(&mut self.0.get_mut().callbacks).into_values() {
            isolate(|| drop(callback));
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").field("registered", &self.0.borrow().callbacks.len()).finish()
    }
}
