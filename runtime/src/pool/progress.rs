//! `Progress`: how far a long map is.

use super::map::{Blocking, Push, Results, collect};
use crate::time::{Clock, Instant};
use futures_lite::Stream;
use runtime_executor::current;
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// How many results there are. It displays as `3/10`, or `3` if nobody knows of how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Count {
    /// Results so far.
    pub done: u64,
    /// How many there will be, if that is known.
    pub total: Option<u64>,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            Some(total) => write!(f, "{}/{total}", self.done),
            None => self.done.fmt(f),
        }
    }
}

/// Results that are counted as they are taken: an adaptor of a [`Map`](super::Map), or of any other stream (`tqdm`).
///
/// ```
/// use runtime::pool::ThreadPool;
///
/// #[runtime::main]
/// async fn main() {
///     let pool = ThreadPool::new(3);
///     let mut lines = Vec::new();
///     let squares = pool.map(1..4, |n| n * n).progress().on_item(|count| lines.push(count.to_string()));
///     assert_eq!(squares.collect().await.unwrap(), [1, 4, 9]);
///     assert_eq!(lines, ["1/3", "2/3", "3/3"]);
/// }
/// ```
///
/// With a crate for progress bars, see the example `progress`.
#[must_use = "nothing is counted until the results are asked for: `collect` them, or call `next`"]
pub struct Progress<S, F = fn(Count)> {
    results: S,
    count: Count,
    told: Told<F>,
}

/// Who is told, and when.
struct Told<F> {
    tell: Option<F>,
    /// Not before so much time has passed since the last time.
    every: Duration,
    last: Option<Instant>,
    /// There was a count since.
    is_due: bool,
}

impl<S: Stream> Progress<S> {
    /// Counts what `results` give. The total is what they say of their number, if they know it.
    ///
    /// ```
    /// use futures_lite::stream;
    /// use runtime::pool::Progress;
    ///
    /// # runtime::run(async {
    /// let mut letters = Progress::new(stream::iter(["a", "b"]));
    /// assert_eq!(letters.next().await, Some("a"));
    /// assert_eq!(letters.count().to_string(), "1/2");
    /// # });
    /// ```
    pub fn new(results: S) -> Self {
        let total = match results.size_hint() {
            (least, Some(most)) if least == most => Some(most as u64),
            _ => None,
        };
        let told = Told { tell: None, every: Duration::ZERO, last: None, is_due: false };
        Self { results, count: Count { done: 0, total }, told }
    }

    /// Has `f` called with the count, by whoever takes the results: for each one, unless [`every`](Progress::every) says less
    /// often.
    pub fn on_item<F: FnMut(Count)>(self, f: F) -> Progress<S, F> {
        let Self { results, count, told: Told { every, last, is_due, .. } } = self;
        Progress { results, count, told: Told { tell: Some(f), every, last, is_due } }
    }
}

impl<S, F: FnMut(Count)> Progress<S, F> {
    /// How many results there will be, for streams that do not know it.
    pub fn total(mut self, total: u64) -> Self {
        self.count.total = Some(total);
        self
    }

    /// Tells no more often than this, by the runtime's clock, for results that come faster than anybody reads. The first count is
    /// told, and the last one is, when the results are over.
    ///
    /// ```
    /// use runtime::pool::ThreadPool;
    /// use std::time::Duration;
    ///
    /// # runtime::run(async {
    /// let (pool, mut told) = (ThreadPool::new(3), Vec::new());
    /// let hour = Duration::from_secs(3600);
    /// let squares = pool.map(0..1000, |n| n * n).progress().every(hour).on_item(|count| told.push(count.done));
    /// squares.collect().await.unwrap();
    /// assert_eq!(told, [1, 1000]);
    /// # });
    /// ```
    pub fn every(mut self, least: Duration) -> Self {
        self.told.every = least;
        self
    }

    /// How far it is.
    pub fn count(&self) -> Count {
        self.count
    }

    /// One more, or none any more.
    fn note(&mut self, is_one_more: bool) {
        if is_one_more {
            self.count.done += 1;
            self.told.note(self.count);
        } else {
            self.told.tell(self.count);
        }
    }
}

impl<S: Stream + Unpin, F: FnMut(Count)> Progress<S, F> {
    /// The next result; `None` after the last.
    ///
    /// # Panics
    /// With a panic of the results, or of whoever is told.
    ///
    /// # Cancel safety
    /// That of the results: of a [`Map`](super::Map) nothing is lost.
    pub async fn next(&mut self) -> Option<S::Item> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<S: Results, F: FnMut(Count)> Progress<S, F> {
    /// See [`Map::blocking`](super::Map::blocking).
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl<T, E, S: Stream<Item = Result<T, E>> + Unpin, F: FnMut(Count)> Progress<S, F> {
    /// All results.
    ///
    /// # Errors
    /// The first failure, as [`Map::collect`](super::Map::collect).
    ///
    /// # Panics
    /// As [`next`](Progress::next).
    ///
    /// # Cancel safety
    /// Dropping it drops the results, taken or not.
    pub async fn collect(self) -> Result<Vec<T>, E> {
        collect(self).await
    }
}

impl<F: FnMut(Count)> Told<F> {
    fn note(&mut self, count: Count) {
        self.is_due = true;
        if self.tell.is_none() {
            return;
        }
        if !self.every.is_zero() {
            let now = now();
            if self.last.is_some_and(|last| now.saturating_duration_since(last) < self.every) {
                return;
            }
            self.last = Some(now);
        }
        self.tell(count);
    }

    /// Tells, unless this count was told.
    fn tell(&mut self, count: Count) {
        if std::mem::take(&mut self.is_due)
            && let Some(tell) = &mut self.tell
        {
            tell(count);
        }
    }
}

/// By the clock of the runtime, or where none runs by the real one.
fn now() -> Instant {
    if current::is_entered() { Instant::now() } else { Clock::real().now() }
}

impl<S: Stream + Unpin, F> Unpin for Progress<S, F> {}

impl<S: Stream + Unpin, F: FnMut(Count)> Stream for Progress<S, F> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.get_mut();
        let next = ready!(Pin::new(&mut this.results).poll_next(context));
        this.note(next.is_some());
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.results.size_hint()
    }
}

impl<S: Results, F: FnMut(Count)> Results for Progress<S, F> {
    fn any_open(&self, f: &mut dyn FnMut(&dyn Push) -> bool) -> bool {
        self.results.any_open(f)
    }

    fn poll_free(&mut self, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let next = ready!(self.results.poll_free(context));
        self.note(next.is_some());
        Poll::Ready(next)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Progress<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { results, count, told } = self;
        f.debug_struct("Progress")
            .field("count", count)
            .field("every", &told.every)
            .field("results", results)
            .finish_non_exhaustive()
    }
}
