//! Copying without copies: between two sockets of ours, bytes that come in plenty go through a pipe by splice(2).
//!
//! It only speeds up what [`Flow`](super::flow::Flow) does anyway. Whatever is not plain data in plenty, be it little, an
//! end, urgent data or a hang-up in sight, is left to an ordinary read, which knows what it means: splice stops before a
//! byte of urgent data, and calls that the end, or nothing.
//!
//! Pipes are shared by all pairs of a runtime: one is taken for a burst, and put back when it is empty.

use crate::{
    net::{Connection, Transport},
    reactor::Reactor,
    registration::Step,
    source::{Direction, WaiterId},
    sys::{self, known, splice::Pipe},
};
use runtime_executor::current;
use std::{
    cell::RefCell,
    io::{self, ErrorKind},
    rc::Rc,
    task::{Context, Poll, ready},
};

/// How many empty pipes a reactor keeps. More bursts than that seldom come at once, unless the receivers are slow.
const KEPT: usize = 4;

/// The empty pipes of a reactor.
#[derive(Default)]
pub(crate) struct Pipes {
    idle: RefCell<Vec<Pipe>>,
}

impl Pipes {
    fn take(&self) -> Option<Pipe> {
        self.idle.borrow_mut().pop()
    }

    fn keep(&self, pipe: Pipe) -> Option<Pipe> {
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= KEPT {
            return Some(pipe);
        }
        idle.push(pipe);
        None
    }

    /// Closes them, as somebody is short of descriptors. Whether there were any.
    pub(crate) fn clear(&self) -> bool {
        !self.idle.take().is_empty()
    }
}

/// A socket of ours, as an end of a pipe.
pub(crate) trait Splicing {
    /// How many bytes it put into the pipe; 0 if it is to be read instead, be it that the system refuses.
    fn poll_fill(&self, context: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>>;
    /// How many bytes it took out of the pipe; `None` if the system refuses.
    fn poll_drain(&self, context: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<Option<usize>>>;
}

impl<S: Transport> Splicing for Connection<S> {
    fn poll_fill(&self, context: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        let io = self.io();
        io.poll_op(Direction::Read, &mut WaiterId::shared(), context, |socket| {
            // The event that let us try may have said that there is more to it.
            match if io.is_plain() { pipe.fill_from(socket.as_fd()) } else { Ok(0) } {
                Err(error) if sys::splice::is_refusal(&error) => Ok(Step::Done(0)),
                filled => filled.map(Step::Done),
            }
        })
    }

    fn poll_drain(&self, context: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<Option<usize>>> {
        self.io().poll_op(Direction::Write, &mut WaiterId::shared(), context, |socket| {
            match pipe.drain_into(socket.as_fd()) {
                Err(error) if sys::splice::is_refusal(&error) => Ok(Step::Done(None)),
                drained => drained.map(|n| Step::Done(Some(n))),
            }
        })
    }
}

/// The pipe of a flow, while it has one.
#[derive(Debug, Default)]
pub(super) struct Burst {
    pipe: Option<Pipe>,
}

/// What became of the bytes in a pipe.
pub(super) enum Drained {
    All,
    /// They are still there, and the writer wants them from a buffer.
    Refused,
}

impl Burst {
    pub(super) const NONE: Self = Self { pipe: None };

    pub(super) fn is_empty(&self) -> bool {
        self.pipe.as_ref().is_none_or(|pipe| pipe.held() == 0)
    }

    /// Takes what the reader has; 0 bytes mean that it is to be read instead.
    pub(super) fn poll_fill<R, W>(
        &mut self,
        context: &mut Context<'_>,
        reader: &R,
        writer: &W,
    ) -> Poll<io::Result<usize>>
    where
        R: ?Sized,
        W: ?Sized,
    {
        let (Some(reader), Some(_)) = (known::connection(reader), known::connection(writer)) else {
            return Poll::Ready(Ok(0));
        };
        if self.pipe.is_none() {
            self.pipe = take_pipe();
        }
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(0)) };
        reader.poll_fill(context, pipe)
    }

    /// Gives the writer what is in the pipe.
    pub(super) fn poll_drain<W: ?Sized>(
        &mut self,
        context: &mut Context<'_>,
        writer: &W,
        copied: &mut u64,
    ) -> Poll<io::Result<Drained>> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Ok(Drained::All)) };
        while pipe.held() > 0 {
            let Some(writer) = known::connection(writer) else { return Poll::Ready(Ok(Drained::Refused)) };
            match ready!(writer.poll_drain(context, pipe)) {
                Ok(Some(0)) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(Some(n)) => *copied += n as u64,
                Ok(None) => return Poll::Ready(Ok(Drained::Refused)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(Drained::All))
    }

    /// Copies some of what is in the pipe.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pipe.as_mut().map_or(Ok(0), |pipe| pipe.read(buf))
    }

    /// Puts the pipe back if nothing is in it.
    pub(super) fn rest(&mut self) {
        if self.is_empty()
            && let Some(pipe) = self.pipe.take()
        {
            let refused = current::with_extension(|reactor: &Rc<Reactor>| reactor.pipes.keep(pipe));
            drop(refused);
        }
    }
}

