//! How a standard stream is used without blocking the thread, and without `O_NONBLOCK` on the descriptor we were given: that
//! flag belongs to everybody who shares the open file, such as the shell and the other commands of a pipeline.
//!
//! | what it is | how it is used |
//! |---|---|
//! | terminal, pipe, FIFO | an open file of our own, by way of `/proc/self/fd` (Linux), which does not block |
//! | the same where that cannot be had, and other devices | only when poll(2) says that it is ready, and little at a time |
//! | socket | calls that do not wait |
//! | file | on the blocking pool |

use crate::{async_fd::AsyncFd, knowledge::Knowledge, sys};
use std::{
    fmt,
    fs::{File, FileType, OpenOptions},
    io::{self, ErrorKind, IsTerminal, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    sync::Arc,
};

/// What a write to a pipe or terminal that blocks, and is ready, may have: POSIX promises room for as much in a pipe
/// (`_POSIX_PIPE_BUF`).
const LITTLE: usize = 512;

/// One of the three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Number {
    Stdin = 0,
    Stdout = 1,
    Stderr = 2,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdin => "standard input",
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        })
    }
}

/// A standard stream, ready for use.
#[derive(Debug)]
pub(super) enum Standard {
    /// It is waited for.
    Polled(AsyncFd<Way>),
    /// It is never waited for, and may take its time: what is done to it is done on the blocking pool.
    File(Arc<File>),
}

/// How bytes come and go without blocking.
#[derive(Debug)]
pub(super) enum Way {
    /// An open file of our own.
    Own { file: File, spares_sigpipe: bool },
    /// A duplicate of the descriptor, whose open file blocks.
    Asked { file: File, spares_sigpipe: bool },
    /// A duplicate of the descriptor, whose open file may block.
    Socket(File),
}

impl Standard {
    /// Opens what that number stands for now.
    pub(super) fn open(number: Number) -> io::Result<Self> {
        match sys::descriptor::duplicate(number as RawFd, libc::STDERR_FILENO + 1) {
            Ok(fd) => Self::of(fd.into(), number),
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
                Err(io::Error::new(ErrorKind::NotConnected, format!("{number} is closed")))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn of(file: File, number: Number) -> io::Result<Self> {
        let (reads, writes) = sys::descriptor::access(file.as_fd())?;
        if !(if number == Number::Stdin { reads } else { writes }) {
            let what = format!("{number} is open for the other direction only");
            return Err(io::Error::new(ErrorKind::NotConnected, what));
        }
        let kind = file.metadata()?.file_type();
        if kind.is_file() || kind.is_dir() || kind.is_block_device() {
            return Ok(Self::File(Arc::new(file)));
        }
        let way = if kind.is_socket() { Way::Socket(file) } else { Way::to(file, kind, number) };
        Ok(Self::Polled(AsyncFd::of_kind(way, Knowledge::OTHER)))
    }
}

impl Way {
    fn to(file: File, kind: FileType, number: Number) -> Self {
        let reading = number == Number::Stdin;
        let spares_sigpipe = !reading && sys::sigpipe::is_deadly();
        // Other devices may make something new of each opening.
        let is_fit = kind.is_fifo() || file.is_terminal();
        match is_fit.then(|| reopen(&file, reading)).flatten() {
            Some(own) => Self::Own { file: own, spares_sigpipe },
            None => Self::Asked { file, spares_sigpipe },
        }
    }

    pub(super) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Own { file, .. } => (&mut &*file).read(buf),
            Self::Asked { file, .. } => {
                sys::descriptor::check_ready(file.as_fd(), libc::POLLIN)?;
                (&mut &*file).read(buf)
            }
            Self::Socket(socket) => sys::socket::recv_now(socket.as_fd(), buf),
        }
    }

    pub(super) fn write(&self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Own { file, spares_sigpipe } => write(file, buf, *spares_sigpipe),
            Self::Asked { file, spares_sigpipe } => {
                sys::descriptor::check_ready(file.as_fd(), libc::POLLOUT)?;
                write(file, &buf[..buf.len().min(LITTLE)], *spares_sigpipe)
            }
            Self::Socket(socket) => sys::socket::send_now(socket.as_fd(), buf),
        }
    }
}

fn write(mut file: &File, buf: &[u8], spares_sigpipe: bool) -> io::Result<usize> {
    if spares_sigpipe {
        return sys::sigpipe::write_spared(file.as_fd(), &[io::IoSlice::new(buf)]);
    }
    file.write(buf)
}

impl AsFd for Way {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Own { file, .. } | Self::Asked { file, .. } | Self::Socket(file) => file.as_fd(),
        }
    }
}

/// Opens the same once more, so as not to block. `None` where that cannot be: no `/proc`, somebody else's terminal.
fn reopen(file: &File, reading: bool) -> Option<File> {
    if !cfg!(any(target_os = "linux", target_os = "android")) || makes_terminals(file) {
        return None;
    }
    let mut options = OpenOptions::new();
    options.read(reading).write(!reading).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options.open(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

/// Whether each opening gives a new terminal (`/dev/ptmx`), rather than this one.
fn makes_terminals(file: &File) -> bool {
    /// Devices 5, 2 (Documentation/admin-guide/devices.txt of Linux).
    const PTMX: u64 = 5 << 8 | 2;
    file.metadata().is_ok_and(|metadata| metadata.file_type().is_char_device() && metadata.rdev() == PTMX)
}
