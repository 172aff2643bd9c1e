//! The life of each child, from its start to its last word, and the list of those that live.
//!
//! ```text
//!          begin                 reap: the system's last word
//! (none) ────────> on the list ────────────────────────────> ended, its outcome kept
//!                       └── its Child is dropped: a task waits for it, or if no runtime is there, `orphans.rs`
//! ```

use super::orphans::Orphans;
use crate::{
    handle_error::HandleError,
    sys::{
        child::{self as sys, Failure, Nursery, Started},
        fork,
    },
};
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

/// The children of one process.
#[derive(Debug)]
pub(super) struct Home {
    living: Mutex<Living>,
    pub(super) orphans: Orphans,
    /// That of a process forked from this one: it has no children yet, and what is locked here stays locked there.
    in_child: OnceLock<Box<Home>>,
}

/// Children that have not been reaped, by number. Held while one is started, and while a number is used: so no number
/// means another process than the one we think of.
#[derive(Debug)]
struct Living {
    lives: BTreeMap<u32, Arc<Life>>,
    nursery: Nursery,
}

/// That of the first process.
static FIRST: Home = Home::new();

impl Home {
    const fn new() -> Self {
        let living = Mutex::new(Living { lives: BTreeMap::new(), nursery: Nursery::new() });
        Self { living, orphans: Orphans::new(), in_child: OnceLock::new() }
    }

    /// That of this process.
    pub(super) fn here() -> &'static Self {
        fork::watch();
        let mut home = &FIRST;
        for _ in 0..fork::depth() {
            home = home.in_child.get_or_init(|| Box::new(Self::new()));
        }
        home
    }

    fn living(&self) -> MutexGuard<'_, Living> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One child.
#[derive(Debug)]
pub(super) struct Life {
    pid: u32,
    /// Stands for the child, where the system has such a thing.
    pidfd: Option<Arc<OwnedFd>>,
    /// Its status, or why there is none.
    outcome: OnceLock<Result<ExitStatus, i32>>,
    /// Whether it leads a process group.
    leads: bool,
    /// Whoever is left of its group is killed when it is reaped.
    takes_group_along: AtomicBool,
    /// How many forks its parent lies below the first process.
    depth: u32,
}

impl Life {
    /// Starts a child.
    pub(super) fn begin(
        leads: bool,
        start: impl FnOnce(&mut Nursery) -> Result<Started, Failure>,
    ) -> Result<Arc<Self>, Failure> {
        let home = Home::here();
        home.orphans.reap();
        let mut living = home.living();
        let Started { pid, pidfd } = start(&mut living.nursery)?;
        let life = Arc::new(Self {
            pid,
            pidfd: pidfd.map(Arc::new),
            outcome: OnceLock::new(),
            leads,
            takes_group_along: AtomicBool::new(false),
            depth: fork::depth(),
        });
        living.lives.insert(pid, Arc::clone(&life));
        Ok(life)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn pidfd(&self) -> Option<&Arc<OwnedFd>> {
        self.pidfd.as_ref()
    }

    /// Whether it leads a process group of its own.
    pub(super) fn leads(&self) -> bool {
        self.leads
    }

    /// Whether this process is the one that has started it, and not a fork of that.
    fn is_ours(&self) -> bool {
        self.depth == fork::depth()
    }

    fn borrowed(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_deref().map(AsFd::as_fd)
    }

    /// How it ended, if it has. In a fork of its parent: an error.
    pub(super) fn outcome(&self) -> Option<io::Result<ExitStatus>> {
        if self.outcome.get().is_none() {
            if !self.is_ours() {
                return Some(Err(HandleError::Forked.into()));
            }
            self.reap_from(&mut Home::here().living().lives);
        }
        self.outcome.get().map(|outcome| outcome.map_err(io::Error::from_raw_os_error))
    }

    /// [`outcome`](Self::outcome), for whoever waits until there is one.
    pub(super) fn last_word(&self) -> io::Result<ExitStatus> {
        self.outcome().unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Takes the last word, if it is there.
    fn reap_from(&self, living: &mut BTreeMap<u32, Arc<Self>>) {
        if self.outcome.get().is_some() {
            return;
        }
        if self.takes_group_along.load(Ordering::Relaxed) && sys::has_ended(self.pid) {
            // Before: afterwards the number may mean another group. That nobody is left is no error.
            let _ = sys::send_to_group(self.pid, libc::SIGKILL);
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
        self.while_living(|| sys::send(self.pid, self.borrowed(), signal))
    }

    /// Sends a signal to all in the group that it leads.
    pub(super) fn send_to_group(&self, signal: libc::c_int) -> io::Result<()> {
        self.while_living(|| sys::send_to_group(self.pid, signal))
    }

    /// Its number is its own meanwhile.
    fn while_living(&self, send: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if !self.is_ours() {
            return Err(HandleError::Forked.into());
        }
        let _living = Home::here().living();
        if self.outcome.get().is_some() {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        send()
    }

    /// From now on nobody of its group outlives it.
    pub(super) fn take_group_along(&self) {
        self.takes_group_along.store(self.leads, Ordering::Relaxed);
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
        let mut living = Home::here().living();
        let life = living.lives.get(&pid).cloned();
        if let Some(life) = &life {
            // Whoever awaits it is told by the system, and finds the outcome.
            life.reap_from(&mut living.lives);
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
