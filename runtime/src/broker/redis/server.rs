//! Where the server is, and what is said before anything is asked of it.

use super::{
    super::Error,
    link::{Remedy, remedy},
};
#[cfg(feature = "tls")]
use crate::tls::Connector;
use crate::{
    JoinHandle,
    net::{TcpStream, UnixStream},
    task,
};
use ::redis::{
    AsyncConnectionConfig, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, ProtocolVersion,
    RedisConnectionInfo, RedisResult, aio::MultiplexedConnection, cmd,
};
use ::tokio::io::{AsyncRead, AsyncWrite};
use std::{io, path::PathBuf, time::Duration};

/// A connection on which nothing happens is looked after for the first time after this, so that no router forgets it,
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// and then as often as this: a server that has vanished is known to be gone before anybody asks it.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// What begins an address for TLS, and what it is without.
const TLS: [(&str, &str); 2] = [("rediss://", "redis://"), ("valkeys://", "valkey://")];

pub(super) struct Server {
    place: Place,
    login: RedisConnectionInfo,
}

enum Place {
    Tcp(String, u16),
    #[cfg(feature = "tls")]
    Tls(String, u16, Connector),
    Unix(PathBuf),
}

/// Moves the bytes of a connection; dropped, it hangs up.
pub(super) struct Driver(JoinHandle<()>);

impl Driver {
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Server {
    /// The one at `url`, which does not want TLS.
    pub(super) fn new(url: &str) -> Result<Self, Error> {
        if without_tls(url).is_some() {
            return Err(refused(
                "an address for TLS wants to be opened by `Redis::with_tls`, of feature `tls`",
            ));
        }
        let info = url.into_connection_info().map_err(|fault| Error::Refused(fault.into()))?;
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Place::Tcp(host.clone(), *port),
            ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
            other => return Err(refused(&format!("connections to {other} are not supported"))),
        };
        Ok(Self { place, login: info.redis_settings().clone() })
    }

    /// The one at `url`, which wants TLS.
    #[cfg(feature = "tls")]
    pub(super) fn by_tls(url: &str, connector: &Connector) -> Result<Self, Error> {
        let plain = without_tls(url).ok_or_else(|| refused("an address for TLS begins with `rediss://`"))?;
        let Self { place, login } = Self::new(&plain)?;
        let Place::Tcp(host, port) = place else { unreachable!("only these have two spellings") };
        Ok(Self { place: Place::Tls(host, port, connector.clone()), login })
    }

    /// Connects, and does what the address says: password, database.
    pub(super) async fn connect(&self) -> RedisResult<(MultiplexedConnection, Driver)> {
        let (mut connection, driver) = match &self.place {
            Place::Tcp(host, port) => drive(tcp(host, *port).await?).await?,
            #[cfg(feature = "tls")]
            Place::Tls(host, port, connector) => {
                let stream = connector.connect(host, tcp(host, *port).await?).await;
                drive(stream.map_err(untrusted)?).await?
            }
            Place::Unix(path) => drive(UnixStream::connect(path).await?).await?,
        };
        self.greet(&mut connection).await?;
        Ok((connection, driver))
    }

    /// Not by the crate, for which every answer but yes means that the password is wrong.
    async fn greet(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        if let Some(password) = self.login.password() {
            let mut auth = cmd("AUTH");
            if let Some(user) = self.login.username() {
                auth.arg(user);
            }
            auth.arg(password).exec_async(connection).await?;
        }
        if self.login.db() != 0 {
            cmd("SELECT").arg(self.login.db()).exec_async(connection).await?;
        }
        match cmd("INFO").arg("memory").query_async::<String>(connection).await {
            Ok(info) => match forgets(&info) {
                Some(policy) => Err((
                    ErrorKind::InvalidClientConfig,
                    "the server throws jobs away when its memory is full: set maxmemory-policy noeviction",
                    policy.to_owned(),
                )
                    .into()),
                None => Ok(()),
            },
            // It does not tell us.
            Err(fault) if matches!(remedy(&fault), Remedy::Refused) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

fn refused(why: &str) -> Error {
    Error::Refused(why.into())
}

fn without_tls(url: &str) -> Option<String> {
    TLS.iter().find_map(|(tls, plain)| Some(format!("{plain}{}", url.strip_prefix(tls)?)))
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    stream.set_keepalive_times(KEEPALIVE_IDLE, KEEPALIVE_INTERVAL)?;
    Ok(stream)
}

/// Whoever is not whom we trust is so the next time, too; a connection that breaks is another matter.
#[cfg(feature = "tls")]
fn untrusted(fault: io::Error) -> ::redis::RedisError {
    match fault.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            (ErrorKind::InvalidClientConfig, "no TLS with this server", fault.to_string()).into()
        }
        _ => fault.into(),
    }
}

/// What the crate does with a stream, in a task of its own.
async fn drive(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> RedisResult<(MultiplexedConnection, Driver)> {
    // Its own limits of time would need another runtime; ours are in `ask`.
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    // The answers of streams look otherwise in RESP3, and have nothing that we need.
    let settings =
        RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
    let (connection, driver) = MultiplexedConnection::new_with_config(&settings, stream, config).await?;
    let task = task::Builder::new().name("redis connection").daemon(true).spawn(driver);
    Ok((connection, Driver(task)))
}

/// By which rule the server throws keys of ours away, if it does: those that never expire, which all of ours are.
fn forgets(info: &str) -> Option<&str> {
    let field =
        |name| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    field("maxmemory_policy")
        .filter(|policy| policy.starts_with("allkeys") && field("maxmemory") != Some("0"))
}
