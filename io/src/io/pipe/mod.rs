//! Pipes: bytes from one process to another, or to itself. Their ends are what a child's standard streams are made of.

mod reader;
mod writer;

pub use reader::PipeReader;
pub use writer::PipeWriter;

use crate::sys;
use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
};

/// An anonymous pipe: what is written to the one end is read from the other, in order.
///
/// The kernel keeps up to 64 KiB on the way (Linux; less on other systems); a writer then waits. Once all writers are gone, and
/// what they wrote was read, reads give 0 bytes. Once all readers are gone, writes fail with `BrokenPipe`, and never by the
/// signal of that name; see [`PipeWriter`].
///
/// # Errors
/// If the process or the system has no descriptor left.
///
/// ```
/// use runtime_io::io;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
///
/// # executor.block_on(async {
/// let (reader, writer) = io::pipe()?;
/// writer.write_all(b"through a pipe").await?;
/// drop(writer);
///
/// let mut buf = [0; 64];
/// let n = reader.read(&mut buf).await?;
/// assert_eq!(&buf[..n], b"through a pipe");
/// assert_eq!(reader.read(&mut buf).await?, 0, "nobody can write any more");
/// # io::Result::Ok(())
/// # })?;
/// # io::Result::Ok(())
/// ```
///
/// One end for a child, which wants it to block, and one for us:
///
/// ```
/// use runtime_io::io;
/// use std::process::Command;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
///
/// # executor.block_on(async {
/// let (reader, writer) = io::pipe()?;
/// let mut child = Command::new("echo").arg("hello").stdout(writer.into_blocking_fd()?).spawn()?;
///
/// let mut greeting = [0; 6];
/// reader.read_exact(&mut greeting).await?;
/// assert_eq!(&greeting, b"hello\n");
/// child.wait()?;
/// # io::Result::Ok(())
/// # })?;
/// # io::Result::Ok(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = sys::pipe::pipe()?;
    Ok((PipeReader::nonblocking(reader.into()), PipeWriter::nonblocking(writer.into())))
}

/// A pipe that keeps writes apart: each read gives what one write wrote (Linux, `O_DIRECT`).
///
/// A write of more than 4096 bytes makes several packets. A read with less room than its packet has loses the rest of it, so
/// read with room for 4096 bytes.
///
/// # Errors
/// `Unsupported` on systems without them, or if there is no descriptor left.
///
/// ```
/// use runtime_io::io;
/// # #[cfg(target_os = "linux")] {
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
///
/// # executor.block_on(async {
/// let (reader, writer) = io::packet_pipe()?;
/// writer.write_all(b"one").await?;
/// writer.write_all(b"and another").await?;
///
/// let mut buf = [0; 4096];
/// assert_eq!(reader.read(&mut buf).await?, 3);
/// assert_eq!(reader.read(&mut buf).await?, 11);
/// # io::Result::Ok(())
/// # })?;
/// # }
/// # io::Result::Ok(())
/// ```
pub fn packet_pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = sys::pipe::packet_pipe()?;
    Ok((PipeReader::nonblocking(reader.into()), PipeWriter::nonblocking(writer.into())))
}

/// Which end of a pipe is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Reader,
    Writer,
}

/// Takes somebody's descriptor for an end of a pipe, and makes it non-blocking.
fn adopt(fd: OwnedFd, end: End) -> io::Result<File> {
    let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    let (reads, writes) = sys::descriptor::access(fd.as_fd())?;
    let file = File::from(fd);
    if !file.metadata()?.file_type().is_fifo() {
        return refuse("this descriptor is no pipe: `AsyncFd` awaits those of any kind");
    }
    match end {
        End::Reader if !reads => return refuse("this end of a pipe cannot be read from"),
        End::Writer if !writes => return refuse("this end of a pipe cannot be written to"),
        _ => {}
    }
    sys::descriptor::set_nonblocking(file.as_fd())?;
    Ok(file)
}

/// For whoever reads or writes it without a runtime.
fn into_blocking(file: File) -> io::Result<OwnedFd> {
    sys::descriptor::set_blocking(file.as_fd())?;
    Ok(file.into())
}
