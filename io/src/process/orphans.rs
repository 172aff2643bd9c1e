//! Children whose [`Child`](super::Child) was dropped where no runtime waits for them any more: a thread does, as long as there
//! are any. It is told of more by a byte.

use super::life::Life;
use crate::sys::child::wait_for_any;
use std::{
    io::{self, Read, Write},
    mem,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How often it is looked after children for whom no descriptor stands.
const LOOK: Duration = Duration::from_millis(50);

/// Those that a process has.
#[derive(Debug)]
pub(super) struct Orphans(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Not seen by the thread yet; all of them where it could not be started.
    new: Vec<Arc<Life>>,
    /// What wakes the thread; `None` while there is none.
    bell: Option<UnixStream>,
}

impl Orphans {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State { new: Vec::new(), bell: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a child reaped when it ends.
    pub(super) fn adopt(&'static self, life: Arc<Life>) {
        let mut state = self.state();
        state.new.push(life);
        match &state.bell {
            // If as many bytes are under way as the socket takes, the thread will look.
            Some(bell) => drop((&*bell).write(b"o")),
            // Without it, those who start children look.
            None => state.bell = self.begin().ok(),
        }
    }

    fn begin(&'static self) -> io::Result<UnixStream> {
        let (ears, bell) = UnixStream::pair()?;
        ears.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        thread::Builder::new().name("orphans".to_owned()).spawn(move || self.wait(&ears))?;
        Ok(bell)
    }

    /// The thread: ends with the last of them.
    fn wait(&self, ears: &UnixStream) {
        let mut orphans = Vec::new();
        loop {
            {
                let mut state = self.state();
                orphans.append(&mut state.new);
                orphans.retain(|life: &Arc<Life>| life.outcome().is_none());
                if orphans.is_empty() {
                    state.bell = None;
                    return;
                }
            }
            let mut awaited: Vec<BorrowedFd<'_>> =
                orphans.iter().filter_map(|life| life.pidfd()).map(|pidfd| pidfd.as_fd()).collect();
            let is_blind = awaited.len() < orphans.len();
            awaited.push(ears.as_fd());
            if wait_for_any(&awaited, is_blind.then_some(LOOK)).is_err() {
                // Out of memory, at worst.
                thread::park_timeout(LOOK);
            }
            while (&*ears).read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        }
    }

    /// Reaps those that have ended, where no thread does.
    pub(super) fn reap(&self) {
        let orphans = {
            let mut state = self.state();
            if state.bell.is_some() || state.new.is_empty() {
                return;
            }
            mem::take(&mut state.new)
        };
        let living = orphans.into_iter().filter(|life| life.outcome().is_none());
        let living: Vec<_> = living.collect();
        self.state().new.extend(living);
    }
}
