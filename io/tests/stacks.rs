//! Stories of stacks: which one is taken, what memory it keeps, and what is said when there are no more.
#![cfg(all(feature = "greenlet", target_os = "linux", not(miri), not(asan)))]

mod support;

use corosensei::{Coroutine, CoroutineResult, Yielder};
use runtime_io::stack::{MIN_SIZE, Options, Stack, StackPool};
use std::{
    env,
    fs::{self, File},
    hint, io,
    os::unix::fs::FileExt,
    process::{Command, Output},
};
use support::sys::page_size;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Says to the program of these stories that it is a child, which tells one of them.
const IN_CHILD: &str = "RUNTIME_IO_STACKS";

fn is_child() -> bool {
    env::var_os(IN_CHILD).is_some()
}

/// Has a story told in a process of its own, whose shell has first done what `prepare` says.
fn tell(story: &str, prepare: &str) -> Output {
    let mut child = Command::new("sh");
    child.arg("-c").arg(format!("{prepare}\nexec \"$0\" \"$@\"")).arg(env::current_exe().unwrap());
    child.args(["--exact", story, "--nocapture"]).env(IN_CHILD, "1").output().unwrap()
}

#[track_caller]
fn told(story: &str, prepare: &str) {
    let child = tell(story, prepare);
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

/// How many bytes of a stack are in memory.
fn resident((limit, base): (usize, usize)) -> usize {
    let page = page_size();
    let map = File::open("/proc/self/pagemap").unwrap();
    let is_there = |address: &usize| {
        let mut entry = [0; 8];
        map.read_exact_at(&mut entry, (address / page * 8) as u64).unwrap();
        u64::from_ne_bytes(entry) >> 63 == 1
    };
    (limit..base).step_by(page).filter(is_there).count() * page
}

fn range(stack: &Stack) -> (usize, usize) {
    (stack.limit(), stack.base())
}

fn is_mapped((limit, _): (usize, usize)) -> bool {
    fs::read_to_string("/proc/self/maps").unwrap().lines().any(|line| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let number = |digits| usize::from_str_radix(digits, 16).unwrap();
        (number(from)..number(to)).contains(&limit)
    })
}

/// Runs on a stack until so many bytes of it are used, and hardly more.
fn use_up(stack: Stack, bytes: usize) -> Stack {
    let lowest = stack.base() - bytes;
    let run = move |_: &Yielder<(), ()>, ()| descend(lowest);
    let mut coroutine = Coroutine::with_stack(stack, run);
    assert!(matches!(coroutine.resume(()), CoroutineResult::Return(())));
    coroutine.into_stack()
}

fn descend(lowest: usize) {
    let frame = hint::black_box([1_u8; 64]);
    if (&raw const frame).addr() > lowest {
        descend(lowest);
    }
    hint::black_box(&frame);
}

#[test]
fn a_stack_is_recycled_while_it_is_warm() {
    let pool = StackPool::new(Options::default());
    let [first, second] = [(); 2].map(|()| pool.take().unwrap());
    let [first_base, second_base] = [&first, &second].map(Stack::base);
    assert_eq!((pool.live(), pool.free()), (2, 0));
    drop(use_up(first, 4 * KIB));
    assert_eq!((pool.live(), pool.free()), (1, 1));
    drop(second);
    assert_eq!((pool.live(), pool.free()), (0, 2));
    let again = [(); 2].map(|()| pool.take().unwrap());
    assert_eq!((pool.live(), pool.free()), (2, 0));
    assert_eq!(again.map(|stack| stack.base()), [second_base, first_base]);
}

#[test]
fn a_stack_has_at_least_what_was_asked_for_and_a_guard() {
    let pool = StackPool::new(Options { size: 80 * KIB + 1, ..Options::default() });
    let usual = pool.take().unwrap();
    assert_eq!(usual.size(), (80 * KIB + 1).next_multiple_of(page_size()));
    assert!(usual.base() - usual.limit() >= usual.size() + page_size());
    assert_eq!(usual.base() % page_size(), 0);
    for (asked, got) in [
        (0, MIN_SIZE),
        (20 * KIB, 32 * KIB),
        (80 * KIB + 1, usual.size()),
        (128 * KIB, 128 * KIB),
        (MIB + 1, 2 * MIB),
    ] {
        let stack = pool.take_sized(asked).unwrap();
        assert_eq!(stack.size(), got.next_multiple_of(page_size()), "asked for {asked}");
        drop(use_up(stack, asked.saturating_sub(8 * KIB)));
    }
}

