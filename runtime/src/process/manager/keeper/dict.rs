//! A dict: parcels by parcels, in the order in which their keys came. Two keys are the same if they were encoded alike.

use super::{Answer, Answers, Ask, LineId, Object, Parcel, Refusal, Reply, the_one};
use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

#[derive(Debug, Default)]
pub(super) struct Dict {
    /// Where in the order.
    places: HashMap<Rc<[u8]>, u64>,
    entries: BTreeMap<u64, Entry>,
    /// Counts changes, and so names places, too.
    changes: u64,
}

#[derive(Debug)]
struct Entry {
    key: Parcel,
    value: Parcel,
    /// Which change was its last: who looks, thinks and revises learns from it whether it is still what was looked at.
    change: u64,
}

impl Dict {
    /// Of key, value, key, value …
    pub(super) fn new(parcels: Vec<Parcel>) -> Result<Self, Refusal> {
        let mut dict = Self::default();
        dict.update(parcels)?;
        Ok(dict)
    }

    /// Gives the former value of the last key.
    fn update(&mut self, parcels: Vec<Parcel>) -> Result<Option<Parcel>, Refusal> {
        if !parcels.chunks_exact(2).remainder().is_empty() {
            return Err(Refusal::Nonsense);
        }
        // All of it or nothing.
        if parcels.iter().step_by(2).any(|key| !key.descriptors.is_empty()) {
            return Err(Refusal::KeyWithDescriptor);
        }
        let mut former = None;
        let mut parcels = parcels.into_iter();
        while let (Some(key), Some(value)) = (parcels.next(), parcels.next()) {
            self.changes += 1;
            let place = *self.places.entry(Rc::clone(&key.bytes)).or_insert(self.changes);
            let entry = Entry { key, value, change: self.changes };
            former = self.entries.insert(place, entry).map(|entry| entry.value);
        }
        Ok(former)
    }

    fn look(&self, key: &Parcel) -> Option<&Entry> {
        // A key with a descriptor is in no dict.
        let place = self.places.get(&key.bytes).filter(|_| key.descriptors.is_empty())?;
        self.entries.get(place)
    }

    fn take(&mut self, key: &Parcel) -> Option<Parcel> {
        self.look(key)?;
        let place = self.places.remove(&key.bytes)?;
        self.entries.remove(&place).map(|entry| entry.value)
    }

    fn take_last(&mut self) -> Option<Entry> {
        let (_, entry) = self.entries.pop_last()?;
        self.places.remove(&entry.key.bytes);
        Some(entry)
    }

    fn all(&self, part: impl Fn(&Entry) -> Vec<Parcel>) -> Reply {
        Reply::Now(Answer::Done, self.entries.values().flat_map(part).collect())
    }

    fn set_default(&mut self, parcels: Vec<Parcel>) -> Result<Parcel, Refusal> {
        let [key, value] = <[Parcel; 2]>::try_from(parcels).map_err(|_| Refusal::Nonsense)?;
        if let Some(entry) = self.look(&key) {
            return Ok(entry.value.clone());
        }
        self.update(vec![key, value.clone()])?;
        Ok(value)
    }

    fn inspect(&self, key: &Parcel) -> Reply {
        let entry = self.look(key);
        let number = entry.map_or(0, |entry| entry.change);
        Reply::Now(Answer::Number { number }, entry.map(|entry| entry.value.clone()).into_iter().collect())
    }

    fn revise(&mut self, last: u64, parcels: Vec<Parcel>) -> Result<Answer, Refusal> {
        let key = parcels.first().ok_or(Refusal::Nonsense)?;
        if self.look(key).map_or(0, |entry| entry.change) != last {
            return Ok(Answer::No);
        }
        match parcels.len() {
            1 => drop(self.take(key)),
            _ => drop(self.update(parcels)?),
        }
        Ok(Answer::Done)
    }
}

impl Object for Dict {
    fn ask(&mut self, _: LineId, ask: Ask, parcels: Vec<Parcel>, _: &mut Answers) -> Result<Reply, Refusal> {
        Ok(match ask {
            Ask::Len => Reply::number(self.entries.len()),
            Ask::All => self.all(|entry| vec![entry.key.clone(), entry.value.clone()]),
            Ask::Keys => self.all(|entry| vec![entry.key.clone()]),
            Ask::Values => self.all(|entry| vec![entry.value.clone()]),
            Ask::Look => Reply::parcel(self.look(&the_one(parcels)?).map(|entry| entry.value.clone())),
            Ask::Has => Reply::is(self.look(&the_one(parcels)?).is_some()),
            Ask::Inspect => self.inspect(&the_one(parcels)?),
            Ask::Revise { changes } => self.revise(changes, parcels)?.into(),
            Ask::Update => Reply::parcel(self.update(parcels)?),
            Ask::SetDefault => Reply::parcel(Some(self.set_default(parcels)?)),
            Ask::Take => Reply::parcel(self.take(&the_one(parcels)?)),
            Ask::TakeLast => match self.take_last() {
                Some(Entry { key, value, .. }) => Reply::Now(Answer::Done, vec![key, value]),
                None => Answer::No.into(),
            },
            Ask::Clear => {
                self.places.clear();
                self.entries.clear();
                Answer::Done.into()
            }
            _ => return Err(Refusal::Nonsense),
        })
    }
}
