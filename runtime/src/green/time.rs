//! `std::time`, with the clock of the runtime.
//!
//! [`Instant`] follows the clock of the runtime that runs here, so it is virtual where that is; the rest is the standard
//! library's.
//!
//! ```
//! use runtime::green::time::{Duration, Instant};
//! let start = Instant::now();
//! assert!(start + Duration::from_secs(1) > start);
//! ```

pub use crate::time::Instant;
pub use std::time::{Duration, SystemTime, SystemTimeError, TryFromFloatSecsError, UNIX_EPOCH};
