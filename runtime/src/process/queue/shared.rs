//! Putting, getting and joining: what is done at the four ends, and how one waits there.

use super::board::{Board, LOOK, Name, Noted, Remembered};
use crate::{
    process::{
        packet::{Arrival, Packet, PacketError, Packets, Parcel, Side, within},
        transfer::{RecvError, decode},
    },
    time::{Duration, Instant},
};
use runtime_io::{
    blocking,
    packet::{self, Patience},
};
use serde::de::DeserializeOwned;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{Mutex, TryLockError},
};

/// So many of those who join are told with one bell each; others look by themselves.
const MOST_TOLD: u64 = 64;

/// What the clones of a handle have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// Items go in here, and news of places come out.
    pub(super) entrance: Packets,
    /// Items come out here, and news of places go in.
    pub(super) exit: Packets,
    /// Tells that all is done.
    pub(super) bell: Packets,
    pub(super) button: Packets,
    pub(super) board: Board,
    /// Claims that looked odd at the last look.
    pub(super) odd: Mutex<Remembered>,
    pub(super) capacity: Option<usize>,
}

impl Shared {
    /// One attempt to put an item in; `false` if there is no place.
    fn post(&self, socket: BorrowedFd<'_>, parcel: &mut Parcel<'_>) -> io::Result<bool> {
        let Some(name) = self.board.claim() else { return Ok(false) };
        match parcel.send(socket, Patience::Never, name.tag()) {
            Ok(()) => {
                self.board.sent(name);
                Ok(true)
            }
            Err(error) => {
                self.board.give_back(name);
                Err(error)
            }
        }
    }

    pub(super) async fn put(&self, packet: &Packet) -> Result<(), PacketError> {
        let mut parcel = self.entrance.prepare(packet)?;
        let mut waiter: Option<Waiter<'_>> = None;
        while !self.entrance.attempts(Side::Send, |socket, _| self.post(socket, &mut parcel)).await? {
            match &mut waiter {
                // And looks again: from now on it is told.
                None => waiter = Some(Waiter::new(self)),
                Some(waiter) => {
                    let news = within(Some(LOOK), self.entrance.recv()).await;
                    waiter.heard(news)?;
                }
            }
        }
        waiter.into_iter().for_each(Waiter::served);
        Ok(())
    }

