//! The supervisor's part: it passes messages on.
//!
//! ```text
//!            ┌ a task per worker ───────────────────────────────────┐
//!  socket ──read──> route ──direct──> port of the receiver (waits) ──write──> socket
//!                      └───broadcast──> ports of all others (or a gap)
//! ```
//!
//! A reader waits only for room in a port, and what is in a port waits only for the worker to read its socket, which its
//! post office does whatever its tasks do. So there is no circle of waits here, however the workers' tasks wait for each
//! other; and a worker that is stopped holds up only those who have more under way to it than their windows allow.

use super::{
    lag::{Lag, Lagging},
    limits::{Limits, MAX_CHANNELS},
    office::PostOffice,
    peer::{Peer, WorkerId},
    post::{FromRouter, OVERHEAD_BYTES, ToRouter},
};
use crate::cluster::wire::{
    codec::Malformed,
    frame::{Frame, HEADER_BYTES, ReadError, Reader},
    outbox::{Letter, Outbox, Outgoing, outbox},
    socket::Socket,
};
use runtime_sync::{Semaphore, semaphore::OwnedPermit};
use std::{cell::RefCell, collections::BTreeMap, fmt, future::poll_fn, pin::pin, rc::Rc, task::Poll};

/// Passes messages on between workers, and between them and the supervisor. Clones are the same router.
#[derive(Clone)]
pub(crate) struct Router {
    ports: Rc<RefCell<BTreeMap<Peer, Rc<Port>>>>,
    limits: Limits,
}

/// What waits for one member.
struct Port {
    outbox: Outbox<Post>,
    broadcast_room: Rc<Semaphore>,
    /// By channel. Names come from workers, but each is in here only while its gap is in the outbox.
    lagging: RefCell<BTreeMap<String, Lagging>>,
}

/// Something that waits in a port.
enum Post {
    Frame(Frame, #[expect(dead_code, reason = "it gives the room back")] Option<OwnedPermit>),
    Lagged(Rc<Port>, String, Rc<Lag>),
}

impl From<Post> for Letter {
    fn from(post: Post) -> Self {
        let frame = match post {
            Post::Frame(frame, _) => frame,
            Post::Lagged(port, channel, lag) => {
                let count = lag.read();
                port.forget(&channel);
                FromRouter::Lagged { channel: &channel, count }.frame()
            }
        };
        Self { frame, descriptors: Vec::new() }
    }
}

impl Router {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { ports: Rc::default(), limits }
    }

    /// Serves a worker over its socket, from now until that ends: it is a member of the cluster, told who else is, and
    /// everybody else is told of it. To be awaited to the end, also after the worker's process has ended: what it has sent is
    /// still in the socket. (A grandchild that holds the other end open can delay that, so not without a limit.)
    ///
    /// # Errors
    /// [`ReadError`]: the worker is none of ours any more, and is to be ended.
    ///
    /// # Cancel safety
    /// Dropped, the worker is no member any more; what it has sent since is lost.
    pub(crate) async fn serve(&self, worker: WorkerId, socket: impl Socket) -> Result<(), ReadError> {
        let (member, outgoing) = self.join(worker.into());
        let mut reader = Reader::new(&socket, self.limits.message + OVERHEAD_BYTES);
        let reading = async {
            while let Some(bytes) = reader.next().await? {
                self.route(&member, bytes).await.map_err(ReadError::Malformed)?;
            }
            Ok(())
        };
        // If it can no longer be written to, what it has sent before is still there to be read.
        beside(outgoing.write_to(&socket), reading).await
    }

    /// Makes the supervisor a member, with `office` for its tasks. To be run as long as there are workers.
    pub(crate) async fn host(&self, office: &PostOffice) {
        let (member, mut incoming) = self.join(Peer::Supervisor);
        let Some(mut outgoing) = office.take_outgoing() else { return };
        let delivering = async {
            while let Some(post) = incoming.next().await {
                let letter = Letter::from(post.into_entry());
                office.deliver(&letter.frame[HEADER_BYTES..]).expect("what the router writes is well formed");
            }
        };
        let routing = async {
            while let Some(letter) = outgoing.next().await {
                let routed = self.route(&member, &letter.entry.frame[HEADER_BYTES..]).await;
                routed.expect("what our post office writes is well formed");
            }
        };
        beside(delivering, routing).await;
    }

    /// The workers that are members.
    pub(crate) fn workers(&self) -> Vec<WorkerId> {
        let worker = |peer: &Peer| if let Peer::Worker(worker) = peer { Some(*worker) } else { None };
        self.ports.borrow().keys().filter_map(worker).collect()
    }

