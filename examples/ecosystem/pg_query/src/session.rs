//! One connection to a server: who asks, and the task that carries questions and answers.

use runtime::{
    JoinHandle,
    net::{TcpStream, UnixStream},
    sync::broadcast,
    task,
    time::{Duration, timeout},
};
use std::{
    error, fmt,
    future::poll_fn,
    io, iter,
    ops::{Deref, DerefMut},
    path::PathBuf,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, Error, NoTls, Notification, config::Host, error::SqlState,
    tls::NoTlsStream,
};

/// How many notifications a listener may be behind before it loses the oldest: some hundred kilobytes.
const NOTIFICATIONS: usize = 1024;
/// Of servers that the configuration gives no port.
const DEFAULT_PORT: u16 = 5432;

/// A client, and the task that drives its connection.
///
/// It is the [`Client`] of `tokio-postgres`, by `Deref`. Dropped, it ends in order, once what was sent has been answered.
pub struct Session {
    client: Client,
    server: Server,
    heard: broadcast::Receiver<Notification>,
    driver: JoinHandle<Result<(), Error>>,
}

impl Session {
    /// Connects to the first host of the configuration that lets us in, by TCP or by a Unix socket.
    ///
    /// Of the configuration everything holds but TLS, `tcp_user_timeout`, `keepalives_retries`, `target_session_attrs` and
    /// `load_balance_hosts`. `connect_timeout` is for each host, until it has let us in.
    ///
    /// # Errors
    /// What the last of the hosts said.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the connection.
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        let mut outcome = Err(OpenError::Nowhere);
        for server in Server::all(config) {
            let limit = config.get_connect_timeout().copied().unwrap_or(Duration::MAX);
            outcome = match timeout(limit, Self::open_at(server, config)).await {
                Ok(outcome) => outcome,
                Err(elapsed) => Err(OpenError::Unreachable(elapsed.into())),
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    async fn open_at(server: Server, config: &Config) -> Result<Self, OpenError> {
        match server.connect(config).await.map_err(OpenError::Unreachable)? {
            Route::Tcp(stream) => Self::begin(stream, server, config).await,
            Route::Unix(stream) => Self::begin(stream, server, config).await,
        }
    }

    async fn begin<S>(stream: S, server: Server, config: &Config) -> Result<Self, OpenError>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(OpenError::Refused)?;
        let (news, heard) = broadcast(NOTIFICATIONS);
        let driver = task::Builder::new().name("postgres").spawn(drive(connection, news));
        Ok(Self { client, server, heard, driver })
    }

    /// What arrives from now on because of `LISTEN`, which is another statement. Any number may listen; all hear everything.
    ///
    /// The end of the session closes it. Who is more than 1,024 notifications behind loses the oldest, and is told how many.
    pub fn notifications(&self) -> broadcast::Receiver<Notification> {
        self.heard.resubscribe()
    }

    /// Asks the server to give up what it is doing for this session, by a connection of its own. If it does, the statement
    /// fails with [`SqlState::QUERY_CANCELED`], and the session goes on. It may also be too late, or meet the next statement.
    ///
    /// # Errors
    /// If the server cannot be asked.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it has asked or not.
    pub async fn cancel(&self) -> Result<(), OpenError> {
        let token = self.client.cancel_token();
        let asked = match self.server.connect(&Config::new()).await.map_err(OpenError::Unreachable)? {
            Route::Tcp(stream) => token.cancel_query_raw(stream, NoTls).await,
            Route::Unix(stream) => token.cancel_query_raw(stream, NoTls).await,
        };
        asked.map_err(OpenError::Refused)
    }

    /// Ends it in order: when everything has been answered, and the server knows.
    ///
    /// # Errors
    /// Why the connection had ended before.
    ///
    /// # Cancel safety
    /// Dropped while it waits, the session ends by itself.
    pub async fn close(self) -> Result<(), Error> {
        let Self { client, driver, .. } = self;
        drop(client);
        // Nobody else can cancel it; it only panics if `tokio-postgres` does.
        driver.await.unwrap_or(Ok(()))
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// A transaction has the client for itself.
impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut session = f.debug_struct("Session");
        session
            .field("server", &self.server)
            .field("is_closed", &self.client.is_closed())
            .finish_non_exhaustive()
    }
}

/// Carries questions and answers until the client is gone or the connection has ended.
async fn drive<S>(
    mut connection: Connection<S, NoTlsStream>,
    news: broadcast::Sender<Notification>,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        // Beside these there are notices, which servers write into their own log too.
        if let AsyncMessage::Notification(notification) = message? {
            let _ = news.send(notification);
        }
    }
    Ok(())
}

/// Where a server is.
#[derive(Clone, Debug)]
enum Server {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// A connection to it.
enum Route {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Server {
    /// Those of a configuration, in its order. An address that is given beside a name spares the look-up.
    fn all(config: &Config) -> impl Iterator<Item = Self> {
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let ports = config.get_ports().iter().copied();
        let last = config.get_ports().last().copied().unwrap_or(DEFAULT_PORT);
        let mut ports = ports.chain(iter::repeat(last));
        (0..hosts.len().max(addresses.len())).map(move |index| {
            let port = ports.next().unwrap_or(last);
            match (addresses.get(index), hosts.get(index)) {
                (None, Some(Host::Unix(folder))) => Self::Unix(folder.join(format!(".s.PGSQL.{port}"))),
                (None, Some(Host::Tcp(host))) => Self::Tcp { host: host.clone(), port },
                (address, _) => {
                    Self::Tcp { host: address.map(ToString::to_string).unwrap_or_default(), port }
                }
            }
        })
    }

    async fn connect(&self, config: &Config) -> io::Result<Route> {
        match self {
            Self::Unix(path) => Ok(Route::Unix(UnixStream::connect(path).await?)),
            Self::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                // Somebody waits for the answer to each question.
                stream.set_nodelay(true)?;
                if config.get_keepalives() {
                    let idle = config.get_keepalives_idle();
                    stream.set_keepalive_times(idle, config.get_keepalives_interval().unwrap_or(idle))?;
                }
                Ok(Route::Tcp(stream))
            }
        }
    }
}

/// Why there is no session.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration names no host.
    Nowhere,
    /// There is no connection to the server.
    Unreachable(io::Error),
    /// The server does not let us in, or is none.
    Refused(Error),
}

impl OpenError {
    /// Whether it may be otherwise in a moment: as while a server starts, or starts again.
    pub fn is_passing(&self) -> bool {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotFound, TimedOut};
        match self {
            Self::Nowhere => false,
            // `NotFound`: the path of a Unix socket, which is there while the server is.
            Self::Unreachable(error) => {
                matches!(
                    error.kind(),
                    ConnectionAborted | ConnectionRefused | ConnectionReset | NotFound | TimedOut
                )
            }
            // Without an answer of the server's own it has gone away.
            Self::Refused(error) => error.code().is_none_or(|code| {
                [SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN]
                    .contains(code)
            }),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("the configuration names no host"),
            Self::Unreachable(error) => write!(f, "the server is not to be reached: {error}"),
            Self::Refused(error) => match error.as_db_error() {
                Some(refusal) => write!(f, "the server does not let us in: {}", refusal.message()),
                None => write!(f, "the server does not let us in: {error}"),
            },
        }
    }
}

/// What it says has the cause in it: the source is what is behind that, or whoever prints both would say it twice.
impl error::Error for OpenError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Nowhere | Self::Unreachable(_) => None,
            Self::Refused(error) if error.as_db_error().is_some() => None,
            Self::Refused(error) => error.source(),
        }
    }
}
