//! What [`runtime::tokio_context`] is good for: libraries that know no other runtime than tokio, in tasks of ours.
//!
//! * [`Nats`]: jobs on NATS JetStream by `async-nats`, behind the same trait as those in memory and on Redis; example
//!   `jobs_on_nats`.
//! * Example `fetch`: pages by `reqwest`.
//! * `tests/` has all that and `sqlx` against real servers, which are killed under it.
//! * Example `price`: what a round trip costs in this manner.

mod nats;

pub use nats::Nats;
