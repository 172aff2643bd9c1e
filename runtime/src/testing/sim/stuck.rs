//! What is said when nothing can ever happen again. The one place that writes it.

use crate::task;
use std::fmt::Write;

/// Who is left, and what they wait for. Inside the runtime.
pub(super) fn listing() -> String {
    let mut text = format!("spawned tasks that have not ended: {}", task::count());
    let mut waits = task::waits();
    waits.sort_by_key(|wait| wait.task);
    for wait in waits {
        let who = wait.task.map_or_else(|| "somebody".to_owned(), |task| task.to_string());
        let (kind, created, asked) = (wait.kind, wait.created, wait.asked);
        let _ = write!(text, "\n  {who} waits at {asked} for the {kind} created at {created}");
        if let Some(holder) = wait.holder {
            let holds = holder.task.map_or_else(|| "somebody".to_owned(), |task| task.to_string());
            let _ = write!(text, ", which {holds} has held since {}", holder.since);
        }
    }
    text
}
