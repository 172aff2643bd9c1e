//! Tasks that belong together: groups, scopes and pools, which no child outlives unnoticed.

mod cancel_scope;
mod child;
pub(crate) mod draining;
mod error;
pub(crate) mod limit;
mod member;
mod pool;
mod run;
mod scope;
mod start;
mod task_group;

pub use cancel_scope::{CancelScope, Cancelled, Run as RunScope};
pub use child::ScopedHandle;
pub use error::{GroupError, Refused, StartError};
pub use member::Outcome;
pub use pool::{Membership, Place, TaskPool, TrySpawnError};
pub use scope::{Scope, scope};
pub use start::Started;
pub use task_group::TaskGroup;
