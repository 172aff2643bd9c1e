//! Who connects.

use super::{
    Address, ConnectError, Connection, Key, Refusal,
    pending::Pending,
    terms::{Role, Terms},
};
use runtime_executor::time::{Duration, Instant, timeout_at};
use runtime_io::net::{TcpStream, UnixSeqpacket};
use std::{future::poll_fn, io, net, task::Poll};

/// A listener may be busy with others before it turns to us.
const DEFAULT_CONNECT_TIME: Duration = Duration::from_secs(10);

/// Connects to a [`Listener`](super::Listener), which has the example: `multiprocessing.connection.Client`.
///
/// ```no_run
/// use runtime::process::{Address, Client, Connection, Key};
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// let key = Key::from_file("/etc/app/key")?;
/// let address: Address = "192.0.2.7:6000".parse()?;
/// let mut connection: Connection<String> = Client::builder().key(key).connect(address).await?;
/// connection.send(&"hello".to_owned()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Client;

/// How a [`Client`] connects; from [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `connect` is called"]
pub struct ClientBuilder {
    terms: Terms,
}

impl Client {
    /// Connects to a listener of this user, on a path.
    ///
    /// # Errors
    /// As [`ClientBuilder::connect`].
    ///
    /// # Cancel safety
    /// As there.
    pub async fn connect<Out, In>(address: impl Into<Address>) -> Result<Connection<Out, In>, ConnectError> {
        Self::builder().connect(address).await
    }

    /// [`connect`](Self::connect) with the whole thread; see [`ClientBuilder::blocking_connect`].
    ///
    /// # Errors
    /// As there.
    pub fn blocking_connect<Out, In>(
        address: impl Into<Address>,
    ) -> Result<Connection<Out, In>, ConnectError> {
        Self::builder().blocking_connect(address)
    }

    /// For clients with a key, or other limits.
    pub fn builder() -> ClientBuilder {
        ClientBuilder { terms: Terms::new(Role::Client, DEFAULT_CONNECT_TIME) }
    }
}

impl ClientBuilder {
    /// The key of the listener, which has to prove that it has it.
    pub fn key(mut self, key: Key) -> Self {
        self.terms.key = Some(key);
        self
    }

    /// Trusts a listener on a path also if it is a process of that user, by number, and not of ours.
    pub fn allow_user(mut self, user: u32) -> Self {
        self.terms.users.push(user);
        self
    }

    /// How long a message from the listener may be, in bytes; see
    /// [`ListenerBuilder::max_message`](super::ListenerBuilder::max_message).
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.terms.set_max_message(bytes);
        self
    }

    /// How long it may all take: 10 s unless this is said.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.terms.patience = limit;
        self
    }

    /// Connects, and waits until both ends know each other. `Out` is what is sent to the listener, `In` what comes from it.
    ///
    /// # Errors
    /// [`ConnectError`]: refused by the listener or by us, in particular because one of them has no key or another;
    /// `InvalidInput` for TCP without a key; or what the system says, such as `NotFound` or `ConnectionRefused`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it closes the socket.
    pub async fn connect<Out, In>(
        self,
        address: impl Into<Address>,
    ) -> Result<Connection<Out, In>, ConnectError> {
        let address = address.into();
        let deadline = Instant::now().saturating_add(self.terms.patience);
        let talk = async {
            let mut pending = match address {
                Address::Unix(path) => self.terms.talk_to_process(UnixSeqpacket::connect(path).await?)??,
                Address::Tcp(address) => {
                    self.terms.require_key()?;
                    self.terms.talk_to_machine(TcpStream::connect(address).await?, address)?
                }
            };
            let agreement = poll_fn(|context| pending.poll(Some(context))).await?;
            Ok(pending.into_connection(agreement)?)
        };
        timeout_at(deadline, talk).await.unwrap_or(Err(Refusal::Silent.into()))
    }

    /// [`connect`](Self::connect) for code that runs in no task: it waits with the whole thread. In a greenlet only that waits.
    ///
    /// # Errors
    /// As there. While the queue of a listener on a path is full, the limit of time does not count.
    pub fn blocking_connect<Out, In>(
        self,
        address: impl Into<Address>,
    ) -> Result<Connection<Out, In>, ConnectError> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(self.connect(address));
        }
        let mut pending = self.blocking_begin(address.into())?;
        loop {
            match pending.poll_until(Instant::now(), None) {
                Poll::Ready(agreement) => return Ok(pending.into_connection(agreement?)?),
                Poll::Pending => pending.blocking_wait()?,
            }
        }
    }

    fn blocking_begin(&self, address: Address) -> Result<Pending, ConnectError> {
        match address {
            Address::Unix(path) => {
                Ok(self.terms.talk_to_process(UnixSeqpacket::blocking_connect(path)?)??)
            }
            Address::Tcp(address) => {
                self.terms.require_key()?;
                let socket = net::TcpStream::connect_timeout(&address, self.terms.patience);
                let socket = socket.map_err(|error| match error.kind() {
                    io::ErrorKind::TimedOut => Refusal::Silent.into(),
                    _ => ConnectError::Io(error),
                })?;
                Ok(self.terms.talk_to_machine(TcpStream::from_std(socket)?, address)?)
            }
        }
    }
}
