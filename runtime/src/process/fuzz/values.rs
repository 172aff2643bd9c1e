//! Values of users and of ours, with the descriptors in them.

use super::{Chance, fuzz};
use crate::process::{
    Address, Barrier, Condition, Descriptor, Event, Key, Lock, Pipe, Queue, RLock, RemotePanic, Semaphore,
    SharedArray, SharedValue,
    luggage::{decode, encode},
    packet::Packet,
    pipe,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    any::type_name,
    collections::BTreeMap,
    fs::File,
    io::pipe as plain_pipe,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// What a type can consist of.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Tree {
    Leaf,
    Named(String, Option<char>),
    Node(Box<Tree>, Box<Tree>),
    Counted { units: Vec<()>, floats: Vec<f64>, bytes: Vec<u8> },
    Sorted(BTreeMap<String, Vec<u64>>),
    Signed(i128, i8, (bool, u16)),
}

fn trees() -> Vec<Tree> {
    let deep = (0..100).fold(Tree::Leaf, |tree, _| Tree::Node(Box::new(tree), Box::new(Tree::Leaf)));
    let sorted = [("a".to_owned(), vec![1, u64::MAX]), ("é".to_owned(), vec![])];
    vec![
        Tree::Leaf,
        Tree::Named("name".to_owned(), Some('ß')),
        deep,
        Tree::Counted { units: vec![(); 1000], floats: vec![0.5, f64::MAX], bytes: vec![7; 40] },
        Tree::Sorted(sorted.into()),
        Tree::Signed(i128::MIN, -1, (true, 700)),
    ]
}

/// What is read can be written, and is the same again.
#[test]
fn plain_values_are_refused_or_are_what_they_say() {
    let samples: Vec<_> = trees().iter().map(|tree| encode(tree).unwrap().bytes).collect();
    fuzz(&samples, |_, bytes| {
        if let Ok(tree) = decode::<Tree>(Packet::from(bytes.to_vec())) {
            // Postcard takes some numbers in more than one form, and gives them in one.
            let written = encode(&tree).unwrap().bytes;
            let again: Tree = decode(Packet::from(written.clone())).unwrap();
            assert_eq!(encode(&again).unwrap().bytes, written);
        }
    });
}

#[test]
fn lengths_that_are_lies_cost_nothing() {
    let began = runtime_executor::time::Instant::now();
    for lie in [u64::MAX, u64::from(u32::MAX), 1 << 40, 1 << 20] {
        let lie = encode(&lie).unwrap().bytes;
        for rest in [&[][..], &[0; 64]] {
            let packet = || Packet::from([&lie[..], rest].concat());
            assert!(decode::<Vec<()>>(packet()).is_err());
            assert!(decode::<Vec<u128>>(packet()).is_err());
            assert!(decode::<String>(packet()).is_err());
            assert!(decode::<BTreeMap<u8, [u64; 32]>>(packet()).is_err());
            assert!(decode::<Vec<Vec<Tree>>>(packet()).is_err());
        }
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// A decoder of `T` is given its own packets, changed, with descriptors that are those, others, more or fewer.
fn with_descriptors<T: Serialize + DeserializeOwned>(values: &[T]) {
    let packets: Vec<_> = values.iter().map(|value| encode(value).unwrap()).collect();
    let samples: Vec<_> = packets.iter().map(|packet| packet.bytes.clone()).collect();
    let proper: Vec<&OwnedFd> = packets.iter().flat_map(|packet| &packet.descriptors).collect();
    let null: OwnedFd = File::open("/dev/null").unwrap().into();
    let mut taken = 0;
    fuzz(&samples, |chance, bytes| {
        let (reader, writer) = plain_pipe().unwrap();
        let strange = |chance: &mut Chance| match chance.below(3) {
            0 => null.as_fd().try_clone_to_owned().unwrap(),
            1 => writer.as_fd().try_clone_to_owned().unwrap(),
            _ => proper[chance.below(proper.len())].try_clone().unwrap(),
        };
        let own = &packets[chance.below(packets.len())].descriptors;
        let mut descriptors: Vec<OwnedFd> = own.iter().map(|fd| fd.try_clone().unwrap()).collect();
        match chance.below(4) {
            0 => descriptors.truncate(chance.below(descriptors.len() + 1)),
            1 => descriptors.push(strange(chance)),
            2 if !descriptors.is_empty() => {
                let at = chance.below(descriptors.len());
                descriptors[at] = strange(chance);
            }
            _ => {}
        }
        drop(writer);
        taken += u32::from(decode::<T>(Packet { bytes: bytes.to_vec(), descriptors }).is_ok());
        let all_are_closed = runtime_io::blocking::hung_up(reader.as_fd(), Some(Duration::ZERO)).unwrap();
        assert!(all_are_closed, "{} kept a descriptor", type_name::<T>());
    });
    assert!(taken > 0, "{} was never read", type_name::<T>());
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter passes no descriptors")]
fn values_with_descriptors_are_refused_or_whole_and_nothing_is_kept() {
    let (one, other) = pipe::<u8>().unwrap();
    with_descriptors::<Pipe<u8>>(&[one, other]);
    with_descriptors::<Queue<u8>>(&[Queue::bounded(7).unwrap(), Queue::unbounded().unwrap()]);
    with_descriptors::<Key>(&[Key::from_bytes(&[7; 32])]);
    let null = || Descriptor(File::open("/dev/null").unwrap().into());
    with_descriptors::<Vec<(u8, Option<Descriptor>)>>(&[vec![
        (1, Some(null())),
        (2, None),
        (3, Some(null())),
    ]]);
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter has no memory that processes share")]
fn what_is_shared_is_refused_or_whole_and_nothing_is_kept() {
    with_descriptors(&[SharedValue::new(7_u64).unwrap()]);
    with_descriptors(&[SharedArray::from_slice(&[1_u32, 2, 3]).unwrap()]);
    with_descriptors(&[Lock::new().unwrap()]);
    with_descriptors(&[RLock::new().unwrap()]);
    with_descriptors(&[Semaphore::new(3).unwrap()]);
    with_descriptors(&[Event::new().unwrap()]);
    with_descriptors(&[Condition::new().unwrap()]);
    with_descriptors(&[Barrier::new(2).unwrap()]);
}

#[test]
fn what_travels_of_ours_is_refused_or_written_as_it_was_read() {
    let addresses: Vec<Address> =
        ["127.0.0.1:80", "[::1]:6000", "/a/b"].map(|text| text.parse().unwrap()).into();
    let samples: Vec<_> = addresses.iter().map(|address| encode(address).unwrap().bytes).collect();
    fuzz(&samples, |_, bytes| {
        if let Ok(address) = decode::<Address>(Packet::from(bytes.to_vec())) {
            assert_eq!(decode::<Address>(encode(&address).unwrap()).unwrap(), address);
        }
    });
    let panic =
        crate::process::panic::catch(|| std::panic::resume_unwind(Box::new("a message"))).unwrap_err();
    fuzz(&[encode(&panic).unwrap().bytes], |_, bytes| {
        if let Ok(panic) = decode::<RemotePanic>(Packet::from(bytes.to_vec())) {
            assert_eq!(decode::<RemotePanic>(encode(&panic).unwrap()).unwrap(), panic);
        }
    });
}
