//! What the manager's process keeps and decides, without doing any I/O: asks and the ends of lines go in, actions come out.
//!
//! A [`Keeper`] has objects and lines. A line is one connection about one object, and an object lives as long as it has lines:
//! of proxies, or of messages with proxies in them that are still on their way. That is all there is to its lifetime. Whoever
//! drives it gives it what arrives by [`ask`](Keeper::ask), says by [`ended`](Keeper::ended) which line is closed, and does
//! what [`take_actions`](Keeper::take_actions) gives, in that order. There are no clocks here: who has waited long enough
//! withdraws.
//!
//! | file | keeps |
//! |---|---|
//! | `list.rs` | lists, arrays, values |
//! | `dict.rs` | dicts, namespaces |
//! | `permits.rs` | locks, semaphores, conditions |
//! | `event.rs`, `barrier.rs` | events, barriers |
//! | `queue.rs` | queues |

mod barrier;
mod dict;
mod event;
mod list;
mod permits;
mod queue;
#[cfg(test)]
mod tests;

use super::wire::{Answer, Ask, Kind, Parcel, Refusal};
use std::{collections::BTreeMap, fmt, mem};

/// Names a line; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct LineId(u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct ObjectId(u64);

/// The manager itself: what makes the others.
const DESK: ObjectId = ObjectId(0);

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Send this. There is room for it: nobody has more than one answer to come.
    Answer { line: LineId, answer: Answer, parcels: Vec<Parcel> },
    /// The descriptor that came with the ask just now is this line.
    Attach(LineId),
    /// The descriptor that came with the ask just now is told why it is no line, and closed.
    Decline(Refusal),
    /// Close this line. It has ended.
    Close(LineId),
    /// End the process.
    Finish,
}

/// All objects, and who is connected with them.
///
/// The life of a line:
/// ```text
///            ask                        answer, or an ask that has none
/// idle ───────────────▶ waiting ─────────────────────────────▶ idle …
///   │                      │
///   └───── ended, withdrawn, or cut off after nonsense ────▶ gone: what it held is given back, what it waited for withdrawn
/// ```
#[derive(Debug)]
pub(crate) struct Keeper {
    most_lines: usize,
    objects: BTreeMap<ObjectId, Entry>,
    lines: BTreeMap<LineId, Line>,
    next: u64,
    actions: Vec<Action>,
}

#[derive(Debug)]
struct Entry {
    object: Box<dyn Object>,
    /// How many lines are about it.
    lines: usize,
}

#[derive(Debug)]
struct Line {
    object: ObjectId,
    /// Opens others, and nothing else: it may be in the hands of several processes, so nothing is answered on it.
    is_root: bool,
    is_waiting: bool,
}

/// Something that is kept.
trait Object: fmt::Debug {
    /// Does what is asked. Others who are answered because of it are left in `out`.
    fn ask(
        &mut self,
        line: LineId,
        ask: Ask,
        parcels: Vec<Parcel>,
        out: &mut Answers,
    ) -> Result<Reply, Refusal>;

    /// A line ends: what it waits for is withdrawn, what it holds given back.
    fn leave(&mut self, _line: LineId, _how: Leave, _out: &mut Answers) {}
}

/// Answers to those who have waited.
type Answers = Vec<(LineId, Answer, Vec<Parcel>)>;

/// What follows an ask.
enum Reply {
    Now(Answer, Vec<Parcel>),
    /// It is answered later, by way of [`Answers`].
    Later,
    /// It has no answer.
    Never,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Now(answer, Vec::new())
    }
}

impl Reply {
    fn number(number: usize) -> Self {
        Answer::Number { number: number as u64 }.into()
    }

    fn is(yes: bool) -> Self {
        Answer::Is { yes }.into()
    }

    /// That parcel, or that there is none.
    fn parcel(parcel: Option<Parcel>) -> Self {
        match parcel {
            Some(parcel) => Self::Now(Answer::Done, vec![parcel]),
            None => Answer::No.into(),
        }
    }
}

