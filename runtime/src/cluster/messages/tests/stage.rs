//! A cluster in memory: a supervisor and workers, all tasks of one runtime.

use super::super::{Limits, PostOffice, Router, WorkerId, channel::Channel};
use crate::{
    JoinHandle, Runtime,
    cluster::wire::{frame::ReadError, outbox::MIN_FRAME_COST},
    spawn, task,
    testing::{MemoryStream, duplex, settle},
};
use serde::{Serialize, de::DeserializeOwned};

/// Room for four short messages everywhere, so that everything is full soon.
pub(super) const SMALL: Limits = Limits {
    message: 10_000,
    window: 4 * MIN_FRAME_COST,
    kept: 4 * MIN_FRAME_COST,
    outbox: 4 * MIN_FRAME_COST,
    port: 4 * MIN_FRAME_COST,
    port_broadcasts: 4 * MIN_FRAME_COST,
};

/// What a socket of theirs holds in each direction, in bytes.
const SOCKET_BYTES: usize = 64;

pub(super) struct Stage {
    pub(super) router: Router,
    pub(super) supervisor: PostOffice,
    limits: Limits,
    lives: u64,
}

pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) office: PostOffice,
    /// The supervisor's side.
    pub(super) served: JoinHandle<Result<(), ReadError>>,
    /// The worker's side.
    pub(super) connected: JoinHandle<Result<(), ReadError>>,
}

pub(super) fn run<F: Future>(future: F) -> F::Output {
    Runtime::builder().start_paused(true).seed(1).build().unwrap().block_on(future)
}

impl Stage {
    pub(super) fn new(limits: Limits) -> Self {
        let router = Router::new(limits);
        let supervisor = PostOffice::new(limits);
        let (host, office) = (router.clone(), supervisor.clone());
        task::Builder::new().daemon(true).spawn(async move { host.host(&office).await }).detach();
        Self { router, supervisor, limits, lives: 0 }
    }

    /// A worker of which only the socket is there, and what the supervisor makes of it.
    pub(super) fn raw(&mut self, slot: u32) -> (WorkerId, MemoryStream, JoinHandle<Result<(), ReadError>>) {
        let id = WorkerId::new(slot, self.lives);
        self.lives += 1;
        let (near, far) = duplex(SOCKET_BYTES);
        let router = self.router.clone();
        (id, far, spawn(async move { router.serve(id, near).await }))
    }

    /// A worker that is connected.
    pub(super) async fn worker(&mut self, slot: u32) -> Worker {
        let (id, socket, served) = self.raw(slot);
        let office = PostOffice::new(self.limits);
        let own = office.clone();
        let connected = spawn(async move { own.serve(socket).await });
        settle().await;
        assert_eq!(office.own(), Some(id));
        Worker { id, office, served, connected }
    }
}

impl Worker {
    /// Its process is killed: whatever has not left it is lost.
    pub(super) async fn kill(self) -> Result<(), ReadError> {
        assert!(self.connected.cancel_and_wait().await.is_err());
        drop(self.office);
        self.served.await.unwrap()
    }

    #[track_caller]
    pub(super) fn channel<T: Serialize + DeserializeOwned + 'static>(&self, name: &str) -> Channel<T> {
        Channel::open(&self.office, name)
    }
}