#[test]
fn no_two_stacks_overlap() {
    for guards_are_mappings in [false, true] {
        let pool = StackPool::new(Options { guards_are_mappings, kept: 10, ..Options::default() });
        let mut stacks: Vec<Stack> = Vec::new();
        for round in 0..4 {
            stacks.extend((0..300).map(|_| pool.take().unwrap()));
            stacks.extend((0..20).map(|_| pool.take_sized(200 * KIB).unwrap()));
            // Every third one goes, and its place is somebody's in the next round.
            let mut index = round;
            stacks.retain(|_| {
                index += 1;
                index % 3 > 0
            });
            let mut ranges: Vec<_> = stacks.iter().map(range).collect();
            ranges.sort_unstable();
            assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            assert_eq!(pool.live(), stacks.len());
        }
    }
}

#[test]
fn memory_of_a_deep_use_comes_back() {
    let pool = StackPool::new(Options::default());
    let stack = use_up(pool.take().unwrap(), 48 * KIB);
    let place = range(&stack);
    assert!(resident(place) >= 48 * KIB);
    drop(stack);
    assert!(resident(place) >= 48 * KIB, "it is warm");
    for _ in 0..15 {
        let stack = pool.take().unwrap();
        assert_eq!(range(&stack), place);
        drop(use_up(stack, KIB));
    }
    assert!(resident(place) <= 16 * KIB, "{}", resident(place));
}

#[test]
fn beyond_those_that_are_kept_a_free_stack_has_no_memory() {
    for guards_are_mappings in [false, true] {
        let pool = StackPool::new(Options { kept: 2, guards_are_mappings, ..Options::default() });
        let stacks: Vec<_> = (0..5).map(|_| use_up(pool.take().unwrap(), 20 * KIB)).collect();
        let places: Vec<_> = stacks.iter().map(range).collect();
        drop(stacks);
        assert_eq!((pool.live(), pool.free()), (0, 2));
        let keep_memory: Vec<_> = places.iter().map(|&place| resident(place) > 0).collect();
        assert_eq!(keep_memory, [true, true, false, false, false]);
        // They are found again before the system is asked for more.
        let mut again: Vec<_> = (0..5).map(|_| use_up(pool.take().unwrap(), 20 * KIB)).collect();
        again.sort_by_key(Stack::base);
        assert_eq!(again.iter().map(range).collect::<Vec<_>>(), places);
    }
}

#[test]
fn addresses_are_given_back_when_many_are_free() {
    let pool = StackPool::new(Options { kept: 0, ..Options::default() });
    let stacks: Vec<_> = (0..2_000).map(|_| pool.take().unwrap()).collect();
    let places: Vec<_> = stacks.iter().map(range).collect();
    assert!(places.iter().all(|&place| is_mapped(place)));
    drop(stacks);
    let left = places.iter().filter(|&&place| is_mapped(place)).count();
    assert!((1..=300).contains(&left), "{left}");
    let stack = pool.take().unwrap();
    assert!(places.contains(&range(&stack)), "one slab is kept");
    assert_eq!((0..2_000).map(|_| pool.take().unwrap()).collect::<Vec<_>>().len(), 2_000);
    drop(pool);
    assert!(is_mapped(range(&use_up(stack, 20 * KIB))), "a stack outlives its pool");
}

#[test]
fn the_limit_is_of_stacks_that_are_taken() {
    let pool = StackPool::new(Options { limit: 2, ..Options::default() });
    let [first, second] = [(); 2].map(|()| pool.take().unwrap());
    let refused = pool.take_sized(MIB).unwrap_err();
    assert_eq!(refused.to_string(), "all 2 stacks that `max_greenlets` allows are taken");
    assert_eq!(io::Error::from(refused).kind(), io::ErrorKind::QuotaExceeded);
    drop(first);
    let third = pool.take().unwrap();
    assert!(pool.take().is_err());
    drop((second, third));
}

