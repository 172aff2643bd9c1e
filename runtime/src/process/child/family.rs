//! What becomes of children when who has started them ends.
//!
//! The rules are those of Python's `multiprocessing`, per runtime: a runtime has a family, the processes that were started
//! in it. Those that were started outside of any runtime are the family of the program, and so are the processes of pools and
//! managers.
//!
//! ```text
//! the end, or a panic of main ──> daemons: SIGTERM ──> tasks are cancelled … ──> daemons that are still there after GRACE: SIGKILL
//!                                                                            └─> all others are waited for, and reaped
//! ```
//!
//! If a program ends otherwise (by `exit`, a signal, an abort) its daemons notice that their life-line is cut, and end; the
//! others go on.

use crate::{
    process::{ChildHandle, WeakChildHandle},
    signal::SignalKind,
    time::{Clock, Instant},
};
use runtime_executor::current;
use std::{
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a daemon that handles SIGTERM has to end. Nothing else is done meanwhile, so it is short. To one that does not,
/// as nearly all, it does not matter.
const GRACE: Duration = Duration::from_secs(1);

/// Members that have ended are looked for when there are so many, and then when there are twice as many as were left.
const FEW: usize = 16;

/// The family of the program.
static STRAYS: Family = Family::new();

/// Children that end, or are waited for, together. On the shelf of their runtime.
#[derive(Debug)]
pub(crate) struct Family(Mutex<Members>);

#[derive(Debug)]
struct Members {
    members: Vec<Member>,
    /// How many there may be before those that have ended are looked for.
    room: usize,
}

#[derive(Debug)]
struct Member {
    /// Of one who has ended, and been reaped, nothing is kept.
    child: WeakChildHandle,
    is_daemon: bool,
    /// When the time of a daemon is over that was told to end.
    deadline: Option<Instant>,
}

impl Family {
    const fn new() -> Self {
        Self(Mutex::new(Members { members: Vec::new(), room: FEW }))
    }

    /// Takes a child into the family of this thread's runtime, or of the program.
    pub(super) fn take_in(child: &ChildHandle, is_daemon: bool) {
        let member = || Member { child: child.downgrade(), is_daemon, deadline: None };
        if current::with_extension(|family: &Rc<Self>| family.add(member())).is_none() {
            STRAYS.add(member());
        }
    }

    /// Takes in a child that works for others, as those of a pool do. They end with what has them, which may be used in several
    /// runtimes; the program only sees to it that none outlives it.
    pub(in crate::process) fn take_in_servant(child: &ChildHandle) {
        STRAYS.add(Member { child: child.downgrade(), is_daemon: true, deadline: None });
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, member: Member) {
        let mut family = self.lock();
        if family.members.len() >= family.room {
            // Whoever has a child, or has dropped it to the reaper, reaps it: this is about memory alone.
            family.members.retain(|member| {
                member.child.upgrade().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
            });
            family.room = FEW.max(2 * family.members.len());
        }
        family.members.push(member);
    }

    /// Tells all daemons to end that have not been told, and does not wait.
    fn end_daemons(&self) {
        for member in self.lock().members.iter_mut().filter(|member| member.is_daemon) {
            if member.deadline.is_none() {
                // It fails if it has ended, or has become another user's, whom we can only wait for.
                let _ = member.child.upgrade().map(|child| child.signal(SignalKind::terminate()));
                member.deadline = Some(Clock::real().now() + GRACE);
            }
        }
    }

    /// Waits for everybody, for at most `limit` if there is one: whoever is left then is left to himself. Those who are
    /// started meanwhile, by destructors or other threads, belong to it.
    fn see_off(&self, limit: Option<Duration>) {
        let clock = Clock::real();
        let limit = limit.and_then(|limit| clock.now().checked_add(limit));
        let until = |deadline: Instant| deadline.saturating_duration_since(clock.now());
        loop {
            self.end_daemons();
            // Daemons first: they have a deadline. Not by holding the lock, as others may start children meanwhile.
            let next = {
                let mut family = self.lock();
                let daemon = family.members.iter().position(|member| member.is_daemon);
                if family.members.is_empty() {
                    None
                } else {
                    Some(family.members.remove(daemon.unwrap_or(0)))
                }
            };
            let Some(Member { child, deadline, .. }) = next else { return };
            let Some(child) = child.upgrade() else { continue };
            // An error says that it is not ours to wait for: in a fork of its parent, or where SIGCHLD is ignored.
            if let Some(deadline) = deadline
                && let Ok(None) = child.blocking_ended(Some(until(deadline)))
            {
                let _ = child.kill();
            }
            let _ = child.blocking_ended(limit.map(until));
        }
    }
}

/// The end of daemons: happens when it is dropped, and is not waited for.
#[derive(Debug)]
pub(crate) struct EndOfDaemons(Rc<Family>);

impl Drop for EndOfDaemons {
    fn drop(&mut self) {
        self.0.end_daemons();
    }
}

/// The wait for all that are left: happens when it is dropped.
#[derive(Debug)]
pub(crate) struct SeeingOff(Option<Rc<Family>>);

impl SeeingOff {
    /// Waits for at most so long.
    pub(crate) fn within(mut self, limit: Duration) {
        if let Some(family) = self.0.take() {
            family.see_off(Some(limit));
        }
    }
}

impl Drop for SeeingOff {
    fn drop(&mut self) {
        if let Some(family) = self.0.take() {
            family.see_off(None);
        }
    }
}

/// The family of a new runtime, for its shelf, and the two ends that it comes to: before and after that of the runtime.
pub(crate) fn found() -> (Rc<Family>, EndOfDaemons, SeeingOff) {
    let family = Rc::new(Family::new());
    (Rc::clone(&family), EndOfDaemons(Rc::clone(&family)), SeeingOff(Some(family)))
}

/// The end of the program's family: happens when it is dropped, by whatever runs the program's main.
#[derive(Debug)]
pub(crate) struct EndOfProgram;

impl Drop for EndOfProgram {
    fn drop(&mut self) {
        STRAYS.see_off(None);
    }
}
