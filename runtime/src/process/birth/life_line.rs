//! What tells a child that its parent is gone: the reading end of a pipe that nobody ever writes to, and whose other end no
//! process has but the parent. When that ends, however it does, the system closes it.
//!
//! The system's own notice (`PR_SET_PDEATHSIG`) would come when the thread ends that has started the child, and exists on Linux
//! alone.

use runtime_io::{blocking, host};
use std::{
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd, OwnedFd},
    sync::Mutex,
    thread,
};

/// Made when the first child is to be born; a process has one for all of its children.
static PIPE: Mutex<Option<(PipeReader, PipeWriter)>> = Mutex::new(None);

/// Enough to wait in.
const STACK_BYTES: usize = 64 << 10;

/// The end for a child of this process.
pub(super) fn of_this_process() -> io::Result<OwnedFd> {
    let mut pipe = PIPE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if pipe.is_none() {
        *pipe = Some(io::pipe()?);
    }
    let (reader, _) = pipe.as_ref().expect("it was made");
    Ok(reader.try_clone()?.into())
}

/// Ends this process when its parent is gone, whatever it is doing then.
pub(super) fn end_with_parent(life_line: OwnedFd) -> io::Result<()> {
    let watch = move || {
        // Nothing is ever written, so it is readable when it is closed.
        while !matches!(blocking::readable(life_line.as_fd(), None), Ok(true)) {}
        host::exit_now(0)
    };
    thread::Builder::new().name("life-line".to_owned()).stack_size(STACK_BYTES).spawn(watch)?;
    Ok(())
}
