//! A worker's listeners: it asks the supervisor for them, and stops accepting when it is told to.

use super::Worker;
use crate::{
    cluster::{
        counters::Seat,
        wire::{
            control::{Failure, Place, ToSupervisor},
            outbox::Outbox,
        },
    },
    sync::{oneshot, shared},
};
use runtime_io::net::share::{self, ListenerSource, Share, Shared, Stop};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    io,
    os::fd::OwnedFd,
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

/// The answer to a request: the number of the listener, and its socket.
type Answer = io::Result<(u32, OwnedFd)>;

/// All listeners of this worker.
#[derive(Debug)]
pub(super) struct Doors {
    seat: Seat,
    outbox: Outbox,
    requests: Cell<u32>,
    /// Who waits for an answer.
    asking: RefCell<BTreeMap<u32, oneshot::Sender<Answer>>>,
    open: RefCell<BTreeMap<u32, Share>>,
    /// Sockets to be adopted by listeners that are not open yet: by listener and key.
    early: RefCell<BTreeMap<(u32, u64), OwnedFd>>,
    /// Whether it was told to stop accepting, and whether to take first what is in the queues.
    closed: Cell<Option<bool>>,
    /// Set when somebody waits for a connection, for the first time.
    serves: Arc<shared::Event>,
    /// A [`Server`](crate::net::Server) has asked to be told, and will return when it has drained.
    has_server: Cell<bool>,
}

impl Doors {
    pub(super) fn new(seat: Seat, outbox: Outbox) -> Self {
        Self {
            seat,
            outbox,
            requests: Cell::new(0),
            asking: RefCell::default(),
            open: RefCell::default(),
            early: RefCell::default(),
            closed: Cell::new(None),
            serves: Arc::new(shared::Event::new()),
            has_server: Cell::new(false),
        }
    }

    /// Whether there are listeners, and all is closed that was accepted.
    pub(super) fn are_quiet(&self) -> bool {
        !self.open.borrow().is_empty() && self.seat.open_connections() == 0
    }

    /// Whether nothing more will be accepted.
    pub(super) fn are_swept(&self) -> bool {
        self.open.borrow().values().all(Share::is_paused)
    }

    /// Whether somebody drains, and then returns.
    pub(super) fn has_server(&self) -> bool {
        self.has_server.get()
    }

    /// Waits until somebody waits for a connection.
    pub(super) async fn serve(&self) {
        self.serves.wait().await;
    }

    /// Asks the supervisor for a listener.
    async fn ask(&self, place: Place) -> Answer {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the supervisor of this worker is gone");
        let request = self.requests.get();
        self.requests.set(request.wrapping_add(1));
        let (sender, answer) = oneshot::channel();
        self.asking.borrow_mut().insert(request, sender);
        let sent = self.outbox.send(&ToSupervisor::Bind { request, place }, Vec::new()).await;
        sent.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The supervisor answers.
    pub(super) fn bound(&self, request: u32, result: Result<u32, Failure>, socket: Option<OwnedFd>) {
        let asking = self.asking.borrow_mut().remove(&request);
        let answer = match (result, socket) {
            (Ok(listener), Some(socket)) => Ok((listener, socket)),
            (Ok(_), None) => Err(io::ErrorKind::InvalidData.into()),
            (Err(failure), _) => Err(failure.into()),
        };
        // Nobody may wait for it any more.
        drop(asking.map(|asking| asking.send(answer)));
    }

    /// There will be no more answers.
    pub(super) fn forsake(&self) {
        drop(self.asking.take());
    }

    /// Accepts from that socket as well.
    pub(super) fn adopt(&self, listener: u32, key: u64, socket: Option<OwnedFd>) {
        let Some(socket) = socket else { return };
        let share = self.open.borrow().get(&listener).cloned();
        match share {
            // The supervisor gives nothing else than listeners; if it did, nobody could tell it.
            Some(share) => drop(share.adopt(key, socket)),
            None => drop(self.early.borrow_mut().insert((listener, key), socket)),
        }
    }

    /// Leaves that socket to somebody else.
    pub(super) fn release(&self, listener: u32, key: u64) {
        let share = self.open.borrow().get(&listener).cloned();
        match share {
            Some(share) => share.release(key),
            None => drop(self.early.borrow_mut().remove(&(listener, key))),
        }
    }

    /// Stops accepting, on all listeners; if nobody else will, what is in the queues is taken first.
    pub(super) fn close(&self, last: bool) {
        self.closed.set(Some(last));
        let shares: Vec<Share> = self.open.borrow().values().cloned().collect();
        shares.iter().for_each(|share| stop(share, last));
    }

    /// A listener that has been given to this worker.
    fn enter(&self, listener: u32, share: &Share) {
        self.open.borrow_mut().insert(listener, share.clone());
        let serves = Arc::clone(&self.serves);
        share.on_first_wait(move || serves.set());
        let mut early = self.early.borrow_mut();
        let keys: Vec<_> = early.range((listener, 0)..=(listener, u64::MAX)).map(|(&key, _)| key).collect();
        let adopted: Vec<_> = keys.into_iter().filter_map(|at| Some((at.1, early.remove(&at)?))).collect();
        drop(early);
        adopted.into_iter().for_each(|(key, socket)| drop(share.adopt(key, socket)));
        if let Some(last) = self.closed.get() {
            stop(share, last);
        }
    }
}

fn stop(share: &Share, last: bool) {
    if last {
        share.sweep_then_pause();
    } else {
        share.pause();
    }
}

/// What `bind` asks in this runtime.
#[derive(Debug)]
pub(super) struct Source(pub(super) Rc<Worker>);

impl ListenerSource for Source {
    fn bind(&self, place: share::Place) -> Pin<Box<dyn Future<Output = io::Result<Shared>>>> {
        let worker = Rc::clone(&self.0);
        Box::pin(async move {
            let place = match place {
                share::Place::Tcp(address) => Place::Tcp { address },
                share::Place::Unix(path) => Place::Unix { path },
            };
            let (listener, socket) = worker.doors.ask(place).await?;
            let shared = Shared::new(socket, Some(worker.seat.tally()))?;
            worker.doors.enter(listener, &shared.share);
            Ok(shared)
        })
    }

    fn stopping(&self) -> Pin<Box<dyn Future<Output = Stop>>> {
        let worker = Rc::clone(&self.0);
        worker.doors.has_server.set(true);
        Box::pin(async move {
            worker.stopping.begun().await;
            Stop::within(worker.stopping.remaining().unwrap_or_default())
        })
    }

    /// Not by the clock, but when the worker has counted what is open.
    fn cutting(&self, _: Stop) -> Pin<Box<dyn Future<Output = ()>>> {
        let worker = Rc::clone(&self.0);
        Box::pin(async move { worker.stopping.cutting().await })
    }
}
