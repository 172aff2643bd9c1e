//! Panics that go to another process: where, and what was said.

use serde::{Deserialize, Serialize};
use std::{
    any::Any,
    error::Error,
    fmt,
    marker::PhantomData,
    panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind},
    sync::{Mutex, MutexGuard, Once, PoisonError},
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

/// A thread on which panics are caught, and the last one of them.
type Inside = (ThreadId, Option<RemotePanic>);

/// One for each [`Catcher`]. Panics of other threads are nobody's business here: there may be any number of those, and nobody
/// would take them out again.
static INSIDE: Mutex<Vec<Inside>> = Mutex::new(Vec::new());

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
    Catcher::new().catch(f)
}

/// Catches the panics of many calls on the thread that has made it, which is noted once for all of them.
pub(crate) struct Catcher {
    /// It is the thread's.
    not_send: PhantomData<*const ()>,
}

impl Catcher {
    pub(crate) fn new() -> Self {
        static HOOK: Once = Once::new();
        // In the middle of a panic the standard library does not let anybody change the hook: then there is no place to be told.
        if !thread::panicking() {
            HOOK.call_once(|| {
                let former = panic::take_hook();
                panic::set_hook(Box::new(move |info| {
                    note(info);
                    former(info);
                }));
            });
        }
        inside().push((thread::current().id(), None));
        Self { not_send: PhantomData }
    }

    /// See [`catch`].
    pub(crate) fn catch<R>(&self, f: impl FnOnce() -> R) -> Result<R, RemotePanic> {
        catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
            let noted = last_of(&mut inside(), thread::current().id()).and_then(|(_, noted)| noted.take());
            let panic = RemotePanic::new(&*payload, None);
            // What the payload does when it is dropped is no reason to end.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(again);
            }
            // One that was caught further in is not this one.
            noted.filter(|noted| noted.message == panic.message).unwrap_or(panic)
        })
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        let (mut inside, this) = (inside(), thread::current().id());
        if let Some(at) = inside.iter().rposition(|(thread, _)| *thread == this) {
            inside.remove(at);
        }
    }
}

fn inside() -> MutexGuard<'static, Vec<Inside>> {
    INSIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(info: &PanicHookInfo<'_>) {
    if let Some((_, noted)) = last_of(&mut inside(), thread::current().id()) {
        *noted = Some(RemotePanic::new(info.payload(), info.location().map(ToString::to_string)));
    }
}

/// What is noted for a thread by the innermost that catches there.
fn last_of(inside: &mut [Inside], this: ThreadId) -> Option<&mut Inside> {
    inside.iter_mut().rfind(|(thread, _)| *thread == this)
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
    use super::{Catcher, catch};
    use std::{
        panic::{catch_unwind, panic_any, resume_unwind},
        thread,
    };

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
    fn one_catcher_catches_many_and_each_has_its_place() {
        let catcher = Catcher::new();
        let first = catcher.catch(|| panic!("too much")).unwrap_err();
        assert_eq!(catcher.catch(|| 7), Ok(7));
        let second = catcher.catch(|| panic!("too much")).unwrap_err();
        assert_ne!(first.location().unwrap(), second.location().unwrap());
        let passed_on = catcher.catch(|| resume_unwind(Box::new("too much"))).unwrap_err();
        assert_eq!((passed_on.message(), passed_on.location()), ("too much", None));
    }

    #[test]
    fn panics_that_nobody_catches_here_are_not_kept() {
        let mut other_id = None;
        let caught = catch(|| {
            thread::scope(|scope| {
                let other = scope.spawn(|| assert!(thread::panicking(), "another thread's"));
                other_id = Some(other.thread().id());
                other.join().unwrap_err();
            });
            assert_eq!(catch(|| panic!("further in")).unwrap_err().message(), "further in");
            panic!("out of order")
        });
        assert!(caught.unwrap_err().location().is_some());
        let here = thread::current().id();
        assert!(!super::inside().iter().any(|(id, _)| *id == here || Some(*id) == other_id));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let panic = catch(|| panic!("{}", "ü".repeat(20_000))).unwrap_err();
        assert_eq!(panic.message().len(), super::MAX_MESSAGE_BYTES);
    }
}
