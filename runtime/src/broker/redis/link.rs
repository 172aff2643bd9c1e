//! A connection to the server that is made again whenever it breaks.

use super::{
    super::Error,
    server::{Driver, Server},
};
use crate::{
    sync::Lock,
    time::{Instant, sleep, timeout, timeout_at},
};
use ::redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, aio::MultiplexedConnection};
use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};

/// A server that restarts is asked again after this, then after twice as much …
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// … and at most this: nobody notices half a second more of an outage.
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// What a server says before it hangs up on who is one too many: an error without a code of its own.
const TOO_MANY: &str = "max number of clients";

/// May a request be sent again that may have been carried out already?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Resend {
    Yes,
    No,
}

/// One connection at a time. Requests of any number of tasks share it, and are answered in order.
pub(super) struct Link {
    server: Rc<Server>,
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
    driver: Driver,
}

/// What an error asks for.
pub(super) enum Remedy {
    /// A new connection; whether the request was carried out nobody knows.
    Reconnect,
    /// A new connection, as this server has no ear for us, or is not the master any more: the address may lead to another by now.
    Elsewhere,
    /// Patience: the server loads its data, or elects somebody.
    Wait,
    /// There is none.
    Refused,
    Full,
}

impl Link {
    pub(super) fn new(server: Rc<Server>) -> Self {
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
                    let remedy = remedy(&fault);
                    if matches!(remedy, Remedy::Reconnect | Remedy::Elsewhere) {
                        self.hang_up(number);
                    }
                    if matches!(remedy, Remedy::Reconnect) && resend == Resend::No {
                        return Err(Error::Unreachable(fault.into()));
                    }
                    fault
                }
            };
            match remedy(&fault) {
                Remedy::Full => return Err(Error::Full),
                Remedy::Refused => return Err(refusal(fault)),
                _ if Instant::now().saturating_add(pause) >= deadline => {
                    return Err(Error::Unreachable(fault.into()));
                }
                Remedy::Reconnect | Remedy::Elsewhere | Remedy::Wait => sleep(pause).await,
            }
            pause = LAST_PAUSE.min(pause * 2);
        }
    }

    /// Sees to it that there is a connection, if it can be had until then.
    pub(super) async fn reach(&self, deadline: Instant) {
        let _ = timeout_at(deadline, self.connection()).await;
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
        let (connection, driver) = self.server.connect().await?;
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

pub(super) fn remedy(fault: &RedisError) -> Remedy {
    match (fault.kind(), fault.code()) {
        (ErrorKind::Io | ErrorKind::Parse, _) => Remedy::Reconnect,
        (ErrorKind::Server(ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly), _) => Remedy::Elsewhere,
        _ if fault.detail().is_some_and(|detail| detail.contains(TOO_MANY)) => Remedy::Elsewhere,
        (
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                // Just after it was told the script: somebody has it forget them.
                | ServerErrorKind::NoScript,
            ),
            _,
        ) => Remedy::Wait,
        // Another's script takes long; its disk is full; its replicas are away.
        (_, Some("BUSY" | "MISCONF" | "NOREPLICAS")) => Remedy::Wait,
        (_, Some("OOM")) => Remedy::Full,
        _ => Remedy::Refused,
    }
}

fn refusal(fault: RedisError) -> Error {
    Error::Refused(match fault.kind() {
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
            format!("this is a node of a cluster, and another one has the queue: {fault}").into()
        }
        _ => fault.into(),
    })
}
