//! What is said when nothing can ever happen again. The one place that writes it.

use crate::inspect;

/// Who is left, and what they wait for. Inside the runtime.
pub(super) fn listing() -> String {
    inspect::dump().to_string()
}
