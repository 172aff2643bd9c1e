//! The thread-safe flavour: every type is `Send + Sync` as far as what it carries allows, and its two ends may
//! live on different threads, under different executors, or under none.

mod block;
pub mod oneshot;
