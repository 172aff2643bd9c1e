//! A connection, and the task that drives it.

use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use runtime::{
    net::{TcpStream, UnixStream},
    task::{self, CancelHandle},
    time::{Duration, Timeout, timeout},
};
use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// How long an answer may take, unless somebody says otherwise. Redis answers in less than a millisecond; what takes as long as
/// this has been lost, or should have been asked otherwise.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take until the server lets us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// When a server that says nothing counts as dead (the crate's own times are for its own sockets).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Connects by TCP (`redis://host:port/database`) or a Unix socket (`redis+unix:///path`), and logs in.
///
/// # Errors
/// If the server is not to be reached, does not let us in within five seconds, or is to be spoken to by TLS.
///
/// # Cancel safety
/// Dropped while it waits, it closes the connection.
pub async fn connect(server: impl IntoConnectionInfo) -> RedisResult<Connection> {
    open(&server.into_connection_info()?, AsyncConnectionConfig::new()).await
}

pub(crate) async fn open(server: &ConnectionInfo, config: AsyncConnectionConfig) -> RedisResult<Connection> {
    let opening = timeout(CONNECT_TIMEOUT, open_at(server.addr(), server.redis_settings(), config));
    opening.await.unwrap_or_else(|elapsed| Err(io::Error::from(elapsed).into()))
}

async fn open_at(
    address: &ConnectionAddr,
    settings: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> RedisResult<Connection> {
    // Its own limits would ask tokio for a timer, and panic.
    let config = config.set_response_timeout(None).set_connection_timeout(None);
    match address {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            // Somebody waits for the answer to each command.
            stream.set_nodelay(true)?;
            stream.set_keepalive_times(KEEPALIVE_IDLE, KEEPALIVE_INTERVAL)?;
            let opened = MultiplexedConnection::new_with_config(settings, stream, config).await?;
            Ok(Connection::driven(opened))
        }
        ConnectionAddr::Unix(path) => {
            let stream = UnixStream::connect(path).await?;
            let opened = MultiplexedConnection::new_with_config(settings, stream, config).await?;
            Ok(Connection::driven(opened))
        }
        other => {
            let reason = format!("{other}: only TCP and Unix sockets are to be had here");
            Err(io::Error::new(io::ErrorKind::Unsupported, reason).into())
        }
    }
}

/// A connection to a server; its clones are the same connection, and the last of them closes it.
///
/// Commands are the methods of [`redis::AsyncCommands`], or are made with [`redis::cmd`] and [`redis::pipe`]. It belongs to the
/// runtime in which it was made; on other threads it may be asked too.
#[derive(Clone, Debug)]
pub struct Connection {
    commands: MultiplexedConnection,
    limit: Duration,
    driver: Arc<Driver>,
}

impl Connection {
    fn driven((commands, driver): (MultiplexedConnection, impl Future<Output = ()> + 'static)) -> Self {
        let has_ended = Arc::new(AtomicBool::new(false));
        let end = End(Arc::clone(&has_ended));
        let driving = async move {
            let _end = end;
            driver.await;
        };
        // The end of the program does not wait for it: what nobody waits for any more need not be answered.
        let task = task::Builder::new().name("redis").daemon(true).spawn(driving);
        let driver = Driver { task: task.cancel_handle(), has_ended };
        Self { commands, limit: RESPONSE_TIMEOUT, driver: Arc::new(driver) }
    }

    /// The same connection, with another limit on the time that this clone waits for answers: after it a command fails with an
    /// error that [is a timeout](redis::RedisError::is_timeout). Five seconds if nobody says; [`Duration::MAX`] is none.
    #[must_use]
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Whether it has ended: every further command fails.
    pub fn is_closed(&self) -> bool {
        self.driver.has_ended.load(Relaxed)
    }

    /// The connection as the crate has it, without a limit of time.
    pub(crate) fn commands(&mut self) -> &mut MultiplexedConnection {
        &mut self.commands
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        limited(timeout(self.limit, self.commands.send_packed_command(command)))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        limited(timeout(self.limit, self.commands.send_packed_commands(commands, offset, count)))
    }

    fn get_db(&self) -> i64 {
        self.commands.get_db()
    }
}

fn limited<'a, T: 'a>(
    answer: Timeout<impl Future<Output = RedisResult<T>> + Send + 'a>,
) -> RedisFuture<'a, T> {
    Box::pin(async move { answer.await.unwrap_or_else(|elapsed| Err(io::Error::from(elapsed).into())) })
}

/// The task that drives a connection. By itself it ends when everything has been written, for which a server that reads no more
/// would have it wait: so it is ended with the last clone.
#[derive(Debug)]
struct Driver {
    task: CancelHandle,
    has_ended: Arc<AtomicBool>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.cancel();
    }
}

/// Notes the end of the task, however it comes.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