/// How a line ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leave {
    /// Whoever waited there, or was given something just now, has said that it does not want it.
    Withdrawn,
    /// Without a word: its process is gone, or as good as gone.
    Died,
}

impl Keeper {
    /// A keeper of nothing, for so many lines at most, and the root of the manager itself.
    pub(crate) fn new(most_lines: usize) -> (Self, LineId) {
        let desk = Entry { object: Box::new(Desk), lines: 0 };
        let mut keeper = Self {
            most_lines,
            objects: BTreeMap::from([(DESK, desk)]),
            lines: BTreeMap::new(),
            next: 1,
            actions: Vec::new(),
        };
        let root = keeper.add_line(DESK, true);
        (keeper, root)
    }

    /// An ask arrived. `brings_line`: and a descriptor with it that may become a line.
    pub(crate) fn ask(&mut self, from: LineId, ask: Ask, parcels: Vec<Parcel>, brings_line: bool) {
        let Some(line) = self.lines.get(&from) else { return };
        let (id, is_waiting) = (line.object, line.is_waiting);
        match ask {
            Ask::Open if brings_line => self.open(id),
            // Nonsense on a root is nobody's in particular, and to close it would cut off all who have it.
            _ if line.is_root => {}
            Ask::Withdraw => {
                self.leave(from, Leave::Withdrawn);
                self.actions.push(Action::Close(from));
            }
            // It was answered while this was on its way.
            Ask::TimeIsUp if !is_waiting => {}
            _ if is_waiting && ask != Ask::TimeIsUp => self.cut(from),
            Ask::New { kind } if id == DESK && brings_line => self.make(from, kind, parcels),
            Ask::Len if id == DESK => {
                let answer = Answer::Number { number: self.objects.len() as u64 - 1 };
                self.actions.push(Action::Answer { line: from, answer, parcels: Vec::new() });
            }
            Ask::Shutdown if id == DESK => {
                self.actions.push(Action::Answer { line: from, answer: Answer::Done, parcels: Vec::new() });
                self.actions.push(Action::Finish);
            }
            _ => self.ask_object(from, id, ask, parcels),
        }
    }

    /// A line is closed.
    pub(crate) fn ended(&mut self, line: LineId) {
        self.leave(line, Leave::Died);
    }

    /// What came on a line is no ask.
    pub(crate) fn cut(&mut self, line: LineId) {
        if self.lines.get(&line).is_none_or(|line| line.is_root) {
            return;
        }
        let answer = Answer::Declined { why: Refusal::Nonsense };
        self.actions.push(Action::Answer { line, answer, parcels: Vec::new() });
        self.leave(line, Leave::Died);
        self.actions.push(Action::Close(line));
    }

    /// What came on a line was not taken in.
    pub(crate) fn refuse(&mut self, line: LineId, why: Refusal) {
        if self.lines.get(&line).is_some_and(|line| !line.is_root) {
            let answer = Answer::Refused { why };
            self.actions.push(Action::Answer { line, answer, parcels: Vec::new() });
        }
    }

