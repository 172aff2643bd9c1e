//! Stories of programs in the style of threads: locks, channels, and greenlets that are spawned, parked, joined and lent to.

#![cfg(all(feature = "greenlet", not(miri)))]

mod channels;
mod conditions;
mod locks;
mod onces;
// Of some systems the standard library promises less.
#[cfg(target_os = "linux")]
mod parity;
mod scopes;
mod support;
mod threads;
