//! What a server, its connections and whoever controls it have in common.
//!
//! ```text
//! Open ──stop_accepting, drain, the end of `serve`──> Draining ──nobody serves, nobody is connected──> Ended
//! ```

use super::{
    account::{Drained, ServerStats, Straggler},
    bell::Bell,
    deadlines::Overdue,
    listener::Listener,
    overseer::Overseer,
};
use runtime_executor::{
    task::{CancelHandle, TaskPool},
    time::Instant,
};
use runtime_sync::Event;
use slab::Slab;
use std::{
    cell::{Cell, RefCell},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

/// Called with errors: of the handler of that peer, or of `accept`.
pub(super) type OnError<P> = Rc<dyn Fn(Option<&P>, &io::Error)>;

pub(super) struct Shared<L: Listener> {
    /// Until it is served.
    listener: RefCell<Option<L>>,
    pub(super) place: Option<L::Peer>,
    pub(super) label: RefCell<Option<Rc<str>>>,
    on_error: RefCell<Option<OnError<L::Peer>>>,
    limit: Cell<usize>,
    connections: RefCell<Slab<Connected<L::Peer>>>,
    pub(super) overseer: Overseer,
    /// In which its handlers run.
    pub(super) pool: RefCell<Option<Rc<TaskPool>>>,
    stats: Cell<ServerStats>,
    is_served: Cell<bool>,
    /// When what is left is cancelled.
    deadline: Cell<Option<Instant>>,
    drained: RefCell<Drained<L::Peer>>,
    /// Set while there is room for one more.
    pub(super) room: Event,
    /// Set while nobody is connected.
    pub(super) idle: Event,
    /// Rung when it accepts no more.
    pub(super) draining: Bell,
    /// Set when the deadline has moved, until that was seen.
    pub(super) hurried: Event,
    /// Set when it has ended.
    pub(super) ended: Event,
}

struct Connected<P> {
    peer: P,
    since: Instant,
    cancel: Option<CancelHandle>,
    /// What it was cut for.
    overdue: Option<Overdue>,
}

/// How the handler of a connection has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Finished,
    Failed,
    Panicked,
    Cancelled,
}

impl<L: Listener> Shared<L> {
    pub(super) fn new(listener: L, limit: usize) -> Self {
        let place = listener.place().ok();
        let shared = Self {
            listener: RefCell::new(Some(listener)),
            place,
            label: RefCell::default(),
            on_error: RefCell::default(),
            limit: Cell::new(limit),
            connections: RefCell::default(),
            overseer: Overseer::default(),
            pool: RefCell::default(),
            stats: Cell::default(),
            is_served: Cell::new(false),
            deadline: Cell::new(None),
            drained: RefCell::default(),
            room: Event::new(),
            idle: Event::new(),
            draining: Bell::default(),
            hurried: Event::new(),
            ended: Event::new(),
        };
        shared.idle.set();
        shared.room.set();
        shared
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.set(limit);
        self.set_room();
    }

    fn set_room(&self) {
        if self.connections() < self.limit.get() { self.room.set() } else { self.room.clear() }
    }

