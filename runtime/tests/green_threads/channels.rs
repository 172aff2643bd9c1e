//! Stories of `mpsc`.

use crate::support::{Log, SECOND, message_of_panic, seconds, story};
use runtime::{
    green::{
        sync::mpsc::{self, RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError},
        thread,
    },
    greenlet, spawn_blocking,
};
use std::rc::Rc;

#[test]
fn items_arrive_in_order_until_all_senders_are_gone() {
    story(|| {
        let (sender, receiver) = mpsc::channel();
        for n in 0..3 {
            let sender = sender.clone();
            thread::spawn(move || {
                thread::sleep(n * SECOND);
                sender.send(n).unwrap();
            });
        }
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv_timeout(SECOND), Err(RecvTimeoutError::Disconnected));
    });
}

#[test]
fn a_sender_without_room_waits() {
    story(|| {
        let (sender, receiver) = mpsc::sync_channel(1);
        let log = Log::default();
        let producer = thread::spawn({
            let log = log.clone();
            move || {
                for n in 0..3 {
                    sender.send(n).unwrap();
                    log.say(format!("sent {n}"));
                }
                assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
                sender
            }
        });
        thread::sleep(SECOND);
        assert_eq!(log.take(), "sent 0");
        assert_eq!((receiver.recv(), receiver.recv()), (Ok(0), Ok(1)));
        let sender = producer.join().unwrap();
        assert_eq!(log.take(), "sent 1, sent 2");
        drop(receiver);
        assert_eq!(sender.send(4), Err(SendError(4)));
        assert_eq!(sender.try_send(4), Err(TrySendError::Disconnected(4)));
    });
}

#[test]
fn a_rendezvous_waits_for_the_receiver() {
    story(|| {
        let (sender, receiver) = mpsc::sync_channel(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        let producer = thread::spawn(move || seconds(|| sender.send(2)));
        thread::sleep(SECOND);
        assert_eq!(receiver.recv(), Ok(2));
        assert_eq!(producer.join().unwrap(), (1, Ok(())));
    });
}

#[test]
fn a_sender_that_waits_hears_that_the_receiver_is_gone() {
    story(|| {
        let (sender, receiver) = mpsc::sync_channel(1);
        sender.send(1).unwrap();
        let producer = thread::spawn(move || sender.send(2));
        thread::yield_now();
        drop(receiver);
        assert_eq!(producer.join().unwrap(), Err(SendError(2)));
    });
}

#[test]
fn a_limit_is_kept() {
    story(|| {
        let (sender, receiver) = mpsc::channel();
        let (passed, received) = seconds(|| receiver.recv_timeout(2 * SECOND));
        assert_eq!((passed, received), (2, Err(RecvTimeoutError::Timeout)));
        thread::spawn(move || {
            thread::sleep(SECOND);
            sender.send(1).unwrap();
        });
        let (passed, received) = seconds(|| receiver.recv_timeout(2 * SECOND));
        assert_eq!((passed, received), (1, Ok(1)));
    });
}

#[test]
fn who_is_killed_while_receiving_has_taken_nothing() {
    story(|| {
        let (sender, receiver) = mpsc::channel();
        let receiver = Rc::new(receiver);
        let victim = {
            let receiver = Rc::clone(&receiver);
            thread::spawn(move || receiver.recv()).into_greenlet()
        };
        thread::yield_now();
        sender.send(1).unwrap(); // meant for the victim
        victim.cancel();
        assert!(greenlet::wait(victim).is_err());
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn greenlets_may_share_a_receiver() {
    story(|| {
        let (sender, receiver) = mpsc::channel();
        let receiver = Rc::new(receiver);
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let receiver = Rc::clone(&receiver);
                thread::spawn(move || receiver.iter().inspect(|_| thread::sleep(SECOND)).sum::<u32>())
            })
            .collect();
        drop(receiver);
        (1..=6).for_each(|n| sender.send(n).unwrap());
        drop(sender);
        let (passed, sums) =
            seconds(|| workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>());
        assert_eq!((passed, sums), (2, vec![1 + 4, 2 + 5, 3 + 6]));
    });
}

#[test]
fn a_receiver_that_never_has_to_wait_still_gives_way() {
    story(|| {
        let (sender, receiver) = mpsc::channel();
        (0..10_000).for_each(|n| sender.send(n).unwrap());
        drop(sender);
        let reader = thread::spawn(move || receiver.iter().count());
        thread::yield_now();
        assert!(!reader.is_finished(), "it has had a turn, not all of them");
        assert_eq!(reader.join().unwrap(), 10_000);
    });
}

#[test]
fn threads_and_greenlets_send_to_each_other() {
    story(|| {
        let (questions, asked) = mpsc::sync_channel::<u32>(0);
        let (answers, answered) = mpsc::channel();
        let thread = spawn_blocking(move || asked.iter().for_each(|n| answers.send(n * n).unwrap()));
        for n in 0..10 {
            questions.send(n).unwrap();
            assert_eq!(answered.recv(), Ok(n * n));
        }
        drop(questions);
        greenlet::wait(thread).unwrap();
        assert_eq!(answered.into_iter().next(), None);
    });
}

#[test]
fn in_a_task_what_is_there_can_be_had_and_nothing_waited_for() {
    runtime::run(async {
        let (sender, receiver) = mpsc::sync_channel(1);
        sender.send(1).unwrap();
        let message = message_of_panic(|| sender.send(2));
        assert!(message.contains("`SyncSender::send` would have to wait here"), "{message}");
        assert_eq!(receiver.recv(), Ok(1));
        let message = message_of_panic(|| receiver.recv());
        assert!(message.contains("`Receiver::recv` would have to wait here"), "{message}");
        assert_eq!(receiver.recv_timeout(SECOND / 1000), Err(RecvTimeoutError::Timeout));
        assert_eq!(receiver.try_iter().count(), 0);
    });
}
