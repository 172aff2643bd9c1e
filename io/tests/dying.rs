//! Stories of processes that share a board and are killed: at any instruction, again and again, or by becoming somebody else. And
//! of those who write on it what they should not. They fork, so they are alone in their process, one after the other.
//!
//! More of them: `BOARD_KILLS=10000 cargo test --release -p runtime-io --test dying`.
#![cfg(all(not(asan), target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::poll_once;
use runtime_executor::time::timeout;
use runtime_io::shared::{Answer, Board, Kind, Want};
use std::{
    env,
    fs::File,
    io::ErrorKind,
    os::{fd::OwnedFd, unix::fs::FileExt, unix::process::CommandExt},
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
use support::{
    run,
    sys::{self, Forked, in_forked_child},
};

const LONG: Duration = Duration::from_secs(20);

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many are killed in a story.
fn kills(usual: usize) -> usize {
    env::var("BOARD_KILLS").map_or(usual, |number| number.parse().unwrap())
}

/// Another member, in this process or in a child that was forked from the one that has the board.
fn another(board: &Board, kind: Kind) -> Arc<Board> {
    Board::open(board.share().unwrap(), kind, board.cells().len()).unwrap()
}

fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A number below `limit`, by xorshift.
fn draw(seed: &mut u64, limit: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 11) % limit
}

/// A child does something instruction by instruction. Each time that it has changed the memory, a copy is made of that, of which
/// everybody who had the original is dead. Gives how many instructions there were, and how many copies.
fn copies(
    kind: Kind,
    total: u32,
    before: fn(&Arc<Board>),
    act: fn(&Arc<Board>),
    check: fn(&Arc<Board>),
) -> (usize, usize) {
    let board = Board::create(kind, total, total, 0).unwrap();
    let memory = File::from(board.share().unwrap());
    let child = Forked::new(|| {
        let board = another(&board, kind);
        before(&board);
        Forked::be_traced();
        act(&board);
        Forked::stop();
    });
    assert!(child.stopped().is_some(), "it is to stop first");
    let mut last = content(&memory);
    let (mut steps, mut copies) = (0, 0);
    loop {
        let is_stepping = child.step();
        steps += 1;
        let now = content(&memory);
        if now != last {
            let unused = Board::create(kind, total, total, 0).unwrap().share().unwrap();
            let copy = File::from(unused);
            copy.write_all_at(&now, 0).unwrap();
            check(&Board::open(copy.into(), kind, 0).unwrap());
            copies += 1;
            last = now;
        }
        if !is_stepping {
            return (steps, copies);
        }
    }
}

fn lock(board: &Arc<Board>) {
    assert_eq!(board.wait(Want::Lock).block(Some(LONG)).unwrap(), Some(Answer::Granted(0)));
}

fn nothing(_: &Arc<Board>) {}

#[test]
fn a_lock_can_be_had_whatever_instruction_its_holder_died_at() {
    let _alone = alone();
    let lock_and_unlock = |board: &Arc<Board>| {
        assert!(board.try_lock().unwrap());
        board.unlock();
    };
    let (steps, seen) = copies(Kind::Lock, 1, nothing, lock_and_unlock, |copy| {
        assert!(copy.try_lock().unwrap(), "without waiting");
        copy.unlock();
        assert!(!copy.is_locked());
    });
    assert!(steps > 30 && seen == 2, "{steps} instructions, {seen} states: had, and free");
}

#[test]
fn a_queue_for_a_lock_goes_on_whatever_instruction_somebody_died_at() {
    let _alone = alone();
    let queue = |board: &Arc<Board>| {
        // It waits for itself: first it gives up, then it gets the lock.
        let waited = board.wait(Want::Lock).block(Some(Duration::ZERO));
        assert_eq!(waited.unwrap(), None);
        board.unlock();
        lock(board);
        assert!(!board.is_orphaned());
        let waited = board.wait(Want::Notification).block(Some(Duration::ZERO));
        assert_eq!(waited.unwrap(), Some(Answer::NotNotified));
        board.notify(1).unwrap();
        board.unlock();
    };
    let (steps, seen) = copies(Kind::Lock, 1, lock, queue, |copy| {
        lock(copy);
        assert_eq!(copy.notify(9).unwrap(), 0);
        copy.unlock();
        assert!(!copy.is_locked());
    });
    assert!(seen > 20, "{steps} instructions, {seen} states");
}

