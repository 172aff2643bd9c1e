//! Reading and writing at a place that is said, by any number of tasks at once.

use super::{
    super::{
        cached::{MAX_INLINE, charge, poll_turn},
        job::run,
    },
    File,
};
use crate::sys;
use std::{
    future::poll_fn,
    io,
    os::unix::fs::FileExt,
    sync::Arc,
    task::{Poll, ready},
};

impl File {
    /// Reads some bytes at `offset`, and leaves the position alone.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if there are no places in this file.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    ///
    /// ```
    /// # let executor = runtime_executor::Executor::builder().build();
    /// # executor.block_on(async {
    /// let file = runtime_io::fs::File::open("Cargo.toml").await?;
    /// let mut word = [0; 7];
    /// assert_eq!(file.read_at(&mut word, 1).await?, 7);
    /// assert_eq!(&word, b"package");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.settled().await?;
        let here = poll_fn(|context| {
            ready!(poll_turn(context));
            let read = self.open.read_cached(buf, offset);
            if let Some(Ok(n)) = read {
                charge(context, n);
            }
            Poll::Ready(read)
        });
        if let Some(read) = here.await {
            return read.map_err(|error| self.explain("read", error));
        }
        let (open, len) = (Arc::clone(&self.open), buf.len().min(MAX_INLINE));
        let read = run(move || {
            // Where there are no places, the system says so itself.
            open.read(len, Some(offset))
        });
        let bytes = read.await.map_err(|error| self.explain("read", error))?;
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// Writes all of `buf` at `offset`, after what was accepted before, and leaves the position alone. Unlike
    /// [`write`](Self::write) it is ready when the system has it.
    ///
    /// Two that overlap, under way at once, are written in either order. On a file that was opened to append, Linux
    /// writes at the end whatever `offset` says.
    ///
    /// # Errors
    /// What this write failed with, perhaps after a part, or an earlier one.
    ///
    /// # Cancel safety
    /// Dropped before a thread has begun, it does nothing; after that it goes through.
    pub async fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.settled().await?;
        let (open, bytes) = (Arc::clone(&self.open), buf.to_vec());
        let written = run(move || sys::file::spare_sigxfsz(|| open.file.write_all_at(&bytes, offset)));
        written.await.map_err(|error| self.explain("write to", error))
    }
}
