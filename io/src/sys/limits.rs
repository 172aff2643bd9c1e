//! How much this process may have of what there is.

#![expect(unsafe_code, reason = "std does not tell")]

use std::io;

/// How many descriptors this process may open; `None` if the system does not say, or sets no limit.
pub(crate) fn descriptors() -> Option<usize> {
    of(libc::RLIMIT_NOFILE)
}

/// Lets this process open as many descriptors as it may allow itself.
pub(crate) fn raise_descriptors() -> io::Result<()> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the struct it is given, and nothing else.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limits.rlim_cur = limits.rlim_max;
    // SAFETY: it reads the struct it is given, and nothing else.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// How many bytes of addresses this process may use, and how many of them for what it can write.
#[cfg(feature = "greenlet")]
pub(crate) fn memory() -> (Option<usize>, Option<usize>) {
    (of(libc::RLIMIT_AS), of(libc::RLIMIT_DATA))
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

fn of(resource: Resource) -> Option<usize> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the struct it is given, and nothing else.
    let failed = unsafe { libc::getrlimit(resource, &raw mut limits) };
    if failed != 0 || limits.rlim_cur == libc::RLIM_INFINITY {
        return None;
    }
    usize::try_from(limits.rlim_cur).ok()
}
