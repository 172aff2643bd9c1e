//! Traits and tools for streams of bytes: those of `futures-io` and `futures-lite`, well kept elsewhere and so not
//! written again.
//!
//! Native sockets have `read` and `write_all` of their own, so nothing here is needed to begin with. Generic code
//! takes [`AsyncRead`] and [`AsyncWrite`]; buffering, lines and copying come from the extension traits.
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

pub mod fifo;
mod pipe;

pub use self::pipe::{PipeReader, PipeWriter, packet_pipe, pipe};
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
pub use futures_lite::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufWriter, Cursor, ReadHalf,
    WriteHalf, copy, empty, repeat, sink, split,
};
pub use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result, SeekFrom};
