//! Messages that others publish.

use crate::connection::{Connection, open};
use redis::{
    AsyncConnectionConfig, IntoConnectionInfo, Msg, ProtocolVersion, PushInfo, RedisResult, ToRedisArgs,
    aio::SendError,
};
use runtime::{
    sync::shared::broadcast,
    time::{Duration, Elapsed, timeout},
};
use std::io;

/// How many messages may wait to be taken, before the oldest is lost: a server does not wait for slow listeners either.
const MESSAGES: usize = 4096;
/// How long the server may take to confirm that we listen.
const CONFIRMATION: Duration = Duration::from_secs(5);

/// Listens to channels, by a connection of its own.
///
/// ```no_run
/// use redis_client::Subscriber;
///
/// # #[runtime::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut subscriber = Subscriber::open("redis://localhost").await?;
/// subscriber.subscribe("news").await?;
/// subscriber.subscribe_pattern("weather.*").await?;
/// loop {
///     let message = subscriber.recv().await?;
///     println!("{}: {}", message.get_channel_name(), message.get_payload::<String>()?);
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Subscriber {
    connection: Connection,
    messages: broadcast::Receiver<Msg>,
}

impl Subscriber {
    /// Connects, to Redis 6 or later: messages come beside answers there (RESP3).
    ///
    /// # Errors
    /// As for [`connect`](crate::connect).
    ///
    /// # Cancel safety
    /// Dropped while it waits, it closes the connection.
    pub async fn open(server: impl IntoConnectionInfo) -> RedisResult<Self> {
        let server = server.into_connection_info()?;
        let settings = server.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let (heard, messages) = broadcast(MESSAGES);
        // It is called by the driver, must not wait, and is dropped with the connection, which closes the channel.
        let hear = move |push: PushInfo| {
            if let Some(message) = Msg::from_push_info(push) {
                heard.send(message).map_err(|_| SendError)?;
            }
            Ok::<_, SendError>(())
        };
        let config = AsyncConnectionConfig::new().set_push_sender(hear);
        let connection = open(&server.set_redis_settings(settings), config).await?;
        Ok(Self { connection, messages })
    }

    /// Listens to one channel or several, from when this is done on.
    ///
    /// # Errors
    /// If the connection has ended, or the server does not confirm it in five seconds.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it may have been done.
    pub async fn subscribe(&mut self, channels: impl ToRedisArgs) -> RedisResult<()> {
        confirmed(timeout(CONFIRMATION, self.connection.commands().subscribe(channels)).await)
    }

    /// Listens to all channels whose names match a pattern, or one of several.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// Dropped while it waits, it may have been done.
    pub async fn subscribe_pattern(&mut self, patterns: impl ToRedisArgs) -> RedisResult<()> {
        confirmed(timeout(CONFIRMATION, self.connection.commands().psubscribe(patterns)).await)
    }

    /// No longer listens to these channels. What had been published before may still come.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// Dropped while it waits, it may have been done.
    pub async fn unsubscribe(&mut self, channels: impl ToRedisArgs) -> RedisResult<()> {
        confirmed(timeout(CONFIRMATION, self.connection.commands().unsubscribe(channels)).await)
    }

    /// No longer listens to these patterns.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// Dropped while it waits, it may have been done.
    pub async fn unsubscribe_pattern(&mut self, patterns: impl ToRedisArgs) -> RedisResult<()> {
        confirmed(timeout(CONFIRMATION, self.connection.commands().punsubscribe(patterns)).await)
    }

    /// The next message.
    ///
    /// # Errors
    /// `Closed` if the connection has ended: what is published until one listens again is heard by nobody. `Lagged`, with their
    /// number, if messages were lost because more than 4,096 had come while nobody took any.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing.
    pub async fn recv(&mut self) -> Result<Msg, broadcast::RecvError> {
        self.messages.recv().await
    }
}

fn confirmed(answer: Result<RedisResult<()>, Elapsed>) -> RedisResult<()> {
    answer.unwrap_or_else(|elapsed| Err(io::Error::from(elapsed).into()))
}
