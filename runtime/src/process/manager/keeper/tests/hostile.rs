//! Asks that nobody would make, by whoever has a line: none of them may end the manager.

use super::{Ask, House, Kind, Parcel};
use crate::process::{
    fuzz::fuzz,
    manager::wire::{Owner, ask, take_apart},
    packet::Packet,
};

/// So many asks one house has to bear.
const ASKS: u32 = 60;

const ODD: [u64; 5] = [0, 1, 2, u64::MAX / 2 + 1, u64::MAX];

fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::List, Kind::Dict, Kind::Event];
    for odd in ODD {
        kinds.push(Kind::Barrier { parties: odd });
        kinds.push(Kind::Queue { most: Some(odd) });
        for most in [None, Some(odd)] {
            kinds.push(Kind::Permits { many: odd, most, reentrant: odd == 1 });
        }
    }
    kinds
}

fn asks() -> Vec<Ask> {
    use Ask::*;
    let mut asks = vec![
        Open, Withdraw, Len, All, Clear, Extend, Pop, Find, Count, Look, Update, Take, TakeLast, SetDefault,
        Has, Keys, Values, Inspect, Release, LetGo, Forget, Mend, Permits, Wait, TimeIsUp, Set, Unset, IsSet,
        WaitSet, Arrive, Abort, Reset, Waiting,
    ];
    for odd in ODD {
        let by = Owner { pid: 1, task: odd };
        asks.extend([
            Replace { changes: odd },
            Item { at: odd },
            SetItem { at: odd },
            Insert { at: odd },
            Remove { at: odd },
            Revise { changes: odd },
            Acquire { many: odd, by, wait: true },
            Acquire { many: odd, by, wait: false },
            AddPermits { many: odd },
            Notify { many: odd },
        ]);
    }
    asks
}

#[test]
fn no_ask_ends_the_manager() {
    let parcels: [&[&[u8]]; 4] = [&[], &[b"one"], &[b"one", b"two"], &[b"", b"two", b"one"]];
    let packet = |what: &Ask, parcels: &[&[u8]]| {
        ask(*what, parcels.iter().map(|one| Packet::from(one.to_vec()))).bytes
    };
    let (asks, kinds) = (asks(), kinds());
    let mut samples: Vec<_> =
        asks.iter().zip(parcels.iter().cycle()).map(|(what, with)| packet(what, with)).collect();
    samples.extend(asks.iter().map(|what| packet(what, &[b"one"])));
    samples.extend(kinds.iter().map(|kind| packet(&Ask::New { kind: *kind }, &[b"one"])));

    let mut house: Option<House> = None;
    let mut left = 0;
    fuzz(&samples, |chance, bytes| {
        if left == 0 {
            let mut fresh = House::new();
            let kind = kinds[chance.below(kinds.len())];
            if let Some(root) = fresh.make(kind, &["one", "two"]).or_else(|| fresh.make(Kind::List, &[])) {
                "abc".chars().for_each(|line| fresh.open(root, line));
            }
            (house, left) = (Some(fresh), ASKS);
        }
        left -= 1;
        let house = house.as_mut().expect("there is one");
        let line = house.lines.values().copied().nth(chance.below(3)).unwrap_or(house.manager);
        let part = |bytes: &[u8], descriptors: Vec<_>| Parcel {
            bytes: bytes.into(),
            descriptors: descriptors.into(),
        };
        match take_apart::<Ask, _>(Packet::from(bytes.to_vec()), part) {
            Some((what, parcels, _)) => house.keeper.ask(line, what, parcels, chance.below(2) == 0),
            None => house.keeper.cut(line),
        }
        if chance.below(20) == 0 {
            house.keeper.ended(line);
        }
        house.keeper.take_actions();
    });
}
