//! Standard input.

use super::{
    input::{self, Any, Demand, Line},
    waiting::Seat,
    way::{Number, Standard},
};
use crate::{
    registration::Step,
    source::{Direction, WaiterId},
};
use futures_core::Stream;
use futures_io::AsyncRead;
use runtime_executor::current;
use std::{
    io::{self, IsTerminal},
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
};

/// Standard input, awaited.
///
/// A terminal, a pipe or a socket is waited for with everything else, and a file is read on the blocking pool: nothing stops
/// the thread, and whatever the input does, the program can end. Its descriptor is left as it is: `O_NONBLOCK` would
/// surprise the shell and everybody else who has it. On Linux we open what it stands for once more; where that cannot be
/// done, it is read when poll(2) says that there is something.
///
/// All handles of the process, on all threads, take from one buffer, so that nothing is lost between them. That of
/// [`std::io::stdin`] is another: use one or the other.
///
/// ```
/// use runtime_io::io;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
///
/// # executor.block_on(async {
/// let mut lines = io::stdin().lines();
/// # if false {
/// while let Some(line) = lines.next_line().await? {
///     println!("{} bytes", line.len());
/// }
/// # }
/// # io::Result::Ok(())
/// # })?;
/// # io::Result::Ok(())
/// ```
pub fn stdin() -> Stdin {
    Stdin { opened: OnceLock::new(), polled: Polled::default() }
}

/// A handle to standard input; see [`stdin`].
///
/// It belongs to the runtime where it first had to wait. To make one costs nothing; its first wait opens what it needs, so keep
/// it for a while.
#[derive(Debug)]
pub struct Stdin {
    opened: OnceLock<Standard>,
    /// What the traits wait with.
    polled: Polled,
}

/// Where somebody waits.
#[derive(Default, Debug)]
struct Polled {
    seat: Seat,
}

impl Drop for Polled {
    fn drop(&mut self) {
        input::leave(&mut self.seat);
    }
}

impl Stdin {
    /// Reads what there is, as far as there is room; waits while there is nothing. 0 bytes mean the end: of a file, of a
    /// pipe without writers, or Ctrl-D at a terminal, after which more may come.
    ///
    /// # Errors
    /// `NotConnected` if standard input is closed (a Rust `main` begins with `/dev/null` there instead, which is at its
    /// end), what else the system says, or a [`HandleError`](crate::HandleError).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has read nothing.
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.demand(Any(buf))
    }

    /// Appends the next line to `line`, with its end; gives its length, 0 at the end of the input. The last line may have
    /// no end.
    ///
    /// A line is as long as the sender likes: whoever does not trust him uses [`read`](Self::read).
    ///
    /// # Errors
    /// `InvalidData` if the line is not UTF-8; it is skipped then. Otherwise as for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing: the part of a line that has come is kept for the next reader.
    pub fn read_line<'a>(&'a self, line: &'a mut String) -> impl Future<Output = io::Result<usize>> + 'a {
        self.demand(Line(line))
    }

    /// All lines, without their ends.
    pub fn lines(self) -> Lines {
        Lines { stdin: self, line: String::new() }
    }

    /// Whether somebody sits there.
    pub fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn demand<D: Demand>(&self, demand: D) -> Demanding<'_, D> {
        Demanding { stdin: self, demand, polled: Polled::default(), waiter: WaiterId::NONE }
    }

    fn opened(&self) -> io::Result<&Standard> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = Standard::open(Number::Stdin)?;
        Ok(self.opened.get_or_init(|| opened))
    }

    fn poll_demand(
        &self,
        demand: &mut impl Demand,
        seat: &mut Seat,
        waiter: &mut WaiterId,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if input::has_any() {
            ready!(current::poll_budget(context));
            if let Some(taken) = input::take(demand) {
                return Poll::Ready(taken);
            }
        }
        let file = match self.opened()? {
            Standard::File(file) => Some(file),
            Standard::Polled(io) => {
                let polled = io.poll_op(Direction::Read, waiter, context, |way| {
                    Ok(input::fetch(demand, way, seat)?.map_or(Step::Again, Step::Done))
                });
                match polled {
                    Poll::Ready(done) => {
                        if done.is_ok() {
                            *waiter = WaiterId::NONE; // nobody sits where it is ready
                        }
                        return Poll::Ready(done);
                    }
                    Poll::Pending => None,
                }
            }
        };
        // Somebody else may read more than he wants.
        input::poll_filled(demand, file, seat, context)
    }
}

/// Waits for what is wanted, and leaves nothing behind.
#[must_use = "futures do nothing unless awaited"]
struct Demanding<'a, D> {
    stdin: &'a Stdin,
    demand: D,
    polled: Polled,
    waiter: WaiterId,
}

impl<D> Unpin for Demanding<'_, D> {}

impl<D: Demand> Future for Demanding<'_, D> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stdin, demand, polled, waiter } = &mut *self;
        stdin.poll_demand(demand, &mut polled.seat, waiter, context)
    }
}

impl<D> Drop for Demanding<'_, D> {
    fn drop(&mut self) {
        if let (false, Some(Standard::Polled(io))) = (self.waiter.is_none(), self.stdin.opened.get()) {
            io.unseat(Direction::Read, self.waiter);
        }
    }
}

/// Whoever polls last is woken. Tasks that share a handle use its `async` methods, where everybody is.
impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut polled = std::mem::take(&mut self.polled);
        let done = self.poll_demand(&mut Any(buf), &mut polled.seat, &mut WaiterId::shared(), context);
        self.polled = polled;
        done
    }
}

/// The lines of standard input; see [`Stdin::lines`]. They are a [`Stream`] too.
#[derive(Debug)]
pub struct Lines {
    stdin: Stdin,
    /// The line that is being taken: empty between two of them.
    line: String,
}

impl Lines {
    /// The next line, without its end (`\n` or `\r\n`); `None` at the end of the input.
    ///
    /// # Errors
    /// As for [`Stdin::read_line`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken nothing.
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        self.line.clear();
        let n = self.stdin.read_line(&mut self.line).await?;
        Ok(self.finish(n))
    }

    fn finish(&mut self, n: usize) -> Option<String> {
        if n == 0 {
            return None;
        }
        let mut line = std::mem::take(&mut self.line);
        if line.ends_with('\n') {
            line.pop();
            if line.ends_with('\r') {
                line.pop();
            }
        }
        Some(line)
    }
}

impl Stream for Lines {
    type Item = io::Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { stdin, line } = &mut *self;
        line.clear();
        let mut polled = std::mem::take(&mut stdin.polled);
        let done = stdin.poll_demand(&mut Line(line), &mut polled.seat, &mut WaiterId::shared(), context);
        stdin.polled = polled;
        match ready!(done) {
            Ok(n) => Poll::Ready(self.finish(n).map(Ok)),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}
