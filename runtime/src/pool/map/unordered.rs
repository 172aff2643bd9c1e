//! `ImapUnordered`: results as they come.

use super::{
    super::{JobError, Progress, lock, ticket::Outcome},
    Blocking, Push, Results, Submit, added, collect,
    feed::Feed,
    portion::Portion,
};
use futures_lite::Stream;
use runtime_executor::current;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker, ready},
};

/// The results of a function for all items, in the order in which they come (`Pool.imap_unordered`, `as_completed`).
///
/// Otherwise as [`Map`](super::Map).
///
/// ```
/// use runtime::pool::ThreadPool;
///
/// #[runtime::main]
/// async fn main() {
///     let pool = ThreadPool::new(3);
///     let mut squares = pool.imap_unordered(1..5, |n| n * n).collect().await.unwrap();
///     squares.sort();
///     assert_eq!(squares, [1, 4, 9, 16]);
/// }
/// ```
#[must_use = "it submits nothing until its results are asked for: `collect` them, or call `next`"]
pub struct ImapUnordered<I: Iterator, T: Send + 'static> {
    feed: Feed<I, T>,
    /// Each with its bell, by its number.
    jobs: BTreeMap<u64, (Portion<T>, Waker)>,
    /// What is left of the chunk whose results are being taken.
    rest: VecDeque<Outcome<T>>,
    started: u64,
    arrivals: Arc<Arrivals>,
}

/// The numbers of jobs that have news, and who waits for them.
#[derive(Default)]
struct Arrivals(Mutex<News>);

#[derive(Default)]
struct News {
    numbers: VecDeque<u64>,
    waiting: Option<Waker>,
}

/// Leaves the number of its job.
struct Bell {
    number: u64,
    arrivals: Arc<Arrivals>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut news = lock(&self.arrivals.0);
        news.numbers.push_back(self.number);
        let waiting = news.waiting.take();
        drop(news);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Arrivals {
    /// The next number. Who asks in vain is woken when there is one.
    fn poll_next(&self, context: &Context<'_>) -> Poll<u64> {
        let new = context.waker().clone(); // code of others: not under the lock
        let mut news = lock(&self.0);
        let polled = news.numbers.pop_front();
        let old = if polled.is_none() { news.waiting.replace(new) } else { None };
        drop(news);
        drop(old);
        polled.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<I: Iterator, T: Send + 'static> ImapUnordered<I, T> {
    /// Of a pool of so many workers.
    pub(crate) fn new(items: I, workers: usize, submit: Box<dyn Submit<I::Item, T>>) -> Self {
        let (feed, arrivals) = (Feed::new(items, workers, submit), Arc::default());
        Self { feed, jobs: BTreeMap::new(), rest: VecDeque::new(), started: 0, arrivals }
    }

    /// See [`Map::buffer`](super::Map::buffer).
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn buffer(mut self, jobs: usize) -> Self {
        self.feed.set_buffer(jobs);
        self
    }

    /// See [`Map::chunk_size`](super::Map::chunk_size). The chunks' results come in the order in which the chunks are done, those
    /// of a chunk together.
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.feed.set_chunk_size(items);
        self
    }

    /// The next result that there is; `None` after the last.
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
    /// The first failure; what has not begun by then is cancelled.
    ///
    /// # Panics
    /// With a panic of the items.
    ///
    /// # Cancel safety
    /// Dropping it cancels what has not begun.
    pub async fn collect(self) -> Result<Vec<T>, JobError> {
        collect(self).await
    }

    /// See [`Map::blocking`](super::Map::blocking).
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }

    /// See [`Map::progress`](super::Map::progress).
    pub fn progress(self) -> Progress<Self> {
        Progress::new(self)
    }

    /// Starts as many jobs as may be open; each is looked at once, so that it rings.
    fn fill(&mut self) {
        // A chunk is open until its last result is taken.
        while let Some(job) = self.feed.next_job(self.jobs.len() + usize::from(!self.rest.is_empty())) {
            let number = self.started;
            self.started += 1;
            let bell = Arc::new(Bell { number, arrivals: Arc::clone(&self.arrivals) });
            lock(&self.arrivals.0).numbers.push_back(number);
            self.jobs.insert(number, (job, bell.into()));
        }
    }
}

impl<I: Iterator, T: Send + 'static> Unpin for ImapUnordered<I, T> {}

impl<I: Iterator, T: Send + 'static> Stream for ImapUnordered<I, T> {
    type Item = Result<T, JobError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(current::poll_budget(context));
        self.get_mut().poll_free(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let open = self.jobs.values().map(|(job, _)| job.len()).sum::<usize>();
        added(self.feed.size_hint(), open + self.rest.len())
    }
}

impl<I: Iterator, T: Send + 'static> Results for ImapUnordered<I, T> {
    fn any_open(&self, f: &mut dyn FnMut(&dyn Push) -> bool) -> bool {
        self.jobs.values().any(|(job, _)| job.push(f))
    }

    fn poll_free(&mut self, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.fill();
        if let Some(outcome) = self.rest.pop_front() {
            return Poll::Ready(Some(outcome));
        }
        if self.jobs.is_empty() {
            return Poll::Ready(None);
        }
        loop {
            let number = ready!(self.arrivals.poll_next(context));
            let Some((job, bell)) = self.jobs.get_mut(&number) else { continue };
            if let Poll::Ready(outcome) = job.poll(&mut Context::from_waker(bell), &mut self.rest) {
                self.jobs.remove(&number);
                return Poll::Ready(Some(outcome));
            }
        }
    }
}

impl<I: Iterator, T: Send + 'static> Drop for ImapUnordered<I, T> {
    fn drop(&mut self) {
        // Jobs that are cancelled below ring, and nobody waits for that.
        let waiting = mem::take(&mut *lock(&self.arrivals.0));
        drop(waiting);
    }
}

impl<I: Iterator, T: Send + 'static> fmt::Debug for ImapUnordered<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { feed, jobs, .. } = self;
        f.debug_struct("ImapUnordered").field("feed", feed).field("open", &jobs.len()).finish_non_exhaustive()
    }
}
