//! Who does work elsewhere than on the reactor's thread: in processes, in threads, over a bare socket.

mod foreign;
mod ours;
mod raw;
mod threads;

use crate::peers::OURS;

/// Our pool of threads, which shares memory with whoever submits.
const OURS_THREADS: &str = "ours-threads";
const RAYON: &str = "rayon";
/// A thread for each job.
const STD: &str = "std-threads";
/// Two processes and a pair of sockets, nothing else: the floor.
pub(crate) const RAW: &str = "socketpair";
const EXECUTOR: &str = "ProcessPoolExecutor";
const POOL: &str = "multiprocessing";
/// `multiprocessing` that starts its children as we do: programs, not copies.
const SPAWN: &str = "multiprocessing-spawn";

/// So many workers have all pools.
const WORKERS: usize = 2;

pub(crate) struct Contender {
    pub(crate) name: &'static str,
    rows: &'static [&'static str],
}

pub(crate) const CONTENDERS: [Contender; 8] = [
    Contender {
        name: OURS,
        rows: &[
            "empty",
            "chunks",
            "kilobyte",
            "megabyte",
            "start",
            "process",
            "memory",
            "pipe",
            "blocking-pipe",
            "queue",
        ],
    },
    Contender { name: OURS_THREADS, rows: &["empty", "chunks", "kilobyte", "megabyte", "start"] },
    Contender { name: RAYON, rows: &["empty", "kilobyte", "megabyte", "start"] },
    Contender { name: STD, rows: &["empty", "kilobyte", "megabyte"] },
    Contender { name: RAW, rows: &["pipe", "blocking-pipe", "queue"] },
    Contender { name: EXECUTOR, rows: &["empty", "chunks", "kilobyte", "megabyte", "start"] },
    Contender {
        name: POOL,
        rows: &[
            "empty",
            "chunks",
            "kilobyte",
            "megabyte",
            "start",
            "process",
            "memory",
            "pipe",
            "blocking-pipe",
            "queue",
        ],
    },
    Contender { name: SPAWN, rows: &["start", "process", "memory"] },
];

impl Contender {
    pub(crate) fn does(&self, row: &str) -> bool {
        self.rows.contains(&row)
    }

    /// Whether it is installed here.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(self.name, EXECUTOR | POOL | SPAWN) || foreign::has_python()
    }
}

/// The measured process' part. With `memory` it waits until its standard input ends.
pub(crate) fn run(contender: &str, row: &str, operations: u64) {
    match contender {
        OURS => ours::run(row, operations),
        OURS_THREADS => ours::run_on_threads(row, operations),
        RAYON => threads::rayon(row, operations),
        STD => threads::std(row, operations),
        RAW => raw::run(row, operations),
        EXECUTOR => foreign::become_python("executor", row, operations),
        POOL => foreign::become_python("pool", row, operations),
        SPAWN => foreign::become_python("spawn", row, operations),
        other => panic!("{other} is not known"),
    }
}

/// How many items are one job in that row.
fn chunk_size(row: &str) -> usize {
    if row == "chunks" { 1_000 } else { 1 }
}

/// What a job gets in that row, in bytes.
fn argument_bytes(row: &str) -> usize {
    match row {
        "kilobyte" => 1_000,
        "megabyte" => 1_000_000,
        _ => 0,
    }
}
