//! A deadly signal that a write may send to the thread that writes, held off so that the error alone is left.

#![expect(unsafe_code, reason = "std has nothing about signals")]

use std::{mem, ptr};

/// Keeps a signal from this thread while it lives, and from nobody else.
pub(super) struct Held {
    signals: libc::sigset_t,
    number: libc::c_int,
    before: libc::sigset_t,
    /// One that had come before is somebody else's, and waits for them.
    was_pending: bool,
}

impl Held {
    pub(super) fn new(number: libc::c_int) -> Self {
        let was_pending = is_pending(number);
        // SAFETY: all zeroes is a valid value, and about to be written.
        let mut signals: libc::sigset_t = unsafe { mem::zeroed() };
        // SAFETY: it writes the set it is given.
        unsafe { libc::sigemptyset(&raw mut signals) };
        // SAFETY: it writes the set it is given.
        unsafe { libc::sigaddset(&raw mut signals, number) };
        let mut before = signals;
        // SAFETY: it reads one set and writes the other.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, &raw mut before) };
        Self { signals, number, before, was_pending }
    }

    /// Takes the signal that has come, if one has: there is none where the program ignores it.
    pub(super) fn forget(&self) {
        if !self.was_pending && is_pending(self.number) {
            let mut number = 0;
            // SAFETY: it reads the set and writes the number; the signal is pending, so it does not wait.
            unsafe { libc::sigwait(&raw const self.signals, &raw mut number) };
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: it reads the set that `new` has got from the system.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }
}

/// Whether a signal has come that is held off.
fn is_pending(number: libc::c_int) -> bool {
    // SAFETY: all zeroes is a valid value, and about to be written.
    let mut pending: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: it writes the set it is given.
    unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: it reads the set that was just written.
    unsafe { libc::sigismember(&raw const pending, number) == 1 }
}