#[test]
fn what_cannot_be_addressed_is_refused() {
    let pool = StackPool::new(Options::default());
    for size in [1 << 50, usize::MAX / 2, usize::MAX] {
        let refused = io::Error::from(pool.take_sized(size).unwrap_err());
        assert_eq!(refused.kind(), io::ErrorKind::OutOfMemory);
    }
    assert_eq!(pool.live(), 0);
    pool.take().unwrap();
}

#[test]
fn a_hundred_thousand_stacks_need_a_mapping_for_some_hundreds_of_them() {
    if is_child() {
        let before = fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let pool = StackPool::new(Options::default());
        let stacks: Result<Vec<_>, _> = (0..100_000).map(|_| pool.take()).collect();
        match stacks {
            Ok(stacks) => {
                let after = fs::read_to_string("/proc/self/maps").unwrap().lines().count();
                assert!(after < before + 1_000 || max_mappings() > 200_000, "{before} {after}");
                assert_eq!(pool.live(), stacks.len());
            }
            // A kernel without guards that are marks.
            Err(error) => assert!(error.to_string().contains("vm.max_map_count"), "{error}"),
        }
    } else {
        told("a_hundred_thousand_stacks_need_a_mapping_for_some_hundreds_of_them", "");
    }
}

fn max_mappings() -> usize {
    fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap()
}

#[test]
fn when_mappings_run_out_the_error_names_the_setting_and_the_process_goes_on() {
    if is_child() {
        let most = max_mappings();
        let pool = StackPool::new(Options { guards_are_mappings: true, ..Options::default() });
        let mut stacks = Vec::new();
        let refused = loop {
            match pool.take() {
                Ok(stack) => stacks.push(stack),
                Err(error) => break error,
            }
            if stacks.len() == 100_000 {
                return; // the machine allows more than anybody needs
            }
        };
        assert!(stacks.len() + 3_000 > most / 2, "{} of {most}", stacks.len());
        let text = refused.to_string();
        let expected = [
            format!("no memory for one more stack beside {} others: ", stacks.len()),
            format!("vm.max_map_count is {most}"),
            "`sysctl -w vm.max_map_count=".to_owned(),
        ];
        assert!(expected.iter().all(|part| text.contains(part)), "{text}");
        // There are mappings left for everybody else.
        let buffers: Vec<_> = (0..500).map(|_| vec![1_u8; MIB]).collect();
        let thread = std::thread::Builder::new().spawn(move || buffers.len()).unwrap();
        assert_eq!(thread.join().unwrap(), 500);
        assert!(pool.take().is_err());
        drop(stacks.split_off(stacks.len() - 5));
        assert!((0..5).all(|_| pool.take().is_ok()));
        drop(stacks);
        drop(pool);
        let pool = StackPool::new(Options { guards_are_mappings: true, ..Options::default() });
        assert!((0..1_000).all(|_| pool.take().is_ok()), "all were given back");
    } else {
        told("when_mappings_run_out_the_error_names_the_setting_and_the_process_goes_on", "");
    }
}

#[test]
fn when_addresses_run_out_the_error_names_the_limit() {
    const STORY: &str = "when_addresses_run_out_the_error_names_the_limit";
    if !is_child() {
        for option in ["v", "d"] {
            told(STORY, &format!("ulimit -{option} 1048576\nexport OPTION={option}"));
        }
        return;
    }
    let option = env::var("OPTION").unwrap();
    let pool = StackPool::new(Options::default());
    let mut stacks = Vec::new();
    let refused = loop {
        match pool.take_sized(4 * MIB) {
            Ok(stack) => stacks.push(stack),
            Err(error) => break error.to_string(),
        }
    };
    let end = format!("this process may use 1024 MiB of addresses; allow more by `ulimit -{option}`");
    assert!(refused.ends_with(&end), "{refused}");
    // Of addresses there is less than one stack left, though several are reserved at once while there are plenty.
    let used = fs::read_to_string("/proc/self/statm").unwrap();
    let used: Vec<usize> = used.split_whitespace().map(|pages| pages.parse().unwrap()).collect();
    let used = used[if option == "v" { 0 } else { 5 }] * page_size();
    assert!(used + 5 * MIB > 1024 * MIB, "{used}");
    drop(stacks);
    assert!(pool.take_sized(4 * MIB).is_ok());
}
