//! What happened in a simulation, so that two runs can be compared.

use std::{
    fmt::{self, Write},
    time::Duration,
};

/// Lines kept of one run: more than anybody reads, and at 40 bytes a line no burden. What comes later still counts for
/// the hash.
const MAX_LINES: u64 = 1_000_000;

/// What happened in a simulation: who took a turn, in which order, at which virtual time, and what the program
/// [noted](crate::testing::note). Two runs of one seed have the same transcript, byte for byte, or the program draws on
/// something that the seed does not determine.
///
/// ```
/// use runtime::{spawn, testing::{Sim, note}};
///
/// let program = || async {
///     spawn(async { note("in the task") }).await.unwrap();
/// };
/// let (_, transcript) = Sim::new().seed(7).record(program).unwrap();
/// assert_eq!(transcript.to_string(), "0ns: main\n0ns: 1\nin the task\n0ns: main\n");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Transcript {
    hash: u64,
    turns: u64,
    lines: u64,
    /// Kept only when recording.
    text: Option<String>,
}

impl Transcript {
    pub(super) fn new(recording: bool) -> Self {
        Self { hash: 0, turns: 0, lines: 0, text: recording.then(String::new) }
    }

    /// Stands for the whole transcript: different ones have, almost surely, different hashes.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many turns the loop took; in each, everybody who was ready ran once.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// A turn begins, at that time, for these tasks in that order.
    pub(super) fn turn(&mut self, at: Duration, tasks: impl Iterator<Item = u64> + Clone) {
        self.turns += 1;
        self.mix(at.as_nanos() as u64);
        tasks.clone().for_each(|task| self.mix(task));
        self.mix(u64::MAX); // ends the turn
        self.write(|text| {
            write!(text, "{at:?}:")?;
            for task in tasks {
                if task == 0 { text.write_str(" main") } else { write!(text, " {task}") }?;
            }
            text.write_char('\n')
        });
    }

    /// The program has something to say.
    pub(super) fn note(&mut self, line: &dyn fmt::Display) {
        let line = line.to_string();
        line.bytes().for_each(|byte| self.mix(u64::from(byte)));
        self.write(|text| writeln!(text, "{line}"));
    }

    fn mix(&mut self, value: u64) {
        self.hash = (self.hash.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write(&mut self, line: impl FnOnce(&mut String) -> fmt::Result) {
        self.lines += 1;
        if let Some(text) = &mut self.text
            && self.lines <= MAX_LINES
        {
            line(text).expect("a string takes everything");
        }
    }

    /// The first line that differs, of both; `None` if none of those that were kept does.
    pub(super) fn first_difference(&self, other: &Self) -> Option<String> {
        let (mut ours, mut theirs) = (self.text.as_ref()?.lines(), other.text.as_ref()?.lines());
        for number in 1.. {
            match (ours.next(), theirs.next()) {
                (None, None) => break,
                (one, two) if one == two => {}
                (one, two) => {
                    let (one, two) = (one.unwrap_or("(its end)"), two.unwrap_or("(its end)"));
                    return Some(format!(
                        "line {number} of the transcript was once `{one}` and once `{two}`"
                    ));
                }
            }
        }
        None
    }
}

/// The lines, if they were [recorded](crate::testing::Sim::record): for each turn the virtual time since the start and
/// the tasks by number, and what was noted.
impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.as_deref().unwrap_or_default())
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript")
            .field("turns", &self.turns)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}
