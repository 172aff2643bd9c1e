//! A connection to the server that is made again whenever it breaks.

use super::super::Error;
use crate::{
    JoinHandle,
    net::{TcpStream, UnixStream},
    sync::Lock,
    task,
    time::{Instant, sleep, timeout, timeout_at},
};
use ::redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    ServerErrorKind, aio::MultiplexedConnection,
};
use std::{
    cell::{Cell, RefCell},
    io,
    time::Duration,
};

/// A server that restarts is asked again after this, then after twice as much …
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// … and at most this: nobody notices half a second more of an outage.
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// May a request be sent again that may have been carried out already?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Resend {
    Yes,
    No,
}

/// One connection at a time. Requests of any number of tasks share it, and are answered in order.
pub(super) struct Link {
    server: ConnectionInfo,
    /// Borrowed only for a moment.
    line: RefCell<Option<Line>>,
    /// By whom the connection is being made: one at a time.
    making: Lock<()>,
    /// How many connections there were: so that nobody hangs up on one that is not his.
    made: Cell<u64>,
}

/// A connection that was good when somebody looked last.
struct Line {
    number: u64,
    connection: MultiplexedConnection,
    /// Moves the bytes.
    driver: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.cancel();
    }
}

/// What an error asks for.
enum Remedy {
    /// A new connection.
    Reconnect,
    /// Patience: the server loads its data, or elects somebody.
    Wait,
    /// There is none.
    Refused,
    Full,
}

impl Link {
    pub(super) fn new(server: ConnectionInfo) -> Self {
        Self { server, line: RefCell::default(), making: Lock::new(()), made: Cell::new(0) }
    }

    /// Sends a request, and waits for the answer for `answer_within`. If there is no connection, or it breaks, tries again until
    /// `patience` is over.
    pub(super) async fn ask<T>(
        &self,
        patience: Duration,
        answer_within: Duration,
        resend: Resend,
        request: impl AsyncFn(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Error> {
        let deadline = Instant::now().saturating_add(patience);
        let mut pause = FIRST_PAUSE;
        loop {
            let fault = match timeout_at(deadline, self.connection()).await {
                Err(_) => return Err(Error::Unreachable("no connection in time".into())),
                Ok(Err(fault)) => fault,
                Ok(Ok((number, mut connection))) => {
                    let answer = timeout(answer_within, request(&mut connection)).await;
                    let fault = match answer {
                        Ok(Ok(value)) => return Ok(value),
                        Ok(Err(fault)) => fault,
                        Err(_) => io::Error::new(io::ErrorKind::TimedOut, "no answer in time").into(),
                    };
                    if let Remedy::Reconnect = remedy(&fault) {
                        self.hang_up(number);
                        if resend == Resend::No {
                            return Err(Error::Unreachable(fault.into()));
                        }
                    }
                    fault
                }
            };
            match remedy(&fault) {
                Remedy::Full => return Err(Error::Full),
                Remedy::Refused => return Err(Error::Refused(fault.into())),
                Remedy::Reconnect | Remedy::Wait if Instant::now().saturating_add(pause) >= deadline => {
                    return Err(Error::Unreachable(fault.into()));
                }
                Remedy::Reconnect | Remedy::Wait => sleep(pause).await,
            }
            pause = LAST_PAUSE.min(pause * 2);
        }
    }

    /// The connection that there is, or a new one.
    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        if let Some(line) = self.current() {
            return Ok(line);
        }
        let _making = self.making.acquire().await;
        if let Some(line) = self.current() {
            return Ok(line); // somebody else made it in the meantime
        }
        let (connection, driver) = connect(&self.server).await?;
        let number = self.made.get() + 1;
        self.made.set(number);
        let line = Line { number, connection: connection.clone(), driver };
        let before = self.line.borrow_mut().replace(line);
        drop(before);
        Ok((number, connection))
    }

    fn current(&self) -> Option<(u64, MultiplexedConnection)> {
        let line = self.line.borrow();
        line.as_ref()
            .filter(|line| !line.driver.is_finished())
            .map(|line| (line.number, line.connection.clone()))
    }

    /// Gives up that connection, unless it was replaced already.
    fn hang_up(&self, number: u64) {
        let line = self.line.borrow_mut().take_if(|line| line.number == number);
        drop(line);
    }
}

/// Connects, and does what the address says: password, database.
async fn connect(server: &ConnectionInfo) -> RedisResult<(MultiplexedConnection, JoinHandle<()>)> {
    // Its own limits of time would need another runtime; ours are in `ask`.
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let settings = server.redis_settings();
    Ok(match server.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            let (connection, driver) =
                MultiplexedConnection::new_with_config(settings, stream, config).await?;
            (connection, drive(driver))
        }
        ConnectionAddr::Unix(path) => {
            let stream = UnixStream::connect(path).await?;
            let (connection, driver) =
                MultiplexedConnection::new_with_config(settings, stream, config).await?;
            (connection, drive(driver))
        }
        // `Redis::new` lets no other pass.
        other => {
            return Err(
                (ErrorKind::InvalidClientConfig, "no connections of this kind", other.to_string()).into()
            );
        }
    })
}

fn drive(driver: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    task::Builder::new().name("redis connection").daemon(true).spawn(driver)
}

fn remedy(fault: &RedisError) -> Remedy {
    match (fault.kind(), fault.code()) {
        (ErrorKind::Io | ErrorKind::Parse, _) => Remedy::Reconnect,
        (
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly,
            ),
            _,
        ) => Remedy::Wait,
        // Another's script takes long; its disk is full; its replicas are away.
        (_, Some("BUSY" | "MISCONF" | "NOREPLICAS")) => Remedy::Wait,
        (_, Some("OOM")) => Remedy::Full,
        _ => Remedy::Refused,
    }
}
