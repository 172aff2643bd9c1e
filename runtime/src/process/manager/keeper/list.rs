//! A list: parcels in a row.

use super::{Answer, Answers, Ask, LineId, Object, Parcel, Refusal, Reply, the_one};
use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct List {
    items: VecDeque<Parcel>,
    /// How often it was changed: who looks, thinks and replaces learns from it whether it is still what was looked at.
    changes: u64,
}

impl List {
    pub(super) fn new(items: Vec<Parcel>) -> Self {
        Self { items: items.into(), changes: 0 }
    }

    fn index(&self, at: u64) -> Result<usize, Refusal> {
        let index = usize::try_from(at).ok().filter(|&index| index < self.items.len());
        index.ok_or(Refusal::OutOfRange { len: self.items.len() as u64 })
    }
}

impl Object for List {
    fn ask(&mut self, _: LineId, ask: Ask, parcels: Vec<Parcel>, _: &mut Answers) -> Result<Reply, Refusal> {
        let len = self.items.len();
        let reply = match ask {
            Ask::Len => return Ok(Reply::number(len)),
            Ask::Item { at } => {
                return Ok(Reply::parcel(self.index(at).ok().map(|at| self.items[at].clone())));
            }
            Ask::All => {
                let changes = Answer::Number { number: self.changes };
                return Ok(Reply::Now(changes, self.items.iter().cloned().collect()));
            }
            Ask::Find => {
                let wanted = the_one(parcels)?;
                let found = self.items.iter().position(|item| *item == wanted);
                return Ok(found.map_or(Answer::No.into(), Reply::number));
            }
            Ask::Count => {
                let wanted = the_one(parcels)?;
                return Ok(Reply::number(self.items.iter().filter(|item| **item == wanted).count()));
            }
            Ask::Replace { changes } if changes != self.changes => return Ok(Answer::No.into()),
            Ask::Replace { .. } => {
                self.items = parcels.into();
                Answer::Done.into()
            }
            Ask::Clear => {
                self.items.clear();
                Answer::Done.into()
            }
            Ask::SetItem { at } => {
                let (at, item) = (self.index(at)?, the_one(parcels)?);
                Reply::parcel(Some(std::mem::replace(&mut self.items[at], item)))
            }
            Ask::Extend => {
                self.items.extend(parcels);
                Answer::Done.into()
            }
            Ask::Insert { at } => {
                let at = if at == len as u64 { len } else { self.index(at)? };
                self.items.insert(at, the_one(parcels)?);
                Answer::Done.into()
            }
            Ask::Remove { at } => {
                let at = self.index(at)?;
                Reply::parcel(self.items.remove(at))
            }
            Ask::Pop => Reply::parcel(self.items.pop_back()),
            _ => return Err(Refusal::Nonsense),
        };
        self.changes += 1;
        Ok(reply)
    }
}
