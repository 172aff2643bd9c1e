//! Values to bytes and back: what frames are made of.
//!
//! Numbers have a fixed width, least significant byte first, so there is one way to write each value and no overlong one.
//! Strings and lists are preceded by their length, which is compared with what is there before anything is allocated.
//! Whatever the bytes are, decoding gives a value or a [`Malformed`]; it neither panics nor allocates more than the frame
//! is long.

use std::{
    error::Error,
    ffi::OsString,
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    time::Duration,
};

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// They end in the middle of a value.
    Short,
    /// After the message come so many more.
    Trailing(usize),
    /// A string is not UTF-8.
    NotUtf8,
    /// There is no such variant of that type.
    UnknownTag {
        /// Of what it would be a variant.
        of: &'static str,
        /// What stands there.
        tag: u8,
    },
    /// A value that its type does not have.
    Invalid(&'static str),
}

/// Something that can be part of a message.
pub(crate) trait Wire: Sized {
    /// Appends it.
    fn put(&self, to: &mut Vec<u8>);

    /// Reads it off.
    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed>;
}

/// The message that `bytes` are, all of them.
pub(crate) fn decode<M: Wire>(bytes: &[u8]) -> Result<M, Malformed> {
    let mut rest = Bytes(bytes);
    let message = M::take(&mut rest)?;
    match rest.0.len() {
        0 => Ok(message),
        more => Err(Malformed::Trailing(more)),
    }
}

/// The bytes of a message.
pub(crate) fn encode(message: &impl Wire) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.put(&mut bytes);
    bytes
}

/// Bytes that are still to be read.
#[derive(Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next so many.
    pub(crate) fn next(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (next, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(next)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (next, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*next)
    }

    /// As many as the number before them says.
    pub(crate) fn counted(&mut self) -> Result<&'a [u8], Malformed> {
        let count = u32::take(self)?;
        self.next(usize::try_from(count).map_err(|_| Malformed::Short)?)
    }

    /// A string, without a copy.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.counted()?).map_err(|_| Malformed::NotUtf8)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Appends `bytes` with their number before them.
///
/// # Panics
/// If they are 4 GiB: no frame can carry them.
pub(crate) fn put_counted(bytes: &[u8], to: &mut Vec<u8>) {
    u32::try_from(bytes.len()).expect("what is sent is far below 4 GiB").put(to);
    to.extend_from_slice(bytes);
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
                from.array().map(Self::from_le_bytes)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, i32);

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            tag => Err(Malformed::UnknownTag { of: "bool", tag }),
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        Ok(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_ok().put(to);
        match self {
            Ok(value) => value.put(to),
            Err(error) => error.put(to),
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        Ok(if bool::take(from)? { Ok(T::take(from)?) } else { Err(E::take(from)?) })
    }
}

impl Wire for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn take(_: &mut Bytes<'_>) -> Result<Self, Malformed> {
        Ok(())
    }
}

impl Wire for String {
    fn put(&self, to: &mut Vec<u8>) {
        put_counted(self.as_bytes(), to);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        from.text().map(str::to_owned)
    }
}

impl Wire for PathBuf {
    fn put(&self, to: &mut Vec<u8>) {
        put_counted(self.as_os_str().as_bytes(), to);
    }

    /// A path with a zero byte names no file, and C would read its beginning as another.
    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        let bytes = from.counted()?;
        if bytes.contains(&0) {
            return Err(Malformed::Invalid("a path with a zero byte"));
        }
        Ok(OsString::from_vec(bytes.to_vec()).into())
    }
}

impl Wire for Duration {
    fn put(&self, to: &mut Vec<u8>) {
        self.as_secs().put(to);
        self.subsec_nanos().put(to);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        match (u64::take(from)?, u32::take(from)?) {
            (seconds, nanos @ ..1_000_000_000) => Ok(Self::new(seconds, nanos)),
            _ => Err(Malformed::Invalid("a fraction of a second that is more than one")),
        }
    }
}

impl Wire for SocketAddr {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::V4(address) => {
                to.push(4);
                to.extend_from_slice(&address.ip().octets());
                address.port().put(to);
            }
            Self::V6(address) => {
                to.push(6);
                to.extend_from_slice(&address.ip().octets());
                address.port().put(to);
                address.flowinfo().put(to);
                address.scope_id().put(to);
            }
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Malformed> {
        match u8::take(from)? {
            4 => {
                let ip = Ipv4Addr::from(from.array::<4>()?);
                Ok(SocketAddrV4::new(ip, u16::take(from)?).into())
            }
            6 => {
                let ip = Ipv6Addr::from(from.array::<16>()?);
                let (port, flow, scope) = (u16::take(from)?, u32::take(from)?, u32::take(from)?);
                Ok(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            tag => Err(Malformed::UnknownTag { of: "an address", tag }),
        }
    }
}

/// Declares an enum together with its bytes: a tag, then the fields in order. So both directions cannot disagree, and a tag
/// is written where it is visible: it must never change its meaning.
macro_rules! messages {
    ($(
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {$(
            $(#[$variant_meta:meta])*
            $tag:literal = $variant:ident $({$(
                $(#[$field_meta:meta])*
                $field:ident: $type:ty
            ),* $(,)?})?
        ),* $(,)?}
    )*) => {$(
        $(#[$meta])*
        $visibility enum $name {$(
            $(#[$variant_meta])*
            $variant $({$(
                $(#[$field_meta])*
                $field: $type
            ),*})?
        ),*}

        impl $crate::cluster::wire::codec::Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {$(
                    Self::$variant $({ $($field),* })? => {
                        to.push($tag);
                        $($($crate::cluster::wire::codec::Wire::put($field, to);)*)?
                    }
                )*}
            }

            fn take(
                from: &mut $crate::cluster::wire::codec::Bytes<'_>,
            ) -> Result<Self, $crate::cluster::wire::codec::Malformed> {
                match $crate::cluster::wire::codec::Wire::take(from)? {
                    $(
                        $tag => Ok(Self::$variant $({$(
                            $field: $crate::cluster::wire::codec::Wire::take(from)?
                        ),*})?),
                    )*
                    tag => Err($crate::cluster::wire::codec::Malformed::UnknownTag { of: stringify!($name), tag }),
                }
            }
        }
    )*};
}

pub(crate) use messages;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("it ends in the middle of a value"),
            Self::Trailing(more) => write!(f, "{more} bytes follow its end"),
            Self::NotUtf8 => f.write_str("a string in it is not UTF-8"),
            Self::UnknownTag { of, tag } => write!(f, "{tag} stands where {of} should begin"),
            Self::Invalid(what) => write!(f, "it contains {what}"),
        }
    }
}

impl Error for Malformed {}
