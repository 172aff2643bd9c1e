//! Who waits for connections.

use super::{
    Address, Connection, Key, Refusal,
    pending::Pending,
    place,
    terms::{Role, Terms},
};
use runtime_executor::time::{Duration, Instant, timeout_at};
use runtime_io::{
    blocking,
    net::{TcpListener, UnixSeqpacketListener},
};
use std::{
    fmt,
    future::poll_fn,
    io, net,
    os::fd::{AsFd, BorrowedFd},
    path,
    task::{Context, Poll},
};

/// So many peers may be about to say who they are. More wait in the system's queue.
const MAX_PENDING: usize = 256;

/// Where all places are taken, so much sooner is who says nothing given up: hundreds of silent peers cannot keep everybody else
/// out for as long as each of them may take.
const CROWDED: u32 = 10;

/// A client answers at once, with a hundred bytes; who has not after this long has nothing to say.
const DEFAULT_HANDSHAKE_TIME: Duration = Duration::from_secs(1);

/// Gives connections to processes that have a right to them: `multiprocessing.connection.Listener`.
///
/// ```
/// use runtime::process::{Client, Connection, Listener};
/// # runtime::run(async {
/// # let path = std::env::temp_dir().join(format!("listener-{}", std::process::id())).join("control");
/// let mut listener = Listener::bind(&path)?; // in a folder of its own
///
/// let client = runtime::spawn(async move {
///     let mut connection: Connection<String, usize> = Client::connect(&path).await?;
///     connection.send(&"how long is this?".to_owned()).await?;
///     let answer = connection.recv().await?;
///     Ok::<_, Box<dyn std::error::Error>>(answer)
/// });
///
/// let mut connection: Connection<usize, String> = listener.accept().await?;
/// let question = connection.recv().await?;
/// connection.send(&question.len()).await?;
/// assert_eq!(client.await.unwrap().unwrap(), 17);
/// # drop(listener);
/// # std::fs::remove_dir(std::env::temp_dir().join(format!("listener-{}", std::process::id())))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **On a path** it lets in processes of this user, and of those that are [allowed](ListenerBuilder::allow_user): the system
/// says who connects, before anything is read. The path gets mode 0600 (0666 if others are allowed), and must be in a folder that
/// nobody else can write to, nor to any folder above it; if it is missing, it is made, for this user alone.
///
/// **Over TCP** there is no listener without a [`Key`]. Both ends prove that they have it, neither shows it, and each message is
/// sealed: what somebody between changes, repeats or leaves out is an error. He can read it, though, and end the connection:
/// across networks that others listen to, go through a tunnel.
///
/// Peers that say nothing, or the wrong thing, are dropped and counted ([`refused`](Self::refused)): they keep nobody
/// waiting, and are no errors of [`accept`](Self::accept).
pub struct Listener {
    door: Door,
    address: Address,
    terms: Terms,
    /// In the order of their deadlines.
    pending: Vec<Pending>,
    refused: u64,
    last_refusal: Option<Refusal>,
}

#[derive(Debug)]
enum Door {
    Unix(UnixSeqpacketListener),
    Tcp(TcpListener),
}

/// How a [`Listener`] is to be; from [`Listener::builder`].
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `bind` is called"]
pub struct ListenerBuilder {
    terms: Terms,
}

impl Listener {
    /// Listens on a path for processes of this user.
    ///
    /// # Errors
    /// As [`ListenerBuilder::bind`]; a TCP address is `InvalidInput`, as that needs a key.
    pub fn bind(address: impl Into<Address>) -> io::Result<Self> {
        Self::builder().bind(address)
    }

