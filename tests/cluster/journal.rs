//! What a worker writes down before the world can see that it did it: the half of the ledger that survives a SIGKILL.
//!
//! A record is one `write` of 16 bytes at the end of a file: what the kernel has taken outlives the process.

use nix::{
    time::{ClockId, clock_gettime},
    unistd::gettid,
};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The worker is about to accept for the first time; when, see [`now`].
    Ready(Duration),
    /// A connection from this port was accepted.
    Accepted(u16),
    /// The request with this id was carried out. Written before the reply.
    Executed(u64),
}

pub(crate) struct Journal {
    file: File,
    folder: PathBuf,
    /// Nothing is said of requests: somebody measures what these cost.
    is_brief: bool,
}

impl Journal {
    /// Of this worker: one file each. A process is known by the number of its first thread.
    pub(crate) fn open(folder: &Path, is_brief: bool) -> io::Result<Self> {
        let path = folder.join(gettid().to_string());
        let file = File::options().append(true).create(true).open(path)?;
        Ok(Self { file, folder: folder.to_owned(), is_brief })
    }

    /// Where it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn note(&self, record: Record) {
        if self.is_brief && matches!(record, Record::Executed(_)) {
            return;
        }
        let (kind, value) = match record {
            Record::Ready(at) => (0_u64, at.as_nanos() as u64),
            Record::Accepted(port) => (1, u64::from(port)),
            Record::Executed(id) => (2, id),
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&kind.to_le_bytes());
        bytes[8..].copy_from_slice(&value.to_le_bytes());
        (&self.file).write_all(&bytes).expect("the journal takes 16 bytes");
    }
}

/// All records of all workers, with the process that wrote them; each process's in their order.
pub(crate) fn read_all(folder: &Path) -> io::Result<Vec<(u32, Record)>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        for record in fs::read(entry.path())?.chunks_exact(16) {
            let [kind, value] =
                [0, 8].map(|at| u64::from_le_bytes(record[at..at + 8].try_into().expect("8 bytes")));
            let record = match kind {
                0 => Record::Ready(Duration::from_nanos(value)),
                1 => Record::Accepted(value as u16),
                2 => Record::Executed(value),
                _ => return Err(io::Error::other("not a journal")),
            };
            records.push((pid, record));
        }
    }
    Ok(records)
}

/// The monotonic clock, which all processes of a machine share.
pub(crate) fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).expect("there is a monotonic clock").into()
}
