//! Unix sockets: paths, credentials, descriptors in the middle of a stream.

use super::{both, joined, pattern, run};
use runtime::{
    net::{Shutdown, UnixListener, UnixStream},
    spawn,
};
use std::{
    env, fs,
    io::{self, Read},
    os::fd::AsFd,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

const LEN: usize = 5_000;

/// A folder of this process's own.
fn folder() -> PathBuf {
    env::temp_dir().join(format!("runtime-faults-{}", process::id()))
}

/// A path that no run before had: a fault may have kept theirs from being removed.
pub(super) fn place() -> io::Result<PathBuf> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    fs::create_dir_all(folder())?;
    Ok(folder().join(RUNS.fetch_add(1, Relaxed).to_string()))
}

pub(crate) fn remove_paths() {
    let _ = fs::remove_dir_all(folder());
}

async fn read_to_end(stream: &UnixStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = [0; 1500];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buf[..n]),
        }
    }
}

pub(super) fn echo() -> io::Result<()> {
    let place = place()?;
    run(async {
        let listener = UnixListener::bind(&place).await?;
        let server = spawn(async move {
            let (stream, _) = listener.accept().await?;
            assert_eq!(stream.peer_cred()?.process(), Some(process::id()));
            let mut buf = [0; 1500];
            loop {
                match stream.read(&mut buf).await? {
                    0 => return stream.shutdown(Shutdown::Write),
                    n => stream.write_all(&buf[..n]).await?,
                }
            }
        });
        let client = async {
            let stream = UnixStream::connect(&place).await?;
            let sent = pattern(LEN);
            let writing = async {
                stream.write_all(&sent).await?;
                stream.shutdown(Shutdown::Write)
            };
            let ((), received) = both(writing, read_to_end(&stream)).await?;
            assert_eq!(received, sent);
            Ok(())
        };
        both(client, async { joined(server.await) }).await.map(drop)
    })
}

/// A descriptor goes along with some bytes, and others before and after.
pub(super) fn descriptors() -> io::Result<()> {
    run(async {
        let (ours, theirs) = UnixStream::pair()?;
        let (mut reader, writer) = io::pipe()?;
        let sending = async {
            ours.write_all(b"before ").await?;
            let mut rest = &b"with "[..];
            rest = &rest[ours.send_with_fds(rest, &[writer.as_fd()]).await?..];
            ours.write_all(rest).await?;
            ours.write_all(b"after").await?;
            ours.shutdown(Shutdown::Write)
        };
        let receiving = async {
            let (mut bytes, mut fds) = (Vec::new(), Vec::new());
            let mut buf = [0; 64];
            loop {
                let (n, passengers) = theirs.recv_with_fds(&mut buf, 4).await?;
                if n == 0 {
                    return Ok((bytes, fds));
                }
                bytes.extend_from_slice(&buf[..n]);
                fds.extend(passengers);
            }
        };
        let ((), (bytes, fds)) = both(sending, receiving).await?;
        assert_eq!(bytes, b"before with after");
        assert_eq!(fds.len(), 1);
        drop(writer);
        let mut passed = fs::File::from(fds.into_iter().next().expect("one"));
        io::Write::write_all(&mut passed, b"x")?;
        drop(passed);
        let mut through = Vec::new();
        reader.read_to_end(&mut through)?;
        assert_eq!(through, b"x");
        Ok(())
    })
}

/// A path that a process has left behind is taken over.
pub(super) fn stale_path() -> io::Result<()> {
    let place = place()?;
    drop(std::os::unix::net::UnixListener::bind(&place)?);
    run(async {
        let listener = UnixListener::bind(&place).await?;
        both(UnixStream::connect(&place), listener.accept()).await?;
        drop(listener);
        Ok(())
    })
}
