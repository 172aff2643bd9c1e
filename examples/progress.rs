//! Checksums of many files, computed on a pool of threads, with a bar that shows how far it is: `cksum` with all processors.
//!
//! For each argument there is a line on standard output as `cksum` prints it, in the order of the arguments: checksum, bytes,
//! name. The bar is on standard error, and only there if that is a terminal. What cannot be read is said and left out.
//!
//! ```text
//! $ cargo run --quiet --example progress -- --threads 4 Cargo.toml README.md
//! 3513823213 6039 Cargo.toml
//! 1240498236 12086 README.md
//! ```
//!
//! No more files are open than the pool has threads, and no more results are kept than twice as many, however many arguments
//! there are. It ends with 0 if all files were read, and otherwise with 1.

use indicatif::{ProgressBar, ProgressStyle};
use runtime::pool::{Shutdown, ThreadPool};
use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "usage: progress [--threads NUMBER] FILE...";

#[runtime::main]
async fn main() -> ExitCode {
    let Some((pool, files)) = arguments(env::args_os().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let bar = bar(files.len());
    let sums = pool.map(files, |file| (cksum(&file), file));
    let mut sums = sums.progress().on_item(|count| bar.set_position(count.done));
    let mut is_complete = true;
    while let Some(sum) = sums.next().await {
        let line = match sum {
            Ok((Ok((sum, bytes)), file)) => Ok(format!("{sum} {bytes} {}", file.display())),
            Ok((Err(error), file)) => Err(format!("{}: {error}", file.display())),
            Err(error) => Err(error.to_string()),
        };
        is_complete &= line.is_ok();
        // Between two pictures of the bar, if both are on the same terminal.
        let printed = bar.suspend(|| match line {
            Ok(line) => writeln!(io::stdout(), "{line}"),
            Err(line) => writeln!(io::stderr(), "progress: {line}"),
        });
        if printed.is_err() {
            return ExitCode::FAILURE; // nobody reads on: what has not begun is given up with `sums`
        }
    }
    bar.finish_and_clear();
    pool.shutdown(Shutdown::Wait).await;
    if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Draws at most twenty pictures in a second, however fast the files are.
fn bar(files: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos}/{len} files, {eta} left");
    ProgressBar::new(files as u64).with_style(style.expect("the template is ours"))
}

fn arguments(mut arguments: impl Iterator<Item = OsString>) -> Option<(ThreadPool, Vec<PathBuf>)> {
    let mut builder = ThreadPool::builder().name("cksum");
    let mut files = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--threads") => {
                let threads = arguments.next()?.to_str()?.parse().ok().filter(|threads| *threads > 0)?;
                builder = builder.threads(threads);
            }
            Some("--") => files.extend(arguments.by_ref().map(PathBuf::from)),
            Some(option) if option.starts_with("--") => return None,
            _ => files.push(argument.into()),
        }
    }
    (!files.is_empty()).then(|| (builder.build(), files))
}

/// The checksum of a file and its length, as POSIX has them: CRC-32, most significant bit first, of the bytes and then of their
/// number.
fn cksum(file: &Path) -> io::Result<(u32, u64)> {
    let (mut file, mut buffer) = (File::open(file)?, [0; 1 << 16]);
    let (mut crc, mut bytes) = (0, 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                crc = buffer[..read].iter().fold(crc, |crc, byte| add(crc, *byte));
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut rest = bytes;
    while rest > 0 {
        crc = add(crc, rest as u8);
        rest >>= 8;
    }
    Ok((!crc, bytes))
}

fn add(crc: u32, byte: u8) -> u32 {
    crc << 8 ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)]
}

/// What each first byte makes of the other four.
static TABLE: [u32; 256] = {
    const POLYNOMIAL: u32 = 0x04C1_1DB7;
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u32) << 24, 0);
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
