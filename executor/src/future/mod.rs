//! Futures made of futures, polled in place by the task that holds them.

mod join;
mod join_all;
mod pinned;

pub use join::MaybeDone;
pub use join_all::{JoinAll, join_all};
