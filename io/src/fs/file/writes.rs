//! Writing behind: bytes are accepted at once, and written on the pool in the order in which they came.
//!
//! ```text
//!  write ──copies──▶ buffer ══the job takes it, whole══▶ chunk ──▶ the system
//!    ▲                  │ is full, or for another place in the file
//!    └──── waits ◀──────┘
//! ```
//!
//! - **W1** At most one job per open file is queued or running; `is_running` says so. Hence the order.
//! - **W2** The job owns the file, and ends only when the buffer is empty or a write has failed. So whoever drops its
//!   handle, or its future, loses nothing.
//! - **W3** The job does its work also when it is dropped without having run, because the runtime ends: it is done where
//!   it is dropped.
//! - **W4** After a failure the rest of the buffer is given up, and the error is told to whoever comes next.
//! - **W5** When a write is found settled, the job has let go of the file: who closes it then closes it, with its locks.

use super::{super::cached::MAX_INLINE, Open};
use crate::sys;
use runtime_executor::submit_blocking;
use std::{
    io::{self, ErrorKind, Write},
    mem,
    os::unix::fs::FileExt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Bytes that may wait in the buffer of one file; as many again may be under way.
const MAX_BUFFERED: usize = MAX_INLINE;

/// A file at rest keeps so much of its buffer for the next write.
const KEPT: usize = 16 * 1024;

/// The writes of one open file that are not done.
#[derive(Default)]
pub(super) struct Writes(Mutex<State>);

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    /// Where the buffer goes; without meaning where the system keeps the position.
    start: u64,
    /// W1.
    is_running: bool,
    /// Not told yet (W4).
    error: Option<io::Error>,
    /// Where a failed write stopped. The position goes back there.
    stopped_at: Option<u64>,
    waiters: Vec<Waker>,
}

impl Writes {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a write stopped that has failed since this was asked last.
    pub(super) fn take_stopped_at(&self) -> Option<u64> {
        self.lock().stopped_at.take()
    }

    /// Ready when nothing is under way; with the error of what was, if nobody was told yet.
    pub(super) fn poll_settled(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut waker = Some(context.waker().clone());
        let mut state = self.lock();
        if let Some(error) = state.error.take() {
            Poll::Ready(Err(error))
        } else if state.is_running {
            state.wait(&mut waker);
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl State {
    /// Notes who waits, once. A waker that is not needed stays with the caller: to drop it is foreign code.
    fn wait(&mut self, waker: &mut Option<Waker>) {
        if !self.waiters.iter().any(|known| waker.as_ref().is_some_and(|waker| known.will_wake(waker))) {
            self.waiters.extend(waker.take());
        }
    }
}

/// Takes as much of `buf` as there is room for, to be written at `position`; of a stream, where the system is.
pub(super) fn poll_accept(
    open: &Arc<Open>,
    context: &Context<'_>,
    buf: &[u8],
    position: u64,
) -> Poll<io::Result<usize>> {
    let mut waker = Some(context.waker().clone());
    let writes = open.writes.get_or_init(Arc::default);
    let mut state = writes.lock();
    if let Some(error) = state.error.take() {
        return Poll::Ready(Err(error));
    }
    let goes_on =
        state.buffer.is_empty() || open.is_stream || state.start + state.buffer.len() as u64 == position;
    let room = MAX_BUFFERED - state.buffer.len();
    if !goes_on || room == 0 {
        state.wait(&mut waker);
        return Poll::Pending;
    }
    if state.buffer.is_empty() {
        state.start = position;
    }
    let accepted = buf.len().min(room);
    state.buffer.extend_from_slice(&buf[..accepted]);
    let is_running = mem::replace(&mut state.is_running, true);
    drop(state);
    if !is_running {
        let job = Job { open: Some(Arc::clone(open)), writes: Arc::clone(writes) };
        // Refused, it is dropped, and so done (W3): without a runtime, or without threads, writing waits for the disk.
        drop(submit_blocking(Box::new(move || drop(job))));
    }
    Poll::Ready(Ok(accepted))
}

/// W3: to run it is to drop it.
struct Job {
    /// `None` once it is over.
    open: Option<Arc<Open>>,
    writes: Arc<Writes>,
}

impl Job {
    /// Takes what is in the buffer, and where it goes; `None` once there is nothing.
    fn next(&mut self, chunk: &mut Vec<u8>) -> Option<u64> {
        chunk.clear();
        let mut state = self.writes.lock();
        mem::swap(chunk, &mut state.buffer);
        let start = state.start;
        let is_over = chunk.is_empty();
        if is_over {
            // W5: under the lock, so that nobody finds it over and the file still open. It is plain memory and a descriptor.
            self.open = None;
            state.is_running = false;
            if state.buffer.capacity() > KEPT {
                state.buffer = Vec::new();
            }
        }
        let waiters = mem::take(&mut state.waiters);
        drop(state);
        wake_all(waiters);
        (!is_over).then_some(start)
    }

    /// W4.
    fn fail(&mut self, error: io::Error, stopped_at: u64) {
        let mut state = self.writes.lock();
        self.open = None; // W5
        state.is_running = false;
        state.error = Some(error);
        state.stopped_at = Some(stopped_at);
        state.buffer = Vec::new();
        let waiters = mem::take(&mut state.waiters);
        drop(state);
        wake_all(waiters);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut chunk = Vec::new();
        while let Some(start) = self.next(&mut chunk) {
            let Some(open) = &self.open else { return };
            let (written, result) = write_all(open, &chunk, start);
            if let Err(error) = result {
                return self.fail(error, start + written as u64);
            }
        }
    }
}

/// Foreign code, whose panic must not keep what is accepted from being written. The panic hook has told it by then.
fn wake_all(waiters: Vec<Waker>) {
    for waiter in waiters {
        let _ = catch_unwind(AssertUnwindSafe(|| waiter.wake()));
    }
}

/// Writes all of `chunk`, or says after how much it failed.
fn write_all(open: &Open, chunk: &[u8], start: u64) -> (usize, io::Result<()>) {
    let mut written = 0;
    let result = sys::file::spare_sigxfsz(|| {
        while written < chunk.len() {
            let rest = &chunk[written..];
            let wrote = if open.is_stream {
                (&open.file).write(rest)
            } else {
                open.file.write_at(rest, start + written as u64)
            };
            match wrote {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    (written, result)
}
