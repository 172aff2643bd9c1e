//! What standard output and error have in common, which is all but their number.

use super::{
    waiting::{Seat, Waiting, wake},
    way::{Number, Standard, Way},
};
use crate::{
    fs::job::submit,
    operation::Operation,
    registration::Step,
    source::{Direction, WaiterId, Writing},
    sys,
};
use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, ready},
};

/// Given to a job at a time: enough to make little of the way to the blocking pool and back, and of the memory.
const PIECE_OF_FILE: usize = 256 * 1024;

/// What is under way to files, by number: what is written first arrives first, whoever writes.
static DESKS: [Desk; 3] = [const { Desk::new() }; 3];

/// Where pieces for a file are handed in, one at a time.
#[derive(Debug)]
struct Desk(Mutex<State>);

#[derive(Debug)]
struct State {
    /// A job writes.
    busy: bool,
    /// A job has failed, and nobody has been told.
    failed: Option<io::Error>,
    waiting: Waiting,
}

impl Desk {
    const fn new() -> Self {
        Self(Mutex::new(State { busy: false, failed: None, waiting: Waiting::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when nothing is under way; what went wrong comes out here. Then `then` is done before anybody else can.
    fn poll_idle(
        &self,
        seat: &mut Seat,
        context: &Context<'_>,
        then: impl FnOnce(&mut State),
    ) -> Poll<io::Result<()>> {
        let waker = context.waker().clone();
        let mut state = self.lock();
        if state.busy {
            let former = state.waiting.sit(seat, waker);
            drop(state);
            drop(former);
            return Poll::Pending;
        }
        let idle = match state.failed.take() {
            Some(error) => Err(error),
            None => {
                then(&mut state);
                Ok(())
            }
        };
        drop(state);
        Poll::Ready(idle)
    }

    fn finish(&self, written: io::Result<()>) {
        let mut state = self.lock();
        state.busy = false;
        state.failed = written.err();
        let woken = state.waiting.take_all();
        drop(state);
        wake(woken);
    }

    fn leave(&self, seat: &mut Seat) {
        if !seat.is_none() {
            let former = self.lock().waiting.leave(seat);
            drop(former);
        }
    }
}

/// A piece on its way to a file. It is written when this is dropped: on the blocking pool, or, should there be no thread or the
/// runtime end before its turn, then and there.
struct Piece {
    bytes: Vec<u8>,
    file: Arc<File>,
    desk: &'static Desk,
}

impl Drop for Piece {
    fn drop(&mut self) {
        let written = sys::file::spare_sigxfsz(|| (&*self.file).write_all(&self.bytes));
        self.desk.finish(written);
    }
}

/// An open standard stream to write to.
#[derive(Debug)]
pub(super) struct Output {
    number: Number,
    opened: OnceLock<Standard>,
    /// Where the traits wait.
    seat: Seat,
}

impl Output {
    pub(super) const fn new(number: Number) -> Self {
        Self { number, opened: OnceLock::new(), seat: Seat::NONE }
    }

    fn opened(&self) -> io::Result<&Standard> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = Standard::open(self.number)?;
        Ok(self.opened.get_or_init(|| opened))
    }

    fn desk(&self) -> &'static Desk {
        &DESKS[self.number as usize]
    }

    pub(super) fn write<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        match self.opened() {
            Ok(Standard::Polled(io)) => {
                Writes::Polled(io.writing(move |way: &Way| way.write(buf).map(Step::Done)))
            }
            Ok(Standard::File(file)) => Writes::Filed(Filed::new(self.desk(), file, buf, false)),
            Err(error) => Writes::Refused(Some(error)),
        }
    }

    pub(super) fn write_all<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + 'a {
        let mut rest = buf;
        Whole(match self.opened() {
            Ok(Standard::Polled(io)) => Writes::Polled(io.writing(move |way: &Way| {
                if rest.is_empty() {
                    return Ok(Step::Done(buf.len()));
                }
                match way.write(rest)? {
                    0 => Err(ErrorKind::WriteZero.into()),
                    n if n == rest.len() => Ok(Step::Done(buf.len())),
                    n => {
                        rest = &rest[n..];
                        Ok(Step::Again)
                    }
                }
            })),
            Ok(Standard::File(file)) => Writes::Filed(Filed::new(self.desk(), file, buf, true)),
            Err(error) => Writes::Refused(Some(error)),
        })
    }

