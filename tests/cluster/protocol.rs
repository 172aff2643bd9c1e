//! What a client of the fault suite asks of a worker: fixed frames, so that half a reply is told from a whole one.

use runtime::net::TcpStream;
use std::io;

/// What a worker is asked to do before it replies, if it ever does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Command {
    /// Reply, with as many bytes as the argument says.
    Echo,
    /// Sleep for so many milliseconds, then reply: a request that is in flight for long.
    Linger,
    /// Exit with this code.
    Exit,
    /// Panic out of main.
    Panic,
    Abort,
    /// Write to address zero, as far as safe code can: the signal of it.
    Segfault,
    /// Keep the thread for so many milliseconds.
    Hog,
    /// Allocate until stopped.
    Devour,
    /// Reply with the merged statistics as text.
    Stats,
    /// Write to the supervisor what no worker writes; the argument is a way to do so, see [`lie`](super::server).
    Lie,
    /// Leave a grandchild to whoever takes it, that ends by and by.
    Orphan,
    /// Compute for a while, a thousand rounds for each of the argument, then reply.
    Work,
}

impl Command {
    const ALL: [Self; 12] = [
        Self::Echo,
        Self::Linger,
        Self::Exit,
        Self::Panic,
        Self::Abort,
        Self::Segfault,
        Self::Hog,
        Self::Devour,
        Self::Stats,
        Self::Lie,
        Self::Orphan,
        Self::Work,
    ];
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Never used twice in one run of the load, also not when a client tries again.
    pub(crate) id: u64,
    pub(crate) command: Command,
    pub(crate) argument: u64,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) id: u64,
    pub(crate) pid: u32,
    /// The worker is draining: this connection has seen its last reply (`Connection: close`).
    pub(crate) is_last: bool,
    pub(crate) body: Vec<u8>,
}

/// More than any story asks for.
const MAX_BODY_BYTES: usize = 16 << 20;

impl Request {
    pub(crate) async fn write(&self, stream: &TcpStream) -> io::Result<()> {
        stream.write_all(&words([self.id, self.command as u64, self.argument])).await
    }

    /// None: the client has gone, between two requests.
    pub(crate) async fn read(stream: &TcpStream) -> io::Result<Option<Self>> {
        let mut first = [0];
        if stream.read(&mut first).await? == 0 {
            return Ok(None);
        }
        let mut frame = [0; 24];
        frame[0] = first[0];
        stream.read_exact(&mut frame[1..]).await?;
        let command = Command::ALL.get(usize::try_from(word(&frame, 1)).unwrap_or(usize::MAX));
        let command = *command.ok_or_else(|| io::Error::other("there is no such command"))?;
        Ok(Some(Self { id: word(&frame, 0), command, argument: word(&frame, 2) }))
    }
}

impl Reply {
    /// Says whether it was the last one.
    pub(crate) async fn write(&self, stream: &TcpStream) -> io::Result<bool> {
        let sum = checksum(self.id, &self.body);
        let flags = u64::from(self.pid) << 1 | u64::from(self.is_last);
        let mut frame = words([self.id, flags, self.body.len() as u64, sum]);
        frame.extend_from_slice(&self.body);
        stream.write_all(&frame).await?;
        Ok(self.is_last)
    }

    /// Fails if the reply is cut short or is not what was written.
    pub(crate) async fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut head = [0; 32];
        stream.read_exact(&mut head).await?;
        let length = usize::try_from(word(&head, 2)).ok().filter(|&length| length <= MAX_BODY_BYTES);
        let mut body = vec![0; length.ok_or_else(|| io::Error::other("no body is that long"))?];
        stream.read_exact(&mut body).await?;
        let id = word(&head, 0);
        if checksum(id, &body) != word(&head, 3) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the reply was garbled"));
        }
        let flags = word(&head, 1);
        Ok(Self { id, pid: (flags >> 1) as u32, is_last: flags & 1 == 1, body })
    }
}

fn words<const N: usize>(words: [u64; N]) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn word(frame: &[u8], index: usize) -> u64 {
    u64::from_le_bytes(frame[8 * index..][..8].try_into().expect("eight bytes"))
}

/// FNV-1a, over the id and the body.
fn checksum(id: u64, body: &[u8]) -> u64 {
    let bytes = id.to_le_bytes().into_iter().chain(body.iter().copied());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
