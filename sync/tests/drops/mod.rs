//! Items that count how often they are dropped.

use std::{cell::Cell, rc::Rc};

/// Where the drops are counted.
pub(crate) struct Drops(Rc<Cell<usize>>);

impl Drops {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.get()
    }

    pub(crate) fn item(&self) -> Counted {
        Counted(Rc::clone(&self.0))
    }
}

pub(crate) struct Counted(Rc<Cell<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}
