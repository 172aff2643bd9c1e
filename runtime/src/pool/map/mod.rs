//! Many jobs: one for each item, at most so many ahead of whoever takes the results.

mod blocking;
mod feed;
mod portion;
mod unordered;

pub use blocking::Blocking;
pub(crate) use feed::Submit;
pub use unordered::ImapUnordered;

use super::{JobError, Progress, job::Job, ticket::Outcome};
use feed::Feed;
use futures_lite::Stream;
use portion::Portion;
use runtime_executor::current;
use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

/// The results of a function for all items, in the order of the items (`Executor.map`, `Pool.imap`).
///
/// Made by [`ThreadPool::map`](super::ThreadPool::map). It does nothing until the first result is asked for; from then on jobs
/// are submitted ahead of whoever takes the results, at most [`buffer`](Map::buffer) at a time. So the items may be endless, and
/// neither jobs nor results pile up.
///
/// The results are taken one by one with [`next`](Map::next), all at once with [`collect`](Map::collect), or without `async` from
/// [`blocking`](Map::blocking). A job that fails is one result of all; the others go on.
///
/// It is a [`Stream`] as well. Dropping it cancels the jobs that have not begun.
///
/// ```
/// use runtime::pool::ThreadPool;
///
/// #[runtime::main]
/// async fn main() {
///     let pool = ThreadPool::new(3);
///     let squares = pool.map(1..5, |n| n * n).collect().await.unwrap();
///     assert_eq!(squares, [1, 4, 9, 16]);
///
///     let mut powers = pool.map(0.., |n| 2_u64.pow(n)); // as many as are asked for
///     assert_eq!(powers.next().await.unwrap().unwrap(), 1);
///     assert_eq!(powers.next().await.unwrap().unwrap(), 2);
/// }
/// ```
#[must_use = "a map submits nothing until its results are asked for: `collect` them, or call `next`"]
#[derive(Debug)]
pub struct Map<I: Iterator, T: Send + 'static> {
    feed: Feed<I, T>,
    jobs: VecDeque<Portion<T>>,
    /// What is left of the chunk whose results are being taken.
    rest: VecDeque<Outcome<T>>,
}

impl<I: Iterator, T: Send + 'static> Map<I, T> {
    /// Of a pool of so many workers.
    pub(crate) fn new(items: I, workers: usize, submit: Box<dyn Submit<I::Item, T>>) -> Self {
        Self { feed: Feed::new(items, workers, submit), jobs: VecDeque::new(), rest: VecDeque::new() }
    }

    /// The most jobs that are submitted and whose results were not all taken yet; 64 for each worker, unless said otherwise. A
    /// [chunk](Map::chunk_size) is one job: of chunks there are as many as have 64 items for each worker, but no fewer than four.
    ///
    /// ```
    /// use runtime::pool::ThreadPool;
    /// # runtime::run(async {
    /// let pool = ThreadPool::new(3);
    /// let squares = pool.map(0..100, |n| n * n).buffer(50).collect().await.unwrap();
    /// assert_eq!(squares[99], 9801);
    /// # });
    /// ```
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn buffer(mut self, jobs: usize) -> Self {
        self.feed.set_buffer(jobs);
        self
    }

    /// Has so many items done as one job (`chunksize`), for functions that take less time than a job does by itself: some
    /// microseconds on a thread, some ten in a process. 1 unless said otherwise.
    ///
    /// The results are those of single items, in the same order; they come when the whole chunk is done. Each item has its own
    /// outcome: one that panics, or cannot be written down, is one result of all, and the others of its chunk go on.
    ///
    /// What happens to the job happens to all its items. A worker that dies takes a whole chunk along, and nobody knows which of
    /// its items were done: each has `JobError::WorkerDied`. What has not begun is cancelled by chunks, and a chunk that has
    /// begun is done to its end, also if this is dropped. A pool of processes counts a chunk as one task
    /// (`max_tasks_per_child`), and as one message, of arguments and of results: all items of a chunk that is too long for
    /// `max_message`, or has too many descriptors, fail.
    ///
    /// ```
    /// use runtime::pool::ThreadPool;
    /// # runtime::run(async {
    /// let pool = ThreadPool::new(3);
    /// let squares = pool.map(0..10_000_u64, |n| n * n).chunk_size(1_000).collect().await.unwrap();
    /// assert_eq!(squares[9_999], 99_980_001);
    /// # });
    /// ```
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.feed.set_chunk_size(items);
        self
    }

    /// The result of the next item; `None` after the last.
    ///
    /// # Panics
    /// With a panic of the items; then there are no more, and what they gave before can still be taken.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, JobError>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// All results. The items must come to an end.
    ///
    /// # Errors
    /// The first failure, in the order of the items; what has not begun by then is cancelled.
    ///
    /// # Panics
    /// With a panic of the items.
    ///
    /// # Cancel safety
    /// Dropping it cancels what has not begun.
    pub async fn collect(self) -> Result<Vec<T>, JobError> {
        collect(self).await
    }

    /// The results as an iterator, which blocks: for threads that run no runtime, and greenlets, which it suspends. See
    /// [`Job::get`](super::Job::get).
    ///
    /// ```
    /// use runtime::pool::ThreadPool;
    /// let pool = ThreadPool::new(3);
    /// let squares: Result<Vec<_>, _> = pool.map(1..5, |n| n * n).blocking().collect();
    /// assert_eq!(squares.unwrap(), [1, 4, 9, 16]);
    /// ```
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }

    /// Counts the results as they are taken, and tells.
    pub fn progress(self) -> Progress<Self> {
        Progress::new(self)
    }
}

