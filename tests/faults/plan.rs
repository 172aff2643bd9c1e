//! Which call is to fail, and what became of it. It lies in memory that forked children share: a call that fails between
//! `fork` and `exec` counts like any other.

use super::{
    calls::{CALLS, Call, Fault},
    interpose,
};
use std::{
    fmt,
    sync::atomic::{
        AtomicI32, AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};

/// What is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Calls are counted, and all of them let through.
    Count,
    /// The n-th call, counted from 1, goes wrong in the way with this number.
    Nth { n: u32, way: u32 },
    /// About every second of the calls that know this fault has it; in no rhythm, or a loop could keep in step with it.
    Each(Each),
    /// One call of so many goes wrong, which and how depends on the seed.
    Random { seed: u64, one_of: u32 },
}

/// What a caller need not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Each {
    Interrupted,
    Again,
    Short,
}

impl Each {
    pub(crate) const ALL: [Self; 3] = [Self::Interrupted, Self::Again, Self::Short];

    fn is(self, fault: Fault) -> bool {
        match self {
            Self::Interrupted => fault.errno() == Some(nix::libc::EINTR),
            Self::Again => fault == Fault::Again,
            Self::Short => fault == Fault::Short,
        }
    }
}

/// What a call is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Wrong(Fault),
}

const OFF: u32 = 0;
const COUNT: u32 = 1;
const NTH: u32 = 2;
const EACH: u32 = 3;
const RANDOM: u32 = 4;

/// Calls that are remembered, for the report.
const TRACE: usize = 64;

/// The plan and what has come of it, as all processes see it.
#[derive(Debug)]
pub(crate) struct State {
    mode: AtomicU32,
    n: AtomicU32,
    way: AtomicU32,
    seed: AtomicU64,
    calls: AtomicU32,
    /// Of each call, how often it was there to have the fault of an [`Each`].
    known: [AtomicU32; CALLS.len()],
    injected: AtomicU32,
    /// The n-th call has no such way to go wrong.
    is_out_of_ways: AtomicU32,
    /// Of the last fault: the number of the call, and of the way.
    last: [AtomicU32; 2],
    trace: [Entry; TRACE],
}

#[derive(Debug)]
struct Entry {
    call: AtomicU32,
    fd: AtomicI32,
    /// 0 if it was let through, else one more than the number of the way.
    way: AtomicU32,
}

/// What a run came to, as far as system calls go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) calls: u32,
    pub(crate) injected: u32,
    pub(crate) is_out_of_ways: bool,
    /// The last fault.
    pub(crate) fault: Option<(Call, Fault)>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((call, fault)) = self.fault else { return write!(f, "no fault") };
        write!(f, "{} ", call.name())?;
        match fault.errno() {
            Some(errno) => write!(f, "{:?}", nix::errno::Errno::from_raw(errno)),
            None => write!(f, "short"),
        }
    }
}

/// From now on.
pub(crate) fn begin(plan: Plan) {
    let state = interpose::state();
    let (mode, n, way, seed) = match plan {
        Plan::Count => (COUNT, 0, 0, 0),
        Plan::Nth { n, way } => (NTH, n, way, 0),
        Plan::Each(each) => (EACH, 0, each as u32, 0),
        Plan::Random { seed, one_of } => (RANDOM, one_of, 0, seed),
    };
    let counters = [&state.calls, &state.injected, &state.is_out_of_ways];
    for counter in counters.into_iter().chain(&state.known) {
        counter.store(0, SeqCst);
    }
    state.n.store(n, SeqCst);
    state.way.store(way, SeqCst);
    state.seed.store(seed, SeqCst);
    state.mode.store(mode, SeqCst);
}

/// All calls are let through, and not even counted.
pub(crate) fn end() -> Seen {
    interpose::state().mode.store(OFF, SeqCst);
    seen()
}

pub(crate) fn seen() -> Seen {
    let state = interpose::state();
    let injected = state.injected.load(SeqCst);
    let [call, way] = [0, 1].map(|at| state.last[at].load(SeqCst));
    let fault = Call::of_number(call).filter(|_| injected > 0).and_then(|call| {
        let fault = call.faults().get(usize::try_from(way).ok()?)?;
        Some((call, *fault))
    });
    Seen {
        calls: state.calls.load(SeqCst),
        injected,
        is_out_of_ways: state.is_out_of_ways.load(SeqCst) != 0,
        fault,
    }
}

/// The last calls, in their order.
pub(crate) fn trace() -> Vec<String> {
    let state = interpose::state();
    let calls = usize::try_from(state.calls.load(SeqCst)).unwrap_or(0);
    let line = |index: usize| {
        let entry = &state.trace[index % TRACE];
        let call = Call::of_number(entry.call.load(Relaxed));
        let fault = match entry.way.load(Relaxed) {
            0 => None,
            way => call.and_then(|call| call.faults().get(usize::try_from(way).ok()? - 1)),
        };
        let name = call.map_or("?", Call::name);
        let fault = fault.map_or(String::new(), |fault| format!(" -> {fault:?}"));
        format!("{} {name}({}){fault}", index + 1, entry.fd.load(Relaxed))
    };
    (calls.saturating_sub(TRACE)..calls).map(line).collect()
}

/// Called by every call before it does anything, also in signal handlers and forked children: atomics only.
pub(crate) fn decide(call: Call, fd: i32) -> Verdict {
    let Some(state) = interpose::state_if_there() else { return Verdict::Pass };
    let mode = state.mode.load(Relaxed);
    if mode == OFF {
        return Verdict::Pass;
    }
    let index = state.calls.fetch_add(1, SeqCst);
    let entry = &state.trace[index as usize % TRACE];
    entry.call.store(call.number(), Relaxed);
    entry.fd.store(fd, Relaxed);
    entry.way.store(0, Relaxed);
    let Some(way) = state.way_of(mode, index + 1, call) else { return Verdict::Pass };
    let Some(&fault) = call.faults().get(way) else {
        state.is_out_of_ways.store(1, SeqCst);
        return Verdict::Pass;
    };
    if !interpose::may_happen(call, fault, fd) {
        return Verdict::Pass;
    }
    state.last[0].store(call.number(), SeqCst);
    state.last[1].store(way as u32, SeqCst);
    entry.way.store(way as u32 + 1, Relaxed);
    state.injected.fetch_add(1, SeqCst);
    Verdict::Wrong(fault)
}

impl State {
    /// The number of the way in which a call is to go wrong.
    fn way_of(&self, mode: u32, index: u32, call: Call) -> Option<usize> {
        match mode {
            NTH if index == self.n.load(Relaxed) => Some(self.way.load(Relaxed) as usize),
            EACH => {
                let each = *Each::ALL.get(self.way.load(Relaxed) as usize)?;
                let way = call.faults().iter().position(|&fault| each.is(fault))?;
                let known = &self.known[call.number() as usize];
                mix(u64::from(known.fetch_add(1, SeqCst))).is_multiple_of(2).then_some(way)
            }
            RANDOM => {
                let drawn = mix(self.seed.load(Relaxed) ^ u64::from(index));
                let one_of = u64::from(self.n.load(Relaxed));
                let ways = call.faults().len() as u64;
                (drawn.is_multiple_of(one_of) && ways > 0).then(|| ((drawn / one_of) % ways) as usize)
            }
            _ => None,
        }
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
