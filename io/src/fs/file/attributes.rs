//! What is known of a file beside its content, and what the disk has of it.

use super::{super::job::run, File};
use crate::sys;
use std::{
    fs::{self, Metadata, Permissions},
    io,
    sync::Arc,
};

impl File {
    /// Waits until the disk has content and metadata: what was accepted is there after a loss of power.
    ///
    /// # Errors
    /// What a write failed with, or what the system says; after such an error nobody knows what the disk has.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing but the answer.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.call("sync", fs::File::sync_all).await
    }

    /// Waits until the disk has the content, and what of the metadata is needed to read it.
    ///
    /// # Errors
    /// As [`sync_all`](Self::sync_all).
    ///
    /// # Cancel safety
    /// Dropping it loses nothing but the answer.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.call("sync", fs::File::sync_data).await
    }

    /// Makes the file so long: it is cut, or grows by zeroes. Comes after what was accepted. The position stays.
    ///
    /// # Errors
    /// What a write failed with, or what the system says.
    ///
    /// # Cancel safety
    /// Dropped before a thread has begun, it does nothing; after that it goes through.
    pub async fn set_len(&self, length: u64) -> io::Result<()> {
        self.call("set the length of", move |file| sys::file::spare_sigxfsz(|| file.set_len(length))).await
    }

    /// What is known about the file, after what was accepted.
    ///
    /// # Errors
    /// What a write failed with, or what the system says.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        if self.open.is_local {
            self.settled().await?;
            return self.open.file.metadata().map_err(|error| self.explain("ask about", error));
        }
        self.call("ask about", fs::File::metadata).await
    }

    /// Sets the permissions.
    ///
    /// # Errors
    /// What a write failed with, or what the system says.
    ///
    /// # Cancel safety
    /// Dropped before a thread has begun, it does nothing; after that it goes through.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.call("set the permissions of", |file| file.set_permissions(permissions)).await
    }

    /// Runs `op` on the pool, after what was accepted.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        action: &'static str,
        op: impl FnOnce(&fs::File) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.settled().await?;
        let open = Arc::clone(&self.open);
        run(move || op(&open.file)).await.map_err(|error| self.explain(action, error))
    }
}
