//! Who hears what, from whom, in which order; and what is said when nobody does.

use super::{
    super::{Limits, Peer, RecvError, SendError, WorkerId, channel::Channel},
    stage::{SMALL, Stage, run},
};
use crate::{
    Runtime, cluster, spawn,
    testing::{duplex, settle},
};
use runtime_executor::Executor;

fn new() -> Stage {
    Stage::new(Limits::default())
}

#[test]
fn workers_and_the_supervisor_send_to_each_other_and_know_who_has_sent() {
    run(async {
        let mut stage = new();
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (mut at_one, mut at_two) = (one.channel::<String>("news"), two.channel::<String>("news"));
        let mut above = Channel::<String>::open(&stage.supervisor, "news");
        assert_eq!((at_one.own_id(), above.own_id()), (Some(one.id), None));
        assert_eq!((at_one.workers(), at_two.workers()), (vec![two.id], vec![one.id]));
        assert_eq!(above.workers(), [one.id, two.id]);

        at_one.send_to(two.id, &"to two".to_owned()).await.unwrap();
        assert_eq!(at_two.recv().await, Ok((one.id.into(), "to two".to_owned())));
        at_two.send_to_supervisor(&"up".to_owned()).await.unwrap();
        let (from, said) = above.recv().await.unwrap();
        assert_eq!((from, &*said), (Peer::Worker(two.id), "up"));
        above.send_to(from, &"down".to_owned()).await.unwrap();
        assert_eq!(at_two.recv().await, Ok((Peer::Supervisor, "down".to_owned())));
        at_one.send_to(one.id, &"note to self".to_owned()).await.unwrap();
        assert_eq!(at_one.recv().await, Ok((one.id.into(), "note to self".to_owned())));

        at_one.broadcast(&"all".to_owned()).await.unwrap();
        assert_eq!(at_two.recv().await.unwrap().1, "all");
        assert_eq!(above.recv().await.unwrap(), (one.id.into(), "all".to_owned()));
        above.broadcast(&"hear".to_owned()).await.unwrap();
        assert_eq!(
            at_one.recv().await.unwrap(),
            (Peer::Supervisor, "hear".to_owned()),
            "not what it has said itself"
        );
        assert_eq!(at_two.recv().await.unwrap().1, "hear");
        settle().await;
        assert!(at_one.try_recv().is_none() && at_two.try_recv().is_none() && above.try_recv().is_none());
    });
}

#[test]
fn messages_keep_their_order_and_their_channel() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (numbers, words) = (one.channel::<u32>("numbers"), one.channel::<String>("words"));
        let sending = spawn(async move {
            for number in 0..50 {
                numbers.send_to(two.id, &number).await.unwrap();
                words.send_to(two.id, &number.to_string()).await.unwrap();
            }
        });
        let mut words = two.channel::<String>("words");
        let mut numbers = two.channel::<u32>("numbers");
        for number in 0..50 {
            assert_eq!(numbers.recv().await.unwrap().1, number);
            assert_eq!(words.recv().await.unwrap().1, number.to_string());
        }
        sending.await.unwrap();
    });
}

#[test]
fn a_message_waits_for_its_channel_to_be_opened_and_a_broadcast_does_not() {
    run(async {
        let mut stage = new();
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let early = one.channel::<u8>("late");
        early.broadcast(&1).await.unwrap();
        early.send_to(two.id, &2).await.unwrap();
        settle().await;
        let mut late = two.channel::<u8>("late");
        let mut same = two.channel::<u8>("late");
        early.broadcast(&3).await.unwrap();
        assert_eq!(late.recv().await.unwrap().1, 2);
        assert_eq!(same.recv().await.unwrap().1, 3, "each message to one of them");
    });
}

#[test]
fn a_worker_that_is_gone_is_told_to_everybody() {
    run(async {
        let mut stage = new();
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (at_one, at_two) = (one.channel::<u8>("x"), two.channel::<u8>("x"));
        let old = two.id;
        at_two.send_to(one.id, &7).await.unwrap();
        two.office.flush().await.unwrap();
        two.kill().await.unwrap();
        settle().await;
        let gone = SendError::Gone(Peer::Worker(old));
        assert_eq!(at_one.send_to(old, &1).await, Err(gone.clone()));
        assert_eq!(gone.to_string(), "worker 1 (life 1) is gone");
        let mut at_one = at_one;
        assert_eq!(at_one.recv().await.unwrap(), (old.into(), 7), "its last words");

        let replacement = stage.worker(1).await;
        assert_eq!(at_one.workers(), [replacement.id]);
        assert_ne!(replacement.id, old);
        assert_eq!(at_one.send_to(old, &1).await, Err(gone), "the slot is the same, the worker another");
        at_one.send_to(replacement.id, &1).await.unwrap();
        let never = WorkerId::new(9, 99);
        assert_eq!(at_one.send_to(never, &1).await, Err(SendError::Gone(never.into())));
    });
}

