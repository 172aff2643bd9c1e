//! The reference of channels and queues: items go in and come out in order, room and items go to whoever waits longest,
//! and what was granted to one who is dropped goes to the next.

use crate::{
    spec::{Id, Line},
    wakers,
};
use std::{cell::Cell, cmp::Ordering, rc::Rc};

/// Which item comes out next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    Fifo,
    Lifo,
    /// The lowest of [`rank`], and of equals the first that went in.
    Priority,
}

/// An item that is counted while it lives, and whose drop looks at the primitive.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) number: i64,
    alive: Rc<Cell<i64>>,
}

/// Makes items of one run: numbered, and counted.
#[derive(Default)]
pub(crate) struct Maker {
    made: Cell<i64>,
    alive: Rc<Cell<i64>>,
}

impl Maker {
    pub(crate) fn make(&self) -> Item {
        self.made.set(self.made.get() + 1);
        self.alive.set(self.alive.get() + 1);
        Item { number: self.made.get(), alive: self.alive.clone() }
    }

    pub(crate) fn alive(&self) -> i64 {
        self.alive.get()
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
        wakers::probe();
    }
}

/// What orders items in a priority queue: some are equal.
pub(crate) fn rank(number: i64) -> i64 {
    -(number / 2 % 2)
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        rank(self.number).cmp(&rank(other.number))
    }
}

/// What a poll of one who puts or gets comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Polled<R> {
    Ready(R),
    Waits,
}

/// There will be nothing more, or nothing more is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ended;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Grant {
    Given,
    /// Given, and taken back by `close`: whoever had it has yet to notice, and counts until then.
    TakenBack,
    Ended,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    /// `None`: unbounded.
    capacity: Option<usize>,
    order: Order,
    pub(crate) store: Vec<i64>,
    /// Those who put have their item with them; of those who reserve it is 0.
    putters: Line<i64, Grant>,
    getters: Line<(), Grant>,
    /// Those who put and whose room went with the one who was to get: woken for it, and first in line again.
    taken_back: Vec<Id>,
    /// Items of those who put and wait, granted or not.
    pub(crate) carried: Vec<(Id, i64)>,
    /// Room that is held.
    pub(crate) rooms: usize,
    pub(crate) made: i64,
    pub(crate) is_closed: bool,
    is_abandoned: bool,
    pub(crate) unfinished: usize,
    pub(crate) joiners: Line<(), ()>,
    /// Whether `close` also refuses those who had been granted room, as tokio does.
    pub(crate) close_takes_room_back: bool,
}

impl Exchange {
    pub(crate) fn new(capacity: Option<usize>, order: Order) -> Self {
        Self {
            capacity,
            order,
            store: Vec::new(),
            putters: Line::new(),
            getters: Line::new(),
            taken_back: Vec::new(),
            carried: Vec::new(),
            rooms: 0,
            made: 0,
            is_closed: false,
            is_abandoned: false,
            unfinished: 0,
            joiners: Line::new(),
            close_takes_room_back: false,
        }
    }

    fn claims(&self) -> usize {
        self.getters.granted.iter().filter(|(_, grant)| *grant == Grant::Given).count()
    }

    fn reserved(&self) -> usize {
        self.rooms + self.putters.granted.iter().filter(|(_, grant)| *grant != Grant::Ended).count()
    }

    fn used(&self) -> usize {
        self.store.len() + self.reserved()
    }

    /// With capacity 0: as much as there are those who wait for it.
    fn capacity(&self) -> usize {
        match self.capacity {
            Some(0) => self.claims() + self.getters.waiting.len(),
            Some(capacity) => capacity,
            None => usize::MAX,
        }
    }

    pub(crate) fn may_put(&self) -> bool {
        !self.is_closed && self.putters.front().is_none() && self.used() < self.capacity()
    }

    pub(crate) fn is_full(&self) -> bool {
        !self.is_closed && !self.may_put()
    }

    /// Who waits gets what there is.
    fn settle(&mut self) {
        while self.store.len() > self.claims() && self.getters.front().is_some() {
            self.getters.grant(Grant::Given);
        }
        while !self.is_closed && self.putters.front().is_some() && self.used() < self.capacity() {
            self.putters.grant(Grant::Given);
        }
        if self.is_ended() {
            self.getters.grant_all(Grant::Ended);
        }
    }

    /// Closed, nothing there, and nobody has room to put more.
    fn is_ended(&self) -> bool {
        self.is_closed && self.store.is_empty() && (self.reserved() == 0 || self.is_abandoned)
    }

    fn push(&mut self, item: i64) {
        self.store.push(item);
        self.unfinished += 1;
        self.settle();
    }

    fn pop(&mut self) -> i64 {
        let at = match self.order {
            Order::Fifo => 0,
            Order::Lifo => self.store.len() - 1,
            Order::Priority => {
                (0..self.store.len()).min_by_key(|at| rank(self.store[*at])).expect("an item is there")
            }
        };
        let item = self.store.remove(at);
        self.settle();
        item
    }

    pub(crate) fn make(&mut self) -> i64 {
        self.made += 1;
        self.made
    }