/// splice knows no `MSG_NOSIGNAL`, so where SIGPIPE is deadly everything is copied.
fn take_pipe() -> Option<Pipe> {
    if sys::sigpipe::is_deadly() {
        return None;
    }
    current::with_extension(|reactor: &Rc<Reactor>| reactor.pipes.take()).flatten().or_else(Pipe::open)
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;
    use crate::{
        io::{AsyncReadExt, copy},
        net::{Shutdown, TcpListener, TcpStream, UnixStream},
    };
    use runtime_executor::{Executor, spawn};
    use std::fmt::Debug;

    const PLENTY: usize = 4 << 20;

    fn run<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
        let reactor = Reactor::new().unwrap();
        let executor = Executor::builder().park(reactor.clone()).extension(reactor.clone()).build();
        executor.block_on(story(reactor))
    }

    async fn tcp_pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    /// Copies plenty from one stream to the other.
    async fn stream<R, W>(sender: TcpStream, reader: R, writer: W, receiver: TcpStream)
    where
        R: futures_io::AsyncRead + Unpin + Debug,
        W: futures_io::AsyncWrite + Unpin + Debug,
    {
        let sending = spawn(async move {
            sender.write_all(&vec![7; PLENTY]).await.unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
            sender
        });
        let receiving = spawn(async move {
            let mut received = vec![0; PLENTY];
            receiver.read_exact(&mut received).await.unwrap();
            assert!(received.iter().all(|byte| *byte == 7));
            receiver
        });
        assert_eq!(copy(reader, writer).await.unwrap(), PLENTY as u64);
        sending.await.unwrap();
        receiving.await.unwrap();
    }

    fn pipes(reactor: &Reactor) -> usize {
        let idle = reactor.pipes.idle.borrow();
        assert!(idle.iter().all(|pipe| pipe.held() == 0), "a pipe was put back with something in it");
        idle.len()
    }

    #[test]
    fn our_sockets_are_recognised_by_value_by_reference_and_in_halves() {
        run(|reactor| async move {
            macro_rules! spliced {
                (|$reader:ident, $writer:ident| $from:expr, $to:expr) => {
                    let ((sender, $reader), ($writer, receiver)) = (tcp_pair().await, tcp_pair().await);
                    stream(sender, $from, $to, receiver).await;
                    assert_eq!(pipes(&reactor), 1, "{} to {}", stringify!($from), stringify!($to));
                    assert!(reactor.pipes.clear());
                };
            }
            spliced!(|from, to| from, to);
            spliced!(|from, to| &from, &to);
            let (mut first, mut second);
            spliced!(
                |from, to| {
                    first = from;
                    &mut first
                },
                {
                    second = to;
                    &mut second
                }
            );
            spliced!(|from, to| from.into_split().0, to.into_split().1);
            let (mut first, mut second);
            spliced!(
                |from, to| {
                    first = from.into_split().0;
                    &mut first
                },
                {
                    second = to.into_split().1;
                    &mut second
                }
            );
        });
    }

    #[test]
    fn unix_sockets_splice_and_buffered_streams_do_not() {
        run(|reactor| async move {
            let ((sender, from), (near, mut far)) = (tcp_pair().await, UnixStream::pair().unwrap());
            let receiving = spawn(async move {
                let mut received = Vec::new();
                far.read_to_end(&mut received).await.unwrap();
                assert!(received == [7; PLENTY]);
            });
            let sending = spawn(async move { sender.write_all(&vec![7; PLENTY]).await.unwrap() });
            assert_eq!(copy(from, near).await.unwrap(), PLENTY as u64);
            sending.await.unwrap();
            receiving.await.unwrap();
            assert_eq!(pipes(&reactor), 1);
            assert!(reactor.pipes.clear());

            let ((sender, from), (to, receiver)) = (tcp_pair().await, tcp_pair().await);
            stream(sender, crate::io::BufReader::new(from), to, receiver).await;
            assert_eq!(pipes(&reactor), 0, "what is in the buffer would be overtaken");
        });
    }

    #[test]
    fn little_is_not_spliced_and_pipes_are_shared() {
        run(|reactor| async move {
            let ((sender, from), (to, receiver)) = (tcp_pair().await, tcp_pair().await);
            sender.write_all(&[1; 10_000]).await.unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
            copy(&from, &to).await.unwrap();
            receiver.read_exact(&mut [0; 10_000]).await.unwrap();
            assert_eq!(pipes(&reactor), 0);
            let streams = (0..10).map(|_| {
                spawn(async {
                    let ((sender, from), (to, receiver)) = (tcp_pair().await, tcp_pair().await);
                    stream(sender, from, to, receiver).await;
                })
            });
            for done in streams.collect::<Vec<_>>() {
                done.await.unwrap();
            }
            assert!((1..=KEPT).contains(&pipes(&reactor)), "{} pipes are kept", pipes(&reactor));
        });
    }
}
