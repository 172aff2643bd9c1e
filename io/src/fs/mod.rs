//! Files and folders, on the blocking pool and past it.
//!
//! The system has no readiness for files: a read waits for the disk, whatever the thread had in mind. So calls go to the
//! threads of [`spawn_blocking`](runtime_executor::spawn_blocking), and their results come back. Where the kernel can say
//! that it would not have to wait (Linux, local file systems), small reads of what is in memory are done at once, on the
//! runtime's own thread, for a tenth of the price: [`read`], [`File::open`], [`File::read`].
//!
//! Names and meanings are those of [`std::fs`]. Errors name the path; what the system said is their
//! [source](std::error::Error::source). Beyond that:
//!
//! - A write that was accepted goes through, in order, whatever becomes of the future, the handle and the runtime; see
//!   [`File`].
//! - [`write_atomic`] replaces a file in one step.
//! - Locks wait without a thread; see [`File::lock`].
//! - [`read_dir`] is a stream that reads no more of a folder ahead than somebody takes.
//! - A process that has reached its limit on the size of files (`RLIMIT_FSIZE`) gets an error, and not `SIGXFSZ`.
//! - In a simulation, which has no threads, calls are made where they are awaited.
//!
//! ```
//! # let executor = runtime_executor::Executor::builder().build();
//! # executor.block_on(async {
//! use runtime_io::fs;
//! let path = std::env::temp_dir().join(format!("hello-{}", std::process::id()));
//! fs::write(&path, "hello world").await?;
//! assert_eq!(fs::read_to_string(&path).await?, "hello world");
//! fs::remove_file(&path).await?;
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```

mod atomic;
mod cached;
mod error;
mod file;
mod folder;
pub(crate) mod job;
mod known;
mod options;
mod paths;
mod whole;

pub use atomic::write_atomic;
pub use file::File;
pub use folder::{DirEntry, ReadDir, read_dir};
pub use options::OpenOptions;
pub use paths::{
    canonicalize, create_dir, create_dir_all, hard_link, metadata, read_link, remove_dir, remove_dir_all,
    remove_file, rename, set_permissions, symlink, symlink_metadata, try_exists,
};
pub use std::fs::{FileType, Metadata, Permissions};
pub use whole::{append, copy, read, read_to_string, write};
