//! The life of each child, from its start to its last word, and the list of those that live.
//!
//! ```text
//!          begin                 reap: the system's last word
//! (none) ────────> on the list ────────────────────────────> ended, its outcome kept
//!                       └── abandon (its Child is dropped): a task waits for it, or else the next launch looks
//! ```

use crate::sys::child as sys;
use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::ExitStatus,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Children that have not been reaped, by number. Held while one is started, and while a number is used: so no number
/// means another process than the one we think of.
static LIVING: Mutex<BTreeMap<u32, Arc<Life>>> = Mutex::new(BTreeMap::new());

fn living() -> MutexGuard<'static, BTreeMap<u32, Arc<Life>>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One child.
#[derive(Debug)]
pub(super) struct Life {
    pid: u32,
    /// Stands for the child, where the system has such a thing.
    pidfd: Option<Arc<OwnedFd>>,
    /// Its status, or why there is none.
    outcome: OnceLock<Result<ExitStatus, i32>>,
    is_abandoned: AtomicBool,
}

impl Life {
    /// Starts a child.
    pub(super) fn begin(start: impl FnOnce() -> io::Result<u32>) -> io::Result<Arc<Self>> {
        Self::begin_with(start, sys::open_pidfd)
    }

    pub(super) fn begin_with(
        start: impl FnOnce() -> io::Result<u32>,
        open_pidfd: impl FnOnce(u32) -> Option<OwnedFd>,
    ) -> io::Result<Arc<Self>> {
        let mut living = living();
        let abandoned = living.values().filter(|life| life.is_abandoned.load(Ordering::Relaxed));
        for life in abandoned.cloned().collect::<Vec<_>>() {
            life.reap_from(&mut living);
        }
        let pid = start()?;
        let pidfd = open_pidfd(pid).map(Arc::new);
        let outcome = OnceLock::new();
        let life = Arc::new(Self { pid, pidfd, outcome, is_abandoned: AtomicBool::new(false) });
        living.insert(pid, Arc::clone(&life));
        Ok(life)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn pidfd(&self) -> Option<&Arc<OwnedFd>> {
        self.pidfd.as_ref()
    }

    fn borrowed(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_deref().map(AsFd::as_fd)
    }

    /// How it ended, if it has.
    pub(super) fn outcome(&self) -> Option<io::Result<ExitStatus>> {
        if self.outcome.get().is_none() {
            self.reap_from(&mut living());
        }
        self.outcome.get().map(|outcome| outcome.map_err(io::Error::from_raw_os_error))
    }

    /// Takes the last word, if it is there.
    fn reap_from(&self, living: &mut BTreeMap<u32, Arc<Life>>) {
        if self.outcome.get().is_some() {
            return;
        }
        let outcome = match sys::reap(self.pid, self.borrowed()) {
            Ok(None) => return,
            Ok(Some(status)) => Ok(status),
            Err(error) => Err(error.raw_os_error().unwrap_or(libc::ECHILD)),
        };
        let _ = self.outcome.set(outcome);
        if living.get(&self.pid).is_some_and(|found| std::ptr::eq(Arc::as_ptr(found), self)) {
            living.remove(&self.pid);
        }
    }

    pub(super) fn send(&self, signal: libc::c_int) -> io::Result<()> {
        let _living = living();
        if self.outcome.get().is_some() {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        sys::send(self.pid, self.borrowed(), signal)
    }

    /// Nobody will ask any more: whoever looks at the list next is to reap it.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }
}

/// Reaps children that nobody else waits for, and gives how many: what a process gets as PID 1, or as a subreaper
/// ([`host::become_subreaper`](crate::host::become_subreaper)), when its descendants leave their own children behind. To
/// be called when a SIGCHLD has come.
///
/// The children of this module are known, and left to whoever awaits them. Children that were started otherwise, with
/// `std::process` or by a library, are left alone if `is_ours` says so of their number; it is asked only about children
/// that have ended. Without it their owners would find them gone.
///
/// # Errors
/// What the system says; that there are no children is no error.
///
/// ```
/// let reaped = runtime_io::process::reap_unknown(|_| false)?;
/// assert_eq!(reaped, 0, "this process has no children");
/// # std::io::Result::Ok(())
/// ```
pub fn reap_unknown(mut is_ours: impl FnMut(u32) -> bool) -> io::Result<usize> {
    let mut reaped = 0;
    let mut spared = Vec::new();
    // The system names one that has ended, the same each time while it is there.
    while let Some(pid) = sys::peek()? {
        if spared.contains(&pid) {
            // It hides the others: then they are gone through one by one, as far as the system lists them.
            for pid in listed_children().into_iter().filter(|pid| !spared.contains(pid)) {
                reaped += usize::from(reap_if_unknown(pid, &mut is_ours)?.unwrap_or(false));
            }
            break;
        }
        match reap_if_unknown(pid, &mut is_ours)? {
            Some(was_unknown) => reaped += usize::from(was_unknown),
            None => spared.push(pid),
        }
    }
    Ok(reaped)
}

/// Whether a child that may have ended was unknown, and is reaped; `None` if it was spared.
fn reap_if_unknown(pid: u32, is_ours: &mut impl FnMut(u32) -> bool) -> io::Result<Option<bool>> {
    let known = {
        let mut living = living();
        let life = living.get(&pid).cloned();
        if let Some(life) = &life {
            // Whoever awaits it is told by the system, and finds the outcome.
            life.reap_from(&mut living);
        }
        life
    };
    if known.is_some() {
        return Ok(Some(false));
    }
    if is_ours(pid) {
        return Ok(None);
    }
    match sys::reap(pid, None) {
        Ok(status) => Ok(Some(status.is_some())),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(Some(false)),
        Err(error) => Err(error),
    }
}

/// The children of this process, where the system lists them.
fn listed_children() -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}
