//! A boxed slice whose elements stay where they are, so that each can be polled.
//!
//! P1. The box is never given out by value or by `&mut`, so no element is ever moved; elements are dropped in
//!     place with the box.

#![expect(unsafe_code, reason = "pins the elements of a slice")]

use std::pin::Pin;

#[derive(Debug)]
pub(super) struct PinnedSlice<T>(Box<[T]>);

impl<T> PinnedSlice<T> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn get(&mut self, index: usize) -> Pin<&mut T> {
        let element = &mut self.0[index];
        // SAFETY: elements never move (P1).
        unsafe { Pin::new_unchecked(element) }
    }
}

impl<T> Default for PinnedSlice<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T> FromIterator<T> for PinnedSlice<T> {
    fn from_iter<I: IntoIterator<Item = T>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}
