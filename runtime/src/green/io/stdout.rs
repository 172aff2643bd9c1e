//! Standard output and error in blocking style.

use crate::{greenlet, io as parking, sync::shared};
use std::{
    fmt,
    io::{self, IsTerminal, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::OnceLock,
};

macro_rules! output {
    ($function:ident, $type:ident, $lock:ident, $std:path, $words:literal, $what:literal) => {
        #[doc = concat!("[`std::io::", stringify!($function), "`]: ", $what)]
        ///
        /// In a greenlet what is written is out when the call returns: there is no buffer that would have to be flushed, and
        /// what `write!` and `writeln!` have put together is written as one piece. For many small writes put a
        /// [`BufWriter`](std::io::BufWriter) round it. A handle's first write opens what it needs, so keep it for a while.
        pub fn $function() -> $type {
            $type { inner: parking::$function() }
        }

        #[doc = concat!("A handle to standard ", $words, "; see [`", stringify!($function), "`].")]
        #[derive(Debug)]
        pub struct $type {
            inner: parking::$type,
        }

        impl $type {
            /// Keeps it from all others who lock it, and waits until it can.
            #[track_caller]
            pub fn lock(&self) -> $lock<'static> {
                static LOCK: OnceLock<shared::Lock<()>> = OnceLock::new();
                if !greenlet::is_inside() {
                    return $lock(Lock::Std($std().lock()));
                }
                let turn = greenlet::wait(LOCK.get_or_init(shared::Lock::default).acquire());
                $lock(Lock::Green { _turn: turn, output: $function() })
            }

            /// Whether somebody sits there.
            pub fn is_terminal(&self) -> bool {
                $std().is_terminal()
            }
        }

        impl Write for $type {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                (&*self).write(buf)
            }

            fn flush(&mut self) -> io::Result<()> {
                (&*self).flush()
            }

            #[track_caller]
            fn write_fmt(&mut self, words: fmt::Arguments<'_>) -> io::Result<()> {
                (&*self).write_fmt(words)
            }
        }

        impl Write for &$type {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                if greenlet::is_inside() {
                    return greenlet::wait(self.inner.write(buf));
                }
                $std().write(buf)
            }

            /// Only what was written outside of greenlets is in a buffer.
            fn flush(&mut self) -> io::Result<()> {
                if greenlet::is_inside() { Ok(()) } else { $std().flush() }
            }

            #[track_caller]
            fn write_fmt(&mut self, words: fmt::Arguments<'_>) -> io::Result<()> {
                match words.as_str() {
                    Some(words) => self.write_all(words.as_bytes()),
                    None => self.write_all(words.to_string().as_bytes()),
                }
            }
        }

        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                static OUTPUT: OnceLock<io::$type> = OnceLock::new();
                OUTPUT.get_or_init($std).as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }

        #[doc = concat!("Standard ", $words, " for its holder alone; see [`", stringify!($type), "::lock`].")]
        pub struct $lock<'a>(Lock<'a, $type, io::$lock<'a>>);

        impl $lock<'_> {
            /// Whether somebody sits there.
            pub fn is_terminal(&self) -> bool {
                $std().is_terminal()
            }
        }

        impl Write for $lock<'_> {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                match &mut self.0 {
                    Lock::Green { output, .. } => output.write(buf),
                    Lock::Std(lock) => lock.write(buf),
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                match &mut self.0 {
                    Lock::Green { output, .. } => output.flush(),
                    Lock::Std(lock) => lock.flush(),
                }
            }

            #[track_caller]
            fn write_fmt(&mut self, words: fmt::Arguments<'_>) -> io::Result<()> {
                match &mut self.0 {
                    Lock::Green { output, .. } => output.write_fmt(words),
                    Lock::Std(lock) => lock.write_fmt(words),
                }
            }
        }

        impl fmt::Debug for $lock<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($lock)).finish_non_exhaustive()
            }
        }
    };
}

/// A turn to write.
enum Lock<'a, G, S> {
    Green { _turn: shared::LockGuard<'a, ()>, output: G },
    Std(S),
}

output!(
    stdout,
    Stdout,
    StdoutLock,
    io::stdout,
    "output",
    "in a greenlet a slow reader parks whoever writes, elsewhere it is the standard library's own."
);
output!(
    stderr,
    Stderr,
    StderrLock,
    io::stderr,
    "error",
    "in a greenlet a slow reader parks whoever writes, elsewhere it is the standard library's own."
);
