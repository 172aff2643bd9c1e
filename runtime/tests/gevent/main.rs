//! Greenlets as gevent's users know them: their handles, several at once, pools; and what happens to them at the worst
//! moment: killed at every switch, in every primitive, in the middle of a panic.

#![cfg(all(feature = "greenlet", feature = "macros", not(miri)))]

mod handles;
mod insight;
mod killing;
mod panics;
mod pools;
mod primitives;
mod support;
mod together;
