//! One job of a map: that of an item, or of a chunk.

use super::{
    super::{JobError, job::OwnedJob, ticket::Outcome},
    Push,
};
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

#[derive(Debug)]
pub(super) enum Portion<T: Send + 'static> {
    Item(OwnedJob<T>),
    /// With an outcome for each of its items, of which there is at least one.
    Chunk {
        job: OwnedJob<Vec<Outcome<T>>>,
        items: usize,
    },
}

impl<T: Send + 'static> Portion<T> {
    /// How many results it will give.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Item(_) => 1,
            Self::Chunk { items, .. } => *items,
        }
    }

    /// The first of its outcomes; the others go to `rest`.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        rest: &mut VecDeque<Outcome<T>>,
    ) -> Poll<Outcome<T>> {
        let (job, items) = match self {
            Self::Item(job) => return Pin::new(&mut job.0).poll(context),
            Self::Chunk { job, items } => (job, *items),
        };
        let outcomes = match ready!(Pin::new(&mut job.0).poll(context)) {
            // Only what has come from another process may be something else.
            #[cfg(feature = "process-pool")]
            Ok(outcomes) if outcomes.len() != items => {
                let what = format!("{} results have come for a chunk of {items} items", outcomes.len());
                all(&JobError::ResultLost(what), items)
            }
            Ok(outcomes) => outcomes,
            Err(error) => all(&error, items),
        };
        *rest = outcomes.into();
        Poll::Ready(rest.pop_front().expect("a chunk has at least one item"))
    }

    /// See [`Push::push`].
    pub(super) fn push(&self, f: &mut dyn FnMut(&dyn Push) -> bool) -> bool {
        match self {
            Self::Item(job) => f(&job.0),
            Self::Chunk { job, .. } => f(&job.0),
        }
    }
}

/// What became of a job became of all its items.
fn all<T>(error: &JobError, items: usize) -> Vec<Outcome<T>> {
    (0..items).map(|_| Err(error.again())).collect()
}