impl<I: Iterator, T: Send + 'static> Unpin for Map<I, T> {}

impl<I: Iterator, T: Send + 'static> Stream for Map<I, T> {
    type Item = Result<T, JobError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(current::poll_budget(context));
        self.get_mut().poll_free(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        added(self.feed.size_hint(), self.jobs.iter().map(Portion::len).sum::<usize>() + self.rest.len())
    }
}

impl<I: Iterator, T: Send + 'static> Results for Map<I, T> {
    fn any_open(&self, f: &mut dyn FnMut(&dyn Push) -> bool) -> bool {
        // The first is the one that is waited for.
        self.jobs.front().is_some_and(|job| job.push(f))
    }

    fn poll_free(&mut self, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { feed, jobs, rest } = self;
        // A chunk is open until its last result is taken.
        while let Some(job) = feed.next_job(jobs.len() + usize::from(!rest.is_empty())) {
            jobs.push_back(job);
        }
        if let Some(outcome) = rest.pop_front() {
            return Poll::Ready(Some(outcome));
        }
        let Some(first) = jobs.front_mut() else { return Poll::Ready(None) };
        let outcome = ready!(first.poll(context, rest));
        jobs.pop_front();
        Poll::Ready(Some(outcome))
    }
}

/// Results of jobs, for whoever blocks for them.
pub trait Results: Stream + Unpin {
    /// Calls `f` with the jobs that are open, until it says that it did something; whether it has.
    #[doc(hidden)]
    fn any_open(&self, f: &mut dyn FnMut(&dyn Push) -> bool) -> bool;

    /// `poll_next` without asking for budget. Whoever blocks in the middle of a poll gets no more of it, and would ask for ever.
    #[doc(hidden)]
    fn poll_free(&mut self, context: &mut Context<'_>) -> Poll<Option<Self::Item>>;
}

/// A job that can be pushed on by whoever would wait for it otherwise.
#[doc(hidden)]
pub trait Push {
    #[doc(hidden)]
    fn push(&self) -> bool;
}

impl<T: Send + 'static> Push for Job<T> {
    fn push(&self) -> bool {
        self.push_on()
    }
}

/// All results, or the first failure.
pub(super) async fn collect<T, E>(results: impl Stream<Item = Result<T, E>>) -> Result<Vec<T>, E> {
    let mut results = pin!(results);
    let mut collected = Vec::with_capacity(results.size_hint().0.min(MAX_RESERVED));
    while let Some(result) = poll_fn(|context| results.as_mut().poll_next(context)).await {
        collected.push(result?);
    }
    Ok(collected)
}

/// Room for results that is made before there are any; what the items say of their number is only a hint.
const MAX_RESERVED: usize = 4096;

/// A hint, and `more` that are certain.
fn added((least, most): (usize, Option<usize>), more: usize) -> (usize, Option<usize>) {
    (least.saturating_add(more), most.and_then(|most| most.checked_add(more)))
}