    fn join(&self, peer: Peer) -> (Member, Outgoing<Post>) {
        let (outbox, outgoing) = outbox(self.limits.port);
        let broadcast_room = Rc::new(Semaphore::new(self.limits.port_broadcasts));
        let port = Rc::new(Port { outbox, broadcast_room, lagging: RefCell::default() });
        if let Peer::Worker(worker) = peer {
            port.tell(&FromRouter::You(worker));
            self.tell_all(&FromRouter::Joined(worker));
        }
        for worker in self.workers() {
            port.tell(&FromRouter::Joined(worker));
        }
        let replaced = self.ports.borrow_mut().insert(peer, Rc::clone(&port));
        assert!(replaced.is_none(), "{peer} is a member already");
        (Member { router: self.clone(), peer, port }, outgoing)
    }

    fn tell_all(&self, message: &FromRouter<'_>) {
        let frame = message.frame();
        for port in self.all_ports() {
            port.force(Post::Frame(Rc::clone(&frame), None));
        }
    }

    fn all_ports(&self) -> Vec<Rc<Port>> {
        self.ports.borrow().values().cloned().collect()
    }

    fn port(&self, peer: Peer) -> Option<Rc<Port>> {
        self.ports.borrow().get(&peer).cloned()
    }

    /// Passes on what `member` has sent.
    async fn route(&self, member: &Member, bytes: &[u8]) -> Result<(), Malformed> {
        let from = member.peer;
        let (to, frame) = match ToRouter::decode(bytes)? {
            ToRouter::Broadcast { channel, payload } => {
                self.broadcast(from, channel, payload);
                return Ok(());
            }
            ToRouter::Direct { to, channel, payload } => {
                (to, FromRouter::Direct { from, channel, payload }.frame())
            }
            // Who has gone meanwhile needs no room any more.
            ToRouter::Took { of, channel, count } => {
                (of, FromRouter::Took { by: from, channel, count }.frame())
            }
        };
        let is_there = match self.port(to) {
            Some(port) => port.put(frame).await,
            None => false,
        };
        if !is_there {
            // It waits if the member does not read, so nobody can have us remember his failures without end.
            member.port.put(FromRouter::Gone(to).frame()).await;
        }
        Ok(())
    }

    fn broadcast(&self, from: Peer, channel: &str, payload: &[u8]) {
        let frame = FromRouter::Broadcast { from, channel, payload }.frame();
        let ports = self.ports.borrow();
        let others: Vec<_> =
            ports.iter().filter(|(peer, _)| **peer != from).map(|(_, port)| Rc::clone(port)).collect();
        drop(ports);
        for port in others {
            port.put_broadcast(channel, &frame, self.limits.port_broadcasts);
        }
    }
}

impl Port {
    /// Whether the member is still there.
    async fn put(&self, frame: Frame) -> bool {
        let bytes = frame.len();
        self.outbox.put(Post::Frame(frame, None), bytes).await.is_ok()
    }

    fn tell(&self, message: &FromRouter<'_>) {
        self.force(Post::Frame(message.frame(), None));
    }

    /// Whoever is gone is not told.
    fn force(&self, post: Post) {
        let _ = self.outbox.force(post);
    }

    fn put_broadcast(self: &Rc<Self>, channel: &str, frame: &Frame, capacity: usize) {
        let cost = Limits::cost(capacity, frame.len());
        let Ok(room) = Rc::clone(&self.broadcast_room).try_acquire_owned(cost) else {
            return self.miss(channel);
        };
        if let Some(lagging) = self.lagging.borrow_mut().get_mut(channel) {
            lagging.follow();
        }
        self.force(Post::Frame(Rc::clone(frame), Some(room)));
    }

    fn miss(self: &Rc<Self>, channel: &str) {
        let mut lagging = self.lagging.borrow_mut();
        if lagging.len() >= MAX_CHANNELS && !lagging.contains_key(channel) {
            return; // nobody has so many channels: these names are made up, and nobody will ask for them
        }
        let gap = lagging.entry(channel.to_owned()).or_default().miss(1);
        drop(lagging);
        if let Some(gap) = gap {
            self.force(Post::Lagged(Rc::clone(self), channel.to_owned(), gap));
        }
    }

    /// A gap of that channel was read.
    fn forget(&self, channel: &str) {
        let mut lagging = self.lagging.borrow_mut();
        if lagging.get(channel).is_some_and(|lagging| !lagging.is_open()) {
            lagging.remove(channel);
        }
    }
}

/// A member of the cluster, until this is dropped.
struct Member {
    router: Router,
    peer: Peer,
    port: Rc<Port>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.router.ports.borrow_mut().remove(&self.peer);
        if let Peer::Worker(worker) = self.peer {
            self.router.tell_all(&FromRouter::Left(worker));
        }
    }
}

/// Runs `aside` beside `main`, until `main` is done.
pub(super) async fn beside<T>(aside: impl Future, main: impl Future<Output = T>) -> T {
    let mut aside = pin!(aside);
    let mut main = pin!(main);
    let mut is_done = false;
    poll_fn(move |context| {
        is_done = is_done || aside.as_mut().poll(context).is_ready();
        match main.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(output),
            // What was read may have given the writer something to do; it has been woken then.
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("workers", &self.workers()).finish_non_exhaustive()
    }
}