#[test]
fn when_the_supervisor_is_gone_what_is_there_is_received_and_then_no_more() {
    run(async {
        let mut stage = new();
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (at_one, mut at_two) = (one.channel::<u8>("x"), two.channel::<u8>("x"));
        at_one.send_to(two.id, &1).await.unwrap();
        settle().await;
        assert!(two.served.cancel_and_wait().await.is_err());
        assert!(matches!(two.connected.await, Ok(Ok(()))));
        assert_eq!(at_two.recv().await, Ok((one.id.into(), 1)));
        assert_eq!(at_two.recv().await, Err(RecvError::Closed));
        assert_eq!(at_two.try_recv(), Some(Err(RecvError::Closed)));
        assert_eq!(at_two.send_to(one.id, &1).await, Err(SendError::Disconnected));
        assert_eq!(at_two.broadcast(&1).await, Err(SendError::Disconnected));
        let mut opened_now: Channel<u8> = Channel::open(&two.office, "another");
        assert_eq!(opened_now.recv().await, Err(RecvError::Closed));
    });
}

#[test]
fn what_was_sent_before_the_connection_is_kept() {
    run(async {
        let stage = new();
        let office = super::super::PostOffice::new(Limits::default());
        let early: Channel<u8> = Channel::open(&office, "x");
        early.send_to_supervisor(&1).await.unwrap();
        early.broadcast(&2).await.unwrap();
        let mut above: Channel<u8> = Channel::open(&stage.supervisor, "x");
        let (near, far) = duplex(1000);
        let id = WorkerId::new(0, 0);
        let router = stage.router.clone();
        spawn(async move { router.serve(id, near).await }).detach();
        spawn(async move { office.serve(far).await }).detach();
        assert_eq!(above.recv().await, Ok((id.into(), 1)));
        assert_eq!(above.recv().await, Ok((id.into(), 2)));
    });
}

#[test]
fn a_message_of_another_type_or_too_long_is_an_error_of_its_own() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let new_version = one.channel::<(u8, u8)>("x");
        let mut old_version = two.channel::<u8>("x");
        new_version.send_to(two.id, &(1, 2)).await.unwrap();
        let why = "1 bytes follow its end".to_owned();
        assert_eq!(old_version.recv().await, Err(RecvError::Unreadable { from: one.id.into(), why }));
        let words = two.channel::<String>("words");
        let mut flags = one.channel::<bool>("words");
        words.send_to(one.id, &"xyz".to_owned()).await.unwrap();
        assert!(matches!(flags.recv().await, Err(RecvError::Unreadable { .. })));
        words.send_to(one.id, &"\u{1}".to_owned()).await.unwrap();
        assert!(matches!(flags.recv().await, Err(RecvError::Unreadable { .. })));

        let long = one.channel::<String>("long");
        let fits = "x".repeat(SMALL.message - 2);
        let error = long.send_to(two.id, &format!("{fits}x")).await.unwrap_err();
        assert_eq!(error, SendError::TooLong { bytes: SMALL.message + 1, most: SMALL.message });
        assert!(long.broadcast(&format!("{fits}x")).await.is_err());
        let mut arrives = two.channel::<String>("long");
        long.send_to(two.id, &fits).await.unwrap();
        assert_eq!(arrives.recv().await.unwrap().1, fits);
    });
}

#[test]
fn ids_can_be_told_to_others() {
    run(async {
        let mut stage = new();
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let mut at_two = two.channel::<Vec<Peer>>("introductions");
        let who = vec![Peer::Supervisor, one.id.into()];
        one.channel::<Vec<Peer>>("introductions").send_to(two.id, &who).await.unwrap();
        assert_eq!(at_two.recv().await.unwrap().1, who);
        let bytes = postcard::to_extend(&one.id, Vec::new()).unwrap();
        assert_eq!(postcard::from_bytes::<WorkerId>(&bytes), Ok(one.id));
    });
}

#[test]
fn the_channels_of_a_runtime_are_found_on_its_shelf() {
    let office = super::super::PostOffice::new(Limits::default());
    let executor = Executor::builder().extension(office.clone()).build();
    executor.block_on(async {
        cluster::channel::<u8>("x").send_to_supervisor(&1).await.unwrap();
    });
    assert!(format!("{office:?}").contains(r#"channels: ["x"]"#), "{office:?}");
}

#[test]
#[should_panic(expected = "the channel \"x\" leads to the other members of a cluster, and this is none")]
fn outside_a_cluster_there_are_no_channels() {
    Runtime::new().unwrap().block_on(async { drop(cluster::channel::<u8>("x")) });
}

#[test]
#[should_panic(expected = "the channel \"x\" is open already, for another type than u16")]
fn a_channel_has_one_type() {
    let office = super::super::PostOffice::new(Limits::default());
    let _one = Channel::<u8>::open(&office, "x");
    let _other = Channel::<u16>::open(&office, "x");
}

#[test]
#[should_panic(expected = "\"64\" would be one channel too many")]
fn there_are_not_more_channels_than_anybody_needs() {
    let office = super::super::PostOffice::new(Limits::default());
    for number in 0..=64 {
        let _ = Channel::<u8>::open(&office, &number.to_string());
    }
}
