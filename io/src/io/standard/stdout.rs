//! Standard output and standard error.

use super::{output::Output, way::Number};
use futures_io::AsyncWrite;
use std::{
    io::{self, IsTerminal},
    pin::Pin,
    task::{Context, Poll},
};

/// Standard output, awaited.
///
/// A terminal, a pipe or a socket is waited for with everything else, and a file is written on the blocking pool: a reader that
/// is slow, or a terminal that was stopped with Ctrl-S, holds up whoever writes and nobody else. Its descriptor is left as it
/// is: `O_NONBLOCK` would surprise the shell and everybody else who has it, and make `println!` fail.
///
/// Nothing is buffered on this side of the system: what [`write_all`](Stdout::write_all) has written is out, whatever ends the
/// program then, and needs no flush. For many small writes put a [`BufWriter`](crate::io::BufWriter) round it, and flush that.
/// Two tasks that write lines do not mix them as long as these fit: up to 4096 bytes into a pipe; for more, or at a slow
/// terminal, a [lock](runtime_sync::Lock) or one task that writes for all keeps them apart.
///
/// [`print!`] keeps what has no end of line yet in a buffer of its own.
///
/// ```
/// use runtime_io::io;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
///
/// # executor.block_on(async {
/// let stdout = io::stdout();
/// stdout.write_all(b"Name, please: ").await?;
/// # io::Result::Ok(())
/// # })?;
/// # io::Result::Ok(())
/// ```
pub fn stdout() -> Stdout {
    Stdout(Output::new(Number::Stdout))
}

/// Standard error, awaited; see [`stdout`], which it is but for the number.
///
/// ```
/// use runtime_io::io;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
///
/// # executor.block_on(async {
/// io::stderr().write_all(b"nothing is wrong\n").await?;
/// # io::Result::Ok(())
/// # })?;
/// # io::Result::Ok(())
/// ```
pub fn stderr() -> Stderr {
    Stderr(Output::new(Number::Stderr))
}

/// A handle to standard output; see [`stdout`].
///
/// It belongs to the runtime where it first had to wait. To make one costs nothing; its first write opens what it needs, so
/// keep it for a while.
#[derive(Debug)]
pub struct Stdout(Output);

/// A handle to standard error; see [`stderr`], and [`Stdout`].
#[derive(Debug)]
pub struct Stderr(Output);

macro_rules! writing {
    ($type:ty, $std:expr) => {
        impl $type {
            /// Writes as much as there is room for, at least one byte; waits while there is no room.
            ///
            /// # Errors
            /// `BrokenPipe` if nobody reads any more, `NotConnected` if it is closed (a Rust `main` begins with
            /// `/dev/null` there instead), what else the system says, or a [`HandleError`](crate::HandleError).
            /// SIGPIPE kills nobody here; see [`PipeWriter`](crate::io::PipeWriter).
            ///
            /// # Cancel safety
            /// Dropped before it is ready, it has written nothing, unless it is a file: what is on its way to one
            /// arrives. Should that go wrong, the next operation says so.
            pub fn write<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
                self.0.write(buf)
            }

            /// Writes the whole buffer.
            ///
            /// # Errors
            /// As for [`write`](Self::write); part of the buffer may have been written.
            ///
            /// # Cancel safety
            /// None: dropped before it is ready, it may have written part of the buffer.
            pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + 'a {
                self.0.write_all(buf)
            }

            /// Whether somebody sits there.
            pub fn is_terminal(&self) -> bool {
                $std.is_terminal()
            }
        }

        /// Whoever polls last is woken. A write to a file is handed in, and done when the flush is; the `async` methods
        /// do both.
        impl AsyncWrite for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write(context, buf)
            }

            fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_flush(context)
            }

            /// Flushes. The descriptor is everybody's, and stays open.
            fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_flush(context)
            }
        }
    };
}

writing!(Stdout, io::stdout());
writing!(Stderr, io::stderr());
