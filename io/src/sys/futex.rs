//! Waiting for a word in memory, also of another process, to change.
//!
//! Whoever waits may wake up for nothing, and looks again. Where the system has nothing for it, it is looked at every
//! millisecond.

#![expect(unsafe_code, reason = "the system's calls have no safe wrapper")]

use std::{sync::atomic::AtomicU32, time::Duration};

/// Sleeps while `word` is `value`, at most for `limit`, until somebody [`wake`]s, or for nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn wait(word: &AtomicU32, value: u32, limit: Duration) {
    let limit = timespec(limit);
    // SAFETY: both live for the call; the system compares and sleeps. It is for other processes too, so not FUTEX_PRIVATE.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, &raw const limit) };
}

/// Wakes so many who wait for the word.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn wake(word: &AtomicU32, count: u32) {
    let count = libc::c_int::try_from(count).unwrap_or(libc::c_int::MAX);
    // SAFETY: the system uses the address as a name.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
}

/// Sleeps while `word` is `value`, at most for `limit`, until somebody [`wake`]s, or for nothing.
#[cfg(target_os = "freebsd")]
pub(crate) fn wait(word: &AtomicU32, value: u32, limit: Duration) {
    let mut limit = timespec(limit);
    let size = std::ptr::without_provenance_mut(size_of_val(&limit));
    let value = libc::c_ulong::from(value);
    // SAFETY: both live for the call; the fourth argument is the size of the fifth (_umtx_op(2)).
    unsafe {
        libc::_umtx_op(word.as_ptr().cast(), libc::UMTX_OP_WAIT_UINT, value, size, (&raw mut limit).cast())
    };
}

/// Wakes so many who wait for the word.
#[cfg(target_os = "freebsd")]
pub(crate) fn wake(word: &AtomicU32, count: u32) {
    let count = libc::c_ulong::from(count.min(i32::MAX.cast_unsigned()));
    let nothing = std::ptr::null_mut();
    // SAFETY: the system uses the address as a name.
    unsafe { libc::_umtx_op(word.as_ptr().cast(), libc::UMTX_OP_WAKE, count, nothing, nothing) };
}

/// Sleeps for a millisecond, and no longer than `limit`, if `word` is `value`.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn wait(word: &AtomicU32, value: u32, limit: Duration) {
    if word.load(std::sync::atomic::Ordering::Acquire) == value {
        let pause = timespec(limit.min(Duration::from_millis(1)));
        // SAFETY: it reads the struct it is given.
        unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    }
}

/// Nobody sleeps for long.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn wake(_word: &AtomicU32, _count: u32) {}

fn timespec(duration: Duration) -> libc::timespec {
    // SAFETY: all zeroes is a valid value; some systems have padding in it.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    time.tv_sec = libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX);
    time.tv_nsec = duration.subsec_nanos() as libc::c_long;
    time
}