#[test]
fn permits_come_back_whatever_instruction_somebody_died_at() {
    let _alone = alone();
    let take = |board: &Arc<Board>| {
        assert!(board.try_take(2).unwrap());
        assert_eq!(board.wait(Want::Permits(2)).block(Some(Duration::ZERO)).unwrap(), None);
        board.give_back(1);
        assert!(board.try_take(2).unwrap());
        board.give_back(3);
    };
    let (_, seen) = copies(Kind::Semaphore, 3, nothing, take, |copy| {
        assert!(copy.try_take(3).unwrap());
        assert_eq!(copy.free(), 0);
    });
    assert!(seen > 15, "{seen} states");
}

#[test]
fn a_barrier_is_broken_or_whole_whatever_instruction_somebody_died_at() {
    let _alone = alone();
    let wait = |board: &Arc<Board>| {
        assert_eq!(board.wait(Want::Round).block(Some(Duration::ZERO)).unwrap(), None);
        board.reset().unwrap();
    };
    let (_, seen) = copies(Kind::Barrier, 2, nothing, wait, |copy| {
        copy.reset().unwrap();
        assert!(!copy.is_broken());
        assert_eq!(copy.arrived(), 0);
    });
    assert!(seen > 8, "{seen} states");
}

#[test]
fn whoever_waits_gets_the_lock_whatever_instruction_its_holder_is_killed_at() {
    let _alone = alone();
    // A prime, so that each pass sees other instructions.
    let (mut at, mut killed) = (0, 0);
    while killed < kills(40) {
        let board = Board::create(Kind::Lock, 1, 1, 0).unwrap();
        let is_through = run(async {
            let child = Forked::new(|| {
                let board = another(&board, Kind::Lock);
                lock(&board);
                Forked::be_traced();
                board.unlock();
                Forked::stop();
            });
            assert!(child.stopped().is_some());
            let mut wait = board.wait(Want::Lock);
            assert!(poll_once(&mut wait).await.is_none(), "it is held, and the place in the queue is taken");
            let is_through = (0..at).any(|_| !child.step());
            child.kill();
            let answer = timeout(LONG, wait).await.expect("it is given back or taken from the dead");
            assert_eq!(answer.unwrap(), Answer::Granted(0), "killed at {at}");
            is_through
        });
        board.unlock();
        assert!(!board.is_locked());
        assert!(!is_through || !board.is_orphaned(), "it had given it back");
        killed += 1;
        at = if is_through { at % 97 } else { at + 97 };
    }
}

/// Two cells that are to be equal, and one that counts, under a lock; then a permit of two.
fn toil(lock: &Arc<Board>, permits: &Arc<Board>) -> ! {
    let [one, other, rounds, faults] = [0, 1, 2, 3].map(|cell| &lock.cells()[cell]);
    loop {
        lock.wait(Want::Lock).block(None).unwrap();
        if lock.is_orphaned() {
            other.store(one.load(Relaxed), Relaxed);
            lock.mend();
        }
        if one.load(Relaxed) != other.load(Relaxed) {
            faults.fetch_add(1, Relaxed);
        }
        one.store(one.load(Relaxed) + 1, Relaxed);
        other.store(other.load(Relaxed) + 1, Relaxed);
        lock.unlock();
        permits.wait(Want::Permits(1)).block(None).unwrap();
        rounds.fetch_add(1, Relaxed);
        permits.give_back(1);
    }
}

