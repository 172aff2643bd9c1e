//! Results of jobs as an iterator.

use super::Results;
use crate::doze::Doze;
use std::{
    sync::Arc,
    task::{Context, Poll},
};

/// Results as an iterator: what [`Map::blocking`](super::Map::blocking) gives. Each step blocks until the next result is there.
#[must_use = "iterators do nothing unless consumed"]
#[derive(Debug)]
pub struct Blocking<S>(S);

impl<S: Results> Blocking<S> {
    pub(crate) fn new(results: S) -> Self {
        Self(results)
    }
}

impl<S: Results> Iterator for Blocking<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<Self::Item> {
        let results = &mut self.0;
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            let next = std::future::poll_fn(|context| std::pin::Pin::new(&mut *results).poll_next(context));
            return crate::greenlet::wait(next);
        }
        let doze = Arc::new(Doze::default());
        let waker = Arc::clone(&doze).into();
        loop {
            if let Poll::Ready(next) = results.poll_free(&mut Context::from_waker(&waker)) {
                return next;
            }
            if !results.any_open(&mut |job| job.push()) {
                doze.sleep(None);
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
