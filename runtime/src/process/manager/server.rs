//! The manager's process: takes in what comes on the lines, and does what the [`Keeper`] says. One task per line, and one
//! thread for all of them, so nothing in here is locked.

use super::{
    keeper::{Action, Keeper, LineId},
    wire::{self, Answer, Ask, Parcel, Refusal},
};
use crate::{
    Builder,
    process::{
        birth::Cradle,
        packet::{Packet, PacketError, Packets},
    },
    signal::SignalKind,
    spawn,
    sync::Event,
    task::JoinHandle,
};
use runtime_io::host;
use serde::{Deserialize, Serialize};
use std::{cell::RefCell, collections::HashMap, fmt, io, mem, os::fd::OwnedFd, rc::Rc};

/// What the manager's process is told before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limits {
    /// Longer messages are refused, in both directions.
    pub(super) message_bytes: usize,
    pub(super) connections: usize,
}

/// Room for what goes with a value: an answer with one that has come is never too long.
pub(super) const HEAD_BYTES: usize = 4096;

/// Descriptors that are not for lines: of the runtime, of values, and what is just coming in.
const OTHER_DESCRIPTORS: usize = 64;

/// The life of a manager's process.
pub(crate) fn live(cradle: Cradle) -> i32 {
    match keep(cradle.line) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("runtime: a manager cannot go on: {error}");
            1
        }
    }
}

fn keep(line: Packets) -> io::Result<()> {
    let Ok(Some(packet)) = line.blocking_recv(None) else { return Ok(()) };
    let limits = postcard::from_bytes(&packet.bytes).map_err(io::Error::other)?;
    // ^C goes to all processes of a terminal. This one ends when its owner does, who may have things to do before.
    host::ignore_signal(SignalKind::interrupt())?;
    // Lines are descriptors. Where that is refused, there are fewer.
    let _ = host::raise_descriptor_limit();
    Builder::new().build()?.block_on(serve(line, limits));
    Ok(())
}

/// Keeps objects until the last line to the manager itself has ended, or says so.
pub(super) async fn serve(root: Packets, limits: Limits) {
    let most = host::descriptor_limit().map_or(usize::MAX, |most| most.saturating_sub(OTHER_DESCRIPTORS));
    let (keeper, manager) = Keeper::new(limits.connections.min(most));
    let server = Rc::new(Server {
        keeper: RefCell::new(keeper),
        lines: RefCell::default(),
        message_bytes: limits.message_bytes,
        is_finished: Event::new(),
    });
    server.attach(manager, root);
    server.is_finished.wait().await;
    let lines = mem::take(&mut *server.lines.borrow_mut());
    drop(lines);
}

struct Server {
    keeper: RefCell<Keeper>,
    lines: RefCell<HashMap<LineId, Line>>,
    message_bytes: usize,
    is_finished: Event,
}

/// An open line. Dropped, it is closed.
struct Line {
    packets: Rc<Packets>,
    listens: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.listens.cancel();
    }
}

impl Server {
    fn attach(self: &Rc<Self>, id: LineId, packets: Packets) {
        let packets = Rc::new(packets.with_limit(self.message_bytes.saturating_add(HEAD_BYTES)));
        let listens = spawn(Rc::clone(self).listen(id, Rc::clone(&packets)));
        self.lines.borrow_mut().insert(id, Line { packets, listens });
    }

    /// Until the line has ended, or is dropped.
    async fn listen(self: Rc<Self>, id: LineId, packets: Rc<Packets>) {
        loop {
            match packets.recv().await {
                Ok(Some(packet)) => self.take_in(id, packet),
                Err(PacketError::TooLong { bytes, most }) => {
                    // Nothing of it was read, and nothing is known of it but that somebody waits for the answer.
                    let why = Refusal::TooLong { bytes, most: most as u64 };
                    self.tell(None, |keeper| keeper.refuse(id, why));
                }
                Err(error) if error.is_of_one_packet() => self.tell(None, |keeper| keeper.cut(id)),
                Ok(None) | Err(_) => break,
            }
        }
        drop(packets);
        self.tell(None, |keeper| keeper.ended(id));
        self.lines.borrow_mut().remove(&id);
    }

    fn take_in(self: &Rc<Self>, id: LineId, packet: Packet) {
        let part = |bytes: &[u8], descriptors: Vec<OwnedFd>| Parcel {
            bytes: bytes.into(),
            descriptors: descriptors.into(),
        };
        match wire::take_apart::<Ask, _>(packet, part) {
            Some((ask, parcels, descriptor)) => {
                let line = descriptor.and_then(|fd| Packets::from_fd(fd).ok());
                let brings_line = line.is_some();
                self.tell(line, |keeper| keeper.ask(id, ask, parcels, brings_line));
            }
            None => self.tell(None, |keeper| keeper.cut(id)),
        }
    }

    /// Tells the keeper what has happened, and does what it says. `brought` is the line that came with it.
    fn tell(self: &Rc<Self>, mut brought: Option<Packets>, what: impl FnOnce(&mut Keeper)) {
        let actions = {
            let mut keeper = self.keeper.borrow_mut();
            what(&mut keeper);
            keeper.take_actions()
        };
        for action in actions {
            match action {
                Action::Answer { line, answer, parcels } => self.answer(line, &answer, &parcels),
                Action::Attach(line) => {
                    if let Some(packets) = brought.take() {
                        self.attach(line, packets);
                    }
                }
                Action::Decline(why) => {
                    let answer = wire::answer(&Answer::Declined { why }, &[]);
                    if let (Some(packets), Ok(packet)) = (brought.take(), answer) {
                        let _ = packets.try_send(packet);
                    }
                }
                Action::Close(line) => {
                    let line = self.lines.borrow_mut().remove(&line);
                    drop(line);
                }
                Action::Finish => self.is_finished.set(),
            }
        }
    }

    fn answer(self: &Rc<Self>, id: LineId, answer: &Answer, parcels: &[Parcel]) {
        let Some(packets) = self.lines.borrow().get(&id).map(|line| Rc::clone(&line.packets)) else { return };
        let sent = match wire::answer(answer, parcels) {
            Ok(packet) => packets.try_send(packet),
            Err(error) => Err(PacketError::Io(error)),
        };
        let why = match sent {
            // Its end will be heard of.
            Ok(()) | Err(PacketError::Closed) => return,
            Err(PacketError::TooLong { bytes, most }) => Refusal::TooLong { bytes, most: most as u64 },
            Err(error) => Refusal::System { what: error.to_string() },
        };
        // There is always room for the one answer that somebody waits for: who has none has asked, and did not read.
        let refused = wire::answer(&Answer::Refused { why }, &[]).map(|packet| packets.try_send(packet));
        if !matches!(refused, Ok(Ok(()))) {
            self.tell(None, |keeper| keeper.cut(id));
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("lines", &self.lines.borrow().len()).finish_non_exhaustive()
    }
}
