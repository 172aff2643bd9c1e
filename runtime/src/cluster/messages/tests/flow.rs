//! What happens when somebody is slow: who waits, who does not, and what is missed.

use super::{
    super::{Limits, Peer, RecvError, SendError, channel::Channel, post::FromRouter},
    stage::{SMALL, Stage, run},
};
use crate::{
    cluster::wire::{frame::HEADER_BYTES, outbox::MIN_FRAME_COST},
    join_all, spawn,
    testing::{Sim, settle},
    time::timeout,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

const PLENTY: usize = 1 << 20;

#[test]
fn a_sender_waits_for_a_receiver_that_does_not_receive_and_nobody_else_does() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let (one, two, three) = (stage.worker(0).await, stage.worker(1).await, stage.worker(2).await);
        let sent = Rc::new(Cell::new(0));
        let (count, to_two) = (sent.clone(), one.channel::<u32>("x"));
        let sending = spawn(async move {
            for number in 0..100 {
                to_two.send_to(two.id, &number).await.unwrap();
                count.set(count.get() + 1);
            }
        });
        settle().await;
        assert_eq!(sent.get(), 4, "a window's worth");

        // The same two on another channel, and the same sender to somebody else, go on.
        let (other_channel, mut at_two) = (one.channel::<u32>("y"), two.channel::<u32>("y"));
        let (same_channel, mut at_three) = (one.channel::<u32>("x"), three.channel::<u32>("x"));
        for number in 0..50 {
            other_channel.send_to(two.id, &number).await.unwrap();
            assert_eq!(at_two.recv().await.unwrap().1, number);
            same_channel.send_to(three.id, &number).await.unwrap();
            assert_eq!(at_three.recv().await.unwrap().1, number);
        }
        assert_eq!(sent.get(), 4);

        let mut slow = two.channel::<u32>("x");
        for number in 0..100 {
            settle().await;
            assert!(sent.get() <= number + 4, "{} sent when {number} were received", sent.get());
            assert_eq!(slow.recv().await.unwrap().1, number);
        }
        sending.await.unwrap();
    });
}

/// Its process is stopped: it does not even read its socket.
#[test]
fn a_worker_that_is_stopped_holds_up_only_who_sends_to_it() {
    run(async {
        let mut stage = Stage::new(Limits { port: PLENTY, ..SMALL });
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (stopped, socket, served) = stage.raw(2);
        settle().await;
        let (to_stopped, sent) = (one.channel::<u32>("x"), Rc::new(Cell::new(0)));
        let count = sent.clone();
        let sending = spawn(async move {
            loop {
                if let Err(error) = to_stopped.send_to(stopped, &0).await {
                    return error;
                }
                count.set(count.get() + 1);
            }
        });
        settle().await;
        assert_eq!(sent.get(), 4);
        let (at_one, mut at_two) = (one.channel::<u32>("x"), two.channel::<u32>("x"));
        for number in 0..100 {
            at_one.send_to(two.id, &number).await.unwrap();
            assert_eq!(at_two.recv().await.unwrap().1, number);
        }
        assert!(!sending.is_finished());
        drop(socket); // it is killed
        assert_eq!(
            sending.await.unwrap(),
            SendError::Gone(stopped.into()),
            "who waited for it learns of its end"
        );
        served.await.unwrap().unwrap();
    });
}

/// With separate tasks for the two directions, nothing that they do can stand still: not with sockets of 64 bytes, and with
/// room for four messages anywhere.
#[test]
#[cfg_attr(miri, ignore = "many simulations")]
fn everybody_sends_to_everybody_and_everything_arrives_under_every_seed() {
    const EACH: u32 = 8;
    Sim::new().seeds(20).run(|| async {
        let mut stage = Stage::new(SMALL);
        let mut workers = Vec::new();
        for slot in 0..3 {
            workers.push(stage.worker(slot).await);
        }
        let peers: Vec<Peer> =
            workers.iter().map(|worker| worker.id.into()).chain([Peer::Supervisor]).collect();
        let offices: Vec<_> =
            workers.iter().map(|worker| worker.office.clone()).chain([stage.supervisor.clone()]).collect();
        let mut tasks = Vec::new();
        for office in &offices {
            for name in ["a", "b"] {
                let channel: Channel<(u32, Vec<u8>)> = Channel::open(office, name);
                let mut receiving = channel.clone();
                let peers = peers.clone();
                tasks.push(spawn(async move {
                    for number in 0..EACH {
                        for peer in &peers {
                            channel.send_to(*peer, &(number, vec![0; number as usize * 30])).await.unwrap();
                        }
                    }
                }));
                tasks.push(spawn(async move {
                    let mut next = BTreeMap::<Peer, u32>::new();
                    for _ in 0..4 * EACH {
                        let (from, (number, filling)) = receiving.recv().await.unwrap();
                        let expected = next.entry(from).or_default();
                        assert_eq!((number, filling.len()), (*expected, number as usize * 30));
                        *expected += 1;
                    }
                    assert!(receiving.try_recv().is_none());
                }));
            }
        }
        join_all(tasks).await.into_iter().for_each(|joined| joined.unwrap());
    });
}

