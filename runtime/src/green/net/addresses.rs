//! Names to addresses, without keeping the thread from others while the system looks them up.

use crate::greenlet;
use std::{
    io, iter,
    net::{self, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    option, slice, vec,
};

/// [`std::net::ToSocketAddrs`] for the same types; a name that is looked up parks the greenlet.
///
/// ```
/// use runtime::green::net::ToSocketAddrs;
/// let found = runtime::greenlet::run(|| "127.0.0.1:80".to_socket_addrs().map(|found| found.count()));
/// assert_eq!(runtime::run(found)?, 1);
/// # std::io::Result::Ok(())
/// ```
pub trait ToSocketAddrs {
    /// The addresses, in the order in which they are to be tried.
    type Iter: Iterator<Item = SocketAddr>;

    /// Finds the addresses.
    ///
    /// # Errors
    /// `InvalidInput` for a text without a port, or what the system's resolver says.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

macro_rules! one_address {
    ($($address:ty),*) => {
        $(
            impl ToSocketAddrs for $address {
                type Iter = option::IntoIter<SocketAddr>;

                fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
                    Ok(Some((*self).into()).into_iter())
                }
            }
        )*
    };
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

/// Looked up: by the pool for blocking calls in a greenlet, else right here.
fn look_up(
    host: impl crate::net::ToSocketAddrs + net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>>,
) -> io::Result<vec::IntoIter<SocketAddr>> {
    if greenlet::is_inside() {
        let found = greenlet::wait(crate::net::lookup_host(host))?;
        return Ok(found.collect::<Vec<_>>().into_iter());
    }
    host.to_socket_addrs()
}

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        look_up(*self)
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        look_up((self.0.as_str(), self.1))
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        look_up(self)
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        look_up(self.as_str())
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = iter::Copied<slice::Iter<'a, SocketAddr>>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().copied())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}
