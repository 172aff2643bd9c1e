//! Turns SIGQUIT, the terminal's ^\, into bytes on a socket that may be given to a thread, and gives the signal back when
//! that is dropped.

#![expect(unsafe_code, reason = "signal handlers have no safe wrapper")]

use super::signal;
use std::{
    io,
    os::{fd::IntoRawFd, unix::net::UnixStream},
    sync::atomic::{AtomicI32, Ordering},
};

/// Where the handler writes; never closed. Negative: nowhere.
static WRITER: AtomicI32 = AtomicI32::new(-1);

/// A socket on which a byte arrives for every SIGQUIT from now on, instead of the end of the process. `None` if that
/// signal is somebody's already: ours, the program's, or ignored by whoever started it.
pub(crate) fn catch() -> io::Result<Option<UnixStream>> {
    let (reader, writer) = UnixStream::pair()?;
    writer.set_nonblocking(true)?;
    let is_ours = signal::listen_if_default(libc::SIGQUIT, || {
        WRITER.store(writer.into_raw_fd(), Ordering::Release);
    })?;
    Ok(is_ours.then_some(reader))
}

/// Whether somebody may be reading still.
pub(super) fn is_caught() -> bool {
    WRITER.load(Ordering::Acquire) >= 0
}

/// In the handler (S6). The call fails when as many bytes are under way as the socket takes, which does not matter, or
/// when nobody reads them.
pub(super) fn ring() {
    let writer = WRITER.load(Ordering::Acquire);
    if writer < 0 {
        return;
    }
    // SAFETY: S1, as the descriptor is never closed; one byte of a static. Without a SIGPIPE, which the program may not
    // expect (where there is no such flag, the socket has been told so).
    let sent = unsafe { libc::send(writer, c"q".as_ptr().cast(), 1, signal::NO_SIGNAL) };
    // SAFETY: S6; it is this thread's.
    if sent < 0 && unsafe { super::errno::errno().read() } == libc::EPIPE && !signal::is_wanted(libc::SIGQUIT)
    {
        // Nobody reads any more: the signal is again what it was.
        WRITER.store(-1, Ordering::Relaxed);
        signal::forget(libc::SIGQUIT);
        // SAFETY: S4, S6; both calls are async-signal-safe.
        unsafe { libc::signal(libc::SIGQUIT, libc::SIG_DFL) };
        // SAFETY: as above. It arrives when this handler returns.
        unsafe { libc::raise(libc::SIGQUIT) };
    }
}
