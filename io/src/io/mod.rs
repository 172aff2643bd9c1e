//! Traits and tools for streams of bytes: those of `futures-io` and `futures-lite`, well kept elsewhere and so not
//! written again.
//!
//! Native sockets have `read` and `write_all` of their own, so nothing here is needed to begin with. Generic code
//! takes [`AsyncRead`] and [`AsyncWrite`]; buffering and lines come from the extension traits. What is ours is what the
//! runtime can do better or has to know of: [`copy()`], [`copy_bidirectional()`], [`duplex()`], buffers from its pool, pipes.
//!
//! ```
//! use runtime_io::{io::{AsyncBufReadExt, BufReader}, net::{TcpListener, TcpStream}};
//! # let reactor = runtime_io::Reactor::new()?;
//! # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
//! # executor.block_on(async {
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let client = TcpStream::connect(listener.local_addr()?).await?;
//! # let (server, _) = listener.accept().await?;
//! client.write_all(b"first line\nsecond line\n").await?;
//! let mut line = String::new();
//! BufReader::new(server).read_line(&mut line).await?;
//! assert_eq!(line, "first line\n");
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```

pub(crate) mod buffers;
#[cfg(feature = "codec")]
pub mod codec;
mod copy;
mod copy_bidirectional;
mod duplex;
pub mod fifo;
mod flow;
mod pipe;
pub(crate) mod splicing;
mod standard;

pub use self::pipe::{PipeReader, PipeWriter, packet_pipe, pipe};
pub use self::standard::{Lines, Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use crate::async_fd::AsyncFd;
pub use buffers::Buffer;
pub use copy::{Copying, copy};
pub use copy_bidirectional::{CopyBidirectional, CopyError, CopyStep, copy_bidirectional};
pub use duplex::{DuplexStream, duplex};
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
pub use futures_lite::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufWriter, Cursor, ReadHalf,
    WriteHalf, empty, repeat, sink, split,
};
pub use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result, SeekFrom};
