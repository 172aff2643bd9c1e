//! A server that is there for longer than a connection.

use crate::connection::{Connection, open};
use redis::{AsyncConnectionConfig, ConnectionInfo, IntoConnectionInfo, RedisResult};
use runtime::{
    sync::Lock,
    time::{Duration, Instant, sleep},
};

/// How long it is waited before the second attempt; each further time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// But no longer: a server that is back should soon be found.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long a server may be away, unless somebody says otherwise: a restart takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and a connection to it: opened when it is needed, and anew when the last one has ended.
///
/// ```no_run
/// use redis::AsyncCommands;
/// use redis_client::Redis;
///
/// # #[runtime::main]
/// # async fn main() -> redis::RedisResult<()> {
/// let server = Redis::new("redis://localhost")?;
/// // Whatever may be done twice may be tried again, by the next connection.
/// while let Err(error) = server.connection().await?.set::<_, _, ()>("state", "ready").await {
///     if !error.is_connection_dropped() {
///         return Err(error);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Redis {
    server: ConnectionInfo,
    patience: Duration,
    connection: Lock<Option<Connection>>,
}

impl Redis {
    /// One that nobody has asked for anything yet.
    ///
    /// # Errors
    /// If `server` says of no server where it is.
    pub fn new(server: impl IntoConnectionInfo) -> RedisResult<Self> {
        Ok(Self { server: server.into_connection_info()?, patience: PATIENCE, connection: Lock::new(None) })
    }

    /// How long [`connection`](Self::connection) tries to reach a server that is away; 30 seconds if nobody says.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The connection, to be used at once and not to be kept: the next command asks again.
    ///
    /// While the server is away it is tried again and again, by one task; the others wait for that one.
    ///
    /// # Errors
    /// What the server says against us; or why it is not to be reached, when the patience is at its end.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it has opened nothing.
    pub async fn connection(&self) -> RedisResult<Connection> {
        let mut current = self.connection.acquire().await;
        if let Some(connection) = current.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match open(&self.server, AsyncConnectionConfig::new()).await {
                Ok(connection) => return Ok(current.insert(connection).clone()),
                // While it reads its data it says so (`LOADING`), and while it is away nothing.
                Err(error)
                    if (error.is_connection_dropped() || error.code() == Some("LOADING"))
                        && start.elapsed() + pause < self.patience =>
                {
                    sleep(pause).await;
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
