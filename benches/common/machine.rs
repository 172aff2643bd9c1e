//! What the kernel knows about a process: the cores it may use, its processor time, its memory.

use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// How the kernel is told "the calling thread".
const SELF: Pid = Pid::from_raw(0);

/// Which of the cores we were given a thread belongs on.
#[derive(Clone, Copy)]
pub(crate) enum Core {
    /// For what is measured.
    Measured,
    /// For whatever feeds it.
    Feeding,
}

/// The cores this process started with: the first for what is measured, the last for what feeds it. A machine with a
/// single core runs both on it.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    measured: usize,
    feeding: usize,
}

impl Cores {
    /// Asks the kernel; call it before the first [`Cores::pin`], which narrows what would be seen.
    pub(crate) fn available() -> Cores {
        let allowed = sched_getaffinity(SELF).expect("own affinity");
        let mut cores = (0..CpuSet::count()).filter(|&core| allowed.is_set(core) == Ok(true));
        let measured = cores.next().expect("at least one core");
        Cores { measured, feeding: cores.next_back().unwrap_or(measured) }
    }

    /// Keeps the calling thread, and the threads it will start, on one core.
    pub(crate) fn pin(self, core: Core) {
        let mut only = CpuSet::new();
        only.set(match core {
            Core::Measured => self.measured,
            Core::Feeding => self.feeding,
        })
        .expect("a core from our own mask");
        sched_setaffinity(SELF, &only).expect("own affinity");
    }
}

/// Processor time of a process, summed over its living threads. `schedstat` counts nanoseconds where `stat` counts
/// hundredths of a second.
pub(crate) fn processor_time_of(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("the process lives");
    let nanoseconds = threads.flatten().filter_map(|thread| {
        let line = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The processes that a process has started and that live.
pub(crate) fn children_of(process: u32) -> impl Iterator<Item = u32> {
    let processes = fs::read_dir("/proc").expect("a list of processes").flatten();
    processes.filter_map(move |entry| {
        let child = entry.file_name().to_str()?.parse::<u32>().ok()?;
        let line = fs::read_to_string(entry.path().join("stat")).ok()?;
        // Behind the name, which may hold anything: the state, and the parent.
        let parent = line.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        (parent.parse() == Ok(process)).then_some(child)
    })
}

/// Bytes of a process that are in memory. `smaps_rollup` walks the pages; `statm` would be off by the kernel's per-core
/// counters. Sockets and other kernel memory are not in it.
pub(crate) fn resident_bytes(process: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("the process lives");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).expect("an Rss line");
    let kilobytes = line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number");
    kilobytes * 1024
}

/// Bytes of a process that no other process has: what one more of its kind costs.
pub(crate) fn private_bytes(process: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("the process lives");
    let private = rollup.lines().filter_map(|line| line.strip_prefix("Private_")?.split_once(':'));
    let kilobytes = private.filter(|(kind, _)| *kind != "Hugetlb");
    let kilobytes = kilobytes.map(|(_, rest)| rest.trim().trim_end_matches("kB").trim().parse::<u64>());
    kilobytes.map(|kilobytes| kilobytes.expect("a number") * 1024).sum()
}

/// Allows this process, and those it starts, as many descriptors as the system lets it have.
pub(crate) fn raise_descriptor_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("own limits");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit");
}

/// Frees one block of the largest size that glibc counts: from then on it keeps up to 64 MB of freed memory instead of
/// 128 kB. Otherwise peers that happen to free a large block when they start would not pay the page faults that others
/// pay again and again. A long-lived server gets there by itself.
pub(crate) fn settle_allocator() {
    drop(std::hint::black_box(vec![1_u8; 32 * 1024 * 1024 - 64 * 1024]));
}
