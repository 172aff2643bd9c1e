//! Futures made of futures, polled in place by the task that holds them.

mod as_completed;
pub(crate) mod children;
mod join;
mod join_all;
mod pinned;
mod race;
mod select;
mod shield;
mod wait;

pub use as_completed::{AsCompleted, as_completed};
pub use join::MaybeDone;
pub use join_all::{JoinAll, TryJoinAll, join_all, try_join_all};
pub use race::{Race, race};
pub use select::select_start;
pub use shield::{Shield, shield};
pub use wait::{Until, Wait, wait};