/// Two tasks that send to each other and receive nothing wait, as their program says; that is no concern of anybody else's,
/// and ends as soon as one of them receives.
#[test]
fn who_only_sends_waits_and_nobody_else_does() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let (one, two, three) = (stage.worker(0).await, stage.worker(1).await, stage.worker(2).await);
        let stubborn = |from: Channel<u32>, to: Peer| {
            spawn(async move {
                for number in 0..20 {
                    from.send_to(to, &number).await.unwrap();
                }
            })
        };
        let tasks = [stubborn(one.channel("x"), two.id.into()), stubborn(two.channel("x"), one.id.into())];
        settle().await;
        assert!(tasks.iter().all(|task| !task.is_finished()));
        let (to_three, mut at_three) = (one.channel::<u32>("x"), three.channel::<u32>("x"));
        for number in 0..20 {
            to_three.send_to(three.id, &number).await.unwrap();
            assert_eq!(at_three.recv().await.unwrap().1, number);
            three.channel::<u32>("z").send_to_supervisor(&number).await.unwrap();
            assert_eq!(Channel::<u32>::open(&stage.supervisor, "z").recv().await.unwrap().1, number);
        }
        for worker in [&one, &two] {
            let mut receiving = worker.channel::<u32>("x");
            for number in 0..20 {
                assert_eq!(receiving.recv().await.unwrap().1, number);
            }
        }
        join_all(tasks).await.into_iter().for_each(|joined| joined.unwrap());
    });
}

/// Everything that is received from `channel` until `end` was said.
async fn hear(mut channel: Channel<i64>, end: i64) -> Vec<Result<i64, u64>> {
    let mut heard = Vec::new();
    loop {
        match channel.recv().await {
            Ok((_, number)) if number == end => return heard,
            Ok((_, number)) => heard.push(Ok(number)),
            Err(RecvError::Lagged(count)) => heard.push(Err(count)),
            Err(other) => panic!("{other}"),
        }
    }
}

/// What was heard is what was said, with gaps of the right size in the right places.
fn expect_complete(heard: &[Result<i64, u64>], said: i64) {
    let mut next = 0;
    for item in heard {
        match item {
            Ok(number) => {
                assert_eq!(*number, next);
                next += 1;
            }
            Err(count) => {
                assert!(*count > 0);
                next += i64::try_from(*count).unwrap();
            }
        }
    }
    assert_eq!(next, said);
    assert!(
        !heard.windows(2).any(|pair| matches!(pair, [Err(_), Err(_)])),
        "one gap is told once: {heard:?}"
    );
}

#[test]
fn who_is_too_slow_for_broadcasts_misses_some_and_is_told_where_and_how_many() {
    run(async {
        let mut stage = Stage::new(Limits { port_broadcasts: PLENTY, ..SMALL });
        let (one, two, three) = (stage.worker(0).await, stage.worker(1).await, stage.worker(2).await);
        let (speaker, slow) = (one.channel::<i64>("x"), two.channel::<i64>("x"));
        let fast = spawn(hear(three.channel("x"), -1));
        for number in 0..100 {
            speaker.broadcast(&number).await.unwrap();
            settle().await;
        }
        speaker.send_to(two.id, &-1).await.unwrap();
        speaker.send_to(three.id, &-1).await.unwrap();
        settle().await;
        assert_eq!(hear(slow.clone(), -1).await, [Ok(0), Ok(1), Ok(2), Ok(3), Err(96)]);
        assert!(fast.await.unwrap().iter().copied().eq((0..100).map(Ok)), "others miss nothing");
        speaker.broadcast(&100).await.unwrap();
        assert_eq!(slow.clone().recv().await.unwrap().1, 100, "and it goes on");
    });
}

