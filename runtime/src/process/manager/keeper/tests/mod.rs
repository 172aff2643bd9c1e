//! Stories of the keeper, and a walk at random.
//!
//! A story is a list of what lines ask, and what is answered to whom. Lines have letters.

mod hostile;
mod stories;
mod walk;

use super::{Action, Answer, Ask, Keeper, Kind, LineId, Parcel};
use crate::process::manager::wire::Owner;
use std::{collections::BTreeMap, rc::Rc};

/// A keeper, and the lines that are open.
struct House {
    keeper: Keeper,
    manager: LineId,
    lines: BTreeMap<char, LineId>,
}

fn parcel(text: &str) -> Parcel {
    Parcel { bytes: text.as_bytes().into(), descriptors: Rc::new([]) }
}

impl House {
    fn new() -> Self {
        let (keeper, manager) = Keeper::new(100);
        Self { keeper, manager, lines: BTreeMap::new() }
    }

    /// One object, and lines about it with these letters.
    fn of(kind: Kind, items: &[&str], lines: &str) -> Self {
        let mut house = Self::new();
        let root = house.make(kind, items).unwrap();
        house.lines.insert('/', root);
        lines.chars().for_each(|line| house.open(root, line));
        house
    }

    fn make(&mut self, kind: Kind, items: &[&str]) -> Option<LineId> {
        self.keeper.ask(self.manager, Ask::Open, Vec::new(), true);
        let [Action::Attach(desk)] = self.keeper.take_actions()[..] else { panic!("no line to the manager") };
        self.keeper.ask(desk, Ask::New { kind }, items.iter().map(|item| parcel(item)).collect(), true);
        let made = match &self.keeper.take_actions()[..] {
            [Action::Attach(root), Action::Answer { answer: Answer::Done, .. }] => Some(*root),
            _ => None,
        };
        self.keeper.ended(desk);
        made
    }

    fn open(&mut self, root: LineId, name: char) {
        self.keeper.ask(root, Ask::Open, Vec::new(), true);
        let [Action::Attach(line)] = self.keeper.take_actions()[..] else { panic!("no line {name}") };
        self.lines.insert(name, line);
    }

    /// What follows from an ask, in words.
    fn ask(&mut self, line: char, ask: Ask, items: &[&str]) -> String {
        self.keeper.ask(self.lines[&line], ask, items.iter().map(|item| parcel(item)).collect(), false);
        self.said()
    }

    /// What follows from the end of a line.
    fn end(&mut self, line: char) -> String {
        let line = self.lines.remove(&line).expect("it was open");
        self.keeper.ended(line);
        self.said()
    }

    fn said(&mut self) -> String {
        let actions = self.keeper.take_actions();
        let said: Vec<String> = actions.iter().map(|action| self.in_short(action)).collect();
        said.join("; ")
    }

    fn in_short(&self, action: &Action) -> String {
        let name = |line: &LineId| {
            let found = self.lines.iter().find(|(_, there)| *there == line);
            found.map_or('?', |(&name, _)| name)
        };
        match action {
            Action::Answer { line, answer, parcels } => {
                let texts: Vec<_> =
                    parcels.iter().map(|parcel| parcel.bytes.escape_ascii().to_string()).collect();
                let what = match answer {
                    Answer::Number { number } => number.to_string(),
                    Answer::Is { yes } => yes.to_string(),
                    Answer::Granted { abandoned: false, notified: false } => "granted".to_owned(),
                    Answer::Granted { abandoned: true, .. } => "granted, abandoned".to_owned(),
                    Answer::Granted { notified: true, .. } => "granted, notified".to_owned(),
                    Answer::Refused { why } | Answer::Declined { why } => format!("{why:?}"),
                    other => format!("{other:?}").to_lowercase(),
                };
                format!("{}: {}", name(line), [&[what], &texts[..]].concat().join(" "))
            }
            Action::Attach(line) => format!("new line {}", name(line)),
            Action::Decline(why) => format!("no line: {why:?}"),
            Action::Close(line) => format!("close {}", name(line)),
            Action::Finish => "finish".to_owned(),
        }
    }
}

fn acquire(task: u64) -> Ask {
    Ask::Acquire { many: 1, by: Owner { pid: 1, task }, wait: true }
}

const LOCK: Kind = Kind::Permits { many: 1, most: Some(1), reentrant: false };
const RLOCK: Kind = Kind::Permits { many: 1, most: Some(1), reentrant: true };