#[test]
fn those_who_are_left_go_on_while_others_are_killed() {
    let _alone = alone();
    let locked = Board::create(Kind::Lock, 1, 1, 4).unwrap();
    let permits = Board::create(Kind::Semaphore, 2, 2, 0).unwrap();
    let start = || Forked::new(|| toil(&another(&locked, Kind::Lock), &another(&permits, Kind::Semaphore)));
    let mut children: Vec<_> = (0..4).map(|_| start()).collect();
    let rounds = &locked.cells()[2];
    let mut seed = 0x5EED_1234;
    for _ in 0..kills(100) {
        let until = rounds.load(Relaxed) + draw(&mut seed, 300);
        while rounds.load(Relaxed) < until {
            thread::yield_now();
        }
        drop(children.swap_remove(draw(&mut seed, 4) as usize));
        children.push(start());
    }
    drop(children);
    assert_eq!(locked.cells()[3].load(Relaxed), 0, "half of a change was seen by somebody who was not told");
    lock(&locked);
    let [one, other] = [0, 1].map(|cell: usize| locked.cells()[cell].load(Relaxed));
    assert!(one == other || locked.is_orphaned());
    locked.unlock();
    assert_eq!(permits.wait(Want::Permits(2)).block(Some(LONG)).unwrap(), Some(Answer::Granted(0)));
    assert_eq!(permits.free(), 0);
}

#[test]
fn who_becomes_another_program_is_dead() {
    let _alone = alone();
    let board = Board::create(Kind::Lock, 1, 1, 0).unwrap();
    let child = Forked::new(|| {
        lock(&another(&board, Kind::Lock));
        panic!("{}", Command::new("sleep").arg("60").exec());
    });
    while !board.is_orphaned() {
        lock(&board);
        board.unlock();
    }
    child.kill();
}

#[test]
fn a_forked_child_has_nothing_until_it_opens_the_board() {
    let _alone = alone();
    let board = Board::create(Kind::Lock, 1, 1, 0).unwrap();
    lock(&board);
    let status = in_forked_child(|| {
        board.unlock();
        let refusals = [
            board.try_lock().unwrap_err(),
            board.wait(Want::Lock).block(None).unwrap_err(),
            board.notify(1).unwrap_err(),
        ];
        let are_refused = refusals.iter().all(|error| error.kind() == ErrorKind::Unsupported);
        let own = another(&board, Kind::Lock);
        let has_it = own.try_lock().unwrap();
        i32::from(!are_refused || has_it)
    });
    assert_eq!(status, 0);
    assert!(board.is_locked() && !board.is_orphaned(), "it is its parent's");
    board.unlock();
    let child = Forked::new(|| lock(&another(&board, Kind::Lock)));
    assert!(child.ends_well());
    lock(&board);
    assert!(board.is_orphaned());
}

/// Everything that can be done, in any order, with little patience.
fn fiddle(board: &Arc<Board>, seed: &mut u64) {
    let limit = Some(Duration::from_micros(draw(seed, 50)));
    let want = [Want::Lock, Want::Permits(2), Want::Event, Want::Round];
    match draw(seed, 16) {
        choice @ 0..4 => drop(board.wait(want[choice as usize]).block(limit)),
        // With a lock that is somebody's for ever it would not end.
        4 => drop(run(async { poll_once(board.wait(Want::Notification)).await })),
        5 => drop(board.try_lock()),
        6 => board.unlock(),
        7 => board.mend(),
        8 => drop(board.notify(draw(seed, 9) as usize)),
        9 => drop(board.try_take(draw(seed, 3) as u32)),
        10 => board.give_back(draw(seed, 3) as u32),
        11 => board.forget(1),
        12 => drop(board.add(draw(seed, 3) as u32)),
        13 => drop(if draw(seed, 2) == 0 { board.set() } else { board.clear() }),
        14 => drop(if draw(seed, 2) == 0 { board.break_up() } else { board.reset() }),
        _ => drop((board.free(), board.arrived(), board.is_locked())),
    }
}

/// Words of any value, small and large, anywhere behind the first, which says what it is.
fn scribble(memory: &File, words: u64, seed: &mut u64) {
    for _ in 0..words {
        let value = draw(seed, u64::from(u32::MAX)) as u32;
        let value = if draw(seed, 2) == 0 { value % 32 } else { value };
        // Mostly where something is.
        let range = if draw(seed, 4) == 0 { 5_000 } else { 1_100 };
        let word = match draw(seed, 3) {
            0 => 1 + draw(seed, 16),
            1 => 16 + draw(seed, 32),
            _ => 1 + draw(seed, range),
        };
        // The guard, with the name of somebody who lives, would be his for ever: of the others, any.
        let value = if word == 1 { value | 0x1FF } else { value };
        memory.write_all_at(&value.to_ne_bytes(), word * 4).unwrap();
    }
}

