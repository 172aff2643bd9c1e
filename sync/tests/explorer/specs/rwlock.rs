//! `RwLock`: one writes or many read, in the order of arrival; a writer that leaves lets in the readers behind it.
//!
//! As tokio's, which has no `try_upgrade`.

use crate::spec::{DONE, Fut, Id, Line, Model, Next, Outcome, SLOTS, Spec, Then};
use runtime_sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{future::Future, marker::PhantomData};
use tokio::sync as peer;

/// What ours and the peer have in common.
pub(crate) trait ReadersWriter: 'static {
    type Read: 'static;
    type Write: 'static;
    const NAME: &'static str;
    const USES: &'static [Act];
    const IS_OURS: bool;
    fn new() -> Self;
    fn read(&'static self) -> impl Future<Output = Self::Read> + 'static;
    fn write(&'static self) -> impl Future<Output = Self::Write> + 'static;
    fn try_read(&'static self) -> Option<Self::Read>;
    fn try_write(&'static self) -> Option<Self::Write>;
    fn downgrade(guard: Self::Write) -> Self::Read;
    fn try_upgrade(guard: Self::Read) -> Result<Self::Write, Self::Read>;
}

impl ReadersWriter for RwLock<u32> {
    type Read = RwLockReadGuard<'static, u32>;
    type Write = RwLockWriteGuard<'static, u32>;
    const NAME: &'static str = "RwLock";
    const USES: &'static [Act] = &[Act::Release, Act::Downgrade, Act::Upgrade];
    const IS_OURS: bool = true;
    fn new() -> Self {
        RwLock::new(0)
    }
    fn read(&'static self) -> impl Future<Output = Self::Read> + 'static {
        self.read()
    }
    fn write(&'static self) -> impl Future<Output = Self::Write> + 'static {
        self.write()
    }
    fn try_read(&'static self) -> Option<Self::Read> {
        self.try_read()
    }
    fn try_write(&'static self) -> Option<Self::Write> {
        self.try_write()
    }
    fn downgrade(guard: Self::Write) -> Self::Read {
        RwLockWriteGuard::downgrade(guard)
    }
    fn try_upgrade(guard: Self::Read) -> Result<Self::Write, Self::Read> {
        RwLockReadGuard::try_upgrade(guard)
    }
}

impl ReadersWriter for peer::RwLock<u32> {
    type Read = peer::RwLockReadGuard<'static, u32>;
    type Write = peer::RwLockWriteGuard<'static, u32>;
    const NAME: &'static str = "tokio's RwLock";
    const USES: &'static [Act] = &[Act::Release, Act::Downgrade];
    const IS_OURS: bool = false;
    fn new() -> Self {
        peer::RwLock::new(0)
    }
    fn read(&'static self) -> impl Future<Output = Self::Read> + 'static {
        self.read()
    }
    fn write(&'static self) -> impl Future<Output = Self::Write> + 'static {
        self.write()
    }
    fn try_read(&'static self) -> Option<Self::Read> {
        self.try_read().ok()
    }
    fn try_write(&'static self) -> Option<Self::Write> {
        self.try_write().ok()
    }
    fn downgrade(guard: Self::Write) -> Self::Read {
        peer::RwLockWriteGuard::downgrade(guard)
    }
    fn try_upgrade(guard: Self::Read) -> Result<Self::Write, Self::Read> {
        Err(guard)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Read,
    Write,
    TryRead,
    TryWrite,
    Release,
    Downgrade,
    Upgrade,
}

pub(crate) enum Guard<L: ReadersWriter> {
    Read(L::Read),
    Write(L::Write),
}

pub(crate) struct Of<L>(PhantomData<L>);

impl<L: ReadersWriter> Spec for Of<L> {
    const NAME: &'static str = L::NAME;
    type World = L;
    type Held = Guard<L>;
    type Act = Act;
    type Model = Reference;
    const STARTS: &'static [Act] = &[Act::Read, Act::Write, Act::TryRead, Act::TryWrite];
    const USES: &'static [Act] = L::USES;
    const RARE: &'static [Act] = &[Act::TryRead];
    const IS_OURS: bool = L::IS_OURS;
    const DEPTH: usize = if L::IS_OURS { 6 } else { 5 };
    const IDLE: u8 = 1;
    const PLACES: usize = 3;

    fn world() -> L {
        L::new()
    }

    fn start(world: &'static L, _: Id, act: Act) -> Fut<Self> {
        let tried = |guard: Option<Guard<L>>| (Outcome("try", i64::from(guard.is_some())), guard);
        match act {
            Act::Read => {
                let read = world.read();
                Box::pin(async { (DONE, Some(Guard::Read(read.await))) })
            }
            Act::Write => {
                let write = world.write();
                Box::pin(async { (DONE, Some(Guard::Write(write.await))) })
            }
            Act::TryRead => Box::pin(async move { tried(world.try_read().map(Guard::Read)) }),
            _ => Box::pin(async move { tried(world.try_write().map(Guard::Write)) }),
        }
    }

    fn apply(_: &'static L, act: Act, held: Guard<L>) -> (Outcome, Next<Self>) {
        match (act, held) {
            (Act::Downgrade, Guard::Write(guard)) => (DONE, Next::Held(Guard::Read(L::downgrade(guard)))),
            (Act::Upgrade, Guard::Read(guard)) => match L::try_upgrade(guard) {
                Ok(guard) => (Outcome("try", 1), Next::Held(Guard::Write(guard))),
                Err(guard) => (Outcome("try", 0), Next::Held(Guard::Read(guard))),
            },
            _ => (DONE, Next::Gone),
        }
    }

    fn seen(world: &'static L) -> Vec<i64> {
        let may_read = world.try_read().is_some();
        let may_write = world.try_write().is_some();
        vec![i64::from(may_read), i64::from(may_write)]
    }
}

#[derive(Debug)]
pub(crate) struct Reference {
    readers: usize,
    is_written: bool,
    /// Who holds it writes.
    writes: [bool; SLOTS],
    /// Whether they want to write.
    line: Line<bool, bool>,
}

impl Reference {
    fn is_free_for(&self, writer: bool) -> bool {
        !self.is_written && (self.readers == 0 || !writer)
    }

    fn enter(&mut self, writer: bool) {
        if writer {
            self.is_written = true;
        } else {
            self.readers += 1;
        }
    }

    fn exit(&mut self, writer: bool) {
        if writer {
            self.is_written = false;
        } else {
            self.readers -= 1;
        }
        self.serve();
    }

    fn serve(&mut self) {
        while let Some(writer) = self.line.front().filter(|writer| self.is_free_for(*writer)) {
            self.line.grant(writer);
            self.enter(writer);
        }
    }
}

impl Model for Reference {
    type Act = Act;

    fn new() -> Self {
        Self { readers: 0, is_written: false, writes: [false; SLOTS], line: Line::new() }
    }

    fn allows(&self, act: Act, id: Option<Id>) -> bool {
        match (act, id) {
            (Act::Downgrade, Some(id)) => self.writes[id],
            (Act::Upgrade, Some(id)) => !self.writes[id],
            _ => true,
        }
    }

    fn poll(&mut self, id: Id, act: Act, is_first: bool) -> (Option<Outcome>, Then) {
        let writer = matches!(act, Act::Write | Act::TryWrite);
        let is_try = matches!(act, Act::TryRead | Act::TryWrite);
        let at_once = is_first && self.line.front().is_none() && self.is_free_for(writer);
        if at_once {
            self.enter(writer);
        }
        if at_once || self.line.take(id).is_some() {
            self.writes[id] = writer;
            return (Some(if is_try { Outcome("try", 1) } else { DONE }), Then::Held);
        }
        if is_try {
            return (Some(Outcome("try", 0)), Then::Gone);
        }
        if is_first {
            self.line.join(id, writer);
        }
        (None, Then::Gone)
    }

    fn is_ready(&self, id: Id) -> bool {
        self.line.is_granted(id)
    }

    fn cancel(&mut self, id: Id, _: Act, _: bool) {
        match self.line.leave(id) {
            Some(writer) => self.exit(writer),
            None => self.serve(),
        }
    }

    fn apply(&mut self, id: Id, act: Act) -> (Outcome, Then) {
        match act {
            Act::Downgrade => {
                self.writes[id] = false;
                self.readers += 1;
                self.exit(true);
                (DONE, Then::Held)
            }
            Act::Upgrade => {
                let is_alone = self.readers == 1 && self.line.front().is_none();
                if is_alone {
                    (self.readers, self.is_written, self.writes[id]) = (0, true, true);
                }
                (Outcome("try", i64::from(is_alone)), Then::Held)
            }
            _ => {
                self.exit(self.writes[id]);
                (DONE, Then::Gone)
            }
        }
    }

    fn seen(&self) -> Vec<i64> {
        let nobody_waits = self.line.front().is_none();
        [false, true].map(|writer| i64::from(nobody_waits && self.is_free_for(writer))).to_vec()
    }
}
