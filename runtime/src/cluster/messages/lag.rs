//! Gaps in a queue: where broadcasts are missing, and how many.

use std::{cell::Cell, rc::Rc};

/// One gap. It stands in the queue where something is missing, and grows until it is read or something follows it.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    missing: Cell<u64>,
    is_over: Cell<bool>,
}

impl Lag {
    /// How many are missing: read, so what is missed from now on is another gap.
    pub(crate) fn read(&self) -> u64 {
        self.is_over.set(true);
        self.missing.get()
    }
}

/// Where a queue has its last gap.
#[derive(Debug, Default)]
pub(crate) struct Lagging(Option<Rc<Lag>>);

impl Lagging {
    /// One more is missing. If this is a new gap, it is to be put into the queue.
    pub(crate) fn miss(&mut self, count: u64) -> Option<Rc<Lag>> {
        match &self.0 {
            Some(lag) if !lag.is_over.get() => {
                lag.missing.set(lag.missing.get().saturating_add(count));
                None
            }
            _ => {
                let lag = Rc::new(Lag { missing: Cell::new(count), is_over: Cell::new(false) });
                self.0 = Some(Rc::clone(&lag));
                Some(lag)
            }
        }
    }

    /// Whether a gap that may still grow stands in the queue.
    pub(crate) fn is_open(&self) -> bool {
        self.0.as_ref().is_some_and(|lag| !lag.is_over.get())
    }

    /// Something was put behind it.
    pub(crate) fn follow(&mut self) {
        self.0 = None;
    }
}
