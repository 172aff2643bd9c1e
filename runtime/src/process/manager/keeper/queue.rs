//! A queue: first in, first out.

use super::{Answer, Answers, Ask, Leave, LineId, Object, Parcel, Refusal, Reply, the_one};
use std::collections::{BTreeMap, VecDeque};

/// ```text
///         room                    a getter                          Took
/// put ─────────────▶ items ──────────────────────▶ offered ───────────────────▶ gone
///  │  no room          ▲  ▲                           │
///  └───────▶ putters ──┘  └───────────────────────────┘ the getter's line ends first: back to the head
/// ```
#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    items: VecDeque<Parcel>,
    /// Who waits for an item. Nobody, unless there is none.
    getters: VecDeque<LineId>,
    /// Who waits for room, with what. Nobody, unless there is none.
    putters: VecDeque<(LineId, Parcel)>,
    /// What is on its way to a getter, who has not said yet that it has arrived.
    offered: BTreeMap<LineId, Parcel>,
    /// Items that were put, and not yet said to be done.
    unfinished: u64,
    joiners: Vec<LineId>,
    is_closed: bool,
}

impl Queue {
    /// For so many items. None: for as many as there is memory for.
    pub(super) fn new(most: Option<u64>) -> Self {
        Self {
            most: most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX),
            items: VecDeque::new(),
            getters: VecDeque::new(),
            putters: VecDeque::new(),
            offered: BTreeMap::new(),
            unfinished: 0,
            joiners: Vec::new(),
            is_closed: false,
        }
    }

    fn put(&mut self, line: LineId, item: Parcel, wait: bool, out: &mut Answers) -> Reply {
        if self.is_closed {
            return Answer::Closed.into();
        }
        if self.items.len() >= self.most && self.getters.is_empty() {
            if !wait {
                return Answer::No.into();
            }
            self.putters.push_back((line, item));
            return Reply::Later;
        }
        self.unfinished += 1;
        self.items.push_back(item);
        self.serve_getters(out);
        Answer::Done.into()
    }

    fn get(&mut self, line: LineId, wait: bool, out: &mut Answers) -> Reply {
        if let Some(item) = self.items.pop_front() {
            self.offered.insert(line, item.clone());
            self.admit_putters(out);
            return Reply::parcel(Some(item));
        }
        if self.is_closed {
            return Answer::Closed.into();
        }
        if wait {
            self.getters.push_back(line);
            return Reply::Later;
        }
        Answer::No.into()
    }

    fn serve_getters(&mut self, out: &mut Answers) {
        while !self.getters.is_empty()
            && let Some(item) = self.items.pop_front()
            && let Some(line) = self.getters.pop_front()
        {
            self.offered.insert(line, item.clone());
            out.push((line, Answer::Done, vec![item]));
        }
    }

    fn admit_putters(&mut self, out: &mut Answers) {
        while self.items.len() < self.most
            && let Some((line, item)) = self.putters.pop_front()
        {
            self.unfinished += 1;
            self.items.push_back(item);
            out.push((line, Answer::Done, Vec::new()));
        }
    }

    fn task_done(&mut self, out: &mut Answers) -> Answer {
        let Some(left) = self.unfinished.checked_sub(1) else { return Answer::No };
        self.unfinished = left;
        if left == 0 {
            out.extend(self.joiners.drain(..).map(|line| (line, Answer::Done, Vec::new())));
        }
        Answer::Done
    }

    /// What is in it can still be taken.
    fn close(&mut self, out: &mut Answers) {
        self.is_closed = true;
        let waiting = self.getters.drain(..).chain(self.putters.drain(..).map(|(line, _)| line));
        out.extend(waiting.map(|line| (line, Answer::Closed, Vec::new())));
    }
}

impl Object for Queue {
    fn ask(
        &mut self,
        line: LineId,
        ask: Ask,
        parcels: Vec<Parcel>,
        out: &mut Answers,
    ) -> Result<Reply, Refusal> {
        // Who asks for more has got what it was given.
        self.offered.remove(&line);
        Ok(match ask {
            Ask::Put { wait } => self.put(line, the_one(parcels)?, wait, out),
            Ask::Get { wait } => self.get(line, wait, out),
            Ask::Took => Reply::Never,
            Ask::Len => Reply::number(self.items.len()),
            Ask::IsFull => Reply::is(self.items.len() >= self.most),
            Ask::TaskDone => self.task_done(out).into(),
            Ask::Join if self.unfinished == 0 => Answer::Done.into(),
            Ask::Join => {
                self.joiners.push(line);
                Reply::Later
            }
            Ask::Close => {
                self.close(out);
                Answer::Done.into()
            }
            _ => return Err(Refusal::Nonsense),
        })
    }

    fn leave(&mut self, line: LineId, _: Leave, out: &mut Answers) {
        self.getters.retain(|&waiting| waiting != line);
        self.putters.retain(|&(waiting, _)| waiting != line);
        self.joiners.retain(|&waiting| waiting != line);
        if let Some(item) = self.offered.remove(&line) {
            self.items.push_front(item);
            self.serve_getters(out);
        }
    }
}
