//! Tells a forked child that it is one.
//!
//! An epoll instance is shared by parent and child after `fork`: a child that deregistered its copy of a socket
//! would silence the parent's. So everything that speaks to a selector first asks whether this process is still
//! the one that created it. `getpid` would be a system call each time; a counter bumped in the child is a load.
//!
//! A child made by the bare `clone` system call goes unnoticed; so does `vfork`, whose child may only exec anyway.

use std::sync::atomic::{AtomicU32, Ordering};

/// Forks between the first process that created a reactor and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks this process lies below the one that first called [`watch`].
#[inline]
pub(crate) fn depth() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Has every later child of this process count itself. Only the first call acts; children inherit the handler.
#[cfg(not(miri))]
#[expect(unsafe_code, reason = "pthread_atfork has no safe wrapper")]
pub(crate) fn watch() {
    use std::sync::Once;

    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: S2; the handler is a plain function that lives as long as the program.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        // Only memory for the handler can be missing. A fork would then go unnoticed, as under every peer.
        debug_assert_eq!(refused, 0, "pthread_atfork");
    });
}

/// Miri cannot fork, so there is nothing to watch.
#[cfg(miri)]
pub(crate) fn watch() {
    let _ = &FORKS;
}
