//! Names to addresses, by the system's resolver, which blocks and so runs on the pool for blocking calls.

use super::addr::{ToSocketAddrs, sealed::Query};
use crate::handle_error::HandleError;
use runtime_executor::{current, spawn_blocking};
use runtime_sync::shared::oneshot;
use std::{
    io,
    net::{self, SocketAddr},
    vec,
};

/// Looks up the addresses that `host` names, in the order the system prefers. At least one, or an error.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// # executor.block_on(async {
/// let found = runtime_io::net::lookup_host("[::1]:53").await?;
/// assert_eq!(found.collect::<Vec<_>>(), ["[::1]:53".parse().unwrap()]);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a text without a port, `NotFound` for a name without an address, or what the system's
/// resolver says; the message names the host.
///
/// # Cancel safety
/// Dropped while it waits, it leaves the resolver's thread to finish by itself and to forget the answer.
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<Addresses> {
    answer(host.query()?).await
}

pub(super) async fn answer(query: Query) -> io::Result<Addresses> {
    match query {
        Query::One(address) => Ok(Addresses(Found::One(Some(address)))),
        Query::Known(addresses) => Ok(Addresses(Found::Many(addresses.into_iter()))),
        Query::Host(host, port) => ask_system(host, port).await,
    }
}

/// Not through the handle of the job: it stays on this thread, while this future may be sent.
async fn ask_system(host: String, port: u16) -> io::Result<Addresses> {
    if !current::is_entered() {
        return Err(HandleError::NoRuntime.into());
    }
    let (answer, answered) = oneshot::channel();
    let name = host.clone();
    let job = move || {
        // Nobody waits any more: spare the thread the wait.
        if !answer.is_closed() {
            let _ = answer.send(net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), port)));
        }
    };
    spawn_blocking(job).detach();
    let found = answered.await.map_err(|_| {
        io::Error::other(
            "the look-up was not done: the system has no thread for it, or the runtime has ended",
        )
    })?;
    let found = found.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot look up the address of {host:?}: {error}"))
    })?;
    if found.len() == 0 {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host:?} has no address")));
    }
    Ok(Addresses(Found::Many(found)))
}

/// The addresses that [`lookup_host`] found.
#[derive(Debug, Clone)]
pub struct Addresses(Found);

#[derive(Debug, Clone)]
enum Found {
    One(Option<SocketAddr>),
    Many(vec::IntoIter<SocketAddr>),
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match &mut self.0 {
            Found::One(address) => address.take(),
            Found::Many(addresses) => addresses.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Found::One(address) => usize::from(address.is_some()),
            Found::Many(addresses) => addresses.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Addresses {}
