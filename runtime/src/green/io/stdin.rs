//! Standard input in blocking style: one buffer for all greenlets, as the standard library has one for all threads.

use crate::{greenlet, io as parking, sync::shared};
use std::{
    fmt,
    io::{self, BufRead, IsTerminal, Lines, Read},
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::OnceLock,
};

/// Read at a time; two pages hold any line that is typed.
const PIECE: usize = 8 * 1024;

/// What was read and nobody has taken yet.
struct Buffer {
    room: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// What is here; if that is nothing, `stdin` is asked for more.
    #[track_caller]
    fn fill(&mut self, stdin: &parking::Stdin) -> io::Result<&[u8]> {
        if self.start == self.end {
            if self.room.is_empty() {
                self.room = vec![0; PIECE].into();
            }
            (self.start, self.end) = (0, 0);
            self.end = greenlet::wait(stdin.read(&mut self.room))?;
        }
        Ok(&self.room[self.start..self.end])
    }

    fn consume(&mut self, n: usize) {
        self.start = self.end.min(self.start + n);
    }
}

fn buffer() -> &'static shared::Lock<Buffer> {
    static BUFFER: OnceLock<shared::Lock<Buffer>> = OnceLock::new();
    BUFFER.get_or_init(|| shared::Lock::new(Buffer { room: Box::default(), start: 0, end: 0 }))
}

/// [`std::io::stdin`]: in a greenlet what waits for it parks, elsewhere it is the standard library's own.
///
/// All greenlets of the process share one buffer. That of [`io::stdin`](crate::io::stdin), for tasks, is another, and so is that
/// of the standard library: use one of them.
pub fn stdin() -> Stdin {
    Stdin(())
}

/// A handle to standard input; see [`stdin`].
#[derive(Debug)]
pub struct Stdin(());

impl Stdin {
    /// Keeps it from all others, and waits until it can. Reading parks with the lock held.
    #[track_caller]
    pub fn lock(&self) -> StdinLock<'static> {
        if !greenlet::is_inside() {
            return StdinLock(Lock::Std(io::stdin().lock()));
        }
        let buffer = greenlet::wait(buffer().acquire());
        StdinLock(Lock::Green { buffer, stdin: parking::stdin() })
    }

    /// Appends the next line, with its end; gives its length, 0 at the end of the input.
    ///
    /// # Errors
    /// `InvalidData` if the line is not UTF-8, or what the system says.
    #[track_caller]
    pub fn read_line(&self, line: &mut String) -> io::Result<usize> {
        self.lock().read_line(line)
    }

    /// All lines, without their ends. It keeps the input locked.
    #[track_caller]
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }

    /// Whether somebody sits there.
    pub fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }
}

impl Read for Stdin {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buf)
    }
}

impl Read for &Stdin {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buf)
    }
}

/// Standard input for its holder alone; see [`Stdin::lock`].
pub struct StdinLock<'a>(Lock<'a>);

enum Lock<'a> {
    Green { buffer: shared::LockGuard<'a, Buffer>, stdin: parking::Stdin },
    Std(io::StdinLock<'a>),
}

impl StdinLock<'_> {
    /// Whether somebody sits there.
    pub fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }
}

impl Read for StdinLock<'_> {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Lock::Green { buffer, stdin } => {
                let n = buffer.fill(stdin)?.read(buf)?;
                buffer.consume(n);
                Ok(n)
            }
            Lock::Std(lock) => lock.read(buf),
        }
    }
}

impl BufRead for StdinLock<'_> {
    #[track_caller]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.0 {
            Lock::Green { buffer, stdin } => buffer.fill(stdin),
            Lock::Std(lock) => lock.fill_buf(),
        }
    }

    fn consume(&mut self, n: usize) {
        match &mut self.0 {
            Lock::Green { buffer, .. } => buffer.consume(n),
            Lock::Std(lock) => lock.consume(n),
        }
    }
}

impl fmt::Debug for StdinLock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdinLock").finish_non_exhaustive()
    }
}

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        static STDIN: OnceLock<io::Stdin> = OnceLock::new();
        STDIN.get_or_init(io::stdin).as_fd()
    }
}

impl AsRawFd for Stdin {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
