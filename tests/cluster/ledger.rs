//! Clients' accounts against workers' journals: who lost what.

use super::{
    journal::Record,
    load::{Failure, Seen, Stage},
};
use std::{collections::HashMap, fmt, io, time::Duration};

/// A worker's end that the story brought about.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    pub(crate) at: Duration,
    /// The clients' ports of the connections that it had accepted, as the kernel has them: it may have died before it wrote
    /// the last of them down.
    pub(crate) held: Vec<u16>,
    /// It served: one that was killed while it started leaves nobody waiting for a replacement of its own.
    pub(crate) was_ready: bool,
}

/// What came out of it. `Display` is what the long forms print.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) acknowledged: usize,
    pub(crate) requests_per_second: f64,
    pub(crate) connections: usize,
    pub(crate) workers: usize,
    /// Acknowledged, but in no journal.
    pub(crate) lost: Vec<u64>,
    /// In the journals twice.
    pub(crate) duplicated: Vec<u64>,
    /// Connections that could not be made.
    pub(crate) refused: usize,
    /// Connections that were established, then reset, and that no worker had accepted.
    pub(crate) reset_in_queue: usize,
    /// Requests that the end of a worker cut off: carried out, or on a connection that a worker had accepted.
    pub(crate) cut_off: usize,
    /// Failures that no kill explains: replies cut short, time-outs, resets out of the blue.
    pub(crate) unexplained: Vec<Failure>,
    pub(crate) slowest: Duration,
    /// From each kill to the next worker that accepts.
    pub(crate) replaced_after: Vec<Duration>,
}

/// A failure so long after a kill is not its doing.
const AFTERMATH: Duration = Duration::from_secs(2);

impl Ledger {
    pub(crate) fn draw_up(seen: Seen, journal: &[(u32, Record)], kills: &[Kill]) -> Self {
        let mut executed: HashMap<u64, u32> = HashMap::new();
        let mut accepted: HashMap<u16, usize> = HashMap::new();
        let mut ready = Vec::new();
        for (_, record) in journal {
            match *record {
                Record::Executed(id) => *executed.entry(id).or_default() += 1,
                Record::Accepted(port) => *accepted.entry(port).or_default() += 1,
                Record::Ready(at) => ready.push(at),
            }
        }
        let mut connected: HashMap<u16, usize> = HashMap::new();
        for &port in &seen.connected {
            *connected.entry(port).or_default() += 1;
        }
        let mut ledger = Self {
            acknowledged: seen.acknowledged.len(),
            requests_per_second: seen.requests_per_second(),
            connections: seen.connected.len(),
            workers: ready.len(),
            lost: seen.acknowledged.iter().copied().filter(|id| !executed.contains_key(id)).collect(),
            duplicated: executed.iter().filter(|&(_, &times)| times > 1).map(|(&id, _)| id).collect(),
            slowest: seen.slowest,
            replaced_after: replacements(ready, kills),
            ..Self::default()
        };
        for failure in seen.failures {
            // A port may be used again, so it is accepted as often as it was connected, or somebody was left out.
            let mut recent = kills.iter().filter(|kill| (kill.at..kill.at + AFTERMATH).contains(&failure.at));
            let is_after_kill = recent.clone().next().is_some();
            let was_held = recent.any(|kill| kill.held.contains(&failure.port));
            let was_accepted = was_held || accepted.get(&failure.port) >= connected.get(&failure.port);
            let is_end = matches!(
                failure.kind,
                io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe
            );
            match failure.stage {
                Stage::Connecting => ledger.refused += 1,
                Stage::First if is_end && !was_accepted => ledger.reset_in_queue += 1,
                _ if is_end && is_after_kill => ledger.cut_off += 1,
                _ => ledger.unexplained.push(failure),
            }
        }
        ledger
    }

    /// Nothing that was promised was broken; what a kill cuts off was never promised.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.duplicated.is_empty()
            && self.refused == 0
            && self.reset_in_queue == 0
            && self.unexplained.is_empty()
    }
}

/// For each kill the first readiness after it that no earlier kill has claimed.
fn replacements(mut ready: Vec<Duration>, kills: &[Kill]) -> Vec<Duration> {
    ready.sort_unstable();
    let mut kills: Vec<Duration> = kills.iter().filter(|kill| kill.was_ready).map(|kill| kill.at).collect();
    kills.sort_unstable();
    let mut ready = ready.into_iter().peekable();
    kills
        .into_iter()
        .filter_map(|kill| {
            while ready.next_if(|&at| at < kill).is_some() {}
            ready.next().map(|at| at - kill)
        })
        .collect()
}

/// The value that so many in a hundred do not exceed; zero of nothing.
pub(crate) fn percentile(values: &[Duration], percent: usize) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "acknowledged        {:>9}  ({:.0}/s)", self.acknowledged, self.requests_per_second)?;
        writeln!(f, "connections         {:>9}", self.connections)?;
        writeln!(f, "worker lives        {:>9}", self.workers)?;
        writeln!(f, "lost                {:>9}", self.lost.len())?;
        writeln!(f, "duplicated          {:>9}", self.duplicated.len())?;
        writeln!(f, "refused             {:>9}", self.refused)?;
        writeln!(f, "reset in the queue  {:>9}", self.reset_in_queue)?;
        writeln!(f, "cut off by a kill   {:>9}", self.cut_off)?;
        writeln!(f, "unexplained         {:>9}", self.unexplained.len())?;
        for failure in self.unexplained.iter().take(10) {
            writeln!(f, "    {failure:?}")?;
        }
        write!(f, "slowest reply       {:>9.1?}", self.slowest)?;
        if !self.replaced_after.is_empty() {
            let [p50, p99] = [50, 99].map(|percent| percentile(&self.replaced_after, percent));
            let longest = percentile(&self.replaced_after, 100);
            write!(f, "\nreplaced after      p50 {p50:.1?}, p99 {p99:.1?}, longest {longest:.1?}")?;
        }
        Ok(())
    }
}
