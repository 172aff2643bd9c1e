//! The time that a handshake may take.

use crate::time::timeout;
use std::{error::Error, fmt, future::Future, io, time::Duration};

/// How long a handshake may take unless said otherwise: as long as Go's HTTP client allows. It is two round trips and some
/// milliseconds of arithmetic, so whoever needs longer has lost several packets in a row, or wants to keep us waiting.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// A handshake was not over in time, and has been given up. In an [`io::Error`] of kind
/// [`TimedOut`](io::ErrorKind::TimedOut).
///
/// ```
/// use runtime::{io, tls::HandshakeTimedOut};
/// use std::time::Duration;
///
/// let error = io::Error::from(HandshakeTimedOut(Duration::from_secs(10)));
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// assert_eq!(error.to_string(), "the TLS handshake was not over within 10s");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandshakeTimedOut(
    /// How long it was allowed to take.
    pub Duration,
);

impl fmt::Display for HandshakeTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the TLS handshake was not over within {:?}", self.0)
    }
}

impl Error for HandshakeTimedOut {}

impl From<HandshakeTimedOut> for io::Error {
    fn from(late: HandshakeTimedOut) -> Self {
        Self::new(io::ErrorKind::TimedOut, late)
    }
}

/// The outcome of a handshake that takes no longer than `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    handshake: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout(limit, handshake).await.unwrap_or_else(|_| Err(HandshakeTimedOut(limit).into()))
}

#[track_caller]
pub(super) fn refuse_zero(limit: Duration) {
    assert!(!limit.is_zero(), "no handshake takes no time: give it some seconds");
}
