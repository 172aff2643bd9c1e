//! Names resolved by `hickory` on our sockets, timers and tasks, without the system's resolver, which blocks a thread for
//! each name.
//!
//! What [`runtime::net::lookup_host`] does, by `getaddrinfo` on the pool of threads, is right for most programs: it knows all
//! that the machine is configured for. `hickory` is for who asks for thousands of names at a time, for records other than
//! addresses, or for answers that are kept for as long as they are valid.
//!
//! ```no_run
//! # #[runtime::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let resolver = dns::resolver()?; // asks whom /etc/resolv.conf names
//! for exchange in resolver.mx_lookup("example.org.").await?.answers() {
//!     println!("{exchange}");
//! }
//! let stream = dns::connect(&resolver, "example.org", 80).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A resolver with its cache is cheap to clone, and may go to other threads.

mod sockets;

pub use sockets::{DatagramSocket, Stream};

use hickory_net::{
    NetError,
    runtime::{RuntimeProvider, Spawn, Time},
};
use hickory_resolver::Resolver;
use runtime::{
    net::TcpStream,
    task,
    time::{self, sleep},
};
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    time::Duration,
};

/// How long a connection to a name server may take, where the resolver does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A resolver that is configured as the system's: by `/etc/resolv.conf` and `/etc/hosts`.
///
/// Another one is made by [`Resolver::builder_with_config`], with a [`Provider`].
///
/// # Errors
/// If these files cannot be read.
pub fn resolver() -> Result<Resolver<Provider>, NetError> {
    Resolver::builder(Provider)?.build()
}

/// Connects to a host, by whichever of its addresses answers first.
///
/// # Errors
/// `NotFound` if the name has no address, other kinds if it could not be asked for, or what [`TcpStream::connect`] says.
///
/// # Cancel safety
/// Dropped while it waits, it closes what it has begun.
pub async fn connect(resolver: &Resolver<Provider>, host: &str, port: u16) -> io::Result<TcpStream> {
    let found = resolver.lookup_ip(host).await.map_err(|error| {
        let kind = match error {
            NetError::Timeout => io::ErrorKind::TimedOut,
            _ if error.is_no_records_found() => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    })?;
    let addresses: Vec<SocketAddr> = found.iter().map(|address: IpAddr| (address, port).into()).collect();
    TcpStream::connect(&addresses[..]).await
}

/// What `hickory` wants of a runtime.
///
/// # Panics
/// What is made with it, when it is used outside of a runtime of ours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Provider;

impl RuntimeProvider for Provider {
    type Handle = Tasks;
    type Timer = Timer;
    type Udp = DatagramSocket;
    type Tcp = Stream;

    fn create_handle(&self) -> Tasks {
        Tasks
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        from: Option<SocketAddr>,
        limit: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<Stream>>>> {
        let connecting = Stream::connect(server, from);
        Box::pin(async move { time::timeout(limit.unwrap_or(CONNECT_TIMEOUT), connecting).await? })
    }

    fn bind_udp(
        &self,
        local: SocketAddr,
        _server: SocketAddr,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<DatagramSocket>>>> {
        Box::pin(DatagramSocket::bind(local))
    }
}

/// Runs what serves the questions of a resolver: it ends with the last handle to that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tasks;

impl Spawn for Tasks {
    fn spawn_bg(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        // A program does not wait for it: it may be idle for as long as there is a resolver.
        task::Builder::new().name("dns").daemon(true).spawn(future).detach();
    }
}

/// Our clock, also where it is virtual.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

#[async_trait::async_trait]
impl Time for Timer {
    async fn delay_for(duration: Duration) {
        sleep(duration).await;
    }

    async fn timeout<F: 'static + Future + Send>(duration: Duration, future: F) -> io::Result<F::Output> {
        Ok(time::timeout(duration, future).await?)
    }
}
