//! What keeps the items of a channel or queue, and thereby says which is next.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
};

/// An order of items. Sealed: [`Fifo`], [`Lifo`] or [`Priority`].
pub trait Store: Default {
    /// What is kept.
    type Item;
    /// Takes an item in.
    fn push(&mut self, item: Self::Item);
    /// Gives the next.
    fn pop(&mut self) -> Option<Self::Item>;
    /// How many are kept.
    fn len(&self) -> usize;
}

/// First in, first out.
#[derive(Debug)]
pub struct Fifo<T>(VecDeque<T>);

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Store for Fifo<T> {
    type Item = T;

    #[inline]
    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Last in, first out.
#[derive(Debug)]
pub struct Lifo<T>(Vec<T>);

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Store for Lifo<T> {
    type Item = T;

    fn push(&mut self, item: T) {
        self.0.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// The lowest first; of equal ones, the first in.
#[derive(Debug)]
pub struct Priority<T: Ord> {
    heap: BinaryHeap<Ranked<T>>,
    pushed: u64,
}

impl<T: Ord> Default for Priority<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }
}

impl<T: Ord> Store for Priority<T> {
    type Item = T;

    fn push(&mut self, item: T) {
        self.pushed += 1;
        self.heap.push(Ranked { item, number: self.pushed });
    }

    fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|ranked| ranked.item)
    }

    fn len(&self) -> usize {
        self.heap.len()
    }
}

/// An item with its number. The greatest of them, which a heap gives first, has the lowest item.
#[derive(Debug)]
struct Ranked<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.item.cmp(&self.item).then(other.number.cmp(&self.number))
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Ranked<T> {}