    pub(super) fn set_on_error(&self, on_error: OnError<L::Peer>) {
        let before = self.on_error.replace(Some(on_error));
        drop(before);
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    pub(super) fn stats(&self) -> ServerStats {
        self.stats.get()
    }

    fn count(&self, change: impl FnOnce(&mut ServerStats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }

    /// An attempt to accept has failed.
    pub(super) fn accept_failed(&self, error: &io::Error) {
        self.count(|stats| stats.accept_errors += 1);
        // Whatever the user's function does, the server goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| self.report(None, error)));
    }

    /// The handler of a connection has ended with an error; with an [`Overdue`] if it has kept a deadline by itself.
    pub(super) fn handler_failed(&self, key: usize, error: &io::Error) {
        let overdue = error.get_ref().and_then(|inner| inner.downcast_ref::<Overdue>());
        let peer = self.connections.borrow_mut().get_mut(key).map(|connected| {
            connected.overdue = connected.overdue.or(overdue.copied());
            connected.peer.clone()
        });
        self.report(peer.as_ref(), error);
    }

    fn report(&self, peer: Option<&L::Peer>, error: &io::Error) {
        let on_error = self.on_error.borrow().clone();
        if let Some(on_error) = on_error {
            on_error(peer, error);
        }
    }

    /// The name of a connection's task.
    pub(super) fn task_name(&self, peer: &L::Peer) -> String {
        let label = self.label.borrow();
        let label = label.as_deref().unwrap_or("client");
        let mut name = String::with_capacity(label.len() + L::LONGEST_NAME);
        name.push_str(label);
        L::write_name(peer, &mut name);
        name
    }

    // Who is connected.

    pub(super) fn enter(&self, peer: L::Peer) -> usize {
        let connected = Connected { peer, since: Instant::now(), cancel: None, overdue: None };
        let key = self.connections.borrow_mut().insert(connected);
        self.count(|stats| stats.accepted += 1);
        self.idle.clear();
        self.set_room();
        key
    }

    /// The task of a connection, unless that has ended already.
    pub(super) fn entered(&self, key: usize, cancel: CancelHandle) {
        if let Some(connected) = self.connections.borrow_mut().get_mut(key) {
            connected.cancel = Some(cancel);
        }
    }

    /// The handler of a connection was dropped.
    pub(super) fn leave(&self, key: usize, fate: Fate) {
        self.overseer.leave(key);
        let Connected { peer, since, overdue, .. } = self.connections.borrow_mut().remove(key);
        self.count(|stats| match (fate, overdue) {
            (Fate::Finished, _) => stats.finished += 1,
            (Fate::Panicked, _) => stats.panicked += 1,
            (Fate::Failed, None) => stats.failed += 1,
            (Fate::Cancelled, None) => stats.cancelled += 1,
            (_, Some(Overdue::Header(_))) => stats.header_timeouts += 1,
            (_, Some(Overdue::Idle(_))) => stats.idle_timeouts += 1,
            (_, Some(Overdue::Write(_))) => stats.write_timeouts += 1,
        });
        if self.is_draining() {
            let name = self.task_name(&peer);
            let mut drained = self.drained.borrow_mut();
            match fate {
                Fate::Cancelled => drained.forced.push(Straggler { peer, name, since }),
                _ => drained.finished += 1,
            }
        }
        self.set_room();
        if self.connections() == 0 {
            self.idle.set();
            self.end_if_done();
        }
    }

    /// Cancels a handler that has waited too long for its peer, and tells of it.
    pub(super) fn cut(&self, key: usize, overdue: Overdue) {
        let mut connections = self.connections.borrow_mut();
        let Some(connected) = connections.get_mut(key) else { return };
        connected.overdue = Some(overdue);
        let (peer, cancel) = (connected.peer.clone(), connected.cancel.clone());
        drop(connections);
        if let Some(cancel) = cancel {
            cancel.cancel();
        }
        // Whatever the user's function does, the server goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| self.report(Some(&peer), &overdue.into())));
    }

    /// Cancels every handler; each is dropped at its task's next turn.
    pub(super) fn cancel_all(&self) -> usize {
        let tasks: Vec<CancelHandle> =
            self.connections.borrow().iter().filter_map(|(_, connected)| connected.cancel.clone()).collect();
        tasks.iter().for_each(CancelHandle::cancel);
        tasks.len()
    }

    // Its end.

    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_rung()
    }

    /// Accepts no more, and cancels at `deadline`, or at the deadline it had if that is earlier.
    pub(super) fn drain(&self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            let deadline = self.deadline.get().map_or(deadline, |before| before.min(deadline));
            self.deadline.set(Some(deadline));
            self.hurried.set();
        }
        self.draining.ring();
        // Only if it was never served.
        let listener = self.listener.take();
        drop(listener);
        self.end_if_done();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    pub(super) fn drained(&self) -> Drained<L::Peer> {
        self.drained.borrow().clone()
    }

    pub(super) fn is_served(&self) -> bool {
        self.is_served.get()
    }

    /// Gives the listener to whoever serves it.
    pub(super) fn begin_serving(&self) -> Option<L> {
        let listener = self.listener.take();
        self.is_served.set(listener.is_some());
        listener
    }

    /// Nobody serves it any more.
    pub(super) fn end_serving(&self) {
        self.is_served.set(false);
        self.drain(None);
        self.cancel_all();
    }

    fn end_if_done(&self) {
        if self.is_draining() && !self.is_served() && self.connections() == 0 {
            self.ended.set();
        }
    }
}
