//! Who may put, who may get, and who is next: every rule of an exchange, with nothing but plain fields.

use super::store::Store;
use crate::wait_list::{LazyList, Queued, WaitList, Wakes};
use std::mem;

/// The capacity that is never reached.
pub(crate) const UNBOUNDED: u32 = u32::MAX;

/// A limit as it is kept.
#[track_caller]
pub(crate) fn bounded_capacity(capacity: usize) -> u32 {
    match u32::try_from(capacity) {
        Ok(capacity) if capacity != UNBOUNDED => capacity,
        _ => panic!("a limit of {capacity} items is more than {}: use `unbounded()`", UNBOUNDED - 1),
    }
}

pub(crate) struct State<S> {
    /// Built by the first that puts or waits.
    pub(super) parts: Option<Box<Parts<S>>>,
    pub(super) capacity: u32,
    /// Handles that can put, and handles that can get, where there are handles.
    pub(crate) putters: u32,
    pub(crate) getters: u32,
    /// Nothing more is taken in. What is reserved may still be used.
    pub(super) is_closed: bool,
    /// Nor will anybody ever get anything: what is reserved is void.
    pub(super) is_abandoned: bool,
}

#[derive(Default)]
pub(super) struct Parts<S> {
    pub(super) store: S,
    pub(super) reserved: usize,
    /// The number of the latest grant of room.
    room: usize,
    pub(super) claims: usize,
    pub(super) putters: WaitList,
    pub(super) getters: WaitList,
    /// Items put and not yet reported as done, and who waits until there are none.
    pub(super) unfinished: usize,
    joiners: LazyList,
}

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Put,
    Get,
    Join,
}

/// To a getter: an item is yours.
pub(super) const GRANTED: usize = 0;
/// To a getter: there will be no more items. To a putter: no more are taken.
pub(super) const ENDED: usize = 1;
/// To a putter: there is room for yours. Higher numbers tell it too: grants of room are numbered.
const FIRST_ROOM: usize = 2;

impl<S: Store> Queued for State<S> {
    type Which = Side;

    #[inline]
    fn list(&mut self, side: Side) -> &mut WaitList {
        let parts = self.parts();
        match side {
            Side::Put => &mut parts.putters,
            Side::Get => &mut parts.getters,
            Side::Join => parts.joiners.list(()),
        }
    }
}

/// Why an item was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Closed,
}

/// Why something could not be done in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Whoever comes now has to wait.
    MustWait,
    /// Others wait, or it is closed: look closer.
    NotQuiet,
}

/// Why there is no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoItem {
    Empty,
    Ended,
}

impl<S: Store> State<S> {
    /// With one handle on each side.
    pub(super) fn new(capacity: u32) -> Self {
        Self { parts: None, capacity, putters: 1, getters: 1, is_closed: false, is_abandoned: false }
    }

    #[inline]
    pub(super) fn parts(&mut self) -> &mut Parts<S> {
        self.parts.get_or_insert_default()
    }

    /// Room for one more; `arriving` getters are about to wait.
    #[inline]
    pub(super) fn has_room(&self, arriving: usize) -> bool {
        let (used, waiting) = self
            .parts
            .as_ref()
            .map_or((0, 0), |parts| (parts.store.len() + parts.reserved, parts.claims + parts.getters.len()));
        match self.capacity {
            UNBOUNDED => true,
            0 => used < waiting + arriving,
            capacity => used < capacity as usize,
        }
    }

    /// Whether a newcomer may put at once.
    #[inline]
    pub(super) fn check_put(&self) -> Result<(), Refusal> {
        if self.is_closed {
            Err(Refusal::Closed)
        } else if self.has_room(0) && self.parts.as_ref().is_none_or(|parts| parts.putters.is_empty()) {
            Ok(())
        } else {
            Err(Refusal::Full)
        }
    }

    /// Puts what `item` holds if nobody waits for anything, so that nobody is to be woken.
    #[inline]
    pub(super) fn push_quietly(&mut self, item: &mut Option<S::Item>) -> Result<(), Obstacle> {
        let Some(parts) = self.parts.as_mut().filter(|parts| !self.is_closed && parts.is_quiet()) else {
            return Err(Obstacle::NotQuiet);
        };
        if parts.store.len() + parts.reserved >= self.capacity as usize {
            return Err(Obstacle::MustWait);
        }
        if let Some(item) = item.take() {
            parts.unfinished += 1;
            parts.store.push(item);
        }
        Ok(())
    }

