//! The jobs that have not ended, and the order in which they wait.

use super::{JobId, Weight, WorkerId};
use std::collections::VecDeque;

/// Where a job is.
///
/// ```text
/// submit --> Queued ------ assign ------> Sent -- done, or its worker died with it --> (gone)
///              |  ^                        |
///              |  +------ taken back ------+
///              +-- cancelled, given up --> (gone)
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Queued,
    /// It lies at this worker, which may have begun it.
    Sent(WorkerId),
}

/// What is known of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) weight: Weight,
    /// Workers that died before they began it, although nothing else was before it.
    pub(super) attempts: u8,
}

/// All jobs that have not ended. Places in the table are used again, numbers never.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    table: Vec<(u64, Option<Job>)>,
    vacant: Vec<u32>,
    /// Those that wait, the oldest first; with gaps, where one was cancelled.
    queue: VecDeque<JobId>,
    queued: usize,
    next_number: u64,
}

impl Jobs {
    /// A job more, the last of the queue.
    pub(super) fn add(&mut self, weight: Weight) -> JobId {
        let number = self.next_number;
        self.next_number += 1;
        let entry = (number, Some(Job { place: Place::Queued, weight, attempts: 0 }));
        let index = match self.vacant.pop() {
            Some(index) => {
                self.table[index as usize] = entry;
                index
            }
            None => {
                self.table.push(entry);
                (self.table.len() - 1) as u32
            }
        };
        let job = JobId { number, index };
        self.queue.push_back(job);
        self.queued += 1;
        job
    }

    /// None if it has ended.
    pub(super) fn get(&self, job: JobId) -> Option<&Job> {
        self.table.get(job.index as usize).filter(|(number, _)| *number == job.number)?.1.as_ref()
    }

    pub(super) fn get_mut(&mut self, job: JobId) -> Option<&mut Job> {
        self.table.get_mut(job.index as usize).filter(|(number, _)| *number == job.number)?.1.as_mut()
    }

    /// It has ended.
    pub(super) fn remove(&mut self, job: JobId) {
        let Some(&Job { place, .. }) = self.get(job) else { return };
        self.table[job.index as usize].1 = None;
        self.vacant.push(job.index);
        if place == Place::Queued {
            self.queued -= 1;
            self.close_gaps();
        }
    }

    /// Queued or sent.
    pub(super) fn len(&self) -> usize {
        self.table.len() - self.vacant.len()
    }

    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// The first of the queue.
    pub(super) fn first(&mut self) -> Option<(JobId, Weight)> {
        while let Some(&job) = self.queue.front() {
            match self.get(job) {
                Some(&Job { place: Place::Queued, weight, .. }) => return Some((job, weight)),
                _ => drop(self.queue.pop_front()),
            }
        }
        None
    }

    /// The first of the queue goes to a worker.
    pub(super) fn send_first(&mut self, to: WorkerId) {
        let Some(job) = self.queue.pop_front() else { return };
        if let Some(entry) = self.get_mut(job) {
            entry.place = Place::Sent(to);
            self.queued -= 1;
        }
    }

    /// One that was sent goes from worker to worker.
    pub(super) fn pass_on(&mut self, job: JobId, to: WorkerId) {
        if let Some(entry) = self.get_mut(job) {
            entry.place = Place::Sent(to);
        }
    }

    /// One that was sent waits again, where it would wait had it never been sent.
    pub(super) fn put_back(&mut self, job: JobId) {
        let Some(entry) = self.get_mut(job) else { return };
        entry.place = Place::Queued;
        self.queued += 1;
        // It is older than nearly all that wait.
        let at = self.queue.iter().position(|other| other.number > job.number).unwrap_or(self.queue.len());
        self.queue.insert(at, job);
    }

    /// Empties the queue.
    pub(super) fn take_queue(&mut self) -> Vec<JobId> {
        let waiting: Vec<JobId> = self.queue.drain(..).collect();
        let is_queued = |job: &JobId| self.get(*job).is_some_and(|job| job.place == Place::Queued);
        let waiting: Vec<JobId> = waiting.into_iter().filter(is_queued).collect();
        for &job in &waiting {
            self.remove(job);
        }
        waiting
    }

    /// Whoever submits and cancels all day long does not fill the memory with gaps.
    fn close_gaps(&mut self) {
        if self.queue.len() > 2 * self.queued + 64 {
            let mut queue = std::mem::take(&mut self.queue);
            queue.retain(|&job| self.get(job).is_some_and(|job| job.place == Place::Queued));
            self.queue = queue;
        }
    }

    /// Those that wait, in order.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> impl Iterator<Item = JobId> {
        self.queue.iter().copied().filter(|&job| self.get(job).is_some_and(|job| job.place == Place::Queued))
    }

    /// For how many there is room.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.table.len() + self.queue.len()
    }
}
