//! The fair choice of `runtime::select!`.

use crate::current;

/// The branch, of so many, that a `select!` polls first: drawn from the seed of the runtime, so that a run can be
/// replayed; outside a runtime always the first.
#[doc(hidden)]
#[inline]
pub fn select_start(branches: u32) -> u32 {
    current::with(|core| {
        // The upper half of a product: as fair as 32 bits can be, and no division.
        (((core.random_u64() >> 32) * u64::from(branches)) >> 32) as u32
    })
    .unwrap_or(0)
}
