//! Killed in whatever it waits for: its place goes to the next, and nothing that was meant for it is lost.

use crate::support::{Log, SECOND, inside};
use runtime::{
    green::{os::unix::net::UnixStream, sync as green},
    greenlet::{self, JoinHandle},
    inspect,
    sync::{Barrier, Condition, Event, Lock, Queue, Receiver, RwLock, Semaphore, Sender, channel, oneshot},
};
use std::{
    io::{Read, Write},
    rc::Rc,
    time::Duration,
};

/// When the first of two is killed: while it waits, or when its turn has come and it has not noticed yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    Waiting,
    Granted,
}

/// Two wait in what `make` gives, the first is killed, there is one `grant`: it is the second's.
fn is_the_seconds<P: 'static>(make: fn() -> P, take: fn(&P), grant: fn(&P)) {
    for moment in [Moment::Waiting, Moment::Granted] {
        inside(move || {
            let (primitive, log) = (Rc::new(make()), Log::default());
            let [first, second] = ["first", "second"].map(|name| {
                let (primitive, log) = (primitive.clone(), log.clone());
                greenlet::spawn(move || {
                    let _gone = log.at_drop("gone");
                    take(&primitive);
                    log.say(name);
                })
            });
            greenlet::idle();
            assert_eq!(log.take(), [""; 0], "{moment:?}: both wait");
            match moment {
                Moment::Waiting => {
                    first.kill();
                    grant(&primitive);
                }
                Moment::Granted => {
                    grant(&primitive);
                    first.kill();
                }
            }
            assert!(second.join_timeout(SECOND).is_ok(), "{moment:?}: it was lost");
            assert!(first.get().unwrap_err().is_cancelled());
            assert_eq!(log.take(), ["gone", "second", "gone"], "{moment:?}");
        });
    }
}

#[test]
fn a_permit() {
    is_the_seconds(|| Semaphore::new(0), |s| drop(greenlet::wait(s.acquire())), |s| s.add_permits(1));
}

/// A lock, and a greenlet that holds it until it is told.
struct Held<L>(Rc<L>, Event);

impl<L: 'static> Held<L> {
    fn by(lock: L, hold: fn(&L, &Event)) -> Rc<Self> {
        let held = Rc::new(Self(Rc::new(lock), Event::new()));
        let holder = held.clone();
        greenlet::spawn(move || hold(&holder.0, &holder.1)).detach();
        greenlet::yield_now();
        held
    }
}

#[test]
fn a_lock() {
    is_the_seconds(
        || {
            Held::by(Lock::new(()), |lock, end| {
                let _guard = greenlet::wait(lock.acquire());
                greenlet::wait(end.wait());
            })
        },
        |held| drop(greenlet::wait(held.0.acquire())),
        |held| {
            held.1.set();
            greenlet::yield_now();
        },
    );
}

#[test]
fn a_lock_by_the_names_of_std() {
    is_the_seconds(
        || {
            Held::by(green::Mutex::new(()), |lock, end| {
                let _guard = lock.lock().unwrap();
                greenlet::wait(end.wait());
            })
        },
        |held| drop(held.0.lock().unwrap()),
        |held| {
            held.1.set();
            greenlet::yield_now();
        },
    );
}

#[test]
fn a_lock_for_writers() {
    is_the_seconds(
        || {
            Held::by(RwLock::new(()), |lock, end| {
                let _guard = greenlet::wait(lock.read());
                greenlet::wait(end.wait());
            })
        },
        |held| drop(greenlet::wait(held.0.write())),
        |held| {
            held.1.set();
            greenlet::yield_now();
        },
    );
}

/// Readers stand behind a writer; it is killed, and they need not wait for it.
#[test]
fn a_writer_that_is_killed_lets_readers_pass() {
    inside(|| {
        let lock = Rc::new(RwLock::new(()));
        let _reading = greenlet::wait(lock.read());
        let (for_writer, for_reader) = (lock.clone(), lock.clone());
        let writer = greenlet::spawn(move || drop(greenlet::wait(for_writer.write())));
        greenlet::yield_now();
        let reader = greenlet::spawn(move || drop(greenlet::wait(for_reader.read())));
        assert!(reader.join_timeout(SECOND).is_err(), "the writer came first");
        writer.kill();
        assert!(reader.join_timeout(SECOND).is_ok());
    });
}

