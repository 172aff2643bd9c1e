//! Clients that write down what became of each of their requests: the other half of the ledger.
//!
//! A client connects, asks some requests one after the other, leaves, and connects again. It never repeats a request
//! that failed: what was acknowledged is acknowledged once, and everything else is put down as failed, with how far
//! it had come.

use super::{
    journal,
    protocol::{Command, Reply, Request},
};
use runtime::{
    net::TcpStream,
    spawn,
    task::JoinHandle,
    time::{sleep, timeout},
};
use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

/// A client that has waited so long gives up, and the ledger has a line for it: nothing here takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) clients: u32,
    /// Requests on one connection before the client leaves and comes again.
    pub(crate) requests_per_connection: u32,
    /// Bytes of each reply.
    pub(crate) body_bytes: u64,
    /// Thousands of rounds that the worker computes for each; 0: it just replies.
    pub(crate) work: u64,
    /// Milliseconds between a reply and the client's next request.
    pub(crate) think: u64,
}

/// How far a request had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `connect` failed: nobody listens, or the backlog is full.
    Connecting,
    /// On a connection that has had no reply yet, so that it may never have been accepted.
    First,
    /// On a connection that has had replies.
    Later,
}

#[derive(Debug)]
#[expect(dead_code, reason = "who reads an unexplained failure wants to know which request it was")]
pub(crate) struct Failure {
    pub(crate) id: u64,
    /// Of the client; 0 if it was never connected.
    pub(crate) port: u16,
    pub(crate) stage: Stage,
    pub(crate) kind: io::ErrorKind,
    pub(crate) at: Duration,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) acknowledged: Vec<u64>,
    /// The client's port of each connection that was established.
    pub(crate) connected: Vec<u16>,
    pub(crate) failures: Vec<Failure>,
    /// The longest that a reply took.
    pub(crate) slowest: Duration,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

impl Seen {
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.acknowledged.len() as f64 / (self.ended - self.began).as_secs_f64()
    }
}

/// Load that goes on until it is stopped.
pub(crate) struct Load {
    clients: Vec<JoinHandle<()>>,
    shared: Rc<Shared>,
}

struct Shared {
    plan: Plan,
    next_id: Cell<u64>,
    is_stopping: Cell<bool>,
    seen: RefCell<Seen>,
}

impl Load {
    pub(crate) fn start(plan: Plan) -> Self {
        let seen = RefCell::new(Seen { began: journal::now(), ..Seen::default() });
        let shared = Rc::new(Shared { plan, next_id: Cell::new(1), is_stopping: Cell::new(false), seen });
        let clients = (0..plan.clients).map(|_| spawn(client(Rc::clone(&shared)))).collect();
        Self { clients, shared }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.shared.seen.borrow().acknowledged.len()
    }

    /// Lets each client finish its connection.
    pub(crate) async fn stop(self) -> Seen {
        self.shared.is_stopping.set(true);
        for client in self.clients {
            client.await.expect("a client");
        }
        let mut seen = self.shared.seen.take();
        seen.ended = journal::now();
        seen
    }
}

async fn client(shared: Rc<Shared>) {
    while !shared.is_stopping.get() {
        if let Err(failure) = connection(&shared).await {
            // Whoever is refused tries again a little later, as people do.
            let pause = if failure.stage == Stage::Connecting { 10 } else { 0 };
            shared.seen.borrow_mut().failures.push(failure);
            sleep(Duration::from_millis(pause)).await;
        }
    }
}

/// One connection from its beginning to its end.
async fn connection(shared: &Shared) -> Result<(), Failure> {
    let plan = shared.plan;
    let fail = |id, port, stage, error: &io::Error| Failure {
        id,
        port,
        stage,
        kind: error.kind(),
        at: journal::now(),
    };
    let stream =
        patiently(TcpStream::connect(plan.address)).await.map_err(|e| fail(0, 0, Stage::Connecting, &e))?;
    let port = stream.local_addr().map_err(|e| fail(0, 0, Stage::Connecting, &e))?.port();
    stream.set_nodelay(true).map_err(|e| fail(0, port, Stage::First, &e))?;
    shared.seen.borrow_mut().connected.push(port);
    for turn in 0..plan.requests_per_connection {
        if plan.think > 0 {
            sleep(Duration::from_millis(plan.think)).await;
        }
        let id = shared.next_id.replace(shared.next_id.get() + 1);
        let stage = if turn == 0 { Stage::First } else { Stage::Later };
        let (command, argument) = match plan.work {
            0 => (Command::Echo, plan.body_bytes),
            work => (Command::Work, work),
        };
        let request = Request { id, command, argument };
        let asked = journal::now();
        let reply = patiently(ask(&stream, request)).await.map_err(|e| fail(id, port, stage, &e))?;
        let mut seen = shared.seen.borrow_mut();
        seen.slowest = seen.slowest.max(journal::now() - asked);
        seen.acknowledged.push(id);
        if reply.is_last {
            break;
        }
    }
    Ok(())
}

/// A request and its reply.
pub(crate) async fn ask(stream: &TcpStream, request: Request) -> io::Result<Reply> {
    request.write(stream).await?;
    let reply = Reply::read(stream).await?;
    if reply.id == request.id { Ok(reply) } else { Err(io::Error::other("the reply is to another request")) }
}

async fn patiently<T>(operation: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, operation).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
