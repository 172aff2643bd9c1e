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

#[cfg(not(any(target_vendor = "apple")))]
const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: libc::c_int = 0;

/// Runs in the middle of anything (S6), and who is interrupted must not notice. The call fails when as many bytes are
/// under way as the socket takes, which does not matter, or when nobody reads them.
extern "C" fn on_quit(_signal: libc::c_int) {
    let writer = WRITER.load(Ordering::Relaxed);
    let errno = super::errno::errno();
    // SAFETY: S6; it is this thread's.
    let before = unsafe { errno.read() };
    // SAFETY: S1, as the descriptor is never closed; one byte of a static. Without a SIGPIPE, which the program may not
    // expect (where there is no such flag, the socket has been told so).
    let sent = unsafe { libc::send(writer, c"q".as_ptr().cast(), 1, NO_SIGNAL) };
    // SAFETY: as above.
    if sent < 0 && unsafe { errno.read() } == libc::EPIPE {
        // Nobody reads any more: the signal is again what it was.
        // SAFETY: S4, S6; both calls are async-signal-safe.
        unsafe { libc::signal(libc::SIGQUIT, libc::SIG_DFL) };
        // SAFETY: as above. It arrives when this handler returns.
        unsafe { libc::raise(libc::SIGQUIT) };
    }
    // SAFETY: as above.
    unsafe { errno.write(before) };
}