    /// Takes an item if one is there and nobody waits for anything, so that nobody is to be woken.
    #[inline]
    pub(super) fn pop_quietly(&mut self) -> Result<S::Item, Obstacle> {
        let Some(parts) = self.parts.as_mut().filter(|parts| parts.is_quiet()) else {
            return Err(Obstacle::NotQuiet);
        };
        match parts.store.len() > parts.claims {
            true => parts.store.pop().ok_or(Obstacle::NotQuiet),
            false if self.is_closed || self.capacity == 0 => Err(Obstacle::NotQuiet),
            false => Err(Obstacle::MustWait),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, item: S::Item, wakes: &mut Wakes) {
        let parts = self.parts();
        parts.unfinished += 1;
        parts.store.push(item);
        parts.serve_getters(wakes);
    }

    /// Takes an item, if there is one that is not claimed.
    #[inline]
    pub(super) fn pop(&mut self, wakes: &mut Wakes) -> Result<S::Item, NoItem> {
        if let Some(parts) = &mut self.parts
            && parts.store.len() > parts.claims
            && let Some(item) = parts.store.pop()
        {
            self.after_pop(wakes);
            return Ok(item);
        }
        Err(if self.is_ended() { NoItem::Ended } else { NoItem::Empty })
    }

    #[inline]
    fn after_pop(&mut self, wakes: &mut Wakes) {
        if self.parts.as_ref().is_some_and(|parts| !parts.is_quiet()) {
            self.tell_after_pop(wakes);
        }
    }

    #[inline(never)]
    fn tell_after_pop(&mut self, wakes: &mut Wakes) {
        self.serve_putters(0, wakes);
        self.end_if_drained(wakes);
    }

    /// Grants room to those who wait for it.
    #[inline]
    pub(super) fn serve_putters(&mut self, arriving: usize, wakes: &mut Wakes) {
        while let Some(parts) = &self.parts
            && !parts.putters.is_empty()
            && self.has_room(arriving)
        {
            let parts = self.parts();
            parts.room = parts.room.wrapping_add(1).max(FIRST_ROOM);
            wakes.push(parts.putters.grant_front(parts.room));
            parts.reserved += 1;
        }
    }

    /// Nothing is there, nothing will come.
    fn is_ended(&self) -> bool {
        let is_empty = self
            .parts
            .as_ref()
            .is_none_or(|parts| parts.store.len() == 0 && (parts.reserved == 0 || self.is_abandoned));
        self.is_closed && is_empty
    }

    #[inline]
    fn end_if_drained(&mut self, wakes: &mut Wakes) {
        if self.is_closed
            && self.is_ended()
            && let Some(parts) = &mut self.parts
        {
            wakes.extend(parts.getters.grant_all(ENDED));
        }
    }

    pub(crate) fn close(&mut self, wakes: &mut Wakes) {
        self.is_closed = true;
        if let Some(parts) = &mut self.parts {
            wakes.extend(parts.putters.grant_all(ENDED));
        }
        self.end_if_drained(wakes);
    }

    /// Closes, and gives what is stored to be dropped.
    pub(crate) fn abandon(&mut self, wakes: &mut Wakes) -> S {
        self.is_abandoned = true;
        let store = self.parts.as_mut().map(|parts| mem::take(&mut parts.store)).unwrap_or_default();
        self.close(wakes);
        // Some may have been called done before anybody got them.
        let unfinished = self.parts.as_ref().map_or(0, |parts| parts.unfinished);
        self.finish(store.len().min(unfinished), wakes);
        store
    }

    /// So many items are done with; `false`: there were not that many.
    pub(super) fn finish(&mut self, items: usize, wakes: &mut Wakes) -> bool {
        let Some(parts) = &mut self.parts else { return items == 0 };
        let Some(unfinished) = parts.unfinished.checked_sub(items) else { return false };
        parts.unfinished = unfinished;
        if unfinished == 0
            && let Some(joiners) = parts.joiners.get()
        {
            wakes.extend(joiners.grant_all(GRANTED));
        }
        true
    }

    /// Fetches the item that was granted; `None` if all were dropped meanwhile.
    #[inline]
    pub(super) fn fetch(&mut self, wakes: &mut Wakes) -> Option<S::Item> {
        let parts = self.parts();
        parts.claims -= 1;
        let item = parts.store.pop();
        self.after_pop(wakes);
        item
    }

    /// A getter that waited has gone, perhaps with an item granted, which goes to the next.
    pub(super) fn lose_getter(&mut self, granted: Option<usize>, wakes: &mut Wakes) {
        if granted == Some(GRANTED) {
            let parts = self.parts();
            parts.claims -= 1;
            parts.serve_getters(wakes);
        }
        self.take_room_back();
    }

    /// After a getter has gone: at capacity 0 its room goes with it. Whoever was granted room last waits on at the head
    /// of the queue. What is reserved stays so.
    fn take_room_back(&mut self) {
        if self.capacity == 0
            && !self.is_closed
            && let Some(parts) = &mut self.parts
        {
            while parts.store.len() + parts.reserved > parts.claims + parts.getters.len()
                && parts.putters.take_back(FIRST_ROOM)
            {
                parts.reserved -= 1;
            }
        }
    }

    /// Gives room back that was granted and not used.
    pub(crate) fn unreserve(&mut self, wakes: &mut Wakes) {
        self.parts().reserved -= 1;
        if !self.is_closed {
            self.serve_putters(0, wakes);
        }
        self.end_if_drained(wakes);
    }

    /// Uses room that was reserved; `Err` if nobody will ever get the item.
    pub(crate) fn put_reserved(&mut self, item: S::Item, wakes: &mut Wakes) -> Result<(), S::Item> {
        self.parts().reserved -= 1;
        if self.is_abandoned {
            return Err(item);
        }
        self.push(item, wakes);
        Ok(())
    }

    /// Reserves room without waiting.
    pub(crate) fn try_reserve(&mut self) -> Result<(), Refusal> {
        self.check_put()?;
        self.parts().reserved += 1;
        Ok(())
    }
}

impl<S: Store> Parts<S> {
    /// Nobody waits to put or to get.
    #[inline]
    fn is_quiet(&self) -> bool {
        self.putters.is_empty() && self.getters.is_empty()
    }

    /// Grants items to those who wait for them.
    #[inline]
    pub(super) fn serve_getters(&mut self, wakes: &mut Wakes) {
        while self.store.len() > self.claims
            && let Some(woken) = self.getters.grant_front(GRANTED)
        {
            self.claims += 1;
            wakes.push(Some(woken));
        }
    }
}