#[test]
fn nonsense_on_the_board_is_survived() {
    let _alone = alone();
    let mut seed = 0xBAD_5EED;
    for round in 0..kills(60) {
        let kind = [Kind::Lock, Kind::Semaphore, Kind::Event, Kind::Barrier][round % 4];
        let board = Board::create(kind, 2, 9, 0).unwrap();
        let memory = File::from(board.share().unwrap());
        for _ in 0..8 {
            scribble(&memory, 1_000, &mut seed);
            let newcomer = another(&board, kind);
            for _ in 0..6 {
                fiddle(&newcomer, &mut seed);
                fiddle(&board, &mut seed);
            }
        }
    }
}

#[test]
fn nonsense_that_is_written_meanwhile_is_survived() {
    let _alone = alone();
    let board = Board::create(Kind::Lock, 2, 9, 0).unwrap();
    let is_over = AtomicBool::new(false);
    let fiddled = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let memory = File::from(board.share().unwrap());
            let mut seed = 0xBAD;
            while !is_over.load(Relaxed) {
                scribble(&memory, 10, &mut seed);
            }
        });
        let fiddler = |mut seed: u64| {
            for _ in 0..kills(60) * 50 {
                fiddle(&board, &mut seed);
                fiddled.fetch_add(1, Relaxed);
            }
        };
        let fiddlers = [3, 5].map(|seed| scope.spawn(move || fiddler(seed)));
        for fiddler in fiddlers {
            fiddler.join().unwrap();
        }
        is_over.store(true, Relaxed);
    });
}

#[test]
fn what_is_no_board_is_refused() {
    let _alone = alone();
    let open = |fd: OwnedFd, cells| Board::open(fd, Kind::Lock, cells).unwrap_err().kind();
    let board = Board::create(Kind::Lock, 1, 1, 3).unwrap();
    assert_eq!(open(board.share().unwrap(), 2), ErrorKind::InvalidData);
    assert_eq!(open(board.share().unwrap(), usize::MAX), ErrorKind::InvalidInput);
    let event = Board::create(Kind::Event, 1, 1, 3).unwrap();
    assert_eq!(open(event.share().unwrap(), 3), ErrorKind::InvalidData);
    let unsealed = sys::unsealed_memory();
    unsealed.set_len(content(&File::from(board.share().unwrap())).len() as u64).unwrap();
    assert_eq!(open(unsealed.into(), 3), ErrorKind::InvalidData);
    assert_eq!(open(File::open("/etc/passwd").unwrap().into(), 3), ErrorKind::InvalidData);
}

#[test]
fn a_board_has_an_end_and_says_so_and_leaves_nothing_mapped() {
    let _alone = alone();
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains("runtime-shared")).count()
    };
    let before = mapped();
    let board = Board::create(Kind::Lock, 1, 1, 0).unwrap();
    let others: Vec<_> = (1..256).map(|_| another(&board, Kind::Lock)).collect();
    let error = Board::open(board.share().unwrap(), Kind::Lock, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
    assert_eq!(mapped(), before + 256);
    drop(others);
    assert!(another(&board, Kind::Lock).try_lock().unwrap(), "there is room again");
    run(async {
        board.wait(Want::Lock).await.unwrap();
        let mut waits: Vec<_> = (0..1_024).map(|_| board.wait(Want::Lock)).collect();
        for wait in &mut waits {
            assert!(poll_once(wait).await.is_none());
        }
        let error = board.wait(Want::Lock).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
        drop(waits.pop());
        assert!(poll_once(&mut board.wait(Want::Lock)).await.is_none());
        waits.truncate(1);
        board.unlock();
        timeout(LONG, waits.remove(0)).await.expect("the first in the queue").unwrap();
        board.unlock();
    });
    drop(board);
    assert_eq!(mapped(), before);
}
