//! The word in which the system leaves the numbers of errors: a signal handler puts it back as it was.

#![expect(unsafe_code, reason = "the C library says where it is")]

/// Where this thread's `errno` is.
pub(crate) fn errno() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten"))]
    // SAFETY: it only tells.
    return unsafe { libc::__errno_location() };
    #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly"))]
    // SAFETY: it only tells.
    return unsafe { libc::__error() };
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    // SAFETY: it only tells.
    return unsafe { libc::__errno() };
    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    // SAFETY: it only tells.
    return unsafe { libc::___errno() };
}
