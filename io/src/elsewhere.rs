//! What other threads may do with a reactor: take a descriptor that they close out of its selector.
//!
//! A descriptor must be deregistered before it is closed, and only the closing thread knows when that is. Handing
//! the descriptor to the owner would do for sockets, but not for [`AsyncFd`](crate::AsyncFd) around a borrowed or
//! shared one; selectors take such a call from any thread, so it is made right there. The slot in the owner's
//! table is freed by mail.

use crate::{reactor::Reactor, sys};
use mio::{Registry, Token, unix::SourceFd};
use runtime_executor::{RuntimeId, current};
use std::{
    os::fd::{AsRawFd, BorrowedFd},
    rc::Rc,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The selectors of the living reactors that have registered anything. A handful: one per runtime.
static SELECTORS: Mutex<Vec<Selector>> = Mutex::new(Vec::new());

struct Selector {
    runtime: u64,
    fork_depth: u32,
    registry: Arc<Registry>,
}

fn selectors() -> Option<MutexGuard<'static, Vec<Selector>>> {
    if sys::fork::depth() > 0 {
        // Another thread of the parent may have held the lock at the fork; nobody is left to release it then.
        return SELECTORS.try_lock().ok();
    }
    Some(SELECTORS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Lets other threads find the selector of a runtime.
pub(crate) fn publish(runtime: u64, registry: &Arc<Registry>) {
    if let Some(mut selectors) = selectors() {
        let fork_depth = sys::fork::depth();
        selectors.push(Selector { runtime, fork_depth, registry: Arc::clone(registry) });
    }
}

/// The opposite of [`publish`], when the reactor ends.
pub(crate) fn withdraw(registry: &Arc<Registry>) {
    if let Some(mut selectors) = selectors() {
        selectors.retain(|selector| !Arc::ptr_eq(&selector.registry, registry));
    }
}

/// Deregisters a descriptor from the selector of a runtime that does not run on this thread; if it runs nowhere
/// any more there is nothing to do.
#[cold]
pub(crate) fn deregister(runtime: u64, token: Token, fd: BorrowedFd<'_>) {
    if let Some(selectors) = selectors()
        && let Some(selector) = selectors.iter().find(|selector| selector.runtime == runtime)
        && selector.fork_depth == sys::fork::depth()
    {
        let _ = selector.registry.deregister(&mut SourceFd(&fd.as_raw_fd()));
    }
    on_owner(runtime, move |reactor| reactor.forget(token));
}

/// Has the owner's thread do something with its reactor soon; nothing happens if the runtime is gone.
#[cold]
pub(crate) fn on_owner(runtime: u64, f: impl FnOnce(&Reactor) + Send + 'static) {
    let Some(owner) = RuntimeId::from_bits(runtime) else { return };
    let _ = owner.post(move || {
        current::with_extension(|reactor: &Rc<Reactor>| f(reactor));
    });
}
