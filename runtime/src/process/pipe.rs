//! Pipes for values: what `multiprocessing.Pipe` is.

use super::{
    luggage,
    packet::{Packets, Side, within},
    transfer::{RecvError, SendError, decode, encode},
};
use crate::time::Duration;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::{
    fmt, io,
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Two ends of a pipe for values of type `T`, which go both ways.
///
/// An end is given to another process as an argument, or within any other value that is sent there. It is moved: what is not
/// given away, and no more needed, is dropped, and when nobody has the other end any more, [`recv`](Pipe::recv) says so.
/// Children get the ends that are given to them and no others, so nothing keeps that from happening.
///
/// ```
/// # #[cfg(not(target_vendor = "apple"))] {
/// use runtime::process::{RecvError, pipe};
///
/// #[runtime::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (ours, theirs) = pipe::<(u32, String)>()?;
///     ours.send(&(1, "one".to_owned())).await?;
///     drop(ours);
///
///     // In another process, most of the time.
///     assert_eq!(theirs.recv().await?, (1, "one".to_owned()));
///     assert!(matches!(theirs.recv().await, Err(RecvError::Closed)));
///     Ok(())
/// }
/// # }
/// ```
///
/// # Errors
/// If the process or the system has no descriptor left; `Unsupported` on Apple's systems, which have no sockets that keep
/// packets apart (`SOCK_SEQPACKET`).
pub fn pipe<T>() -> io::Result<(Pipe<T>, Pipe<T>)> {
    let (one, other) = Packets::pair()?;
    Ok((Pipe::wrap(one), Pipe::wrap(other)))
}

/// One end of a [`pipe`].
///
/// - A value arrives as a whole or not at all: nobody meets a part of one, whoever is killed and when.
/// - What was sent is in the system's keeping, and arrives even if its sender ends at once.
/// - Several tasks, threads and processes may send and receive on the same end; each value arrives once.
/// - In the system's buffer lie some 200 kB; who sends more waits until something was received. A value of more than 64 KiB
///   counts little there, as it goes into a file in memory.
///
/// Each of these can be awaited, tried, or waited for with the thread (`blocking_…`, for code outside of any runtime, such as
/// the function of a child: in a task it would stall all others; a greenlet is suspended instead). A runtime in which it was
/// awaited has it from then on: elsewhere what awaits says [`HandleError`](runtime_io::HandleError), and the other forms go on.
pub struct Pipe<T> {
    packets: Packets,
    kind: PhantomData<fn(T) -> T>,
}

impl<T> Pipe<T> {
    fn wrap(packets: Packets) -> Self {
        Self { packets, kind: PhantomData }
    }

    /// Allows values of so many bytes, as they are sent, instead of 64 MiB. It holds for what this end sends, and for what it
    /// receives: a longer one is refused before memory is asked for.
    #[must_use]
    pub fn max_message(self, bytes: usize) -> Self {
        Self::wrap(self.packets.with_limit(bytes))
    }

    /// Whether a value, or the end, can be received without waiting: Python's `poll`.
    ///
    /// # Errors
    /// What the system says.
    pub fn is_readable(&self) -> io::Result<bool> {
        self.packets.is_ready(Side::Receive, Some(Duration::ZERO))
    }
}

impl<T: Serialize> Pipe<T> {
    /// Sends a value, as soon as there is room.
    ///
    /// # Errors
    /// `Closed` if nobody has the other end, `Unsendable`, `Io`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was sent.
    pub async fn send(&self, value: &T) -> Result<(), SendError> {
        Ok(self.packets.send(encode(value)?).await?)
    }

    /// Sends a value, if there is room.
    ///
    /// # Errors
    /// `Full`, or as [`send`](Self::send).
    pub fn try_send(&self, value: &T) -> Result<(), SendError> {
        Ok(self.packets.try_send(encode(value)?)?)
    }

    /// [`send`](Self::send), for at most `limit`.
    ///
    /// # Errors
    /// `Elapsed`, or as there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn send_timeout(&self, value: &T, limit: Duration) -> Result<(), SendError> {
        Ok(within(Some(limit), self.packets.send(encode(value)?)).await?)
    }

    /// [`send`](Self::send), waiting with the thread.
    ///
    /// # Errors
    /// As there.
    pub fn blocking_send(&self, value: &T) -> Result<(), SendError> {
        Ok(self.packets.blocking_send(encode(value)?, None)?)
    }

    /// [`send`](Self::send), waiting with the thread for at most `limit`.
    ///
    /// # Errors
    /// `Elapsed`, or as there.
    pub fn blocking_send_timeout(&self, value: &T, limit: Duration) -> Result<(), SendError> {
        Ok(self.packets.blocking_send(encode(value)?, Some(limit))?)
    }
}