#[test]
fn a_notification() {
    is_the_seconds(
        || Condition::new(()),
        |condition| {
            let guard = greenlet::wait(condition.lock());
            drop(greenlet::wait(condition.wait(guard)));
        },
        |condition| {
            let _guard = greenlet::wait(condition.lock());
            condition.notify(1);
        },
    );
}

#[test]
fn a_notification_by_the_names_of_std() {
    is_the_seconds(
        || (green::Mutex::new(()), green::Condvar::new()),
        |(lock, condvar)| drop(condvar.wait(lock.lock().unwrap())),
        |(lock, condvar)| {
            let _guard = lock.lock();
            condvar.notify_one();
        },
    );
}

type Both = (Sender<u32>, Receiver<u32>);

fn receive((_, receiver): &Both) {
    assert_eq!(greenlet::wait(receiver.clone().recv()), Some(7));
}

#[test]
fn an_item_of_a_channel() {
    is_the_seconds(|| channel(1), receive, |(sender, _)| sender.try_send(7).unwrap());
}

/// Nothing is between the two: what was handed to somebody who did not live to take it is handed to the next.
#[test]
fn an_item_handed_over() {
    is_the_seconds(|| channel(0), receive, |(sender, _)| sender.try_send(7).unwrap());
}

#[test]
fn an_item_of_a_queue() {
    is_the_seconds(
        || Queue::bounded(1),
        |queue| assert_eq!(greenlet::wait(queue.get()).ok(), Some(7)),
        |queue| queue.try_put(7).unwrap(),
    );
}

/// Two wait to send into a full channel, the first is killed. What it was to send is in the channel, or was dropped.
#[test]
fn room_in_a_channel() {
    for moment in [Moment::Waiting, Moment::Granted] {
        inside(move || {
            let log = Log::default();
            let (sender, mut receiver) = channel(1);
            sender.try_send(log.at_drop("there before")).unwrap();
            let [first, second] = ["first", "second"].map(|name| {
                let (sender, log) = (sender.clone(), log.clone());
                greenlet::spawn(move || assert!(greenlet::wait(sender.send(log.at_drop(name))).is_ok()))
            });
            drop(sender);
            greenlet::idle();
            if moment == Moment::Granted {
                drop(receiver.try_recv().unwrap());
            }
            first.kill();
            while let Some(item) = greenlet::wait(receiver.recv()) {
                drop(item);
            }
            second.get().unwrap();
            let mut dropped = log.take();
            if moment == Moment::Waiting {
                assert_eq!(dropped[0], "first", "withdrawn");
            }
            dropped.sort_unstable();
            assert_eq!(dropped, ["first", "second", "there before"], "{moment:?}: each once");
        });
    }
}

#[test]
fn room_in_a_queue() {
    inside(|| {
        let queue = Rc::new(Queue::bounded(1));
        queue.try_put(0).unwrap();
        let [first, second] = [1, 2].map(|n| {
            let queue = queue.clone();
            greenlet::spawn(move || assert!(greenlet::wait(queue.put(n)).is_ok()))
        });
        greenlet::idle();
        first.kill();
        assert_eq!([(), ()].map(|()| greenlet::wait(queue.get()).ok().unwrap()), [0, 2]);
        second.get().unwrap();
        assert!(queue.is_empty());
    });
}

/// One that is killed at a barrier will not come, so one more has to; it is not broken.
#[test]
fn a_place_at_a_barrier() {
    inside(|| {
        let barrier = Rc::new(Barrier::new(2));
        let comer = || {
            let barrier = barrier.clone();
            greenlet::spawn(move || greenlet::wait(barrier.wait()).unwrap())
        };
        let killed = comer();
        greenlet::yield_now();
        killed.kill();
        assert_eq!(barrier.waiting(), 0);
        let second = comer();
        assert!(second.join_timeout(SECOND).is_err(), "it is alone");
        assert_eq!(comer().get().unwrap(), 1);
        assert_eq!(second.get().unwrap(), 0);
    });
}