    /// Polls one who puts `item`.
    pub(crate) fn poll_put(&mut self, id: Id, is_first: bool) -> Polled<Result<(), Ended>> {
        if is_first {
            let item = self.make();
            if self.is_closed {
                return Polled::Ready(Err(Ended));
            }
            if self.may_put() {
                self.push(item);
                return Polled::Ready(Ok(()));
            }
            self.carried.push((id, item));
            self.putters.join(id, item);
            return Polled::Waits;
        }
        let polled = self.poll_room(id);
        if let Polled::Ready(room) = polled {
            let at = self.carried.iter().position(|(carrier, _)| *carrier == id).expect("it has an item");
            let (_, item) = self.carried.remove(at);
            match room {
                Ok(()) => self.push(item),
                Err(Ended) => self.settle(),
            }
        }
        polled
    }

    /// Polls one who wants room to hold.
    pub(crate) fn poll_reserve(&mut self, id: Id, is_first: bool) -> Polled<Result<(), Ended>> {
        let polled = match is_first {
            true if self.is_closed => Polled::Ready(Err(Ended)),
            true if self.may_put() => Polled::Ready(Ok(())),
            true => {
                self.putters.join(id, 0);
                Polled::Waits
            }
            false => self.poll_room(id),
        };
        if polled == Polled::Ready(Ok(())) {
            self.rooms += 1;
        }
        self.settle();
        polled
    }

    fn poll_room(&mut self, id: Id) -> Polled<Result<(), Ended>> {
        self.taken_back.retain(|taken| *taken != id);
        match self.putters.take(id) {
            None => Polled::Waits,
            Some(Grant::Ended | Grant::TakenBack) => Polled::Ready(Err(Ended)),
            Some(Grant::Given) if self.is_abandoned => Polled::Ready(Err(Ended)),
            Some(Grant::Given) => Polled::Ready(Ok(())),
        }
    }

    pub(crate) fn is_putter_ready(&self, id: Id) -> bool {
        self.putters.is_granted(id)
    }

    pub(crate) fn was_taken_back(&self, id: Id) -> bool {
        self.taken_back.contains(&id)
    }

    pub(crate) fn cancel_put(&mut self, id: Id) {
        self.taken_back.retain(|taken| *taken != id);
        self.carried.retain(|(carrier, _)| *carrier != id);
        self.putters.leave(id);
        self.settle();
    }

    /// Puts into room that is held.
    pub(crate) fn use_room(&mut self) -> Result<(), Ended> {
        let item = self.make();
        self.rooms -= 1;
        if self.is_abandoned {
            self.settle();
            return Err(Ended);
        }
        self.push(item);
        Ok(())
    }

    pub(crate) fn give_room_back(&mut self) {
        self.rooms -= 1;
        self.settle();
    }

    pub(crate) fn may_get(&self) -> bool {
        self.store.len() > self.claims()
    }

    /// `None`: not now.
    pub(crate) fn try_get(&mut self) -> Option<Result<i64, Ended>> {
        if self.may_get() {
            return Some(Ok(self.pop()));
        }
        self.is_ended().then_some(Err(Ended))
    }

    pub(crate) fn poll_get(&mut self, id: Id, is_first: bool) -> Polled<Result<i64, Ended>> {
        if is_first {
            return match self.try_get() {
                Some(got) => Polled::Ready(got),
                None => {
                    self.getters.join(id, ());
                    self.settle();
                    Polled::Waits
                }
            };
        }
        match self.getters.take(id) {
            None => Polled::Waits,
            Some(Grant::Given) if !self.store.is_empty() => Polled::Ready(Ok(self.pop())),
            Some(_) => {
                self.settle();
                Polled::Ready(Err(Ended))
            }
        }
    }

    pub(crate) fn is_getter_ready(&self, id: Id) -> bool {
        self.getters.is_granted(id)
    }

    pub(crate) fn cancel_get(&mut self, id: Id) {
        self.getters.leave(id);
        self.settle();
        while self.capacity == Some(0) && !self.is_closed && self.used() > self.capacity() {
            let Some(last) = self.putters.granted.iter().rposition(|(_, grant)| *grant == Grant::Given)
            else {
                break; // room that is held stays held
            };
            let (id, _) = self.putters.granted.remove(last);
            self.putters.waiting.insert(0, (id, 0));
            self.taken_back.push(id);
        }
    }

    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        if self.close_takes_room_back {
            let given = self.putters.granted.iter_mut().filter(|(_, grant)| *grant == Grant::Given);
            given.for_each(|(_, grant)| *grant = Grant::TakenBack);
        }
        self.putters.grant_all(Grant::Ended);
        self.settle();
    }

    /// Closes, and nobody will ever get anything.
    pub(crate) fn abandon(&mut self) {
        self.is_abandoned = true;
        for _ in std::mem::take(&mut self.store) {
            self.finish();
        }
        self.close();
    }

    pub(crate) fn finish(&mut self) {
        self.unfinished -= 1;
        if self.unfinished == 0 {
            self.joiners.grant_all(());
        }
    }
}
