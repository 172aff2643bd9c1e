//! What a handler may come to.

use crate::net::{TcpStream, UnixStream};
use std::io;

/// What a handler gives: nothing, the stream, or either of them in an [`io::Result`].
///
/// A handler that gives its stream back leaves the end of the connection to the server, which closes it gracefully
/// (see [`TcpStream::graceful_close`]): a peer that is still sending then gets the whole reply. A stream that the handler
/// drops is closed at once.
///
/// An error ends its connection only. It is counted, and shown to [`Server::on_error`](super::Server::on_error).
pub trait Outcome<S>: sealed::Outcome<S> {}

impl<S, O: sealed::Outcome<S>> Outcome<S> for O {}

/// The type of what never returns, `!`, by the only way to its name.
type Never = <fn() -> ! as sealed::Returns>::Output;

pub(super) mod sealed {
    use super::io;

    pub trait Outcome<S> {
        /// The stream that is left to be closed, if any.
        fn into_rest(self) -> io::Result<Option<S>>;
    }

    pub trait Returns {
        type Output;
    }
    impl<T> Returns for fn() -> T {
        type Output = T;
    }
}

impl<S> sealed::Outcome<S> for () {
    fn into_rest(self) -> io::Result<Option<S>> {
        Ok(None)
    }
}

impl<S> sealed::Outcome<S> for Never {
    fn into_rest(self) -> io::Result<Option<S>> {
        self
    }
}

impl sealed::Outcome<Self> for TcpStream {
    fn into_rest(self) -> io::Result<Option<Self>> {
        Ok(Some(self))
    }
}

impl sealed::Outcome<Self> for UnixStream {
    fn into_rest(self) -> io::Result<Option<Self>> {
        Ok(Some(self))
    }
}

impl<S, T: sealed::Outcome<S>> sealed::Outcome<S> for io::Result<T> {
    fn into_rest(self) -> io::Result<Option<S>> {
        self.and_then(T::into_rest)
    }
}
