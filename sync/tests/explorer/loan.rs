//! A world that may be borrowed for ever, as futures in boxes want to, and is gone when they are.

#![expect(unsafe_code, reason = "what is borrowed for ever is reclaimed after each of millions of runs")]

/// A value that is lent as if for ever.
pub(crate) struct Loan<T: 'static>(*mut T);

impl<T> Loan<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Box::into_raw(Box::new(value)))
    }

    pub(crate) fn get(&self) -> &'static T {
        // SAFETY: the box lives until `reclaim`; without that, for ever.
        unsafe { &*self.0 }
    }

    /// Drops the value. The explorer calls it when every future, guard and probe of the run is gone; a run that failed
    /// is not reclaimed.
    pub(crate) fn reclaim(self) {
        // SAFETY: it came from a box, and nobody has a reference any more.
        drop(unsafe { Box::from_raw(self.0) });
    }
}
