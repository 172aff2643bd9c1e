//! Stories of clients who do not keep to the rules, with the manager's server in the same runtime.

use super::{
    proxy::{Proxy, with_descriptor},
    server::{Limits, serve},
    wire::{self, Answer, Ask, Kind, Refusal},
};
use crate::{
    process::{
        luggage::encode,
        packet::{Packet, Packets},
    },
    spawn,
};

const LIMITS: Limits = Limits { message_bytes: 1000, connections: 100 };

/// A manager, and an object of it.
struct Stage {
    manager: Packets,
    root: Packets,
}

impl Stage {
    async fn new(kind: Kind) -> Self {
        let (manager, theirs) = Packets::pair().unwrap();
        spawn(serve(theirs, LIMITS)).detach();
        let (root, theirs) = Packets::pair().unwrap();
        let stage = Self { manager, root };
        let desk = line_of(&stage.manager).await;
        desk.send(with_descriptor(Ask::New { kind }, theirs.into_fd())).await.unwrap();
        assert_eq!(answer_on(&desk).await, Some(Answer::Done));
        stage
    }

    /// Whether an honest client is served.
    async fn serves(&self) -> bool {
        let proxy = Proxy::new(self.root.try_clone().unwrap(), LIMITS.message_bytes);
        proxy.call(wire::ask(Ask::Len, [])).await.is_ok()
    }
}

async fn line_of(root: &Packets) -> Packets {
    let (ours, theirs) = Packets::pair().unwrap();
    root.send(with_descriptor(Ask::Open, theirs.into_fd())).await.unwrap();
    ours
}

async fn answer_on(line: &Packets) -> Option<Answer> {
    let packet = line.recv().await.unwrap()?;
    let (answer, _, _) = wire::take_apart::<Answer, ()>(packet, |_, _| ()).expect("an answer");
    Some(answer)
}

const CUT: Option<Answer> = Some(Answer::Declined { why: Refusal::Nonsense });

#[runtime_macros::test(crate = crate)]
async fn what_is_no_question_costs_the_connection_and_nothing_else() {
    let stage = Stage::new(Kind::List).await;
    let item = || encode("item").unwrap();
    let mut short = wire::ask(Ask::Extend, [item()]).bytes;
    short.pop();
    let mut lies = wire::ask(Ask::Extend, [item()]).bytes;
    let at = wire::ask(Ask::Extend, []).bytes.len();
    lies[at..at + 8].fill(0xFF);
    let mut poor = wire::ask(Ask::Extend, [item()]).bytes;
    poor[at + 8] = 3; // so many descriptors, and none has come
    let nonsense = [
        vec![],
        vec![0xFF],
        vec![0xFF; 500],
        short,
        lies,
        poor,
        wire::ask(Ask::Shutdown, []).bytes,
        wire::ask(Ask::Find, []).bytes,
        wire::ask(Ask::Find, [item(), item()]).bytes,
        wire::ask(Ask::WaitSet, []).bytes,
    ];
    for bytes in nonsense {
        let line = line_of(&stage.root).await;
        line.send(Packet::from(bytes.clone())).await.unwrap();
        assert_eq!((answer_on(&line).await, answer_on(&line).await), (CUT, None), "{bytes:?}");
        // On a root it is nobody's, and ignored.
        stage.root.send(Packet::from(bytes)).await.unwrap();
        assert!(stage.serves().await);
    }
}

#[runtime_macros::test(crate = crate)]
async fn what_is_too_long_is_refused_before_it_is_read() {
    let stage = Stage::new(Kind::List).await;
    let line = line_of(&stage.root).await;
    for bytes in [6_000, 70_000, 1 << 20] {
        line.send(Packet::from(vec![0; bytes])).await.unwrap();
        let answer = answer_on(&line).await;
        assert!(
            matches!(answer, Some(Answer::Refused { why: Refusal::TooLong { bytes: its, .. } }) if its == bytes as u64),
            "{answer:?}"
        );
    }
    line.send(wire::ask(Ask::Len, [])).await.unwrap();
    assert_eq!(answer_on(&line).await, Some(Answer::Number { number: 0 }));
}

#[runtime_macros::test(crate = crate)]
async fn who_asks_and_does_not_read_is_cut_off() {
    let stage = Stage::new(Kind::List).await;
    let line = line_of(&stage.root).await;
    // Each is answered at once, so they are no nonsense; but the answers have to go somewhere.
    let mut asked = 0;
    while line.send(wire::ask(Ask::Len, [])).await.is_ok() {
        asked += 1;
        assert!(asked < 100_000, "nobody stops it");
    }
    assert!(stage.serves().await);
}

#[runtime_macros::test(crate = crate)]
async fn what_does_not_belong_to_a_question_is_closed() {
    let stage = Stage::new(Kind::List).await;
    let line = line_of(&stage.root).await;
    let (ours, theirs) = Packets::pair().unwrap();
    line.send(with_descriptor(Ask::Len, theirs.into_fd())).await.unwrap();
    assert_eq!(answer_on(&line).await, Some(Answer::Number { number: 0 }));
    assert!(ours.recv().await.unwrap().is_none());
    // No socket can it be, either.
    let file = std::fs::File::open("/dev/null").unwrap();
    stage.root.send(with_descriptor(Ask::Open, file.into())).await.unwrap();
    assert!(stage.serves().await);
}

#[runtime_macros::test(crate = crate)]
async fn an_item_that_cannot_be_read_is_not_in_the_way_for_ever() {
    let stage = Stage::new(Kind::Queue { most: None }).await;
    let line = line_of(&stage.root).await;
    for item in [encode("text").unwrap(), encode(&7_u8).unwrap()] {
        line.send(wire::ask(Ask::Put { wait: true }, [item])).await.unwrap();
        assert_eq!(answer_on(&line).await, Some(Answer::Done));
    }
    let proxy = Proxy::new(stage.root.try_clone().unwrap(), LIMITS.message_bytes);
    let numbers = super::ManagedQueue::<u8>::new(proxy);
    assert!(matches!(numbers.get().await, Err(super::ManagerError::Unreadable(_))));
    assert_eq!(numbers.get().await.unwrap(), 7);
}
