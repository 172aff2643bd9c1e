//! FIFOs: pipes with a name in the file system, opened without blocking the thread until somebody opens the other end.

use super::pipe::{PipeReader, PipeWriter};
use crate::sys;
use runtime_executor::time::{Duration, sleep};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// How long [`open_writer`] waits at most before it looks again whether somebody reads.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Makes a FIFO at `path`, with permissions `mode` (such as `0o600`) less what the process's umask takes away.
///
/// # Errors
/// `AlreadyExists`, `PermissionDenied` and the like. The message names the path.
///
/// ```
/// use runtime_io::io::{self, fifo};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # let path = std::env::temp_dir().join(format!("runtime-doc-fifo-{}", std::process::id()));
///
/// # executor.block_on(async {
/// fifo::create(&path, 0o600)?;
/// let reader = fifo::open_reader(&path)?;
/// let writer = fifo::open_writer(&path).await?;
/// # std::fs::remove_file(&path)?;
/// writer.write_all(b"by name").await?;
/// let mut buf = [0; 7];
/// reader.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"by name");
/// # io::Result::Ok(())
/// # })?;
/// # io::Result::Ok(())
/// ```
pub fn create(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
    let path = path.as_ref();
    sys::pipe::make_fifo(path, mode).map_err(|error| explain("make a FIFO at", path, &error))
}

/// Opens the FIFO at `path` to read from it, whether or not anybody writes to it yet.
///
/// The first read waits for a writer. Once all of those who came are gone, reads give 0 bytes, until another comes. A server
/// that wants to go on whoever comes and goes opens a writer too, and keeps it.
///
/// # Errors
/// `NotFound`, `PermissionDenied`, `InvalidInput` if there is something else than a FIFO. The message names the path.
pub fn open_reader(path: impl AsRef<Path>) -> io::Result<PipeReader> {
    let path = path.as_ref();
    open(path, OpenOptions::new().read(true)).map(PipeReader::of_fifo).map_err(|error| refused(path, &error))
}

/// Opens the FIFO at `path` to write to it, and waits until somebody has opened it to read. The system tells nobody when that
/// is, so it looks again after 1 ms, 2 ms and so on up to every 50 ms.
///
/// # Errors
/// As for [`open_reader`].
///
/// # Cancel safety
/// Dropped while it waits, it has opened nothing.
pub async fn open_writer(path: impl AsRef<Path>) -> io::Result<PipeWriter> {
    let path = path.as_ref();
    let mut pause = Duration::from_millis(1);
    loop {
        match open(path, OpenOptions::new().write(true)) {
            Ok(file) => return Ok(PipeWriter::nonblocking(file)),
            Err(error) if has_no_reader(&error) => sleep(pause).await,
            Err(error) => return Err(refused(path, &error)),
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Opens the FIFO at `path` to write to it, if somebody has opened it to read.
///
/// # Errors
/// `ConnectionRefused` if nobody has, otherwise as for [`open_reader`].
pub fn try_open_writer(path: impl AsRef<Path>) -> io::Result<PipeWriter> {
    let path = path.as_ref();
    match open(path, OpenOptions::new().write(true)) {
        Ok(file) => Ok(PipeWriter::nonblocking(file)),
        Err(error) if has_no_reader(&error) => {
            let error = io::Error::new(ErrorKind::ConnectionRefused, "nobody has it open to read");
            Err(refused(path, &error))
        }
        Err(error) => Err(refused(path, &error)),
    }
}

/// Opens it so that it neither waits for the other end nor becomes anybody's terminal, should it be one.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let no_fifo = || io::Error::new(ErrorKind::InvalidInput, "it is no FIFO");
    match options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        Ok(file) if file.metadata()?.file_type().is_fifo() => Ok(file),
        Ok(_) => Err(no_fifo()),
        // What the system says of a socket, too.
        Err(error) if has_no_reader(&error) && !fs::metadata(path)?.file_type().is_fifo() => Err(no_fifo()),
        Err(error) => Err(error),
    }
}

fn has_no_reader(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENXIO)
}

fn refused(path: &Path, error: &io::Error) -> io::Error {
    explain("open the FIFO", path, error)
}

/// An error that names the path.
fn explain(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {}: {error}", path.display()))
}
