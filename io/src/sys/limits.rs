//! How much this process may have of what there is.

#![expect(unsafe_code, reason = "std does not tell")]

/// How many descriptors this process may open; `None` if the system does not say, or sets no limit.
pub(crate) fn descriptors() -> Option<usize> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the struct it is given, and nothing else.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
    if failed != 0 || limits.rlim_cur == libc::RLIM_INFINITY {
        return None;
    }
    usize::try_from(limits.rlim_cur).ok()
}
