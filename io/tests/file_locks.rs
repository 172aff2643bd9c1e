//! Stories of locks on files: between open files of this process, which the system treats as it does other processes.

mod support;

use futures_lite::future::poll_once;
use runtime_executor::{
    Executor, spawn,
    time::{Clock, Duration, Instant, sleep, timeout},
};
use runtime_io::{Reactor, fs::File};
use support::{
    Folder,
    pool::{Busy, executor_of_one_thread},
    run,
};

/// A runtime whose clock stands still.
fn paused() -> Executor {
    let reactor = Reactor::new().unwrap();
    Executor::builder().clock(Clock::paused()).park(reactor.clone()).extension(reactor).build()
}

#[test]
fn one_at_a_time_and_shared_by_those_who_share() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("file");
        let open = || File::create(&path);
        let (one, two, three) = (open().await.unwrap(), open().await.unwrap(), open().await.unwrap());
        one.lock_shared().await.unwrap();
        assert!(two.try_lock_shared().await.unwrap());
        assert!(!three.try_lock().await.unwrap());
        one.unlock().await.unwrap();
        two.unlock().await.unwrap();
        three.lock().await.unwrap();
        assert!(!one.try_lock_shared().await.unwrap());
        drop(three);
        assert!(one.try_lock().await.unwrap(), "it went with the file");
    });
}

#[test]
fn who_waits_gets_it_within_the_pause_and_whoever_gives_up_has_nothing() {
    let folder = Folder::new();
    paused().block_on(async {
        let path = folder.path("file");
        let (holder, waiter, other) = (
            File::create(&path).await.unwrap(),
            File::create(&path).await.unwrap(),
            File::create(&path).await.unwrap(),
        );
        holder.lock().await.unwrap();
        assert!(timeout(Duration::from_secs(10), other.lock()).await.is_err());
        let begun = Instant::now();
        let waiting = spawn(async move {
            waiter.lock().await.unwrap();
            (waiter, begun.elapsed())
        });
        sleep(Duration::from_secs(1)).await;
        holder.unlock().await.unwrap();
        let (waiter, elapsed) = waiting.await.unwrap();
        assert!(elapsed >= Duration::from_secs(1) && elapsed <= Duration::from_millis(1050), "{elapsed:?}");
        drop(waiter);
        assert!(holder.try_lock().await.unwrap(), "nobody has it for the one that gave up");
    });
}

/// The lock is given up only when what was written under it can be read, and goes with the file not before.
#[test]
fn what_was_written_under_a_lock_is_there_for_the_next() {
    for is_dropped in [false, true] {
        let folder = Folder::new();
        let path = folder.path("file");
        executor_of_one_thread().block_on(async {
            let mut holder = File::create(&path).await.unwrap();
            let other = File::open(&path).await.unwrap();
            holder.lock().await.unwrap();
            let busy = Busy::new();
            poll_once(holder.write_all(b"under the lock")).await.expect("at once").unwrap();
            let mut holder = Some(holder);
            if is_dropped {
                holder = None;
            } else {
                let unlocking = poll_once(holder.as_ref().unwrap().unlock()).await;
                assert!(unlocking.is_none(), "it waits for the write");
            }
            let held = std::fs::File::open(&path).unwrap();
            let held = File::from_std(held).unwrap();
            drop(busy);
            if let Some(holder) = &holder {
                holder.unlock().await.unwrap();
            }
            other.lock().await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"under the lock");
            assert!(!held.try_lock().await.unwrap());
        });
    }
}

#[test]
fn a_file_that_was_flushed_is_closed_when_it_is_dropped_and_not_soon_after() {
    let folder = Folder::new();
    run(async {
        let path = folder.path("file");
        for _ in 0..200 {
            let mut file = File::create(&path).await.unwrap();
            assert!(file.try_lock().await.unwrap(), "the former is closed");
            file.write_all(b"x").await.unwrap();
            file.flush().await.unwrap();
        }
    });
}

#[test]
fn waiting_for_a_lock_keeps_no_thread_and_so_nobody_from_ending() {
    let folder = Folder::new();
    let path = folder.path("file");
    let holder = std::fs::File::create(&path).unwrap();
    run(async {
        let (mine, theirs) = (File::from_std(holder).unwrap(), File::open(&path).await.unwrap());
        mine.lock().await.unwrap();
        let mut waiting = Box::pin(theirs.lock());
        for _ in 0..3 {
            assert!(poll_once(&mut waiting).await.is_none());
            sleep(Duration::from_millis(1)).await;
        }
    });
}
