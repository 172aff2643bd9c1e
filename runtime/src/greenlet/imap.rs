//! Items to results, as an iterator: gevent's `imap` and `imap_unordered`.

use super::{builder::Builder, group::spawn_at, handle::JoinHandle, wait::wait};
use crate::{
    sync::Event,
    task::{JoinError, Place, TaskPool},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    fmt,
    future::{pending, poll_fn},
    iter::Fuse,
    panic::Location,
    pin::pin,
    rc::Rc,
    task::Poll,
};

/// In which order results are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    OfItems,
    OfEnds,
}

/// The iterator of [`Group::imap`](super::Group::imap) and [`imap_unordered`](super::Group::imap_unordered).
#[must_use = "iterators do nothing unless consumed"]
pub struct Imap<'a, I: Iterator, F, R: 'static> {
    pool: &'a TaskPool,
    order: Order,
    spawned_at: &'static Location<'static>,
    items: Fuse<I>,
    is_exhausted: bool,
    f: Rc<F>,
    /// Those that were started and not yet given, by the numbers of their items.
    jobs: BTreeMap<usize, JoinHandle<R>>,
    started: usize,
    ended: Rc<Ended>,
}

/// What the ends of jobs leave.
#[derive(Default)]
struct Ended {
    /// The numbers of those that were not yet given, if they are to be given as they end.
    numbers: RefCell<VecDeque<usize>>,
    /// Set while there is one.
    news: Event,
}

impl<'a, I, F, R> Imap<'a, I, F, R>
where
    I: Iterator<Item: 'static>,
    F: Fn(I::Item) -> R + 'static,
    R: 'static,
{
    pub(super) fn new(
        pool: &'a TaskPool,
        order: Order,
        spawned_at: &'static Location<'static>,
        items: I,
        f: F,
    ) -> Self {
        Self {
            pool,
            order,
            spawned_at,
            items: items.fuse(),
            is_exhausted: false,
            f: Rc::new(f),
            jobs: BTreeMap::new(),
            started: 0,
            ended: Rc::default(),
        }
    }

    /// Starts the job for the next item, if there is one.
    fn start(&mut self, place: Place<'_>) {
        let Some(item) = self.items.next() else {
            self.is_exhausted = true;
            return;
        };
        let f = self.f.clone();
        let job = spawn_at(place, Builder::new(), self.spawned_at, move || f(item));
        let number = self.started;
        self.started += 1;
        if self.order == Order::OfEnds {
            let ended = self.ended.clone();
            job.link(move |_| {
                ended.numbers.borrow_mut().push_back(number);
                ended.news.set();
            });
        }
        self.jobs.insert(number, job);
    }

    /// The job whose turn it is, if it has ended.
    fn take_next(&mut self) -> Option<JoinHandle<R>> {
        let number = match self.order {
            Order::OfItems => *self.jobs.first_key_value().filter(|(_, job)| job.is_dead())?.0,
            Order::OfEnds => {
                let mut numbers = self.ended.numbers.borrow_mut();
                let number = numbers.pop_front();
                if numbers.is_empty() {
                    self.ended.news.clear();
                }
                number?
            }
        };
        self.jobs.remove(&number)
    }

    /// Waits until a job has ended that may be the next, or until there is room for another item: that is given.
    async fn news(&self) -> Option<Place<'a>> {
        let mut end = pin!(async {
            match self.jobs.first_key_value() {
                None => pending().await,
                Some((_, first)) if self.order == Order::OfItems => first.ended().await,
                Some(_) => self.ended.news.wait().await,
            }
        });
        let mut room =
            pin!(async { if self.is_exhausted { pending().await } else { self.pool.reserve().await } });
        poll_fn(|context| match end.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => room.as_mut().poll(context),
        })
        .await
    }
}

impl<I, F, R> Iterator for Imap<'_, I, F, R>
where
    I: Iterator<Item: 'static>,
    F: Fn(I::Item) -> R + 'static,
    R: 'static,
{
    type Item = Result<R, JoinError>;

    /// # Panics
    /// If there is no greenlet to suspend, as [`greenlet::wait`](super::wait()); with a panic of the items.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while !self.is_exhausted
                && let Some(place) = self.pool.try_reserve()
            {
                self.start(place);
            }
            if let Some(job) = self.take_next() {
                return Some(wait(job));
            }
            if self.is_exhausted && self.jobs.is_empty() {
                return None;
            }
            if let Some(place) = wait(self.news()) {
                self.start(place);
            }
        }
    }
}

impl<I: Iterator, F, R> Drop for Imap<'_, I, F, R> {
    fn drop(&mut self) {
        for job in self.jobs.values() {
            job.cancel();
        }
    }
}

impl<I: Iterator, F, R> fmt::Debug for Imap<'_, I, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, started, jobs, .. } = self;
        let mut debug = f.debug_struct("Imap");
        debug
            .field("order", order)
            .field("started", started)
            .field("not_given", &jobs.len())
            .finish_non_exhaustive()
    }
}
