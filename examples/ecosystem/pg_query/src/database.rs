//! A server that is there for longer than a session.

use crate::{OpenError, Session};
use runtime::{
    sync::Lock,
    time::{Duration, Instant, sleep, timeout},
};
use std::rc::Rc;
use tokio_postgres::Config;

/// How long it is waited before the second attempt; each further time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// But no longer: a server that is back should soon be found.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long a server may be away, unless somebody says otherwise: a restart takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and a session with it: opened when it is needed, and anew when the last one has ended.
///
/// ```no_run
/// use pg_query::Database;
///
/// # #[runtime::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let database = Database::new("host=localhost user=postgres".parse()?);
/// // Whatever may be done twice may be tried again, by the next session.
/// while let Err(error) = database.session().await?.execute("DELETE FROM visits WHERE day < now()", &[]).await {
///     if !error.is_closed() {
///         return Err(error.into());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Database {
    config: Config,
    patience: Duration,
    session: Lock<Option<Rc<Session>>>,
}

impl Database {
    /// One that nobody has asked for anything yet.
    pub fn new(config: Config) -> Self {
        Self { config, patience: PATIENCE, session: Lock::new(None) }
    }

    /// How long [`session`](Self::session) tries to reach a server that is away, or does not answer; 30 seconds if nobody says.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The session, to be used at once and not to be kept: the next statement asks again.
    ///
    /// While the server is away it is tried again and again, by one task; the others wait for that one.
    ///
    /// # Errors
    /// What the server says against us; or why it is not to be reached, when the patience is at its end.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it has opened nothing.
    pub async fn session(&self) -> Result<Rc<Session>, OpenError> {
        // Who waits for another task's attempts has no more patience than that one.
        let start = Instant::now();
        let mut current = self.session.acquire().await;
        if let Some(session) = current.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Rc::clone(session));
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let rest = self.patience.saturating_sub(start.elapsed());
            // Where nothing answers at all, the configuration need not have a limit.
            let opened = timeout(rest, Session::open(&self.config)).await;
            match opened.unwrap_or_else(|elapsed| Err(OpenError::Unreachable(elapsed.into()))) {
                Ok(session) => return Ok(Rc::clone(current.insert(Rc::new(session)))),
                Err(error) if error.is_passing() && start.elapsed() + pause < self.patience => {
                    sleep(pause).await;
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