    /// What is to be done since it was asked last, in order.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        mem::take(&mut self.actions)
    }

    fn add_line(&mut self, object: ObjectId, is_root: bool) -> LineId {
        let line = LineId(self.next);
        self.next += 1;
        self.lines.insert(line, Line { object, is_root, is_waiting: false });
        if let Some(entry) = self.objects.get_mut(&object) {
            entry.lines += 1;
        }
        line
    }

    fn open(&mut self, object: ObjectId) {
        if self.lines.len() >= self.most_lines {
            return self.actions.push(Action::Decline(Refusal::Lines { most: self.most_lines as u64 }));
        }
        let line = self.add_line(object, false);
        self.actions.push(Action::Attach(line));
    }

    fn make(&mut self, from: LineId, kind: Kind, parcels: Vec<Parcel>) {
        let made = match self.lines.len() >= self.most_lines {
            true => Err(Refusal::Lines { most: self.most_lines as u64 }),
            false => make(kind, parcels),
        };
        let answer = match made {
            Err(Refusal::Nonsense) => return self.cut(from),
            Err(why) => Answer::Refused { why },
            Ok(object) => {
                let id = ObjectId(self.next);
                self.objects.insert(id, Entry { object, lines: 0 });
                let root = self.add_line(id, true);
                self.actions.push(Action::Attach(root));
                Answer::Done
            }
        };
        self.actions.push(Action::Answer { line: from, answer, parcels: Vec::new() });
    }

    fn ask_object(&mut self, from: LineId, id: ObjectId, ask: Ask, parcels: Vec<Parcel>) {
        let Some(entry) = self.objects.get_mut(&id) else { return };
        let mut out = Vec::new();
        let reply = entry.object.ask(from, ask, parcels, &mut out);
        match reply {
            Ok(Reply::Now(answer, parcels)) => out.insert(0, (from, answer, parcels)),
            Ok(Reply::Later) => self.set_waiting(from, true),
            Ok(Reply::Never) => {}
            Err(Refusal::Nonsense) => {
                debug_assert!(out.is_empty());
                return self.cut(from);
            }
            Err(why) => out.insert(0, (from, Answer::Refused { why }, Vec::new())),
        }
        self.send_out(out);
    }

    fn leave(&mut self, line: LineId, how: Leave) {
        let Some(Line { object: id, .. }) = self.lines.remove(&line) else { return };
        let Some(entry) = self.objects.get_mut(&id) else { return };
        let mut out = Vec::new();
        entry.object.leave(line, how, &mut out);
        entry.lines -= 1;
        if entry.lines == 0 {
            self.objects.remove(&id);
            if id == DESK {
                self.actions.push(Action::Finish);
            }
        }
        self.send_out(out);
    }

    fn send_out(&mut self, out: Answers) {
        for (line, answer, parcels) in out {
            self.set_waiting(line, false);
            self.actions.push(Action::Answer { line, answer, parcels });
        }
    }

    fn set_waiting(&mut self, line: LineId, is_waiting: bool) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.is_waiting = is_waiting;
        }
    }

    /// How many objects there are, besides the manager itself.
    #[cfg(test)]
    fn objects(&self) -> usize {
        self.objects.len() - 1
    }
}

/// Makes an object with these parcels in it.
fn make(kind: Kind, parcels: Vec<Parcel>) -> Result<Box<dyn Object>, Refusal> {
    match kind {
        Kind::List => Ok(Box::new(list::List::new(parcels))),
        Kind::Dict => Ok(Box::new(dict::Dict::new(parcels)?)),
        _ if !parcels.is_empty() => Err(Refusal::Nonsense),
        Kind::Permits { many, most, reentrant } => {
            Ok(Box::new(permits::Permits::new(many, most, reentrant)?))
        }
        Kind::Event => Ok(Box::new(event::Event::default())),
        Kind::Barrier { parties } => Ok(Box::new(barrier::Barrier::new(parties)?)),
        Kind::Queue { most } => Ok(Box::new(queue::Queue::new(most))),
    }
}

/// Stands for the manager among its objects. What can be asked of it concerns all of them, and is done by the keeper.
#[derive(Debug)]
struct Desk;

impl Object for Desk {
    fn ask(&mut self, _: LineId, _: Ask, _: Vec<Parcel>, _: &mut Answers) -> Result<Reply, Refusal> {
        Err(Refusal::Nonsense)
    }
}

/// The one parcel of an ask that has one.
fn the_one(parcels: Vec<Parcel>) -> Result<Parcel, Refusal> {
    <[Parcel; 1]>::try_from(parcels).map(|[one]| one).map_err(|_| Refusal::Nonsense)
}
