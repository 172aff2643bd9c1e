//! Turns SIGQUIT, the terminal's ^\, into bytes on a socket.

#![expect(unsafe_code, reason = "signal handlers have no safe wrapper")]

use std::{
    io, mem,
    os::{fd::IntoRawFd, unix::net::UnixStream},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
};

/// Where the handler writes; never closed. Negative: nowhere yet.
static WRITER: AtomicI32 = AtomicI32::new(-1);
static INSTALLING: Mutex<()> = Mutex::new(());

/// A socket on which a byte arrives for every SIGQUIT from now on, instead of the end of the process. `None` if that
/// signal is somebody's already: ours, the program's, or ignored by whoever started it.
pub(crate) fn catch() -> io::Result<Option<UnixStream>> {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: S4; all zeroes is a valid value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: S4; it only asks.
    if unsafe { libc::sigaction(libc::SIGQUIT, ptr::null(), &raw mut action) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if action.sa_sigaction != libc::SIG_DFL {
        return Ok(None);
    }
    let (reader, writer) = UnixStream::pair()?;
    writer.set_nonblocking(true)?;
    WRITER.store(writer.into_raw_fd(), Ordering::Relaxed);
    action.sa_sigaction = on_quit as extern "C" fn(_) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: S4.
    if unsafe { libc::sigaction(libc::SIGQUIT, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Some(reader))
}

/// Runs in the middle of anything (S6): the call may fail only when as many bytes are under way as the socket takes, and
/// who is interrupted must not notice.
extern "C" fn on_quit(_signal: libc::c_int) {
    let writer = WRITER.load(Ordering::Relaxed);
    let errno = errno();
    // SAFETY: S6; it is this thread's.
    let before = unsafe { errno.read() };
    // SAFETY: S1, as the descriptor is never closed; one byte of a static.
    unsafe { libc::write(writer, c"q".as_ptr().cast(), 1) };
    // SAFETY: as above.
    unsafe { errno.write(before) };
}

/// Where this thread's `errno` is.
fn errno() -> *mut libc::c_int {
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
