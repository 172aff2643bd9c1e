//! How a file is opened.

use super::{
    cached::{self, Opened, learn},
    error::explain,
    file::File,
    job::run_on,
};
use crate::sys::{self, file::status};
use std::{
    fs, io,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
};

/// How to open a file: those of [`std::fs::OpenOptions`], with an [`open`](Self::open) that is awaited.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// use runtime_io::fs::{self, OpenOptions};
/// let path = std::env::temp_dir().join(format!("options-{}", std::process::id()));
/// let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).await?;
/// file.write_all(b"mine alone").await?;
/// file.close().await?;
/// fs::remove_file(&path).await?;
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `open` is called"]
pub struct OpenOptions(fs::OpenOptions);

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident($type:ty);)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, $name: $type) -> &mut Self {
            self.0.$name($name);
            self
        }
    )*};
}

impl OpenOptions {
    /// Nothing allowed yet.
    pub fn new() -> Self {
        Self(fs::OpenOptions::new())
    }

    options! {
        /// Whether it can be read.
        read(bool);
        /// Whether it can be written.
        write(bool);
        /// Whether every write goes to the end, wherever that is by then.
        append(bool);
        /// Whether it is emptied.
        truncate(bool);
        /// Whether it is created if it is not there.
        create(bool);
        /// Whether it must not be there, and is created in the same step.
        create_new(bool);
        /// The permissions of a file that is created, less those that the process's mask takes away (default 0o666).
        mode(u32);
        /// Flags for open(2) besides those that follow from the rest.
        custom_flags(i32);
    }

    /// Opens a file.
    ///
    /// # Errors
    /// What [`std::fs::OpenOptions::open`] fails with; the message names the path.
    ///
    /// # Cancel safety
    /// Dropped before a thread has begun, it does nothing; after that the file may be created or emptied, and is closed.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let options = self.0.clone();
        run_on("open", path.as_ref(), move |path| {
            let file = options.open(path)?;
            let status = status(file.as_fd())?;
            let is_local = learn(path, &file, &status);
            File::assess(file, Some(path.into()), &status, is_local)
        })
        .await
    }
}

/// Opens for reading, without the pool if the name and the file system are known.
pub(super) async fn open_to_read(path: &Path) -> io::Result<File> {
    match cached::open(path) {
        Opened::Local(file, status) => {
            let opened = sys::page_cache::make_blocking(&file)
                .and_then(|()| File::assess(file, Some(path.into()), &status, true));
            return opened.map_err(|error| explain("open", path, error));
        }
        // Whoever writes to it has met its reader now, so it stays open, and its writer is waited for like this.
        Opened::Odd(file, status) if status.is_fifo => {
            let open = move |path: &Path| {
                sys::file::wait_readable(file.as_fd())?;
                sys::page_cache::make_blocking(&file)?;
                File::assess(file, Some(path.into()), &status, false)
            };
            return run_on("open", path, open).await;
        }
        Opened::Odd(..) | Opened::No => {}
    }
    OpenOptions::new().read(true).open(path).await
}
