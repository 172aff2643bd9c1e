//! Connecting to a path, for every kind of Unix socket that connects, and patience where the system tells nobody when
//! there is room again.

use super::unix_path;
use crate::{async_fd::AsyncFd, knowledge::Knowledge, registration::Step, source::Direction, sys};
use runtime_executor::time::{Duration, Sleep, sleep};
use socket2::{SockAddr, Socket, Type};
use std::{io, os::fd::OwnedFd, path::Path};

/// How long a full queue is left alone at first.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// How long it is left alone at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The pauses between attempts at a queue that was full: 1 ms, 2 ms and so on, up to 50 ms each.
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) const fn new() -> Self {
        Self(SHORTEST_PAUSE)
    }

    pub(super) fn next(&mut self) -> Sleep {
        let pause = self.0;
        self.0 = LONGEST_PAUSE.min(pause * 2);
        sleep(pause)
    }
}

/// A socket that is connected to the listener at `path`, and does not block. If the listener's queue is full, waits until
/// there is room.
pub(super) async fn connect(path: &Path, kind: Type) -> io::Result<OwnedFd> {
    let connected = async {
        let address = unix_path::address(path)?;
        let mut pauses = Pauses::new();
        loop {
            match try_connect(&address, kind).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pauses.next().await,
                done => return done,
            }
        }
    };
    connected.await.map_err(|error| unix_path::explain("connect to", path, &error))
}

/// [`connect`] with the whole thread.
pub(super) fn blocking_connect(path: &Path, kind: Type) -> io::Result<Socket> {
    let connected = unix_path::address(path).and_then(|address| {
        let socket = sys::socket::unix(kind)?;
        socket.set_nonblocking(false)?;
        while let Err(error) = socket.connect(&address) {
            // From a full queue only, and it leaves nothing behind.
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    connected.map_err(|error| unix_path::explain("connect to", path, &error))
}

async fn try_connect(address: &SockAddr, kind: Type) -> io::Result<OwnedFd> {
    let socket = sys::socket::unix(kind)?;
    match socket.connect(address) {
        Ok(()) => return Ok(socket.into()),
        Err(error) if sys::socket::is_in_progress(&error) => {}
        Err(error) => return Err(error),
    }
    let socket = AsyncFd::of_kind(socket, Knowledge::OTHER);
    socket.register(Direction::Write)?;
    socket.writing(connect_step).await?;
    Ok(socket.into_inner().into())
}

/// Looks whether a connection under way has arrived.
fn connect_step(socket: &Socket) -> io::Result<Step<()>> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(Step::Done(())),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}
