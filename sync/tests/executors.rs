//! No runtime of ours is needed: a small program per primitive, run by tokio and by a `block_on` of twenty lines.
//!
//! The shared flavour runs on tokio's worker threads, on one thread of tokio's, and with a thread for each task; the
//! local flavour in a `LocalSet` of tokio's, and with all tasks polled in turn by one thread.
#![cfg(not(loom))]

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// The smallest executor there is.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Lets the others go on.
async fn pause() {
    let mut is_second = false;
    poll_fn(|cx| {
        if is_second {
            return Poll::Ready(());
        }
        is_second = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

type LocalTask = Pin<Box<dyn Future<Output = ()>>>;
type SharedTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What runs at once, and what must be so when all of it has ended.
struct Program<Task> {
    tasks: Vec<Task>,
    check: Box<dyn FnOnce()>,
}

/// The programs of one flavour.
macro_rules! programs {
    ($sync:path, $Pointer:path, $Task:ident) => {
        use super::{$Task as Task, pause};
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        use $Pointer as Pointer;
        use $sync as sync;

        type Program = super::Program<Task>;

        /// `number` tasks that share something, and what is to be asked of it in the end.
        macro_rules! program {
            ($number:expr, $shared:expr, |$index:ident, $it:ident| $task:block, |$last:ident| $check:expr) => {{
                let shared = Pointer::new($shared);
                let tasks = (0..$number)
                    .map(|$index| {
                        let $it = Pointer::clone(&shared);
                        Box::pin(async move { $task }) as Task
                    })
                    .collect();
                Program { tasks, check: Box::new(move || { let $last = shared; $check }) }
            }};
        }

        pub(super) fn all() -> Vec<(&'static str, Program)> {
            vec![
                ("lock", lock()),
                ("rlock", rlock()),
                ("rwlock", rwlock()),
                ("semaphore", semaphore()),
                ("event", event()),
                ("condition", condition()),
                ("barrier", barrier()),
                ("once_cell", once_cell()),
                ("promise", promise()),
                ("channel", channel(3)),
                ("rendezvous", channel(0)),
                ("queue", queue()),
                ("broadcast", broadcast()),
                ("watch", watch()),
            ]
        }

        fn lock() -> Program {
            program!(8, sync::Lock::new(0), |_n, lock| {
                for _ in 0..20 {
                    let mut number = lock.acquire().await;
                    let before = *number;
                    pause().await;
                    *number = before + 1;
                }
            }, |lock| assert_eq!(*lock.try_acquire().unwrap(), 160))
        }

        fn rlock() -> Program {
            program!(8, sync::RLock::new(AtomicUsize::new(0)), |_n, lock| {
                for _ in 0..20 {
                    let outer = lock.acquire().await;
                    let before = outer.load(SeqCst);
                    pause().await;
                    lock.acquire().await.store(before + 1, SeqCst); // enters again
                }
            }, |lock| assert_eq!(lock.try_acquire().unwrap().load(SeqCst), 160))
        }

        fn rwlock() -> Program {
            program!(8, sync::RwLock::new((0, 0)), |n, lock| {
                for _ in 0..20 {
                    if n < 2 {
                        let mut both = lock.write().await;
                        both.0 += 1;
                        pause().await;
                        both.1 += 1;
                    } else {
                        let both = lock.read().await;
                        pause().await;
                        assert_eq!(both.0, both.1);
                    }
                }
            }, |lock| assert_eq!(*lock.try_read().unwrap(), (40, 40)))
        }

        fn semaphore() -> Program {
            program!(8, (sync::Semaphore::new(3), AtomicUsize::new(0)), |_n, it| {
                let (semaphore, inside) = &*it;
                for _ in 0..20 {
                    let _permit = semaphore.acquire().await.unwrap();
                    assert!(inside.fetch_add(1, SeqCst) < 3);
                    pause().await;
                    inside.fetch_sub(1, SeqCst);
                }
            }, |it| assert_eq!(it.0.available_permits(), 3))
        }

        fn event() -> Program {
            program!(8, (sync::Event::new(), AtomicUsize::new(0)), |n, it| {
                let (event, passed) = &*it;
                if n == 7 {
                    pause().await;
                    event.set();
                }
                event.wait().await;
                passed.fetch_add(1, SeqCst);
            }, |it| assert_eq!(it.1.load(SeqCst), 8))
        }

        fn condition() -> Program {
            program!(8, sync::Condition::new(0), |n, jobs| {
                for _ in 0..20 {
                    if n < 4 {
                        *jobs.lock().await += 1;
                        jobs.notify(1);
                    } else {
                        let mut some = jobs.wait_for(jobs.lock().await, |jobs| *jobs > 0).await;
                        pause().await;
                        *some -= 1;
                    }
                }
            }, |jobs| assert_eq!(*jobs.try_lock().unwrap(), 0))
        }

        fn barrier() -> Program {
            program!(4, (sync::Barrier::new(4), AtomicUsize::new(0)), |_n, it| {
                let (barrier, arrived) = &*it;
                for round in 1..=10 {
                    arrived.fetch_add(1, SeqCst);
                    assert!(barrier.wait().await.unwrap() < 4);
                    assert!(arrived.load(SeqCst) >= round * 4);
                }
            }, |it| assert_eq!(it.1.load(SeqCst), 40))
        }

        fn once_cell() -> Program {
            program!(8, (sync::OnceCell::new(), AtomicUsize::new(0)), |_n, it| {
                let (cell, made) = &*it;
                let value = cell
                    .get_or_init(async || {
                        pause().await;
                        made.fetch_add(1, SeqCst) + 7
                    })
                    .await;
                assert_eq!(*value, 7);
            }, |it| assert_eq!(it.1.load(SeqCst), 1))
        }

        fn promise() -> Program {
            program!(8, sync::Promise::new(), |n, promise| {
                if n == 3 {
                    pause().await;
                    assert!(promise.set("kept").is_ok());
                }
                assert_eq!(*promise.wait().await, "kept");
            }, |promise| assert!(promise.is_set()))
        }

        /// Three send, three receive; the last sender to go ends it.
        fn channel(capacity: usize) -> Program {
            let (sender, receiver) = sync::channel(capacity);
            let received = Pointer::new(AtomicUsize::new(0));
            let mut tasks: Vec<Task> = Vec::new();
            for n in 0..3 {
                let (sender, mut receiver) = (sender.clone(), receiver.clone());
                let received = Pointer::clone(&received);
                tasks.push(Box::pin(async move {
                    for item in 1..=20 {
                        sender.send(n * 20 + item).await.unwrap();
                    }
                }));
                tasks.push(Box::pin(async move {
                    while let Some(item) = receiver.recv().await {
                        received.fetch_add(item, SeqCst);
                    }
                }));
            }
            Program { tasks, check: Box::new(move || assert_eq!(received.load(SeqCst), 60 * 61 / 2)) }
        }

        fn queue() -> Program {
            program!(6, (sync::PriorityQueue::bounded(2), AtomicUsize::new(0)), |n, it| {
                let (queue, done) = &*it;
                if n == 0 {
                    for job in 0..40 {
                        queue.put(job).await.unwrap();
                    }
                    queue.join().await;
                    assert_eq!(done.load(SeqCst), 40);
                    queue.close();
                } else {
                    while queue.get().await.is_ok() {
                        pause().await;
                        done.fetch_add(1, SeqCst);
                        queue.task_done();
                    }
                }
            }, |it| assert_eq!(it.0.unfinished(), 0))
        }

        fn broadcast() -> Program {
            let (sender, receiver) = sync::broadcast(64);
            let mut tasks: Vec<Task> = (0..3)
                .map(|_| {
                    let mut receiver = receiver.resubscribe();
                    Box::pin(async move {
                        for number in 0..40 {
                            assert_eq!(receiver.recv().await, Ok(number));
                        }
                        assert!(receiver.recv().await.is_err());
                    }) as Task
                })
                .collect();
            tasks.push(Box::pin(async move {
                for number in 0..40 {
                    assert!(sender.send(number).is_ok());
                    pause().await;
                }
            }));
            Program { tasks, check: Box::new(move || drop(receiver)) }
        }

        fn watch() -> Program {
            let (sender, receiver) = sync::watch(0);
            let mut tasks: Vec<Task> = (0..3)
                .map(|_| {
                    let mut receiver = receiver.clone();
                    Box::pin(async move {
                        let mut last = 0;
                        while receiver.changed().await.is_ok() {
                            let seen = *receiver.borrow_and_update();
                            assert!(seen > last);
                            last = seen;
                        }
                        assert_eq!(last, 40, "the last value is never missed");
                    }) as Task
                })
                .collect();
            tasks.push(Box::pin(async move {
                for number in 1..=40 {
                    assert!(sender.send(number).is_ok());
                    pause().await;
                }
            }));
            Program { tasks, check: Box::new(move || drop(receiver)) }
        }
    };
}

mod local {
    programs!(runtime_sync, std::rc::Rc, LocalTask);
}

mod shared {
    programs!(runtime_sync::shared, std::sync::Arc, SharedTask);
}

fn on_tokio(runtime: &mut tokio::runtime::Builder) -> tokio::runtime::Runtime {
    runtime.enable_time().build().expect("tokio starts")
}

#[test]
#[cfg_attr(miri, ignore = "most of it is tokio")]
fn shared_on_the_worker_threads_of_tokio() {
    let tokio = on_tokio(tokio::runtime::Builder::new_multi_thread().worker_threads(4));
    for (name, Program { tasks, check }) in shared::all() {
        let handles: Vec<_> = tasks.into_iter().map(|task| tokio.spawn(task)).collect();
        handles
            .into_iter()
            .for_each(|handle| tokio.block_on(handle).unwrap_or_else(|error| panic!("{name}: {error}")));
        check();
    }
}

#[test]
#[cfg_attr(miri, ignore = "most of it is tokio")]
fn shared_on_one_thread_of_tokio() {
    let tokio = on_tokio(&mut tokio::runtime::Builder::new_current_thread());
    for (name, Program { tasks, check }) in shared::all() {
        let handles: Vec<_> = tasks.into_iter().map(|task| tokio.spawn(task)).collect();
        handles
            .into_iter()
            .for_each(|handle| tokio.block_on(handle).unwrap_or_else(|error| panic!("{name}: {error}")));
        check();
    }
}

#[test]
fn shared_with_a_thread_for_each_task() {
    for (_, Program { tasks, check }) in shared::all() {
        thread::scope(|scope| tasks.into_iter().for_each(|task| drop(scope.spawn(|| block_on(task)))));
        check();
    }
}

#[test]
#[cfg_attr(miri, ignore = "most of it is tokio")]
fn local_in_a_set_of_tokio() {
    let tokio = on_tokio(&mut tokio::runtime::Builder::new_current_thread());
    for (name, Program { tasks, check }) in local::all() {
        tokio::task::LocalSet::new().block_on(&tokio, async {
            let handles: Vec<_> = tasks.into_iter().map(tokio::task::spawn_local).collect();
            for handle in handles {
                handle.await.unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        });
        check();
    }
}

/// All with one waker, so each is polled whenever any is woken; `RLock`, which knows tasks by their wakers, is left out.
#[test]
fn local_with_all_tasks_in_one() {
    for (_, Program { mut tasks, check }) in local::all().into_iter().filter(|(name, _)| *name != "rlock") {
        block_on(poll_fn(|cx| {
            tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
            if tasks.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        }));
        check();
    }
}

/// Time limits are the other executor's, put around the wait: nothing is left behind.
#[test]
#[cfg_attr(miri, ignore = "most of it is tokio")]
fn time_limits_of_tokio() {
    use runtime_sync::shared::{Lock, channel};
    use std::time::Duration;
    const SHORT: Duration = Duration::from_millis(1);
    let tokio = on_tokio(&mut tokio::runtime::Builder::new_current_thread());
    tokio.block_on(async {
        let lock = Lock::new(1);
        let guard = lock.acquire().await;
        assert!(tokio::time::timeout(SHORT, lock.acquire()).await.is_err());
        drop(guard);
        assert!(lock.try_acquire().is_some());
        let (sender, mut receiver) = channel(1);
        assert!(tokio::time::timeout(SHORT, receiver.recv()).await.is_err());
        sender.send(7).await.unwrap();
        let mut late = sender.send(8);
        assert!(tokio::time::timeout(SHORT, &mut late).await.is_err());
        assert_eq!((late.into_inner(), receiver.recv().await), (8, Some(7)));
    });
}
