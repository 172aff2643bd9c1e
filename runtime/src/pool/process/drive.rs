//! A pool without its runtime: whoever blocks until a job has ended does meanwhile what the pool's tasks would do, with the
//! whole thread.

use super::{
    crew::Pushed,
    desk::WorkerId,
    office::{Home, Office, rest},
};
use runtime_io::blocking;
use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    thread,
    time::Duration,
};

/// How often workers are asked whether they are dead. Their lines end with them; unless they have left somebody behind who
/// has the line too.
const ROUND: Duration = Duration::from_millis(20);

/// The same when a line has ended, and its worker's end is a matter of moments.
const SHORT_ROUND: Duration = Duration::from_millis(1);

impl Office {
    /// Drives the pool until something has happened, for at most `limit`. False: a runtime elsewhere does.
    pub(super) fn drive(self: &Arc<Self>, limit: Option<Duration>) -> bool {
        // A runtime of this thread that does not run cannot do it either.
        let here = thread::current().id();
        if self.look(
            |state| matches!(state.home, Home::At(home, thread) if !home.is_current() && thread != here),
        ) {
            return false;
        }
        let (lines, round) = self.look(|state| {
            let members = || state.crew.members.values();
            let open = members().filter(|member| member.silent_since.is_none());
            let lines: Vec<_> = open.map(|member| Arc::clone(&member.line)).collect();
            let is_anybody_ending = lines.len() < members().count();
            let due = state.next_deadline().map(|due| due.saturating_sub(state.now()));
            let round = if is_anybody_ending { SHORT_ROUND } else { ROUND };
            (lines, due.map_or(round, |due| due.min(round)))
        });
        let fds: Vec<BorrowedFd<'_>> = lines.iter().map(|line| line.as_fd()).collect();
        // Interrupted, it looks too early.
        let _ = blocking::any_readable(&fds, Some(limit.map_or(round, |limit| limit.min(round))));
        self.attend();
        true
    }

    /// Hears all, buries the dead, writes what there is room for, and looks at the time.
    fn attend(self: &Arc<Self>) {
        self.act(|state, now| {
            let ids: Vec<WorkerId> = state.crew.members.keys().copied().collect();
            state.clogged.clear();
            for id in ids {
                let Some(member) = state.crew.members.get(&id) else { continue };
                let (child, line) = (Arc::clone(&member.child), Arc::clone(&member.line));
                // Asked before it is heard, so that nothing is said in between.
                let ended = child.try_wait().unwrap_or_else(|_| Some(Default::default()));
                if let Some(status) = ended {
                    state.ended(now, id, status);
                } else if member.silent_since.is_none() {
                    state.hear(now, id, rest(&line));
                }
                if let Pushed::UpTo { .. } = state.push(now, id) {
                    // For the clerk, should there be one later.
                    state.clogged.push(id);
                }
            }
            state.tick(now);
        });
    }
}
