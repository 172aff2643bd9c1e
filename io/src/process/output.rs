//! What a child says, read from both of its pipes at once.

use super::{ChildStderr, ChildStdout};
use crate::{AsyncFd, registration::Step, sys::appending};
use futures_lite::future::try_zip;
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

/// Reads both to their ends.
pub(super) async fn collect(
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    try_zip(read(stdout.map(ChildStdout::into_owned_fd)), read(stderr.map(ChildStderr::into_owned_fd))).await
}

async fn read(pipe: Option<OwnedFd>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let Some(pipe) = pipe else { return Ok(all) };
    let pipe = AsyncFd::new_nonblocking(pipe);
    // One that has just been started has said nothing yet.
    pipe.readable().await?;
    // Each step is a unit of the budget: who says much does not keep the thread.
    pipe.reading(|pipe| match appending::read(pipe.as_fd(), &mut all)? {
        0 => Ok(Step::Done(())),
        _ => Ok(Step::Again),
    })
    .await?;
    all.shrink_to_fit();
    Ok(all)
}