    /// Writes what there is room for; to a file, hands it in.
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let desk = self.desk();
        let mut seat = mem::take(&mut self.seat);
        let done = match self.opened()? {
            Standard::Polled(io) => io.poll_op(Direction::Write, &mut WaiterId::shared(), context, |way| {
                way.write(buf).map(Step::Done)
            }),
            Standard::File(file) => poll_hand_in(desk, file, &mut seat, context, buf),
        };
        self.seat = seat;
        done
    }

    /// Waits until everything that was handed in is written, by whatever handle.
    pub(super) fn poll_flush(&mut self, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.desk().poll_idle(&mut self.seat, context, |_| {})
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.desk().leave(&mut self.seat);
    }
}

fn poll_hand_in(
    desk: &'static Desk,
    file: &Arc<File>,
    seat: &mut Seat,
    context: &Context<'_>,
    buf: &[u8],
) -> Poll<io::Result<usize>> {
    if buf.is_empty() {
        return Poll::Ready(Ok(0));
    }
    ready!(desk.poll_idle(seat, context, |state| state.busy = true))?;
    let n = buf.len().min(PIECE_OF_FILE);
    let piece = Piece { bytes: buf[..n].to_vec(), file: Arc::clone(file), desk };
    // If there is no thread for it, it is written in place.
    let _ = submit(Box::new(move || drop(piece)));
    Poll::Ready(Ok(n))
}

/// A write, by whatever way.
enum Writes<'a, F> {
    Polled(Operation<'a, Writing, Way, F>),
    Filed(Filed<'a>),
    Refused(Option<io::Error>),
}

impl<F> Future for Writes<'_, F>
where
    F: FnMut(&Way) -> io::Result<Step<usize>>,
{
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Polled(operation) => Pin::new(operation).poll(context),
            Self::Filed(filed) => filed.poll(context),
            Self::Refused(error) => {
                Poll::Ready(Err(error.take().unwrap_or_else(|| ErrorKind::NotConnected.into())))
            }
        }
    }
}

/// A write of everything: how much that is, its caller knows.
struct Whole<W>(W);

impl<W: Future<Output = io::Result<usize>> + Unpin> Future for Whole<W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_ok(drop)
    }
}

/// A write to a file, piece by piece, until it is done.
struct Filed<'a> {
    desk: &'static Desk,
    file: &'a Arc<File>,
    rest: &'a [u8],
    whole: bool,
    /// Of the rest, what is on its way.
    handed_in: Option<usize>,
    written: usize,
    seat: Seat,
}

impl<'a> Filed<'a> {
    fn new(desk: &'static Desk, file: &'a Arc<File>, buf: &'a [u8], whole: bool) -> Self {
        Self { desk, file, rest: buf, whole, handed_in: None, written: 0, seat: Seat::NONE }
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            if let Some(n) = self.handed_in {
                ready!(self.desk.poll_idle(&mut self.seat, context, |_| {}))?;
                self.handed_in = None;
                self.rest = &self.rest[n..];
                self.written += n;
                if !self.whole {
                    return Poll::Ready(Ok(self.written));
                }
            }
            if self.rest.is_empty() {
                return Poll::Ready(Ok(self.written));
            }
            let n = ready!(poll_hand_in(self.desk, self.file, &mut self.seat, context, self.rest))?;
            self.handed_in = Some(n);
        }
    }
}

impl Drop for Filed<'_> {
    fn drop(&mut self) {
        self.desk.leave(&mut self.seat);
    }
}
