//! The thread-safe flavour: every type is `Send + Sync` as far as what it carries allows, and may be shared by
//! threads and reactors. The names and their meaning are those of the [local flavour](crate); code outside of any
//! executor has `blocking_…` methods besides.

pub mod broadcast;
pub mod oneshot;
pub mod watch;

crate::names::names!(Shared);
