//! Pipes, by `AsyncFd`, and FIFOs.

use super::{both, pattern, run};
use nix::{fcntl::OFlag, unistd::pipe2};
use runtime::io::fifo;
use runtime_io::AsyncFd;
use std::{
    env,
    fs::{self, File},
    io::{self, Read, Write},
    path::PathBuf,
    process,
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
