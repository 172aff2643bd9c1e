//! What is said when nobody is ready and no timer is set, though somebody outside has a waker, so that it is not reported
//! as a deadlock: a connection in memory, say, or a thread. A simulation waits for neither.

use crate::inspect;

/// Who is left, and what they wait for. Inside the runtime.
pub(super) fn listing() -> String {
    format!("nobody is ready, and no timer is set\n{}", inspect::dump())
}
