//! Files that are in the page cache: many small ones, and a large one piece by piece. The column of the standard library
//! reads on the measuring thread, or on four threads where others have many reads under way.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::thread;

use futures_lite::io::AsyncReadExt as _;
use tokio::io::AsyncReadExt as _;

use super::{Row, STD, Work, timed, timed_on};
use crate::peers::Peer;
use crate::peers::ours::Ours;
use crate::peers::smol::Smol;
use crate::peers::tokio_local_runtime::TokioLocalRuntime;

/// Small files, and bytes of each.
const FILES: u64 = 1_000;
const SMALL_BYTES: usize = 4 * 1024;
/// Reads under way at a time.
const AT_A_TIME: u64 = 64;
/// Bytes of the large file, and of a piece.
const LARGE_BYTES: usize = 64 * 1024 * 1024;
const PIECE_BYTES: usize = 64 * 1024;

pub(super) const SMALL: Row = Row {
    name: "files_small",
    title: "4 KiB files, whole, one after the other (µs per file)",
    what: "small file read",
    operations: 20_000,
    window: 1,
    work: Work::Alone(&[
        (Ours::NAME, |operations| timed_on::<Ours, _>(operations, |count| one_by_one(count, ours))),
        (TokioLocalRuntime::NAME, |operations| {
            timed_on::<TokioLocalRuntime, _>(operations, |count| one_by_one(count, tokio))
        }),
        (Smol::NAME, |operations| timed_on::<Smol, _>(operations, |count| one_by_one(count, smol))),
        (STD, |operations| timed(operations, |count| (0..count).for_each(std_read))),
    ]),
};
pub(super) const MANY: Row = Row {
    name: "files_many",
    title: "4 KiB files, whole, 64 at a time (µs per file)",
    what: "small file read, 64 at a time",
    operations: 20_000,
    window: 1,
    work: Work::Alone(&[
        (Ours::NAME, |operations| timed_on::<Ours, _>(operations, |count| at_a_time::<Ours, _>(count, ours))),
        (TokioLocalRuntime::NAME, |operations| {
            timed_on::<TokioLocalRuntime, _>(operations, |count| {
                at_a_time::<TokioLocalRuntime, _>(count, tokio)
            })
        }),
        (Smol::NAME, |operations| timed_on::<Smol, _>(operations, |count| at_a_time::<Smol, _>(count, smol))),
        (STD, |operations| timed(operations, on_four_threads)),
    ]),
};
pub(super) const LARGE: Row = Row {
    name: "file_large",
    title: "64 MiB file, by pieces of 64 KiB (µs per piece)",
    what: "64 KiB of a large file",
    operations: 8_192,
    window: 1,
    work: Work::Alone(&[
        (Ours::NAME, |operations| timed_on::<Ours, _>(operations, ours_large)),
        (TokioLocalRuntime::NAME, |operations| timed_on::<TokioLocalRuntime, _>(operations, tokio_large)),
        (Smol::NAME, |operations| timed_on::<Smol, _>(operations, smol_large)),
        (STD, |operations| timed(operations, std_large)),
    ]),
};

/// A folder with the files, made by the first measurement and left for the next: they are what all of them read.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = env::temp_dir().join("runtime-bench-files");
    if !folder.join("large").exists() {
        fs::create_dir_all(&folder).expect("a folder");
        (0..FILES)
            .for_each(|index| fs::write(folder.join(index.to_string()), [7; SMALL_BYTES]).expect("a file"));
        fs::write(folder.join("being made"), vec![7; LARGE_BYTES]).expect("a large file");
        fs::rename(folder.join("being made"), folder.join("large")).expect("its name");
    }
    folder
});

fn path(index: u64) -> PathBuf {
    FOLDER.join((index % FILES).to_string())
}

fn large() -> PathBuf {
    FOLDER.join("large")
}

async fn one_by_one<F: Future<Output = ()>>(count: u64, read: fn(u64) -> F) {
    for index in 0..count {
        read(index).await;
    }
}

async fn at_a_time<P: Peer, F: Future<Output = ()> + 'static>(count: u64, read: fn(u64) -> F) {
    for round in 0..count.div_ceil(AT_A_TIME) {
        P::join_all((0..AT_A_TIME).map(|index| P::spawn(read(round * AT_A_TIME + index)))).await;
    }
}

async fn ours(index: u64) {
    assert_eq!(runtime::fs::read(path(index)).await.expect("a file").len(), SMALL_BYTES);
}

async fn tokio(index: u64) {
    assert_eq!(tokio::fs::read(path(index)).await.expect("a file").len(), SMALL_BYTES);
}

async fn smol(index: u64) {
    assert_eq!(async_fs::read(path(index)).await.expect("a file").len(), SMALL_BYTES);
}

fn std_read(index: u64) {
    assert_eq!(fs::read(path(index)).expect("a file").len(), SMALL_BYTES);
}

#[expect(clippy::disallowed_methods, reason = "threads of the standard library are what is measured")]
fn on_four_threads(count: u64) {
    const THREADS: u64 = 4;
    let reading: Vec<_> = (0..THREADS)
        .map(|which| {
            thread::spawn(move || (0..count / THREADS).for_each(|index| std_read(index * THREADS + which)))
        })
        .collect();
    reading.into_iter().for_each(|thread| thread.join().expect("it reads"));
}

async fn ours_large(pieces: u64) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = pieces;
    while left > 0 {
        let mut file = runtime::fs::File::open(large()).await.expect("a file");
        while left > 0 && file.read(&mut piece).await.expect("read") > 0 {
            left -= 1;
        }
    }
}

async fn tokio_large(pieces: u64) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = pieces;
    while left > 0 {
        let mut file = tokio::fs::File::open(large()).await.expect("a file");
        while left > 0 && file.read(&mut piece).await.expect("read") > 0 {
            left -= 1;
        }
    }
}

async fn smol_large(pieces: u64) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = pieces;
    while left > 0 {
        let mut file = async_fs::File::open(large()).await.expect("a file");
        while left > 0 && file.read(&mut piece).await.expect("read") > 0 {
            left -= 1;
        }
    }
}

fn std_large(pieces: u64) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = pieces;
    while left > 0 {
        let mut file = File::open(large()).expect("a file");
        while left > 0 && file.read(&mut piece).expect("read") > 0 {
            left -= 1;
        }
    }
}
