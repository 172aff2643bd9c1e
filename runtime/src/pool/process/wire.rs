//! What a pool and its workers say to each other: packets that begin as told here, followed by what was encoded by others.
//!
//! ```text
//! pool    Setup   0  has initializer  0 0  function u32  limit u64  arguments…      descriptors: the claims, then theirs
//!         Job     1  is heavy  cell u16    index u32  number u64  function u32  arguments…
//! worker  Ready   2
//!         Failed  3  text…
//!         Begun   4  0 0 0                 index u32  number u64
//!         Answer  5  kind  0 0             index u32  number u64  result, panic or text…
//! ```
//!
//! Numbers have their low end first. Both sides are the same program; still nobody believes what can be checked.

use super::desk::JobId;
use crate::process::packet::Packet;

const SETUP: u8 = 0;
const JOB: u8 = 1;
const READY: u8 = 2;
const FAILED: u8 = 3;
const BEGUN: u8 = 4;
const ANSWER: u8 = 5;

/// What stands before the arguments of an initializer, and of a job.
pub(super) const SETUP_BYTES: usize = 16;
pub(super) const JOB_BYTES: usize = 20;
/// What stands before a result.
pub(super) const ANSWER_BYTES: usize = 16;

/// What a worker is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Setup {
    /// Whose arguments follow.
    pub(super) initializer: Option<u32>,
    /// How long an answer may be.
    pub(super) limit_bytes: u64,
}

impl Setup {
    pub(super) fn head(self) -> Vec<u8> {
        let mut head = vec![SETUP, u8::from(self.initializer.is_some()), 0, 0];
        head.extend(self.initializer.unwrap_or(0).to_le_bytes());
        head.extend(self.limit_bytes.to_le_bytes());
        head
    }

    pub(super) fn read(packet: &Packet) -> Option<Self> {
        let [SETUP, has_initializer, 0, 0, ..] = packet.bytes[..] else { return None };
        let initializer = Some(u32::from_le_bytes(field(packet, 4)?)).filter(|_| has_initializer == 1);
        Some(Self { initializer, limit_bytes: u64::from_le_bytes(field(packet, 8)?) })
    }
}

/// A job, but for its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct JobHead {
    /// The pool keeps what was sent until it hears that the job has begun.
    pub(super) is_heavy: bool,
    pub(super) cell: u16,
    pub(super) job: JobId,
    pub(super) function: u32,
}

impl JobHead {
    /// Where the arguments begin is settled before the rest is.
    pub(super) const ROOM: [u8; JOB_BYTES] = [0; JOB_BYTES];

    /// Fills in what stands before the arguments.
    pub(super) fn write(self, packet: &mut Packet) {
        let head = &mut packet.bytes[..JOB_BYTES];
        head[0] = JOB;
        head[1] = u8::from(self.is_heavy);
        head[2..4].copy_from_slice(&self.cell.to_le_bytes());
        head[4..8].copy_from_slice(&self.job.index.to_le_bytes());
        head[8..16].copy_from_slice(&self.job.number.to_le_bytes());
        head[16..20].copy_from_slice(&self.function.to_le_bytes());
    }

    pub(super) fn read(packet: &Packet) -> Option<Self> {
        let [JOB, is_heavy, ..] = packet.bytes[..] else { return None };
        Some(Self {
            is_heavy: is_heavy == 1,
            cell: u16::from_le_bytes(field(packet, 2)?),
            job: job(packet)?,
            function: u32::from_le_bytes(field(packet, 16)?),
        })
    }
}

/// What an answer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// What the function gave.
    Result,
    /// What it panicked with.
    Panic,
    /// Why it could not be called.
    Arguments,
    /// Why what it gave cannot be sent.
    Unsendable,
    /// How many bytes too long that is: a number of eight bytes.
    TooLong,
}

const KINDS: [Kind; 5] = [Kind::Result, Kind::Panic, Kind::Arguments, Kind::Unsendable, Kind::TooLong];

/// What a worker says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    Ready,
    /// The rest is text.
    Failed,
    Begun(JobId),
    /// What it is stands behind the head.
    Answer(JobId, Kind),
}

impl Word {
    pub(super) fn head(self) -> Vec<u8> {
        let (tag, kind, job) = match self {
            Self::Ready => return vec![READY],
            Self::Failed => return vec![FAILED],
            Self::Begun(job) => (BEGUN, Kind::Result, job),
            Self::Answer(job, kind) => (ANSWER, kind, job),
        };
        let mut head = Vec::with_capacity(ANSWER_BYTES + 16);
        head.extend([tag, kind as u8, 0, 0]);
        head.extend(job.index.to_le_bytes());
        head.extend(job.number.to_le_bytes());
        head
    }

