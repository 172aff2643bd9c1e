//! One host with several addresses: tried one beside the other, without waiting for each to give up by itself, which takes
//! minutes where packets are thrown away (RFC 8305, "Happy Eyeballs").

use super::connect::AddressError;
use runtime_executor::time::{Sleep, sleep};
use std::{
    collections::VecDeque,
    error::Error,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// How long [`TcpStream::connect`](super::TcpStream::connect) gives an address before it tries the next one beside it:
/// what RFC 8305 recommends, in section 5.
pub const CONNECT_STAGGER: Duration = Duration::from_millis(250);

/// How many addresses of a host [`TcpStream::connect`](super::TcpStream::connect) tries beside each other, so that one
/// connection never takes more descriptors than that. While all of them are silent, for at least 1.75 s, the next address waits
/// until one has failed.
pub const MAX_CONNECT_ATTEMPTS: usize = 8;

/// Puts the addresses of a host in the order in which they are to be tried: by turns of both families, beginning with that
/// of the first, and each family in the order of the system's resolver (RFC 8305, section 4).
pub(super) fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses = addresses.peekable();
    let first_is_v6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.partition(|address| address.is_ipv6() == first_is_v6);
    let mut other = other.into_iter();
    let mut order: VecDeque<_> =
        one.into_iter().flat_map(|address| [Some(address), other.next()]).flatten().collect();
    order.extend(other);
    order
}

/// Tries addresses until one answers. The next is begun as soon as one has failed, or [`CONNECT_STAGGER`] after the one
/// before unless [`MAX_CONNECT_ATTEMPTS`] run. Dropped, or when one has answered, all others are dropped.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Attempts<S, F> {
    start: S,
    /// Not begun yet.
    rest: VecDeque<SocketAddr>,
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    failed: Vec<AddressError>,
    /// Over when the next is to be begun; there is one while something runs and something is left.
    patience: Option<Sleep>,
}

impl<S, F> Attempts<S, F> {
    pub(super) fn new(addresses: VecDeque<SocketAddr>, start: S) -> Self {
        Self { start, rest: addresses, running: Vec::new(), failed: Vec::new(), patience: None }
    }
}

/// `start` is only called, and what runs is pinned by itself.
impl<S, F> Unpin for Attempts<S, F> {}

impl<T, S, F> Attempts<S, F>
where
    S: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    /// Polls what runs; ready with what has answered. Those that fail are put aside.
    fn poll_running(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let mut number = 0;
        while let Some((address, attempt)) = self.running.get_mut(number) {
            match attempt.as_mut().poll(context) {
                Poll::Pending => number += 1,
                Poll::Ready(Ok(answer)) => return Poll::Ready(answer),
                Poll::Ready(Err(error)) => {
                    self.failed.push(AddressError { verb: "connect to", address: *address, error });
                    drop(self.running.remove(number));
                    self.patience = None;
                }
            }
        }
        Poll::Pending
    }

    /// Ready when the next address is to be tried.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.patience {
            Some(patience) if !self.running.is_empty() => Pin::new(patience).poll(context),
            _ => Poll::Ready(()),
        }
    }
}

impl<T, S, F> Future for Attempts<S, F>
where
    S: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Poll::Ready(answer) = self.poll_running(context) {
                return Poll::Ready(Ok(answer));
            }
            let is_full = self.running.len() >= MAX_CONNECT_ATTEMPTS;
            let is_last = self.rest.is_empty() && !self.running.is_empty();
            if is_full || is_last || self.poll_patience(context).is_pending() {
                return Poll::Pending;
            }
            let Some(address) = self.rest.pop_front() else {
                return Poll::Ready(Err(NoneAnswered::error(std::mem::take(&mut self.failed))));
            };
            let attempt = Box::pin((self.start)(address));
            self.running.push((address, attempt));
            self.patience = Some(sleep(CONNECT_STAGGER));
        }
    }
}

/// Why each of several addresses could not be connected to, in the order of failing.
#[derive(Debug)]
struct NoneAnswered(Vec<AddressError>);

impl NoneAnswered {
    /// Of the kind that the last failure had.
    fn error(mut failed: Vec<AddressError>) -> io::Error {
        match &failed[..] {
            [_, .., last] if !last.is_ours() => io::Error::new(last.error.kind(), Self(failed)),
            _ => AddressError::last(failed.pop(), "there is no address to connect to"),
        }
    }
}

impl fmt::Display for NoneAnswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to any of {} addresses", self.0.len())?;
        for (number, failed) in self.0.iter().enumerate() {
            write!(f, "{} {}: {}", if number == 0 { ":" } else { ";" }, failed.address, failed.error)?;
        }
        Ok(())
    }
}

impl Error for NoneAnswered {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.last().map(|last| last as _)
    }
}

#[cfg(test)]
mod tests;