/// The supervisor keeps no more for it than its limit says.
/// Takes what is there.
fn drain(channel: &mut Channel<i64>) -> Vec<Result<i64, u64>> {
    let arrivals = std::iter::from_fn(|| channel.try_recv());
    let item = |arrival| match arrival {
        Ok((_, number)) => Ok(number),
        Err(RecvError::Lagged(count)) => Err(count),
        Err(other) => panic!("{other}"),
    };
    arrivals.map(item).collect()
}

#[test]
fn a_gap_stands_where_something_is_missing_and_ends_where_something_follows() {
    run(async {
        let mut stage = Stage::new(Limits { port_broadcasts: PLENTY, ..SMALL });
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (speaker, mut slow) = (one.channel::<i64>("x"), two.channel::<i64>("x"));
        let say = async |numbers: std::ops::Range<i64>| {
            for number in numbers {
                speaker.broadcast(&number).await.unwrap();
            }
            settle().await;
        };
        say(0..5).await;
        assert_eq!(slow.recv().await.unwrap().1, 0);
        say(5..7).await; // one fits now
        speaker.send_to(two.id, &-1).await.unwrap();
        say(7..9).await;
        let expected = [Ok(1), Ok(2), Ok(3), Err(1), Ok(5), Err(1), Ok(-1), Err(2)];
        assert_eq!(drain(&mut slow), expected);

        // A gap that was told does not grow any more.
        let lagged = |count| FromRouter::Lagged { channel: "x", count }.frame();
        two.office.deliver(&lagged(3)[HEADER_BYTES..]).unwrap();
        assert_eq!(drain(&mut slow), [Err(3)]);
        two.office.deliver(&lagged(2)[HEADER_BYTES..]).unwrap();
        two.office.deliver(&lagged(5)[HEADER_BYTES..]).unwrap();
        assert_eq!(drain(&mut slow), [Err(7)]);
    });
}

#[test]
fn a_storm_of_broadcasts_fills_nobodys_memory() {
    run(async {
        let mut stage = Stage::new(Limits { kept: PLENTY, ..SMALL });
        let one = stage.worker(0).await;
        let (id, socket, served) = stage.raw(1);
        settle().await;
        let speaker = one.channel::<i64>("x");
        for number in 0..1000 {
            speaker.broadcast(&number).await.unwrap();
        }
        settle().await;
        let office = super::super::PostOffice::new(SMALL);
        let late = Channel::<i64>::open(&office, "x");
        let connection = office.clone();
        spawn(async move { connection.serve(socket).await }).detach();
        let hearing = spawn(hear(late, -1));
        for number in 1000..1200 {
            speaker.broadcast(&number).await.unwrap();
            if number % 9 == 0 {
                settle().await;
            }
        }
        settle().await;
        speaker.send_to(id, &-1).await.unwrap();
        let heard = hearing.await.unwrap();
        expect_complete(&heard, 1200);
        let first_gap = heard.iter().find_map(|item| item.err());
        assert!(first_gap.is_some_and(|count| count > 900), "{heard:?}");
        drop(office);
        drop(served);
    });
}

#[test]
#[cfg_attr(miri, ignore = "many simulations")]
fn gaps_add_up_under_every_seed() {
    Sim::new().seeds(60).run(|| async {
        let mut stage = Stage::new(SMALL);
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (speaker, listener) = (one.channel::<i64>("x"), two.channel::<i64>("x"));
        let mut other = two.channel::<u8>("noise");
        let noise = one.channel::<u8>("noise");
        let hearing = spawn(hear(listener, -1));
        spawn(async move { while other.recv().await != Err(RecvError::Closed) {} }).detach();
        for number in 0..60 {
            speaker.broadcast(&number).await.unwrap();
            if number % 3 == 0 {
                noise.send_to(two.id, &0).await.unwrap();
            }
        }
        settle().await;
        speaker.send_to(two.id, &-1).await.unwrap();
        expect_complete(&hearing.await.unwrap(), 60);
    });
}

