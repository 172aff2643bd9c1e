//! Whole files in one call.

use super::{
    cached::{self, charge, poll_turn},
    error::explain,
    job::{run, run_on},
};
use crate::sys;
use std::{
    fs,
    future::poll_fn,
    io::{self, Write},
    path::Path,
    task::ready,
};

/// Reads a whole file.
///
/// A file of at most 256 KiB that is in memory already is read on this thread, in a few microseconds (Linux, local file
/// systems); any other on the blocking pool.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let manifest = runtime_io::fs::read("Cargo.toml").await?;
/// assert!(manifest.starts_with(b"[package]"));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// What [`std::fs::read`] fails with; the message names the path.
///
/// # Cancel safety
/// Dropped before it is ready, it has changed nothing. A thread that reads already reads to the end; so one that waits for
/// a FIFO's writer keeps the runtime from ending.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    let begun = match read_here(path).await {
        Ok(content) => return Ok(content),
        Err(begun) => begun,
    };
    let path = path.to_owned();
    run(move || cached::read_rest(&path, begun)).await
}

async fn read_here(path: &Path) -> Result<Vec<u8>, cached::Begun> {
    poll_fn(|context| {
        ready!(poll_turn(context));
        let read = cached::read(path);
        if let Ok(content) = &read {
            charge(context, content.len());
        }
        std::task::Poll::Ready(read)
    })
    .await
}

/// Reads a whole file of text.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let manifest = runtime_io::fs::read_to_string("Cargo.toml").await?;
/// assert!(manifest.lines().any(|line| line == "[package]"));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`read`], and `InvalidData` if it is not UTF-8.
///
/// # Cancel safety
/// As for [`read`].
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref();
    let content = read(path).await?;
    String::from_utf8(content)
        .map_err(|error| explain("read", path, io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// Writes a whole file: it is created, or emptied first. The content is copied once, so that it may be borrowed.
///
/// A reader may see the file empty or half full meanwhile, and a crash may leave it so; see [`write_atomic`](super::write_atomic).
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let path = std::env::temp_dir().join(format!("written-{}", std::process::id()));
/// runtime_io::fs::write(&path, "hello").await?;
/// assert_eq!(runtime_io::fs::read(&path).await?, b"hello");
/// runtime_io::fs::remove_file(&path).await?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// What [`std::fs::write`] fails with, such as `StorageFull` on a disk without room, when a part may be written; the message
/// names the path. Above the process's limit on sizes it is `FileTooLarge`, and no signal.
///
/// # Cancel safety
/// Dropped before a thread has begun, it does nothing. A write that has begun goes through.
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let contents = contents.as_ref().to_vec();
    run_on("write", path.as_ref(), move |path| sys::file::spare_sigxfsz(|| fs::write(path, contents))).await
}

/// Writes at the end of a file, which is created if there is none. One call of the system appends as one piece, if there is
/// room: several programs that do so leave whole records, in some order.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let path = std::env::temp_dir().join(format!("appended-{}", std::process::id()));
/// runtime_io::fs::append(&path, "one\n").await?;
/// runtime_io::fs::append(&path, "two\n").await?;
/// assert_eq!(runtime_io::fs::read_to_string(&path).await?, "one\ntwo\n");
/// runtime_io::fs::remove_file(&path).await?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`write()`].
///
/// # Cancel safety
/// As for [`write()`].
pub async fn append(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let contents = contents.as_ref().to_vec();
    let append = move |path: &Path| {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path)?;
        sys::file::spare_sigxfsz(|| file.write_all(&contents))
    };
    run_on("append to", path.as_ref(), append).await
}

/// Copies a file's content and permissions, in the kernel where it can; gives the number of bytes. What was at `to` is
/// overwritten.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// use runtime_io::fs;
/// let copy = std::env::temp_dir().join(format!("copied-{}", std::process::id()));
/// let length = fs::copy("Cargo.toml", &copy).await?;
/// assert_eq!(fs::metadata(&copy).await?.len(), length);
/// fs::remove_file(&copy).await?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// What [`std::fs::copy`] fails with; the message names both paths.
///
/// # Cancel safety
/// As for [`write()`].
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    super::paths::run_on_two("copy", from.as_ref(), to.as_ref(), |from, to| {
        sys::file::spare_sigxfsz(|| copy_here(from, to))
    })
    .await
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn copy_here(from: &Path, to: &Path) -> io::Result<u64> {
    fs::copy(from, to)
}

/// As the standard library's, which gives up when a signal comes; both files remember how far it went.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn copy_here(from: &Path, to: &Path) -> io::Result<u64> {
    use std::{
        io::Seek,
        os::unix::fs::{OpenOptionsExt, PermissionsExt},
    };

    let mut from = fs::File::open(from)?;
    let source = from.metadata()?;
    if !source.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "what is to be copied is not a regular file",
        ));
    }
    let permissions = source.permissions();
    let (mode, mut options) = (permissions.mode(), fs::OpenOptions::new());
    let mut to = options.write(true).create(true).truncate(true).mode(mode).open(to)?;
    if to.metadata()?.is_file() {
        to.set_permissions(permissions)?;
    }
    while let Err(error) = io::copy(&mut from, &mut to) {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    from.stream_position()
}