impl<T: DeserializeOwned> Pipe<T> {
    /// Takes the next value, when there is one.
    ///
    /// # Errors
    /// `Closed` if nobody has the other end any more and everything was received: Python's `EOFError`. `Unreadable`, `Io`.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was taken.
    pub async fn recv(&self) -> Result<T, RecvError> {
        decode(self.packets.recv().await)
    }

    /// Takes the next value, if there is one.
    ///
    /// # Errors
    /// `Empty`, or as [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<T, RecvError> {
        decode(self.packets.try_recv())
    }

    /// [`recv`](Self::recv), for at most `limit`.
    ///
    /// # Errors
    /// `Elapsed`, or as there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn recv_timeout(&self, limit: Duration) -> Result<T, RecvError> {
        decode(within(Some(limit), self.packets.recv()).await)
    }

    /// [`recv`](Self::recv), waiting with the thread.
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// # #[cfg(not(target_vendor = "apple"))] {
    /// let (ours, theirs) = runtime::process::pipe::<f64>()?;
    /// let other = std::thread::spawn(move || theirs.blocking_send(&0.5));
    /// assert_eq!(ours.blocking_recv().unwrap(), 0.5);
    /// other.join().unwrap().unwrap();
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn blocking_recv(&self) -> Result<T, RecvError> {
        decode(self.packets.blocking_recv(None))
    }

    /// [`recv`](Self::recv), waiting with the thread for at most `limit`.
    ///
    /// # Errors
    /// `Elapsed`, or as there.
    pub fn blocking_recv_timeout(&self, limit: Duration) -> Result<T, RecvError> {
        decode(self.packets.blocking_recv(Some(limit)))
    }
}

impl<T> AsFd for Pipe<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.packets.as_fd()
    }
}

impl<T> From<Pipe<T>> for OwnedFd {
    /// Takes the socket out, to hand it to another runtime, or to a process that is not started by ours.
    fn from(pipe: Pipe<T>) -> Self {
        pipe.packets.into_fd()
    }
}

impl<T> TryFrom<OwnedFd> for Pipe<T> {
    type Error = io::Error;

    /// An end from elsewhere: a Unix socket for packets.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Packets::from_fd(fd).map(Self::wrap)
    }
}

impl<T> Serialize for Pipe<T> {
    /// A duplicate of this end, for another process. It fails wherever else a value is serialised.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.packets.limit_bytes() as u64, luggage::Loan(self.as_fd())).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Pipe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (limit_bytes, end) = <(u64, luggage::Descriptor)>::deserialize(deserializer)?;
        let packets = Packets::from_fd(end.0).map_err(|error| luggage::refuse(&error))?;
        Ok(Self::wrap(packets.with_limit(usize::try_from(limit_bytes).unwrap_or(usize::MAX))))
    }
}

impl<T> fmt::Debug for Pipe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("fd", &self.as_fd()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Pipe, pipe};
    use crate::process::{
        SendError,
        luggage::{decode, encode},
    };

    #[test]
    fn an_end_that_was_sent_has_the_limit_that_it_had() {
        let (ours, theirs) = pipe::<String>().unwrap();
        let theirs = theirs.max_message(3);
        let sent: Pipe<String> = decode(encode(&theirs).unwrap()).unwrap();
        drop(theirs);
        assert!(matches!(sent.try_send(&"abc".to_owned()), Err(SendError::Unsendable(_))));
        assert!(!ours.is_readable().unwrap());
        sent.try_send(&"ab".to_owned()).unwrap();
        assert!(ours.is_readable().unwrap());
        assert_eq!(ours.try_recv().unwrap(), "ab");
        drop(sent);
        assert!(ours.is_readable().unwrap(), "the end");
    }
}
