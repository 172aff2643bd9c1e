//! Copies files and whole folders, four files at a time, and leaves nothing half done.
//!
//! ```text
//! $ cargo run --quiet --release --example file_copy -- photos backup
//! copying photos/2024/beach.jpg
//! copying photos/2024/tent.jpg
//! 2 files, 2 folders, 6291456 bytes
//! ```
//!
//! The folders are walked as streams, and the walk waits where the pool of copies is full: a tree of a million files needs
//! no more memory than one of ten. Each file is written beside its place, closed in earnest, and only then given its name; who
//! goes away before, by an error or by Ctrl-C, drops a guard, and the guard removes what is there. It is Python's
//! `with open(a) as a, open(b) as b`: what was opened last is closed first, whatever ends the block.

use runtime::{
    fs::{self, File},
    select, signal,
    task::TaskPool,
};
use std::{
    cell::Cell,
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
};

/// More keep a disk no busier, and one that spins a good deal less so.
const AT_ONCE: usize = 4;
/// What a read of a file in memory gives at most in one go.
const BUFFER_BYTES: usize = 256 * 1024;

#[runtime::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [from, to] = &arguments[..] else {
        eprintln!("usage: file_copy FROM TO\n\nCopies a file, or a folder with everything in it, to TO.");
        return ExitCode::from(2);
    };
    let copies = Rc::new(Copies { pool: TaskPool::new(AT_ONCE), counts: Counts::default() });
    let outcome = select! {
        copied = copy_all(&copies, from, to) => copied,
        _ = signal::ctrl_c() => {
            copies.pool.cancel();
            copies.pool.join().await;
            eprintln!("interrupted: what has its name is whole, and nothing else is left");
            return ExitCode::from(130);
        }
    };
    let Counts { files, folders, bytes, failures } = &copies.counts;
    if let Err(error) = outcome {
        copies.failed(&error);
    }
    say(&format!("{} files, {} folders, {} bytes", files.get(), folders.get(), bytes.get()));
    if failures.get() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What all copies share: they take turns on one thread, so it needs no lock.
struct Copies {
    pool: TaskPool,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    files: Cell<u64>,
    folders: Cell<u64>,
    bytes: Cell<u64>,
    failures: Cell<u64>,
}

impl Copies {
    /// One failure does not keep the others from their copies.
    fn failed(&self, error: &io::Error) {
        eprintln!("{error}");
        self.counts.failures.set(self.counts.failures.get() + 1);
    }
}

/// Walks through what is to be copied; returns when everything is.
async fn copy_all(copies: &Rc<Copies>, from: &Path, to: &Path) -> io::Result<()> {
    if fs::metadata(from).await?.is_dir() {
        fs::create_dir_all(to).await?;
        // Else it would copy its own copies for ever.
        if fs::canonicalize(to).await?.starts_with(fs::canonicalize(from).await?) {
            return Err(io::Error::other(format!("{} lies in {}", to.display(), from.display())));
        }
    }
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        if !fs::metadata(&from).await?.is_dir() {
            start(copies, from, to).await;
            continue;
        }
        fs::create_dir_all(&to).await?;
        copies.counts.folders.set(copies.counts.folders.get() + 1);
        let mut entries = fs::read_dir(&from).await?;
        while let Some(entry) = entries.next_entry().await? {
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type().await?;
            if kind.is_dir() {
                left.push((from, to));
            } else if kind.is_file() {
                start(copies, from, to).await;
            } else if kind.is_symlink() {
                fs::symlink(fs::read_link(&from).await?, &to)
                    .await
                    .unwrap_or_else(|error| copies.failed(&error));
            } else {
                copies.failed(&io::Error::other(format!("{} is no file: not copied", from.display())));
            }
        }
    }
    copies.pool.join().await;
    Ok(())
}

/// Waits until there is room for one more copy, and starts it.
async fn start(copies: &Rc<Copies>, from: PathBuf, to: PathBuf) {
    let counts = Rc::clone(copies);
    let copy = async move {
        match copy(&from, &to).await {
            Ok(bytes) => {
                counts.counts.files.set(counts.counts.files.get() + 1);
                counts.counts.bytes.set(counts.counts.bytes.get() + bytes);
            }
            Err(error) => counts.failed(&error),
        }
    };
    copies.pool.spawn(copy).await.detach();
}

async fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    say(&format!("copying {}", from.display()));
    let mut reader = File::open(from).await?;
    let part = Part::beside(to);
    let mut writer = File::create(&part.path).await?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match reader.read(&mut buffer).await? {
            0 => break,
            // Done when it is in the file's own buffer: the next piece is read while a thread writes this one.
            n => writer.write_all(&buffer[..n]).await?,
        }
    }
    writer.set_permissions(reader.metadata().await?.permissions()).await?;
    let bytes = writer.position();
    writer.close().await?; // a full disk is told here at the latest
    part.name(to).await?;
    Ok(bytes)
}

/// A file that is not whole yet, and is removed if it never will be.
struct Part {
    path: PathBuf,
}

impl Part {
    fn beside(to: &Path) -> Self {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        Self { path: to.with_file_name(name) }
    }

    async fn name(self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to).await
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It has its name already, or was never made; or nobody is left who could be told.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A reader that has gone away, as in `file_copy a b | head -1`, is no failure.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
