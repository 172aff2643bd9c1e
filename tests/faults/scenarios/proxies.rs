//! Streams copied both ways, and pipes of ours.

use super::{both, joined, pattern, run, tcp::pair};
use futures_lite::AsyncWriteExt;
use runtime::{
    io::{copy_bidirectional, pipe},
    net::{Shutdown, TcpStream},
    spawn,
};
use std::io;

const LEN: usize = 3_000;
/// Several of the largest buffers.
const PLENTY: usize = 200_000;

async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    super::read_to_end(stream).await
}

/// Client, proxy, server: a question, and after its end an answer.
pub(super) fn both_ways() -> io::Result<()> {
    run(async {
        let (client, mut front) = pair().await?;
        let (mut back, server) = pair().await?;
        let proxy =
            spawn(async move { copy_bidirectional(&mut front, &mut back).await.map_err(io::Error::from) });
        let asking = async {
            client.write_all(&pattern(LEN)).await?;
            client.shutdown(Shutdown::Write)?;
            read_to_end(&client).await
        };
        let answering = async {
            let question = read_to_end(&server).await?;
            server.write_all(&question).await?;
            server.shutdown(Shutdown::Write)?;
            Ok(question)
        };
        let ends = async { both(asking, answering).await };
        let ((answer, question), copied) = both(ends, async { joined(proxy.await) }).await?;
        assert!(question == pattern(LEN) && answer == question);
        assert_eq!(copied, (LEN as u64, LEN as u64));
        Ok(())
    })
}

/// So much in one direction that it is spliced.
pub(super) fn spliced() -> io::Result<()> {
    run(async {
        let (client, mut front) = pair().await?;
        let (mut back, server) = pair().await?;
        let proxy =
            spawn(async move { copy_bidirectional(&mut front, &mut back).await.map_err(io::Error::from) });
        let sent = pattern(PLENTY);
        let asking = async {
            client.write_all(&sent).await?;
            client.shutdown(Shutdown::Write)?;
            read_to_end(&client).await
        };
        let answering = async {
            let (mut question, mut buf) = (Vec::new(), vec![0; PLENTY]);
            loop {
                match server.read(&mut buf).await? {
                    0 => break,
                    n => question.extend_from_slice(&buf[..n]),
                }
            }
            server.write_all(b"thanks").await?;
            server.shutdown(Shutdown::Write)?;
            Ok(question)
        };
        let ends = async { both(asking, answering).await };
        let ((answer, question), copied) = both(ends, async { joined(proxy.await) }).await?;
        assert!(question == sent, "{} bytes of {}", question.len(), sent.len());
        assert_eq!((&answer[..], copied), (&b"thanks"[..], (PLENTY as u64, 6)));
        Ok(())
    })
}

/// More than fits, so that the writer waits.
pub(super) fn pipes() -> io::Result<()> {
    run(async {
        let (reader, mut writer) = pipe()?;
        let sent = pattern(80_000);
        let writing = async {
            writer.write_all(&sent).await?;
            writer.close().await
        };
        let reading = async {
            let (mut received, mut buf) = (Vec::new(), vec![0; 30_000]);
            loop {
                match reader.read(&mut buf).await? {
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
