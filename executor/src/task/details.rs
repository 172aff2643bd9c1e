//! What few tasks need, and so is not in every task's block: a name, and callbacks for its end.

use std::{any::Any, cell::Cell};

#[derive(Default)]
pub(super) struct Details {
    pub(super) name: Option<String>,
    pub(super) callbacks: Vec<Callback>,
}

pub(super) type Callback = Box<dyn FnOnce(&dyn Any)>;

impl Details {
    /// Whether there are any.
    #[inline]
    pub(super) fn are_in(place: &Cell<Option<Box<Self>>>) -> bool {
        let details = place.take();
        let are_there = details.is_some();
        place.set(details);
        are_there
    }

    /// The drop, out of the way of those tasks that have none.
    #[cold]
    pub(super) fn forget(place: &Cell<Option<Box<Self>>>) {
        drop(place.take());
    }
}
