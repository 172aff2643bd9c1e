//! A worker that does not keep the rules: it harms itself.

use super::{
    super::{
        Limits, Peer, WorkerId,
        channel::Channel,
        limits::MAX_CHANNELS,
        post::{FromRouter, ToRouter},
    },
    stage::{SMALL, Stage, run},
};
use crate::{
    cluster::wire::{
        codec::Malformed,
        frame::{Frame, ReadError, Reader},
    },
    spawn,
    testing::{MemoryStream, settle},
    time::timeout,
};
use proptest::{collection::vec, prelude::*};
use std::{net::Shutdown, rc::Rc, time::Duration};

/// A payload of type `u32`.
fn number(number: u32) -> Vec<u8> {
    postcard::to_extend(&number, Vec::new()).unwrap()
}

fn direct(to: impl Into<Peer>, value: u32) -> Frame {
    ToRouter::Direct { to: to.into(), channel: "x", payload: &number(value) }.frame()
}

/// Reads and forgets, as long as there is something.
fn read_on(socket: Rc<MemoryStream>) {
    spawn(async move {
        let mut buf = [0; 256];
        while socket.read(&mut buf).await.is_ok_and(|count| count > 0) {}
    })
    .detach();
}

#[test]
fn nobody_can_pretend_to_be_somebody_else() {
    run(async {
        let mut stage = Stage::new(Limits::default());
        let one = stage.worker(0).await;
        let mut at_one = one.channel::<u32>("x");
        let (id, socket, served) = stage.raw(1);
        // As the supervisor would write it, with another's name in it: to the router it is something else, or nothing.
        let forged = FromRouter::Direct { from: Peer::Supervisor, channel: "x", payload: &number(1) }.frame();
        socket.write_all(&direct(one.id, 7)).await.unwrap();
        socket.write_all(&forged).await.unwrap();
        assert_eq!(at_one.recv().await, Ok((id.into(), 7)));
        let end = served.await.unwrap();
        assert!(matches!(end, Err(ReadError::Malformed(Malformed::UnknownTag { tag: 4, .. }))), "{end:?}");
        settle().await;
        assert!(at_one.try_recv().is_none());
        assert_eq!(at_one.workers(), []);
    });
}

#[test]
fn lengths_and_bytes_that_make_no_sense_end_the_connection_and_nothing_else() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (at_one, mut at_two) = (one.channel::<u32>("x"), two.channel::<u32>("x"));
        let limit = u32::try_from(SMALL.message).unwrap();
        for length in [0, limit + 1000, 1 << 31, u32::MAX] {
            let (_, socket, served) = stage.raw(2);
            socket.write_all(&length.to_le_bytes()).await.unwrap();
            let end = served.await.unwrap();
            assert!(matches!(end, Err(ReadError::Empty | ReadError::TooLong { .. })), "{length}: {end:?}");
            at_one.send_to(two.id, &length).await.unwrap();
            assert_eq!(at_two.recv().await.unwrap().1, length);
        }
    });
}

/// Killed at every byte of a frame.
#[test]
fn half_a_message_is_none() {
    run(async {
        let mut stage = Stage::new(Limits::default());
        let one = stage.worker(0).await;
        let mut at_one = one.channel::<u32>("x");
        let frame = direct(one.id, 70_000);
        for cut in 0..=frame.len() {
            let (id, socket, served) = stage.raw(1);
            socket.write_all(&frame[..cut]).await.unwrap();
            drop(socket);
            let end = served.await.unwrap();
            settle().await;
            match cut {
                0 => assert!(end.is_ok()),
                _ if cut < frame.len() => assert!(matches!(end, Err(ReadError::Truncated))),
                _ => assert_eq!(at_one.recv().await, Ok((id.into(), 70_000))),
            }
            assert!(at_one.try_recv().is_none());
        }
    });
}

#[test]
fn who_ignores_his_window_loses_his_own_messages() {
    run(async {
        let mut stage = Stage::new(Limits { port: 1 << 20, ..SMALL });
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let mut at_one = one.channel::<u32>("x");
        let (id, socket, _served) = stage.raw(2);
        let socket = Rc::new(socket);
        read_on(socket.clone());
        for value in 0..1000 {
            socket.write_all(&direct(one.id, value)).await.unwrap();
        }
        two.channel::<u32>("x").send_to(one.id, &5).await.unwrap();
        settle().await;
        let mut received = Vec::new();
        while let Some(Ok((from, value))) = at_one.try_recv() {
            received.push((from, value));
        }
        let expected = (0..4).map(|value| (id.into(), value)).chain([(two.id.into(), 5)]);
        assert_eq!(received, expected.collect::<Vec<(Peer, u32)>>());
    });
}