    pub(super) fn read(packet: &Packet) -> Option<Self> {
        match packet.bytes[..] {
            [READY] => Some(Self::Ready),
            [FAILED, ..] => Some(Self::Failed),
            [BEGUN, 0, 0, 0, ..] => Some(Self::Begun(job(packet)?)),
            [ANSWER, kind, 0, 0, ..] => Some(Self::Answer(job(packet)?, *KINDS.get(usize::from(kind))?)),
            _ => None,
        }
    }
}

/// Text that follows a head of so many bytes. It comes from another process, so it need not be text.
pub(super) fn text(packet: &Packet, head_bytes: usize) -> String {
    String::from_utf8_lossy(packet.bytes.get(head_bytes..).unwrap_or(&[])).into_owned()
}

fn job(packet: &Packet) -> Option<JobId> {
    let index = u32::from_le_bytes(field(packet, 4)?);
    Some(JobId { index, number: u64::from_le_bytes(field(packet, 8)?) })
}

fn field<const N: usize>(packet: &Packet, at: usize) -> Option<[u8; N]> {
    packet.bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{JobHead, KINDS, Setup, Word};
    use crate::{pool::process::desk::JobId, process::packet::Packet};

    const JOB: JobId = JobId { number: 1 << 40 | 7, index: 0xA0B0_C0D0 };

    #[test]
    fn what_was_written_is_read() {
        for initializer in [None, Some(0), Some(7)] {
            let setup = Setup { initializer, limit_bytes: 1 << 33 };
            assert_eq!(Setup::read(&Packet::from(setup.head())), Some(setup));
        }
        let head = JobHead { is_heavy: true, cell: 63, job: JOB, function: 3 };
        let mut packet = Packet::from([&JobHead::ROOM[..], b"arguments"].concat());
        head.write(&mut packet);
        assert_eq!(JobHead::read(&packet), Some(head));
        assert!(packet.bytes.ends_with(b"arguments"));
        let answers = KINDS.map(|kind| Word::Answer(JOB, kind));
        for word in answers.into_iter().chain([Word::Ready, Word::Failed, Word::Begun(JOB)]) {
            assert_eq!(Word::read(&Packet::from(word.head())), Some(word));
        }
    }

    #[test]
    fn whatever_else_comes_is_nothing() {
        let answer = Word::Answer(JOB, KINDS[4]).head();
        for len in 0..answer.len() {
            assert_eq!(Word::read(&Packet::from(answer[..len].to_vec())), None, "{len}");
        }
        let mut packet = Packet::from(JobHead::ROOM.to_vec());
        JobHead { is_heavy: false, cell: 0, job: JOB, function: 3 }.write(&mut packet);
        for len in 0..packet.bytes.len() {
            assert_eq!(JobHead::read(&Packet::from(packet.bytes[..len].to_vec())), None, "{len}");
        }
        for tag in 0..=255 {
            let bytes = [[tag, 9, 0, 0].as_slice(), &[0; 30]].concat();
            let word = Word::read(&Packet::from(bytes));
            assert!(matches!(word, None | Some(Word::Failed)), "{word:?}");
        }
    }

    #[test]
    fn what_was_changed_is_refused_or_what_it_says() {
        let mut job = Packet::from([&JobHead::ROOM[..], b"arguments"].concat());
        JobHead { is_heavy: true, cell: 63, job: JOB, function: 3 }.write(&mut job);
        let setup = Setup { initializer: Some(7), limit_bytes: 1 << 33 };
        let words =
            KINDS.map(|kind| Word::Answer(JOB, kind)).into_iter().chain([Word::Ready, Word::Begun(JOB)]);
        let samples: Vec<_> = words.map(Word::head).chain([job.bytes, setup.head()]).collect();
        crate::process::fuzz::fuzz(&samples, |_, given| {
            let packet = Packet::from(given.to_vec());
            if let Some(word) = Word::read(&packet) {
                let again = word.head();
                assert_eq!(Word::read(&Packet::from(again.clone())), Some(word));
                assert!(given.starts_with(&again));
            }
            if let Some(head) = JobHead::read(&packet) {
                let mut again = Packet::from(JobHead::ROOM.to_vec());
                head.write(&mut again);
                assert_eq!(JobHead::read(&again), Some(head));
            }
            let _ = (Setup::read(&packet), super::text(&packet, 16));
        });
    }
}
