//! Many jobs of a pool of threads: in order, as they come, lazily, in blocking style, counted.
#![cfg(feature = "macros")]

use futures_lite::{
    Stream as _,
    future::{block_on, poll_once},
};
use runtime::{
    pool::{Count, JobError, Shutdown, ThreadPool},
    spawn, task,
    time::sleep,
};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

/// A job for each of them can be let go on its own.
fn gates<const N: usize>() -> ([Sender<()>; N], Vec<Receiver<()>>) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..N).map(|_| channel()).unzip();
    (senders.try_into().unwrap(), receivers)
}

/// Waits for its gate; its number.
fn pass((number, gate): (usize, Receiver<()>)) -> usize {
    let _ = gate.recv();
    number
}

#[runtime::test]
async fn results_come_in_the_order_of_the_items() {
    let pool = ThreadPool::new(3);
    let ([first, second, third], gates) = gates();
    let mut map = pool.map(gates.into_iter().enumerate(), pass);
    drop((third, second));
    assert!(poll_once(map.next()).await.is_none(), "the first has not ended");
    drop(first);
    assert_eq!(map.next().await.unwrap().unwrap(), 0);
    assert_eq!(map.next().await.unwrap().unwrap(), 1);
    assert_eq!(map.next().await.unwrap().unwrap(), 2);
    assert!(map.next().await.is_none());
    assert!(map.next().await.is_none());
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn results_come_as_they_come() {
    let pool = ThreadPool::new(3);
    let ([first, second, third], gates) = gates();
    let mut map = pool.imap_unordered(gates.into_iter().enumerate(), pass);
    drop(third);
    assert_eq!(map.next().await.unwrap().unwrap(), 2);
    drop(first);
    assert_eq!(map.next().await.unwrap().unwrap(), 0);
    drop(second);
    assert_eq!(map.next().await.unwrap().unwrap(), 1);
    assert!(map.next().await.is_none());
    pool.shutdown(Shutdown::Wait).await;
}

/// Items that say how many were taken.
fn counted(taken: &Rc<Cell<usize>>) -> impl Iterator<Item = usize> + use<> {
    let taken = taken.clone();
    (0..).inspect(move |_| taken.set(taken.get() + 1))
}

#[runtime::test]
async fn endless_items_are_taken_only_so_far_ahead() {
    let pool = ThreadPool::new(2);
    let taken = Rc::new(Cell::new(0));
    let mut map = pool.map(counted(&taken), |n| n);
    assert_eq!(taken.get(), 0, "nothing until somebody asks");
    for n in 0..100 {
        assert_eq!(map.next().await.unwrap().unwrap(), n);
        assert_eq!(taken.get(), n + 128, "64 for each thread");
    }
    drop(map);

    taken.set(0);
    let mut map = pool.imap_unordered(counted(&taken), |n| n).buffer(1);
    for n in 0..100 {
        assert_eq!(map.next().await.unwrap().unwrap(), n, "one at a time is in order");
        assert_eq!(taken.get(), n + 1);
    }
    drop(map);
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn dropped_half_way_it_cancels_what_has_not_begun() {
    for is_ordered in [true, false] {
        let pool = ThreadPool::new(1);
        let (begun, has_begun) = channel();
        let (gate, opens) = channel::<()>();
        let opens = Arc::new(Mutex::new(opens));
        let job = move |n| {
            begun.send(n).unwrap();
            let _ = opens.lock().unwrap().recv();
            n
        };
        // The first job has begun, and ends only once the map is gone.
        if is_ordered {
            let mut map = pool.map(0.., job).buffer(100);
            assert!(poll_once(map.next()).await.is_none());
            assert_eq!(has_begun.recv(), Ok(0));
        } else {
            let mut map = pool.imap_unordered(0.., job).buffer(100);
            assert!(poll_once(map.next()).await.is_none());
            assert_eq!(has_begun.recv(), Ok(0));
        }
        drop(gate);
        pool.shutdown(Shutdown::Wait).await;
        assert_eq!(has_begun.try_iter().count(), 0, "the other 99 were cancelled");
    }
}

#[runtime::test]
async fn a_chunk_is_one_job_whose_items_have_outcomes_of_their_own() {
    let pool = ThreadPool::new(1);
    let (begun, has_begun) = channel();
    let job = move |n: i32| {
        begun.send(n).unwrap();
        if n % 3 == 0 { resume_unwind(Box::new(format!("{n}"))) } else { n }
    };
    let mut map = pool.map(0..8, job).chunk_size(5);
    let mut results = Vec::new();
    while let Some(result) = map.next().await {
        results.push(result.map_err(|error| error.to_string()));
        assert_eq!(map.size_hint(), (8 - results.len(), Some(8 - results.len())));
    }
    let failed = |n| Err(format!("the job panicked: {n}"));
    assert_eq!(results, [failed(0), Ok(1), Ok(2), failed(3), Ok(4), Ok(5), failed(6), Ok(7)]);
    assert_eq!(has_begun.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7]);

    let squares = pool.map(0..100, |n| n * n).chunk_size(7).progress().blocking().map(Result::unwrap);
    assert!(squares.eq((0..100).map(|n| n * n)));
    let mut squares = pool.imap_unordered(0..100, |n| n * n).chunk_size(7).collect().await.unwrap();
    squares.sort_unstable();
    assert!(squares.into_iter().eq((0..100).map(|n| n * n)));
    assert!(pool.map(0..0, |n| n).chunk_size(7).next().await.is_none());

    pool.shutdown(Shutdown::Wait).await;
    let mut map = pool.map(0..3, |n| n).chunk_size(2);
    for _ in 0..3 {
        assert!(matches!(map.next().await, Some(Err(JobError::PoolClosed))));
    }
    assert!(map.next().await.is_none());
}

/// A chunk counts until the last of its results is taken.
#[runtime::test]
async fn chunks_are_taken_only_so_far_ahead() {
    for is_ordered in [true, false] {
        let pool = ThreadPool::new(2);
        let taken = Rc::new(Cell::new(0));
        let (mut map, mut imap) = (
            pool.map(counted(&taken), |n| n).buffer(2).chunk_size(10),
            pool.imap_unordered(counted(&taken), |n| n).buffer(1).chunk_size(20),
        );
        assert_eq!(taken.get(), 0, "nothing until somebody asks");
        for n in 0..100 {
            if is_ordered {
                assert_eq!(map.next().await.unwrap().unwrap(), n);
                assert_eq!(taken.get(), (n / 10 + 2) * 10);
            } else {
                assert_eq!(imap.next().await.unwrap().unwrap(), n, "one chunk at a time is in order");
                assert_eq!(taken.get(), (n / 20 + 1) * 20);
            }
        }
        pool.shutdown(Shutdown::CancelPending).await;
    }
}

#[runtime::test]
async fn of_chunks_the_one_that_has_begun_is_done_to_its_end() {
    let pool = ThreadPool::new(1);
    let (begun, has_begun) = channel();
    let (gate, opens) = channel::<()>();
    let opens = Mutex::new(opens);
    let job = move |n| {
        begun.send(n).unwrap();
        let _ = opens.lock().unwrap().recv();
    };
    let mut map = pool.map(0.., job).chunk_size(4);
    assert!(poll_once(map.next()).await.is_none());
    assert_eq!(has_begun.recv(), Ok(0));
    drop(map);
    drop(gate);
    pool.shutdown(Shutdown::Wait).await;
    assert_eq!(has_begun.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[runtime::test]
async fn one_that_fails_is_one_result() {
    let pool = ThreadPool::new(2);
    let thirds = |n: i32| if n % 3 == 0 { resume_unwind(Box::new(format!("{n}"))) } else { n };
    let mut map = pool.map(0..6, thirds);
    let mut results = Vec::new();
    while let Some(result) = map.next().await {
        results.push(result.map_err(|error| error.to_string()));
    }
    let failed = |n| Err(format!("the job panicked: {n}"));
    assert_eq!(results, [failed(0), Ok(1), Ok(2), failed(3), Ok(4), Ok(5)]);
    let error = pool.map(1..6, thirds).collect().await.unwrap_err();
    assert_eq!(error.to_string(), "the job panicked: 3");
    assert!(pool.imap_unordered(1..6, thirds).collect().await.is_err());
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn items_that_panic_end_there_and_what_was_submitted_is_given() {
    let pool = ThreadPool::new(2);
    let items = || {
        (0..).inspect(|n| {
            if *n == 3 {
                resume_unwind(Box::new("no more"))
            }
        })
    };
    for chunk_size in [1, 2, 5] {
        let mut map = pool.map(items(), |n| n).buffer(10).chunk_size(chunk_size);
        let polled = catch_unwind(AssertUnwindSafe(|| drop(block_on(poll_once(map.next())))));
        assert!(polled.is_err());
        for n in 0..3 {
            assert_eq!(map.next().await.unwrap().unwrap(), n);
        }
        assert!(map.next().await.is_none(), "they are not asked again");
    }
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn a_closed_pool_is_the_result_of_each() {
    let pool = ThreadPool::new(1);
    pool.shutdown(Shutdown::Wait).await;
    let mut map = pool.map(0..2, |n| n);
    for _ in 0..2 {
        assert!(matches!(map.next().await, Some(Err(JobError::PoolClosed))));
    }
    assert!(map.next().await.is_none());
}

#[test]
fn in_blocking_style_without_a_runtime() {
    let pool = ThreadPool::new(3);
    let squares: Vec<_> = pool.map(0..100, |n| n * n).blocking().map(Result::unwrap).collect();
    assert!(squares.iter().copied().eq((0..100).map(|n| n * n)));
    let mut squares: Vec<_> = pool.imap_unordered(0..100, |n| n * n).blocking().map(Result::unwrap).collect();
    squares.sort_unstable();
    assert!(squares.into_iter().eq((0..100).map(|n| n * n)));
    let mut lines = Vec::new();
    let squares = pool.map(0..3, |n| n * n).progress().on_item(|count| lines.push(count.to_string()));
    assert_eq!(squares.blocking().count(), 3);
    assert_eq!(lines, ["1/3", "2/3", "3/3"]);
    pool.blocking_shutdown(Shutdown::Wait);
}

#[test]
fn a_job_may_wait_for_a_map_of_its_own_pool() {
    let pool = ThreadPool::new(1);
    let inner = pool.clone();
    let job = move || {
        let ordered: i32 = inner.map(0..10, |n| n).blocking().map(Result::unwrap).sum();
        let as_they_come: i32 = inner.imap_unordered(0..10, |n| n).blocking().map(Result::unwrap).sum();
        (ordered, as_they_come)
    };
    assert_eq!(pool.submit(job, ()).get(None).unwrap(), (45, 45));
    pool.blocking_shutdown(Shutdown::Wait);
}

#[runtime::test]
async fn others_have_their_turn_while_results_are_taken() {
    let pool = ThreadPool::new(2);
    let is_over = Rc::new(Cell::new(false));
    let is_over_there = is_over.clone();
    let other = spawn(async move {
        let mut turns = 0;
        while !is_over_there.get() {
            turns += 1;
            task::yield_now().await;
        }
        turns
    });
    task::yield_now().await;
    assert_eq!(pool.map(0..2_000, |n| n).collect().await.unwrap().len(), 2_000);
    is_over.set(true);
    assert!(other.await.unwrap() > 2_000 / 128, "at least each time that the budget is spent");
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test]
async fn who_blocks_for_many_results_in_a_task_needs_no_budget() {
    let pool = ThreadPool::new(2);
    assert_eq!(pool.map(0..500, |n| n).blocking().map(Result::unwrap).sum::<u32>(), 124_750);
    assert_eq!(pool.imap_unordered(0..500, |n| n).blocking().map(Result::unwrap).sum::<u32>(), 124_750);
    let counted = pool.map(0..500, |n| n).progress().blocking();
    assert_eq!(counted.map(Result::unwrap).sum::<u32>(), 124_750);
    pool.shutdown(Shutdown::Wait).await;
}

#[runtime::test(start_paused = true)]
async fn progress_is_told_no_more_often_than_asked_and_the_end_always() {
    let pool = ThreadPool::new(1);
    let told = RefCell::new(Vec::new());
    let second = Duration::from_secs(1);
    let tell = |count: Count| told.borrow_mut().push(count.done);
    let mut progress = pool.map(0..10, |n| n).progress().every(second).on_item(tell);
    assert_eq!((progress.count().done, progress.count().total), (0, Some(10)));
    for n in 0..10 {
        assert_eq!(progress.next().await.unwrap().unwrap(), n);
        sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(*told.borrow(), [1, 4, 7, 10]);
    assert!(progress.next().await.is_none());
    assert_eq!(*told.borrow(), [1, 4, 7, 10], "told already");
    assert_eq!(progress.count().to_string(), "10/10");

    told.borrow_mut().clear();
    let endless = pool.map((0..).take_while(|n| *n < 3), |n| n).progress();
    assert_eq!(endless.count().to_string(), "0", "of how many is not known");
    let progress = endless.total(4).every(second).on_item(tell);
    assert_eq!(progress.collect().await.unwrap(), [0, 1, 2]);
    assert_eq!(*told.borrow(), [1, 3]);
    pool.shutdown(Shutdown::Wait).await;
}