#[test]
fn credit_that_was_not_earned_is_none() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let one = stage.worker(0).await;
        let (id, socket, _served) = stage.raw(1);
        settle().await;
        let socket = Rc::new(socket);
        read_on(socket.clone());
        for count in [1, u32::MAX] {
            let took = ToRouter::Took { of: one.id.into(), channel: "x", count }.frame();
            socket.write_all(&took).await.unwrap();
            let nonsense = ToRouter::Took { of: Peer::Supervisor, channel: "never heard of", count }.frame();
            socket.write_all(&nonsense).await.unwrap();
        }
        settle().await;
        let to_it = one.channel::<u32>("x");
        let sending = spawn(async move {
            for value in 0..5 {
                to_it.send_to(id, &value).await.unwrap();
            }
        });
        settle().await;
        assert!(!sending.is_finished(), "there is room for four, whatever it says");
        let took = ToRouter::Took { of: one.id.into(), channel: "x", count: u32::MAX }.frame();
        socket.write_all(&took).await.unwrap();
        sending.await.unwrap();
    });
}

#[test]
fn messages_to_nobody_are_returned_and_who_does_not_read_that_is_not_read_any_more() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let nobody = WorkerId::new(77, 77);
        let (_, socket, _served) = stage.raw(2);
        socket.write_all(&direct(nobody, 1)).await.unwrap();
        let mut reader = Reader::new(&socket, 1000);
        loop {
            let bytes = reader.next().await.unwrap().unwrap();
            if FromRouter::decode(bytes).unwrap() == FromRouter::Gone(nobody.into()) {
                break;
            }
        }
        drop(reader);
        let flooding = spawn(async move {
            loop {
                socket.write_all(&direct(nobody, 1)).await.unwrap();
            }
        });
        settle().await;
        assert!(!flooding.is_finished());
        let (at_one, mut at_two) = (one.channel::<u32>("x"), two.channel::<u32>("x"));
        for value in 0..50 {
            at_one.send_to(two.id, &value).await.unwrap();
            assert_eq!(at_two.recv().await.unwrap().1, value);
        }
        assert!(flooding.cancel_and_wait().await.is_err());
    });
}

#[test]
fn made_up_channels_are_bounded() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let one = stage.worker(0).await;
        let mut known = one.channel::<u32>("x");
        let (_, stopped, _) = stage.raw(1); // reads nothing, so gaps pile up
        let (id, socket, _served) = stage.raw(2);
        let socket = Rc::new(socket);
        read_on(socket.clone());
        for made_up in 0..300 {
            let channel = format!("made up {made_up}");
            let payload = &number(made_up);
            let frame = ToRouter::Direct { to: one.id.into(), channel: &channel, payload }.frame();
            socket.write_all(&frame).await.unwrap();
            socket.write_all(&ToRouter::Broadcast { channel: &channel, payload }.frame()).await.unwrap();
        }
        socket.write_all(&direct(one.id, 7)).await.unwrap();
        assert_eq!(known.recv().await, Ok((id.into(), 7)));
        let channels = format!("{:?}", one.office).matches("made up").count();
        assert_eq!(channels, MAX_CHANNELS - 1);
        let mut reader = Reader::new(&stopped, 1000);
        let mut gaps = 0;
        while let Ok(Ok(Some(bytes))) = timeout(Duration::from_secs(1), reader.next()).await {
            gaps += usize::from(matches!(FromRouter::decode(bytes).unwrap(), FromRouter::Lagged { .. }));
        }
        assert!((1..=2 * MAX_CHANNELS).contains(&gaps), "{gaps} gaps");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    /// A conversation that keeps the rules, damaged anywhere: the router ends it or goes on, and serves the others.
    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the stories above run")]
    fn a_damaged_conversation_harms_nobody_else(
        damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
        noise in vec(any::<u8>(), 0..100),
    ) {
        run(async {
            let mut stage = Stage::new(SMALL);
            let (one, two) = (stage.worker(0).await, stage.worker(1).await);
            let mut bytes = Vec::new();
            for value in 0..3 {
                bytes.extend_from_slice(&direct(one.id, value));
                bytes.extend_from_slice(&ToRouter::Broadcast { channel: "x", payload: &number(value) }.frame());
                bytes.extend_from_slice(&ToRouter::Took { of: two.id.into(), channel: "x", count: value }.frame());
            }
            for (at, byte, what) in &damage {
                let at = at.index(bytes.len());
                match what {
                    0 => bytes[at] = *byte,
                    1 => bytes.insert(at, *byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes.extend_from_slice(&noise);
            let (_, socket, served) = stage.raw(2);
            let socket = Rc::new(socket);
            read_on(socket.clone());
            let _ = socket.write_all(&bytes).await; // it may be cut off before all is written
            let _ = socket.shutdown(Shutdown::Write);
            let _ = served.await.unwrap();
            let (to_two, mut at_two) = (one.channel::<u32>("only ours"), two.channel::<u32>("only ours"));
            for value in 0..10 {
                to_two.send_to(two.id, &value).await.unwrap();
                assert_eq!(at_two.recv().await.unwrap(), (one.id.into(), value));
            }
            let _unused: Channel<u32> = Channel::open(&stage.supervisor, "only ours");
        });
    }
}
