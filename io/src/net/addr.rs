//! What can be said where an address is wanted.

use sealed::{Query, Resolve};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// Something that names one or more socket addresses: a [`SocketAddr`], an IP address and a port, a host name and
/// a port (`("localhost", 80)`), both in one text (`"localhost:80"`, `"[::1]:80"`), or a slice of addresses to be
/// tried in turn.
///
/// IP addresses written out are understood at once; names are looked up by the system on the pool for blocking
/// calls. The trait is sealed.
///
/// ```
/// # let executor = runtime_executor::Executor::builder().build();
/// use runtime_io::net::lookup_host;
/// # executor.block_on(async {
/// let mut found = lookup_host(("127.0.0.1", 80)).await?;
/// assert_eq!(found.next(), Some("127.0.0.1:80".parse().unwrap()));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub trait ToSocketAddrs: Resolve {}

pub(crate) mod sealed {
    use std::{io, net::SocketAddr};

    /// What is to be found out.
    #[derive(Debug)]
    pub enum Query {
        /// Nothing.
        One(SocketAddr),
        /// Nothing.
        Known(Vec<SocketAddr>),
        /// The addresses of a host.
        Host(String, u16),
    }

    /// The part of [`ToSocketAddrs`](super::ToSocketAddrs) that is ours to change.
    pub trait Resolve {
        #[doc(hidden)]
        fn query(&self) -> io::Result<Query>;
    }
}

macro_rules! one_address {
    ($($address:ty),*) => {
        $(
            impl Resolve for $address {
                fn query(&self) -> io::Result<Query> {
                    Ok(Query::One((*self).into()))
                }
            }
            impl ToSocketAddrs for $address {}
        )*
    };
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl Resolve for (&str, u16) {
    fn query(&self) -> io::Result<Query> {
        let (host, port) = *self;
        // The brackets that a URL needs around an IPv6 address do no harm without one.
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(match bare.parse::<IpAddr>() {
            Ok(ip) => Query::One((ip, port).into()),
            Err(_) => Query::Host(host.to_owned(), port),
        })
    }
}
impl ToSocketAddrs for (&str, u16) {}

impl Resolve for (String, u16) {
    fn query(&self) -> io::Result<Query> {
        (self.0.as_str(), self.1).query()
    }
}
impl ToSocketAddrs for (String, u16) {}

impl Resolve for str {
    fn query(&self) -> io::Result<Query> {
        if let Ok(address) = self.parse() {
            return Ok(Query::One(address));
        }
        let host_and_port = self.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match host_and_port {
            Some((host, port)) if !host.is_empty() => (host, port).query(),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{self:?} is no address: write host:port, such as \"127.0.0.1:8080\" or \"[::1]:8080\""
                ),
            )),
        }
    }
}
impl ToSocketAddrs for str {}

impl Resolve for String {
    fn query(&self) -> io::Result<Query> {
        self.as_str().query()
    }
}
impl ToSocketAddrs for String {}

impl Resolve for [SocketAddr] {
    fn query(&self) -> io::Result<Query> {
        Ok(Query::Known(self.to_vec()))
    }
}
impl ToSocketAddrs for [SocketAddr] {}

impl<T: Resolve + ?Sized> Resolve for &T {
    fn query(&self) -> io::Result<Query> {
        (**self).query()
    }
}
impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}