    /// For listeners with a key, for several users, or with other limits.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder { terms: Terms::new(Role::Listener, DEFAULT_HANDSHAKE_TIME) }
    }

    /// Where clients find it: with the port that the system has chosen, if it was to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How many peers were not let in so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Why the last of them was not.
    pub fn last_refusal(&self) -> Option<&Refusal> {
        self.last_refusal.as_ref()
    }

    /// Waits for the next peer that has a right to a connection. Meanwhile all that are about to prove it are listened to, none
    /// waits for another; in between, nobody is.
    ///
    /// `Out` is what is sent to the peer, `In` what comes from it.
    ///
    /// # Errors
    /// What the system says about the listener itself, or a [`HandleError`](runtime_io::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it leaves everybody where they are, and the next call goes on.
    pub async fn accept<Out, In>(&mut self) -> io::Result<Connection<Out, In>> {
        loop {
            let earliest = self.earliest();
            let turn = poll_fn(|context| self.turn(Some(context)));
            let done = match earliest {
                // The next turn finds out whose time is over.
                Some(deadline) => timeout_at(deadline, turn).await.unwrap_or(Ok(None)),
                None => turn.await,
            };
            if let Some(connection) = done? {
                return Ok(connection);
            }
        }
    }

    /// [`accept`](Self::accept) for code that runs in no task: it waits with the whole thread. In a greenlet only that waits.
    ///
    /// # Errors
    /// As there; also if the process has no descriptor left.
    pub fn blocking_accept<Out, In>(&mut self) -> io::Result<Connection<Out, In>> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(self.accept());
        }
        loop {
            match self.turn(None) {
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(connection))) => return Ok(connection),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => self.blocking_wait()?,
            }
        }
    }

    /// Waits with the thread until somebody says something, or the time of somebody is over.
    fn blocking_wait(&self) -> io::Result<()> {
        let door = (self.pending.len() < MAX_PENDING).then(|| self.as_fd());
        let fds: Vec<BorrowedFd<'_>> = self.pending.iter().map(AsFd::as_fd).chain(door).collect();
        let left = self.earliest().map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match blocking::any_readable(&fds, left) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// How much of everybody's time is cut off.
    fn hurry(&self) -> Duration {
        let is_crowded = self.pending.len() >= MAX_PENDING;
        if is_crowded { self.terms.patience - self.terms.patience / CROWDED } else { Duration::ZERO }
    }

    /// When the next one's time is over.
    fn earliest(&self) -> Option<Instant> {
        self.pending.first().map(|pending| pending.deadline.saturating_sub(self.hurry()))
    }

    /// Goes on as far as is possible now. `None`: there are other deadlines than before.
    fn turn<Out, In>(
        &mut self,
        mut context: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<Option<Connection<Out, In>>>> {
        let now = Instant::now();
        let mut index = 0;
        while index < self.pending.len() {
            let now = now.saturating_add(self.hurry());
            match self.pending[index].poll_until(now, context.as_deref_mut()) {
                Poll::Pending => index += 1,
                Poll::Ready(Err(refusal)) => {
                    drop(self.pending.remove(index));
                    self.refuse(refusal);
                }
                Poll::Ready(Ok(agreement)) => {
                    let connection = self.pending.remove(index).into_connection(agreement);
                    return Poll::Ready(connection.map(Some));
                }
            }
        }
        if self.pending.len() >= MAX_PENDING {
            return Poll::Pending;
        }
        match self.door.poll_accept(&self.terms, context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(Err(refusal))) => self.refuse(refusal),
            Poll::Ready(Ok(Ok(pending))) => self.pending.push(pending),
        }
        Poll::Ready(Ok(None))
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refused += 1;
        self.last_refusal = Some(refusal);
    }
}

impl Door {
    /// The next peer, who may have been refused already.
    fn poll_accept(
        &self,
        terms: &Terms,
        context: Option<&mut Context<'_>>,
    ) -> Poll<io::Result<Result<Pending, Refusal>>> {
        let begun = match (self, context) {
            (Self::Unix(listener), Some(context)) => listener.poll_accept(context).map_ok(Newcomer::Unix),
            (Self::Tcp(listener), Some(context)) => listener.poll_accept(context).map_ok(Newcomer::Tcp),
            (Self::Unix(listener), None) => Poll::Ready(listener.try_accept().map(Newcomer::Unix)),
            (Self::Tcp(listener), None) => Poll::Ready(listener.try_accept().map(Newcomer::Tcp)),
        };
        let newcomer = match begun {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(newcomer)) => newcomer,
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
        };
        let begun = match newcomer {
            Newcomer::Unix((socket, _)) => terms.talk_to_process(socket),
            Newcomer::Tcp((socket, peer)) => terms.talk_to_machine(socket, peer).map(Ok),
        };
        // What fails with a socket that is connected is about its peer, who has gone.
        Poll::Ready(Ok(begun.unwrap_or(Err(Refusal::Gone))))
    }
}

enum Newcomer {
    Unix((runtime_io::net::UnixSeqpacket, std::os::unix::net::SocketAddr)),
    Tcp((runtime_io::net::TcpStream, net::SocketAddr)),
}

impl ListenerBuilder {
    /// Only who has the key gets a connection.
    pub fn key(mut self, key: Key) -> Self {
        self.terms.key = Some(key);
        self
    }

    /// Lets in processes of another user too, by number, when it listens on a path. The folder, too, must let them through.
    pub fn allow_user(mut self, user: u32) -> Self {
        self.terms.users.push(user);
        self
    }

    /// How long a message from a peer may be, in bytes: 64 MiB unless this is said, 4 GiB less 64 KiB at most. Peers are told.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.terms.set_max_message(bytes);
        self
    }

    /// How long a peer may take to say who it is: 1 s unless this is said, and a tenth of it while 256 are about to. Only time
    /// during which [`Listener::accept`] is awaited counts against it.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.terms.patience = limit;
        self
    }

    /// Listens.
    ///
    /// # Errors
    /// `PermissionDenied` if others could put a socket of theirs in the place of this one; `AddrInUse` if somebody listens there
    /// (a path that was left behind is taken over); `InvalidInput` for TCP without a key, or a path longer than the system
    /// takes; `Unsupported` for a path on Apple's systems; or what the system says.
    pub fn bind(self, address: impl Into<Address>) -> io::Result<Listener> {
        let (door, address) = match address.into() {
            Address::Unix(path) => {
                place::prepare(&path)?;
                let mode = if self.terms.users.is_empty() { 0o600 } else { 0o666 };
                let door = Door::Unix(UnixSeqpacketListener::bind_with_mode(&path, mode)?);
                (door, Address::Unix(path::absolute(path)?))
            }
            Address::Tcp(address) => {
                self.terms.require_key()?;
                let listener = TcpListener::from_std(net::TcpListener::bind(address)?)?;
                let address = listener.local_addr()?;
                (Door::Tcp(listener), Address::Tcp(address))
            }
        };
        let terms = self.terms;
        Ok(Listener { door, address, terms, pending: Vec::new(), refused: 0, last_refusal: None })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.door {
            Door::Unix(listener) => listener.as_fd(),
            Door::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .field("pending", &self.pending.len())
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}
