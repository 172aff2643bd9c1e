//! Timers whose time has come, or comes within this tick, in firing order.
//!
//! Most of them arrive in that order already: they were set in order, for the same delay. Those are appended to a queue
//! and cost nothing; only one that comes out of order goes through a heap. No step takes longer the more timers wait,
//! but for the logarithm of the heap.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::slots::{Key, SHRINK_ABOVE, SLOTS};

/// The name of a timer. Field order is firing order: by deadline, then by insertion.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) at: u64,
    pub(super) sequence: u64,
    pub(super) index: u32,
}

impl Due {
    pub(super) fn key(&self) -> Key {
        Key { index: self.index, sequence: self.sequence }
    }
}

/// Names in firing order, some of them of timers that were cancelled meanwhile.
#[derive(Default)]
pub(super) struct DueQueue {
    /// Ascending.
    in_order: VecDeque<Due>,
    /// Those that were earlier than the last of `in_order` when they came.
    others: BinaryHeap<Reverse<Due>>,
    /// How many names are known to be stale.
    stale: usize,
}

impl DueQueue {
    pub(super) fn len(&self) -> usize {
        self.in_order.len() + self.others.len()
    }

    pub(super) fn push(&mut self, due: Due) {
        if self.in_order.back().is_none_or(|last| *last < due) {
            self.in_order.push_back(due);
        } else {
            self.others.push(Reverse(due));
        }
    }

    /// The first of all names that `is_due` confirms, which is not taken out; those before it are.
    pub(super) fn first(&mut self, is_due: impl Fn(&Due) -> bool) -> Option<Due> {
        loop {
            let due = self.peek()?;
            if is_due(&due) {
                return Some(due);
            }
            self.pop();
            self.stale -= 1;
        }
    }

    fn peek(&self) -> Option<Due> {
        match (self.in_order.front(), self.others.peek()) {
            (Some(&a), Some(&Reverse(b))) => Some(a.min(b)),
            (a, b) => a.copied().or(b.map(|b| b.0)),
        }
    }

    /// Takes out the first name.
    pub(super) fn pop(&mut self) {
        let first = self.peek();
        if first == self.in_order.front().copied() {
            self.in_order.pop_front();
        } else {
            self.others.pop();
        }
        if self.len() == 0 && self.in_order.capacity() + self.others.capacity() > SHRINK_ABOVE {
            *self = Self::default();
        }
    }

    /// Notes that a name is stale now. It stays until it comes up, or until most names are stale.
    pub(super) fn note_stale(&mut self, is_due: impl Fn(&Due) -> bool) {
        self.stale += 1;
        if self.stale > SLOTS && self.stale > self.len() / 2 {
            self.in_order.retain(&is_due);
            self.others.retain(|Reverse(due)| is_due(due));
            self.stale = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(queue: &mut DueQueue) -> Vec<(u64, u64)> {
        let mut names = Vec::new();
        while let Some(due) = queue.first(|_| true) {
            names.push((due.at, due.sequence));
            queue.pop();
        }
        names
    }

    #[test]
    fn gives_names_in_order_however_they_came() {
        let mut queue = DueQueue::default();
        for (sequence, at) in [5, 7, 7, 6, 9, 1, 9, 7].into_iter().enumerate() {
            queue.push(Due { at, sequence: sequence as u64, index: 0 });
        }
        assert_eq!(queue.len(), 8);
        assert_eq!(names(&mut queue), [(1, 5), (5, 0), (6, 3), (7, 1), (7, 2), (7, 7), (9, 4), (9, 6)]);
    }

    #[test]
    fn stale_names_are_passed_over_and_swept_out_once_they_are_the_majority() {
        let mut queue = DueQueue::default();
        for sequence in 0..200 {
            // Every other one out of order.
            queue.push(Due { at: 1000 + sequence * (sequence % 2), sequence, index: 0 });
        }
        let is_due = |limit: u64| move |due: &Due| due.sequence >= limit;
        for limit in 1..=100 {
            queue.note_stale(is_due(limit));
        }
        assert_eq!(queue.len(), 200, "not yet the majority");
        assert_eq!(queue.first(is_due(100)).map(|due| due.sequence), Some(100));
        queue.note_stale(is_due(150));
        while queue.len() > 50 {
            queue.note_stale(is_due(150));
        }
        assert!(names(&mut queue).iter().all(|&(_, sequence)| sequence >= 150));
    }
}