#[test]
fn who_was_let_through_a_barrier_does_not_keep_the_others() {
    inside(|| {
        let barrier = Rc::new(Barrier::new(2));
        let comers = [(), ()].map(|()| {
            let barrier = barrier.clone();
            greenlet::spawn(move || greenlet::wait(barrier.wait()).is_ok())
        });
        greenlet::yield_now();
        let [first, second] = comers;
        first.kill();
        assert!(second.get().unwrap());
        assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
    });
}

#[test]
fn an_event_keeps_nobody_who_was_killed() {
    inside(|| {
        let event = Rc::new(Event::new());
        let waiters = [(), ()].map(|()| {
            let event = event.clone();
            greenlet::spawn(move || greenlet::wait(event.wait()))
        });
        greenlet::idle();
        waiters[0].kill();
        event.set();
        assert!(waiters[1].join_timeout(SECOND).is_ok());
    });
}

#[test]
fn an_answer_that_nobody_waits_for_any_more() {
    inside(|| {
        let (sender, receiver) = oneshot::channel();
        let waiter: JoinHandle<u32> = greenlet::spawn(move || greenlet::wait(receiver).unwrap());
        greenlet::idle();
        waiter.kill();
        assert!(sender.send(7).is_err(), "who answers is told");
    });
}

#[test]
fn a_sleep_leaves_no_timer() {
    inside(|| {
        let sleeper = greenlet::spawn(|| greenlet::sleep(3600 * SECOND));
        greenlet::idle();
        assert_eq!(inspect::stats().timers, 1);
        sleeper.kill();
        assert_eq!(inspect::stats().timers, 0);
    });
}

/// Of what comes after it was killed a reader has taken nothing.
#[test]
fn bytes_of_a_socket() {
    runtime::run(greenlet::run(|| {
        for moment in [Moment::Waiting, Moment::Granted] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let theirs = Rc::new(theirs);
            let reader = theirs.clone();
            let killed = greenlet::spawn(move || (&*reader).read(&mut [0; 16]).unwrap());
            greenlet::idle();
            if moment == Moment::Granted {
                (&ours).write_all(b"hello").unwrap();
            }
            killed.cancel();
            if moment == Moment::Waiting {
                killed.join();
                (&ours).write_all(b"hello").unwrap();
            }
            killed.join();
            drop(ours);
            let mut rest = String::new();
            greenlet::spawn(move || {
                (&*theirs).read_to_string(&mut rest).unwrap();
                assert_eq!(rest, "hello", "{moment:?}");
            })
            .get()
            .unwrap();
        }
    }));
}

/// A writer that waits for room has written what the other side finds, and no more.
#[test]
fn a_socket_that_is_full() {
    runtime::run(greenlet::run(|| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let written = Rc::new(std::cell::Cell::new(0));
        let count = written.clone();
        let writer = greenlet::spawn(move || {
            loop {
                count.set(count.get() + (&ours).write(&[7; 4096]).unwrap());
            }
        });
        greenlet::idle();
        assert!(!writer.is_dead() && written.get() > 0);
        writer.kill();
        let mut bytes = Vec::new();
        theirs.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), written.get());
    }));
}

/// A greenlet that waits for a job of the pool of threads: the job is not interrupted, and its thread is free after it.
#[test]
fn a_job_of_another_thread() {
    runtime::run(greenlet::run(|| {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (done, ended) = runtime::sync::shared::oneshot::channel();
        let greenlet = greenlet::spawn(move || {
            greenlet::wait(runtime::spawn_blocking(move || {
                wait.recv().unwrap();
                done.send(()).unwrap();
            }))
            .unwrap();
        });
        greenlet::idle();
        assert!(greenlet.kill_timeout(Duration::from_secs(60)).is_ok());
        go.send(()).unwrap();
        greenlet::wait(ended).unwrap();
    }));
}
