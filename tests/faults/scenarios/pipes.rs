//! Pipes, by `AsyncFd`, FIFOs, and the standard streams as pipes.

use super::{both, pattern, run};
use crate::interpose::replace;
use nix::{fcntl::OFlag, unistd::pipe2};
use runtime::io::{fifo, stdin, stdout};
use runtime_io::AsyncFd;
use std::{
    env,
    fs::{self, File},
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// More than a pipe takes at once, so that the writer waits too.
pub(super) fn pipe() -> io::Result<()> {
    run(async {
        let (reader, writer) = io::pipe()?;
        let (reader, writer) = (AsyncFd::new(reader)?, AsyncFd::new(writer)?);
        let sent = pattern(80_000);
        let writing = async {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                rest = &rest[writer.write_with(|mut pipe| pipe.write(rest)).await?..];
            }
            drop(writer);
            Ok(())
        };
        let reading = async {
            let (mut received, mut buf) = (Vec::new(), vec![0; 30_000]);
            loop {
                match reader.read_with(|mut pipe| pipe.read(&mut buf)).await? {
                    0 => return Ok(received),
                    n => received.extend_from_slice(&buf[..n]),
                }
            }
        };
        let ((), received) = both(writing, reading).await?;
        assert!(received == sent, "{} bytes of {}", received.len(), sent.len());
        Ok(())
    })
}

/// Each write is a packet, and a read gives one, however much room there is.
pub(super) fn packets() -> io::Result<()> {
    run(async {
        let (reader, writer) = pipe2(OFlag::O_DIRECT | OFlag::O_CLOEXEC)?;
        let (reader, writer) = (AsyncFd::new(File::from(reader))?, AsyncFd::new(File::from(writer))?);
        let writing = async {
            for number in 0..5_u8 {
                writer.write_with(|mut pipe| pipe.write(&[number; 10])).await?;
            }
            drop(writer);
            Ok(())
        };
        let reading = async {
            let (mut received, mut buf) = (Vec::new(), [0; 100]);
            loop {
                match reader.read_with(|mut pipe| pipe.read(&mut buf)).await? {
                    0 => return Ok(received),
                    n => received.push(buf[..n].to_vec()),
                }
            }
        };
        let ((), received) = both(writing, reading).await?;
        assert_eq!(received, (0..5).map(|number| vec![number; 10]).collect::<Vec<_>>());
        Ok(())
    })
}

fn fifo_path() -> PathBuf {
    env::temp_dir().join(format!("runtime-faults-{}-fifo", process::id()))
}

pub(super) fn remove_fifo() {
    let _ = fs::remove_file(fifo_path());
}

/// The reader is there before anybody writes, and reads no end until the writer has gone.
pub(super) fn fifo() -> io::Result<()> {
    remove_fifo();
    run(async {
        fifo::create(fifo_path(), 0o600)?;
        let sent = pattern(80_000);
        let reader = fifo::open_reader(fifo_path())?;
        let reading = async {
            let (mut received, mut buf) = (Vec::new(), vec![0; 30_000]);
            loop {
                match reader.read(&mut buf).await? {
                    0 => return Ok(received),
                    n => received.extend_from_slice(&buf[..n]),
                }
            }
        };
        let writing = async {
            let writer = fifo::open_writer(fifo_path()).await?;
            writer.write_all(&sent).await
        };
        let (received, ()) = both(reading, writing).await?;
        assert!(received == sent, "{} bytes of {}", received.len(), sent.len());
        Ok(())
    })
}

/// A standard stream that is a pipe, until this is dropped.
struct Piped {
    number: i32,
    before: OwnedFd,
}

impl Piped {
    fn stdin() -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        Ok((Self { number: 0, before: replace(0, reader.as_fd()) }, writer))
    }

    fn stdout() -> io::Result<(Self, PipeReader)> {
        let (reader, writer) = io::pipe()?;
        Ok((Self { number: 1, before: replace(1, writer.as_fd()) }, reader))
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        drop(replace(self.number, self.before.as_fd()));
    }
}

/// Lines come in, and more than a pipe takes goes out.
pub(super) fn standard_streams() -> io::Result<()> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run_number = RUNS.fetch_add(1, Relaxed);
    let (typing, mut keyboard) = Piped::stdin()?;
    let (showing, screen) = Piped::stdout()?;
    // What a run that failed has left in the buffer of the process comes first, to the end of this line.
    let lines: Vec<_> = (0..5).map(|number| format!("run {run_number}, line {number}\n")).collect();
    keyboard.write_all(format!("\n{}", lines.concat()).as_bytes())?;
    drop(keyboard);
    run(async {
        let reading = async {
            let (stdin, mut received, mut line) = (stdin(), Vec::new(), String::new());
            while stdin.read_line(&mut line).await? > 0 {
                received.push(std::mem::take(&mut line));
            }
            Ok(received)
        };
        let sent = pattern(80_000);
        let writing = async {
            stdout().write_all(&sent).await?;
            // The end for who reads.
            drop(showing);
            Ok(())
        };
        let screen = AsyncFd::new(screen)?;
        let looking = async {
            let (mut shown, mut buf) = (Vec::new(), vec![0; 30_000]);
            loop {
                match screen.read_with(|mut screen| screen.read(&mut buf)).await? {
                    0 => return Ok(shown),
                    n => shown.extend_from_slice(&buf[..n]),
                }
            }
        };
        let (received, ((), shown)) = both(reading, both(writing, looking)).await?;
        assert!(received.ends_with(&lines), "{received:?}");
        assert!(shown == sent, "{} bytes of {}", shown.len(), sent.len());
        drop(typing);
        Ok(())
    })
}
