//! Panics that go to another process: where, and what was said.

use serde::{Deserialize, Serialize};
use std::{
    any::Any,
    error::Error,
    fmt,
    panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::{Mutex, Once, PoisonError},
    thread::{self, ThreadId},
};

/// A panic of a function that was called in another process. It was reported there as well, on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemotePanic {
    message: String,
    location: Option<String>,
}

/// Longer messages are cut: a panic is to be read by people.
const MAX_MESSAGE_BYTES: usize = 16 << 10;

/// Where the panics happened that are under way, by thread.
static UNDER_WAY: Mutex<Vec<(ThreadId, RemotePanic)>> = Mutex::new(Vec::new());

impl RemotePanic {
    /// What was said. Of a payload that is no text: that it is none.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// File, line and column, as `src/main.rs:7:5`; `None` if the panic was passed on (`resume_unwind`).
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    fn new(payload: &dyn Any, location: Option<String>) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a payload that is no text");
        let end = (0..=text.len().min(MAX_MESSAGE_BYTES))
            .rev()
            .find(|&end| text.is_char_boundary(end))
            .unwrap_or(0);
        Self { message: text[..end].to_owned(), location }
    }
}

/// Calls `f`; its panic is kept, with the place where it happened.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, RemotePanic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            former(info);
        }));
    });
    forget();
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let panic = RemotePanic::new(&*payload, None);
        // What the payload does when it is dropped is no reason to end.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        // One that was caught further in is not this one.
        forget().filter(|noted| noted.message == panic.message).unwrap_or(panic)
    })
}

fn note(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    let noted = RemotePanic::new(info.payload(), location);
    let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    let this = thread::current().id();
    under_way.retain(|(thread, _)| *thread != this);
    under_way.push((this, noted));
}

/// What was noted for this thread.
fn forget() -> Option<RemotePanic> {
    let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    let this = thread::current().id();
    let at = under_way.iter().position(|(thread, _)| *thread == this)?;
    Some(under_way.swap_remove(at).1)
}

impl fmt::Display for RemotePanic {
    /// Control characters are shown, not sent to a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panicked")?;
        if let Some(location) = &self.location {
            write!(f, " at {}", location.escape_debug())?;
        }
        write!(f, ": {}", self.message.escape_debug())
    }
}

impl Error for RemotePanic {}

#[cfg(test)]
mod tests {
    use super::catch;
    use std::panic::{catch_unwind, panic_any, resume_unwind};

    #[test]
    fn message_and_place_are_those_of_the_panic_that_came_out() {
        let panic = catch(|| {
            let _ = catch_unwind(|| panic!("inside"));
            panic!("out of {}", "order")
        });
        let panic = panic.unwrap_err();
        assert_eq!(panic.message(), "out of order");
        assert!(panic.location().unwrap().contains("panic.rs:"), "{panic}");

        let passed_on = catch(|| {
            let _ = catch_unwind(|| panic!("inside"));
            resume_unwind(Box::new("passed on"))
        });
        let passed_on = passed_on.unwrap_err();
        assert_eq!((passed_on.message(), passed_on.location()), ("passed on", None));
        assert_eq!(catch(|| panic_any(7)).unwrap_err().message(), "a payload that is no text");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let panic = catch(|| panic!("{}", "ü".repeat(20_000))).unwrap_err();
        assert_eq!(panic.message().len(), super::MAX_MESSAGE_BYTES);
    }
}
