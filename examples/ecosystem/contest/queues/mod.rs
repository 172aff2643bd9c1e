//! What is measured of queues of jobs, and whose.

pub(crate) mod ours;

/// Name of our column.
pub(crate) const OURS: &str = "ours";

/// Ours, and the libraries that `peers.py` knows.
pub(crate) const COLUMNS: &[&str] = &[OURS, "arq", "dramatiq", "rq"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Redis,
    Memory,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) engine: Engine,
    /// How many jobs a worker has in hand, and how many are pushed side by side where a library can do that.
    pub(crate) at_once: usize,
    jobs: u64,
}

pub(crate) const ROWS: &[Row] = &[
    Row { name: "redis_1", title: "Redis, one at a time", engine: Engine::Redis, at_once: 1, jobs: 20_000 },
    Row { name: "redis_50", title: "Redis, 50 at once", engine: Engine::Redis, at_once: 50, jobs: 100_000 },
    Row {
        name: "memory_1",
        title: "Memory, one at a time",
        engine: Engine::Memory,
        at_once: 1,
        jobs: 500_000,
    },
    Row {
        name: "memory_50",
        title: "Memory, 50 at once",
        engine: Engine::Memory,
        at_once: 50,
        jobs: 500_000,
    },
];

impl Row {
    /// How many are done by whom, for some seconds; none by who cannot.
    pub(crate) fn jobs(&self, peer: &str, is_quick: bool) -> Option<u64> {
        let jobs = if peer == OURS { self.jobs } else { 5_000 };
        let can = match peer {
            OURS => true,
            "rq" => self.engine == Engine::Redis && self.at_once == 1,
            _ => self.engine == Engine::Redis,
        };
        can.then_some(if is_quick { jobs / 10 } else { jobs })
    }
}
