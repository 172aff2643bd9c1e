//! Advisory locks between processes, and between open files of one.

use super::File;
use crate::sys::file::{Lock, lock};
use runtime_executor::time::{Duration, sleep};
use std::{io, os::fd::AsFd};

/// How long [`File::lock`] waits at most before it looks again.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl File {
    /// Waits until nobody else has a lock on the file, and takes it for this one alone. Nobody is hindered who does not ask for
    /// a lock.
    ///
    /// The lock is `flock(2)`'s: it belongs to the open file, so clones share it, and goes with the last of them, or
    /// by [`unlock`](Self::unlock), always after what was accepted before is written. One open file takes it but once: to ask
    /// again changes its kind.
    ///
    /// The system tells nobody when a lock is free, so this looks again after 1 ms, 2 ms and so on up to every 50 ms. A
    /// thread that waits in the system would know at once, and could neither be called back nor let the runtime end.
    ///
    /// # Errors
    /// What the system says, such as `Unsupported`, or what an earlier write failed with.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken no lock; unless the file is on a file system that is not local, where a
    /// question may be under way.
    ///
    /// ```
    /// # let executor = runtime_executor::Executor::builder().build();
    /// # executor.block_on(async {
    /// use runtime_io::fs::{self, File};
    /// let path = std::env::temp_dir().join(format!("locked-{}", std::process::id()));
    /// let (mine, theirs) = (File::create(&path).await?, File::create(&path).await?);
    /// mine.lock().await?;
    /// assert!(!theirs.try_lock().await?);
    /// mine.unlock().await?;
    /// assert!(theirs.try_lock().await?);
    /// fs::remove_file(&path).await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn lock(&self) -> io::Result<()> {
        self.wait_for(Lock::Exclusive).await
    }

    /// Waits until nobody has the file locked for itself alone, and shares it with others who ask for that.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// As for [`lock`](Self::lock).
    pub async fn lock_shared(&self) -> io::Result<()> {
        self.wait_for(Lock::Shared).await
    }

    /// Takes the lock if that is possible now; `false` if not.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// As for [`lock`](Self::lock).
    pub async fn try_lock(&self) -> io::Result<bool> {
        self.set_lock(Lock::Exclusive).await
    }

    /// Takes a shared lock if that is possible now; `false` if not.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// # Cancel safety
    /// As for [`lock`](Self::lock).
    pub async fn try_lock_shared(&self) -> io::Result<bool> {
        self.set_lock(Lock::Shared).await
    }

    /// Gives up the lock, once everything that was accepted under it is written. Without one it does nothing.
    ///
    /// # Errors
    /// What a write failed with, when the lock is kept; or what the system says.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it may have kept the lock.
    pub async fn unlock(&self) -> io::Result<()> {
        self.set_lock(Lock::Unlocked).await.map(drop)
    }

    async fn wait_for(&self, kind: Lock) -> io::Result<()> {
        let mut pause = Duration::from_millis(1);
        while !self.set_lock(kind).await? {
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        Ok(())
    }

    async fn set_lock(&self, kind: Lock) -> io::Result<bool> {
        const ACTION: &str = "lock";
        if self.open.is_local {
            self.settled().await?;
            return lock(self.as_fd(), kind).map_err(|error| self.explain(ACTION, error));
        }
        self.call(ACTION, move |file| lock(file.as_fd(), kind)).await
    }
}