/// A task is cancelled at each of its suspension points in turn while it sends: what arrives is what the sends that came
/// back have sent, in order, perhaps but for the one that was cancelled, and the channel goes on.
#[test]
fn a_send_that_is_cancelled_anywhere_has_sent_nothing_and_takes_no_room() {
    let mut points = 0;
    loop {
        let finished = run(async {
            let mut stage = Stage::new(SMALL);
            let (one, two) = (stage.worker(0).await, stage.worker(1).await);
            let heard = Rc::new(RefCell::new(Vec::new()));
            let (mut receiving, hearing) = (two.channel::<(u32, Vec<u8>)>("x"), heard.clone());
            let sender = one.channel::<(u32, Vec<u8>)>("x");
            let sent = Rc::new(Cell::new(0));
            let cancelled = {
                let mut story = pin!(async {
                    for number in 0..12 {
                        sender.send_to(two.id, &(number, vec![0; 200])).await.unwrap();
                        sent.set(number + 1);
                    }
                });
                let mut pending = 0;
                let mut receive_later = Some(spawn(async move {
                    settle().await;
                    while let Ok((_, (number, _))) = receiving.recv().await {
                        hearing.borrow_mut().push(number);
                    }
                }));
                let cancelled = poll_fn(|context| {
                    if pending == points {
                        return Poll::Ready(true);
                    }
                    pending += 1;
                    story.as_mut().poll(context).map(|()| false)
                })
                .await;
                receive_later.take().unwrap().detach();
                cancelled
            };
            settle().await;
            assert_eq!(*heard.borrow(), (0..sent.get()).collect::<Vec<_>>());
            for number in 100..120 {
                sender.send_to(two.id, &(number, Vec::new())).await.unwrap();
            }
            settle().await;
            assert!(heard.borrow()[sent.get() as usize..].iter().copied().eq(100..120));
            !cancelled
        });
        if finished {
            break;
        }
        points += 1;
    }
    assert!(points > 4, "{points} points");
}

#[test]
fn a_receive_that_is_cancelled_has_received_nothing() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let mut at_two = two.channel::<u8>("x");
        for _ in 0..3 {
            let mut receiving = Box::pin(at_two.recv());
            poll_fn(|context| {
                assert!(receiving.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        let to_two = one.channel::<u8>("x");
        let waiting = {
            let mut receiving = Box::pin(at_two.recv());
            poll_fn(|context| Poll::Ready(receiving.as_mut().poll(context).is_pending())).await
        };
        assert!(waiting);
        for number in 0..20 {
            to_two.send_to(two.id, &number).await.unwrap();
            assert_eq!(at_two.recv().await.unwrap().1, number);
        }
    });
}

/// Not every message is confirmed by itself; but the last of those that wait is, or a long one would wait for ever.
#[test]
fn when_all_is_received_the_whole_window_is_free() {
    run(async {
        let mut stage = Stage::new(Limits { window: 100 * MIN_FRAME_COST, ..SMALL });
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (to_two, mut at_two) = (one.channel::<Vec<u8>>("x"), two.channel::<Vec<u8>>("x"));
        for _ in 0..3 {
            to_two.send_to(two.id, &Vec::new()).await.unwrap();
            at_two.recv().await.unwrap();
        }
        settle().await;
        let window = one.office.line("x").unwrap().window(two.id.into());
        let whole = pin!(window.room(100 * MIN_FRAME_COST));
        assert!(timeout(Duration::from_secs(1), whole).await.is_ok());
    });
}

/// A message that needs the whole window waits until all before it were received, and does then go.
#[test]
fn a_message_as_long_as_the_window_gets_through() {
    run(async {
        let mut stage = Stage::new(SMALL);
        let (one, two) = (stage.worker(0).await, stage.worker(1).await);
        let (to_two, mut at_two) = (one.channel::<Vec<u8>>("x"), two.channel::<Vec<u8>>("x"));
        let sending = spawn(async move {
            for length in [0, 1, 9_000, 2, 600, 600, 5_000, 9_000, 3] {
                to_two.send_to(two.id, &vec![7; length]).await.unwrap();
            }
        });
        for length in [0, 1, 9_000, 2, 600, 600, 5_000, 9_000, 3] {
            assert_eq!(at_two.recv().await.unwrap().1, vec![7; length]);
        }
        sending.await.unwrap();
    });
}