    pub(super) fn blocking_put(&self, packet: &Packet, limit: Option<Duration>) -> Result<(), PacketError> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(within(limit, self.put(packet)));
        }
        let deadline = limit.map(|limit| Instant::now() + limit);
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let mut parcel = self.entrance.prepare(packet)?;
        let mut waiter: Option<Waiter<'_>> = None;
        while !self
            .entrance
            .blocking_attempts(Side::Send, left(), |socket, _| self.post(socket, &mut parcel))?
        {
            match &mut waiter {
                None => waiter = Some(Waiter::new(self)),
                Some(waiter) => {
                    let pause = left().map_or(LOOK, |left| left.min(LOOK));
                    if pause.is_zero() {
                        return Err(PacketError::TimedOut);
                    }
                    waiter.heard(self.entrance.blocking_recv(Some(pause)))?;
                }
            }
        }
        waiter.into_iter().for_each(Waiter::served);
        Ok(())
    }

    pub(super) fn try_put(&self, packet: &Packet) -> Result<(), PacketError> {
        if packet.is_long() && !self.entrance.is_ready(Side::Send, Some(Duration::ZERO))? {
            return Err(PacketError::WouldBlock);
        }
        let mut parcel = self.entrance.prepare(packet)?;
        let socket = self.entrance.as_fd();
        if self.post(socket, &mut parcel)? {
            return Ok(());
        }
        self.look_after();
        match self.post(socket, &mut parcel)? {
            true => Ok(()),
            false if self.is_closed() => Err(PacketError::Closed),
            false => Err(PacketError::WouldBlock),
        }
    }

    /// One attempt to take an item.
    pub(super) fn take(&self, socket: BorrowedFd<'_>, patience: Patience) -> io::Result<Option<Arrival>> {
        let arrival = self.exit.receive(socket, patience)?;
        if let Some(arrival) = &arrival
            && self.board.take(Name::from_tag(arrival.tag()))
        {
            self.tell();
        }
        Ok(arrival)
    }

    pub(super) async fn get(&self) -> Result<Option<Arrival>, PacketError> {
        self.exit.attempts(Side::Receive, |socket, patience| self.take(socket, patience)).await
    }

    pub(super) fn blocking_get(&self, limit: Option<Duration>) -> Result<Option<Arrival>, PacketError> {
        self.exit.blocking_attempts(Side::Receive, limit, |socket, patience| self.take(socket, patience))
    }

    /// The item that has arrived.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        arrival: Result<Option<Arrival>, PacketError>,
    ) -> Result<T, RecvError> {
        let lost = Lost(self);
        let item = decode(arrival.and_then(|arrival| self.exit.open(arrival)));
        if !matches!(item, Err(RecvError::Unreadable(_))) {
            std::mem::forget(lost);
        }
        item
    }

    /// Tells somebody that there is a place. If there is no room for that, enough is said already.
    fn tell(&self) {
        let _ = self.exit.try_send(Packet::default());
    }

    pub(super) fn task_done(&self) -> bool {
        let Some(joining) = self.board.done() else { return false };
        for _ in 0..joining.min(MOST_TOLD) {
            let _ = self.button.try_send(Packet::default());
        }
        true
    }

    pub(super) async fn join(&self) -> Result<(), PacketError> {
        if self.board.unfinished() == 0 {
            return Ok(());
        }
        let _noted = self.board.join();
        while self.board.unfinished() > 0 {
            self.heard(within(Some(LOOK), self.bell.recv()).await)?;
        }
        Ok(())
    }

    pub(super) fn blocking_join(&self) -> Result<(), PacketError> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(self.join());
        }
        let _noted = self.board.join();
        while self.board.unfinished() > 0 {
            self.heard(self.bell.blocking_recv(Some(LOOK)))?;
        }
        Ok(())
    }

    pub(super) fn is_closed(&self) -> bool {
        blocking::hung_up(self.entrance.as_fd(), Some(Duration::ZERO)).unwrap_or(true)
    }

    pub(super) fn len(&self) -> usize {
        match self.board.used() {
            used if used > 0 && self.is_there_any() => used,
            _ => 0,
        }
    }

    /// Whether an item can be received.
    fn is_there_any(&self) -> bool {
        packet::is_there_any(self.exit.as_fd()).unwrap_or(true)
    }

    /// Looks whether somebody has died with a place.
    fn look_after(&self) {
        let mut odd = match self.odd.try_lock() {
            Ok(odd) => odd,
            Err(TryLockError::Poisoned(odd)) => odd.into_inner(),
            // Another thread looks.
            Err(TryLockError::WouldBlock) => return,
        };
        self.board.look_after(&mut odd, || !self.is_there_any());
    }

    /// What came of waiting for news; `true` if there were any.
    fn heard(&self, news: Result<Option<Packet>, PacketError>) -> Result<bool, PacketError> {
        match news {
            Ok(Some(_)) => Ok(true),
            Ok(None) => Err(PacketError::Closed),
            Err(PacketError::TimedOut) => {
                self.look_after();
                Ok(false)
            }
            Err(error) if error.is_of_one_packet() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// An item of which nothing comes: nobody else will say that it is done. Also if the user's `Deserialize` panics.
struct Lost<'q>(&'q Shared);

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        self.0.task_done();
    }
}

/// Somebody who waits for a place.
pub(super) struct Waiter<'q> {
    shared: &'q Shared,
    _noted: Noted<'q>,
    /// It has heard of a place, as nobody else has, and not got one.
    has_news: bool,
}

impl<'q> Waiter<'q> {
    pub(super) fn new(shared: &'q Shared) -> Self {
        Self { shared, _noted: shared.board.wait(), has_news: false }
    }

    pub(super) fn heard(&mut self, news: Result<Option<Packet>, PacketError>) -> Result<(), PacketError> {
        self.has_news |= self.shared.heard(news)?;
        Ok(())
    }

    pub(super) fn served(mut self) {
        self.has_news = false;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.has_news {
            self.shared.tell();
        }
    }
}
