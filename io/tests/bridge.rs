//! The traits of `tokio::io` and `hyper::rt` on our streams: the same stories, told to both.
#![cfg(all(feature = "hyper", feature = "tokio-io"))]

mod support;

use futures_lite::future::poll_fn;
use runtime_executor::spawn;
use runtime_io::{io::duplex, net::UnixStream};
use std::{
    io::{IoSlice, Result, Write},
    mem::MaybeUninit,
    net::Shutdown,
    pin::Pin,
};
use support::{pair, pair_with_std, run};

/// A buffer whose first bytes are filled already, in which a stream's bytes then stand behind them.
async fn read_by_tokio(stream: &mut (impl tokio::io::AsyncRead + Unpin), room: usize) -> Result<Vec<u8>> {
    let mut memory = vec![MaybeUninit::uninit(); room + 2];
    let mut buf = tokio::io::ReadBuf::uninit(&mut memory);
    buf.put_slice(b"> ");
    poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut buf)).await?;
    Ok(buf.filled().to_vec())
}

async fn read_by_hyper(stream: &mut (impl hyper::rt::Read + Unpin), room: usize) -> Result<Vec<u8>> {
    let mut memory = vec![MaybeUninit::uninit(); room + 2];
    let mut buf = hyper::rt::ReadBuf::uninit(&mut memory);
    buf.unfilled().put_slice(b"> ");
    poll_fn(|context| Pin::new(&mut *stream).poll_read(context, buf.unfilled())).await?;
    Ok(buf.filled().to_vec())
}

/// Bytes that are there, bytes that come later, fewer than there is room for and more, and the end.
macro_rules! reads {
    ($read:ident, $ours:ident, $theirs:ident) => {{
        $theirs.write_all(b"first").unwrap();
        assert_eq!($read(&mut $ours, 3).await.unwrap(), b"> fir");
        assert_eq!($read(&mut $ours, 100).await.unwrap(), b"> st");
        let later = spawn(async move { $read(&mut $ours, 100).await.map(|bytes| (bytes, $ours)) });
        runtime_executor::task::yield_now().await;
        $theirs.write_all(b"later").unwrap();
        let (bytes, mut ours) = later.await.unwrap().unwrap();
        assert_eq!(bytes, b"> later");
        drop($theirs);
        assert_eq!($read(&mut ours, 100).await.unwrap(), b"> ");
    }};
}

#[test]
fn tokio_reads_what_is_there_and_what_comes() {
    run(async {
        let (mut ours, mut theirs) = pair_with_std().await;
        reads!(read_by_tokio, ours, theirs);
    });
}

#[test]
fn hyper_reads_what_is_there_and_what_comes() {
    run(async {
        let (mut ours, mut theirs) = pair_with_std().await;
        reads!(read_by_hyper, ours, theirs);
    });
}

#[test]
#[cfg_attr(miri, ignore = "a pair of Unix sockets is nothing that the interpreter knows")]
fn unix_streams_read_likewise() {
    run(async {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut ours = UnixStream::from_std(ours).unwrap();
        reads!(read_by_tokio, ours, theirs);
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut ours = UnixStream::from_std(ours).unwrap();
        reads!(read_by_hyper, ours, theirs);
    });
}

#[test]
fn connections_in_memory_read_likewise() {
    run(async {
        let (mut ours, theirs) = duplex(100);
        theirs.write_all(b"both").await.unwrap();
        assert_eq!(read_by_tokio(&mut ours, 2).await.unwrap(), b"> bo");
        assert_eq!(read_by_hyper(&mut ours, 100).await.unwrap(), b"> th");
        drop(theirs);
        assert_eq!(read_by_tokio(&mut ours, 100).await.unwrap(), b"> ");
        assert_eq!(read_by_hyper(&mut ours, 100).await.unwrap(), b"> ");
    });
}

/// Several buffers go in one call, and the end of our side is no end of the other's.
macro_rules! writes {
    ($trait:path) => {
        run(async {
            use $trait as Writes;
            let (mut ours, theirs) = pair().await;
            assert!(Writes::is_write_vectored(&ours));
            let bufs = [IoSlice::new(b"head, "), IoSlice::new(b"body")];
            let written =
                poll_fn(|context| Writes::poll_write_vectored(Pin::new(&mut ours), context, &bufs)).await;
            assert_eq!(written.unwrap(), 10);
            assert_eq!(
                poll_fn(|context| Writes::poll_write(Pin::new(&mut ours), context, b"!")).await.unwrap(),
                1
            );
            poll_fn(|context| Writes::poll_flush(Pin::new(&mut ours), context)).await.unwrap();
            poll_fn(|context| Writes::poll_shutdown(Pin::new(&mut ours), context)).await.unwrap();
            assert_eq!(support::read_to_end(&theirs).await.unwrap(), b"head, body!");
            theirs.write_all(b"answer").await.unwrap();
            theirs.shutdown(Shutdown::Write).unwrap();
            assert_eq!(support::read_to_end(&ours).await.unwrap(), b"answer");
        })
    };
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter has no sendmsg")]
fn tokio_writes() {
    writes!(tokio::io::AsyncWrite);
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter has no sendmsg")]
fn hyper_writes() {
    writes!(hyper::rt::Write);
}

/// Libraries ask for these bounds: without `Send` no upgrade, with a wrapper no vectored write.
#[test]
fn streams_are_what_libraries_insist_on() {
    fn tokio_stream<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin + 'static>() {}
    fn hyper_stream<T: hyper::rt::Read + hyper::rt::Write + Send + Sync + Unpin + 'static>() {}
    tokio_stream::<runtime_io::net::TcpStream>();
    tokio_stream::<UnixStream>();
    tokio_stream::<runtime_io::io::DuplexStream>();
    hyper_stream::<runtime_io::net::TcpStream>();
    hyper_stream::<UnixStream>();
    hyper_stream::<runtime_io::io::DuplexStream>();
}
