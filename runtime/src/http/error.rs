//! What of the ends of connections is told to [`on_error`](super::Serve::on_error).

use hyper::Error;
use std::{error::Error as _, io};

/// The outcome of a connection, for the server's books. That a client leaves, in the middle of something too, is no news; what
/// it should not have sent, and what the service or a body failed of, is.
pub(super) fn worth_telling(outcome: Result<(), Error>) -> io::Result<()> {
    let Err(error) = outcome else { return Ok(()) };
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() || error.is_shutdown() {
        return Ok(());
    }
    let kind = if error.is_timeout() {
        io::ErrorKind::TimedOut
    } else if error.is_parse() {
        io::ErrorKind::InvalidData
    } else {
        kind_of_source(&error)
    };
    unless_left(io::Error::new(kind, error))
}

/// The error, unless it says that the peer has left.
pub(super) fn unless_left(error: io::Error) -> io::Result<()> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof => Ok(()),
        _ => Err(error),
    }
}

/// What the system said, if it did; or that HTTP/2 was spoken otherwise than it is.
fn kind_of_source(error: &Error) -> io::ErrorKind {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return cause.kind();
        }
        if cause.downcast_ref::<h2::Error>().is_some_and(h2::Error::is_library) {
            return io::ErrorKind::InvalidData;
        }
        source = cause.source();
    }
    io::ErrorKind::Other
}
