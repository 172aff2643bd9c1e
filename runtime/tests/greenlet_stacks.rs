//! Stories of the stacks of greenlets: how large, how many, and what is said when they do not do.
#![cfg(all(feature = "greenlet", feature = "macros", target_os = "linux", not(miri), not(asan)))]

use futures_lite::future::block_on;
use runtime::{
    Builder,
    greenlet::{self, JoinHandle},
    sync::Event,
    task::yield_now,
};
use std::{
    cell::Cell,
    collections::BTreeSet,
    env, fs,
    future::pending,
    hint,
    os::unix::{fs::FileExt, process::ExitStatusExt},
    process::{Command, Output},
    rc::Rc,
};

const KIB: usize = 1024;

/// Says to the program of these stories that it is a child, which tells one of them.
const IN_CHILD: &str = "RUNTIME_GREENLET_STACKS";

/// Has a story told by a child, in a way that the child can tell from others.
fn tell(story: &str, way: &str) -> Output {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", story, "--nocapture"]).env(IN_CHILD, way).output().unwrap()
}

fn way() -> Option<String> {
    env::var(IN_CHILD).ok()
}

/// Uses so much stack, and hardly more.
fn descend(bytes: usize) {
    fn down(lowest: usize) {
        let frame = hint::black_box([1_u8; 64]);
        if (&raw const frame).addr() > lowest {
            down(lowest);
        }
        hint::black_box(&frame);
    }
    down((&raw const bytes).addr() - bytes);
}

#[test]
fn an_overflow_ends_the_process_with_the_name_of_the_greenlet() {
    let Some(way) = way() else {
        for (way, who) in [
            ("named", "greenlet 2 'réader' (spawned at runtime/tests/greenlet_stacks.rs:"),
            ("nameless", "greenlet 1 (spawned at runtime/tests/greenlet_stacks.rs:"),
            ("awaited", "a greenlet in the main task has"),
            ("dropping", "greenlet 1 (spawned at "),
        ] {
            let output = tell("an_overflow_ends_the_process_with_the_name_of_the_greenlet", way);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.signal(), Some(6), "{way}: {said}");
            assert!(said.contains(&format!("\n{who}")), "{way}: {said}");
            assert!(said.contains(" has overflowed its stack of 64 KiB: give it more by "), "{way}: {said}");
        }
        return;
    };
    runtime::run(async move {
        match &*way {
            "named" => {
                greenlet::spawn(|| ()).await.unwrap();
                greenlet::Builder::new().name("réader").spawn(|| descend(70 * KIB)).await.unwrap();
            }
            "nameless" => greenlet::spawn(|| descend(70 * KIB)).await.unwrap(),
            "awaited" => greenlet::run(|| descend(70 * KIB)).await,
            _ => {
                struct Deep;
                impl Drop for Deep {
                    fn drop(&mut self) {
                        descend(70 * KIB);
                    }
                }
                let greenlet = greenlet::spawn(|| {
                    let _deep = Deep;
                    greenlet::wait(pending::<()>());
                });
                yield_now().await;
                greenlet.cancel_and_wait().await.unwrap_err();
            }
        }
    });
}

#[test]
fn a_greenlet_has_the_stack_that_it_asks_for() {
    let runtime = Builder::new().greenlet_stack_size(200 * KIB).build().unwrap();
    runtime.block_on(async {
        greenlet::spawn(|| descend(190 * KIB)).await.unwrap();
        greenlet::run(|| descend(190 * KIB)).await;
        let deeper = greenlet::Builder::new().stack_size(1000 * KIB).spawn(|| descend(990 * KIB));
        let shallow = greenlet::Builder::new().stack_size(1).spawn(|| descend(8 * KIB));
        deeper.await.unwrap();
        shallow.await.unwrap();
    });
}

#[test]
fn a_panic_fits_on_a_stack_of_the_usual_size() {
    if way().is_none() {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "a_panic_fits_on_a_stack_of_the_usual_size", "--nocapture"]).env(IN_CHILD, "");
        let output = child.env("RUST_BACKTRACE", "full").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("out of tea\nstack backtrace:"), "{said}");
        return;
    }
    runtime::run(async {
        let error = greenlet::spawn(|| {
            descend(8 * KIB);
            panic!("out of tea");
        });
        assert!(error.await.unwrap_err().to_string().contains("out of tea"));
    });
}

#[test]
fn beyond_the_limit_a_greenlet_panics_until_there_is_room() {
    let runtime = Builder::new().max_greenlets(2).build().unwrap();
    runtime.block_on(async {
        let event = Rc::new(Event::new());
        let wait = || {
            let event = event.clone();
            greenlet::spawn(move || greenlet::wait(event.wait()))
        };
        // The last of them was not refused when it was spawned, and never took a stack.
        let [first, second, third, never] = [(); 4].map(|()| wait());
        never.cancel();
        yield_now().await;
        let error = third.await.unwrap_err().to_string();
        assert!(error.starts_with("greenlet 3 (spawned at "), "{error}");
        let reason = "panicked: no stack for a greenlet: all 2 stacks that `max_greenlets` allows are taken";
        assert!(error.ends_with(reason), "{error}");
        assert!(never.await.unwrap_err().is_cancelled());
        event.set();
        first.await.unwrap();
        second.await.unwrap();
        wait().await.unwrap();
    });
}

#[runtime::test]
async fn greenlets_that_follow_each_other_share_a_stack() {
    let mut places = BTreeSet::new();
    for _ in 0..1_000 {
        let place = greenlet::spawn(|| {
            let here = 0_u8;
            (&raw const here).addr()
        });
        places.insert(place.await.unwrap());
    }
    assert_eq!(places.len(), 1);
}

#[test]
fn so_many_stacks_keep_their_memory_as_the_runtime_was_told() {
    let kept = |count: Option<usize>| {
        let builder = Builder::new();
        let builder = count.into_iter().fold(builder, Builder::greenlet_stacks_kept);
        builder.build().unwrap().block_on(async {
            let greenlets = (0..5).map(|_| {
                greenlet::spawn(|| {
                    let here = 0_u8;
                    greenlet::wait(yield_now());
                    (&raw const here).addr()
                })
            });
            let mut places = Vec::new();
            for greenlet in greenlets.collect::<Vec<_>>() {
                places.push(greenlet.await.unwrap());
            }
            places.into_iter().filter(|&place| is_resident(place)).count()
        })
    };
    assert_eq!([kept(None), kept(Some(3)), kept(Some(0))], [5, 3, 0]);
}

/// Whether there is memory behind an address.
fn is_resident(address: usize) -> bool {
    let mut entry = [0; 8];
    let map = fs::File::open("/proc/self/pagemap").unwrap();
    map.read_exact_at(&mut entry, (address / page_size() * 8) as u64).unwrap();
    u64::from_ne_bytes(entry) >> 63 == 1
}

/// As the kernel tells every program (`AT_PAGESZ`).
fn page_size() -> usize {
    let words = fs::read("/proc/self/auxv").unwrap();
    let word = |bytes: &[u8]| usize::from_ne_bytes(bytes.try_into().unwrap());
    let mut pairs = words.chunks_exact(2 * size_of::<usize>()).map(|pair| pair.split_at(size_of::<usize>()));
    pairs.find(|(key, _)| word(key) == 6).map(|(_, value)| word(value)).unwrap()
}

#[test]
fn outside_of_runtimes_a_thread_keeps_its_stacks_while_it_lives() {
    if way().is_none() {
        // Alone, as other stories would use what is free again.
        let output = tell("outside_of_runtimes_a_thread_keeps_its_stacks_while_it_lives", "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    fn place() -> usize {
        let here = greenlet::run(|| {
            let here = 0_u8;
            (&raw const here).addr()
        });
        block_on(here)
    }
    let thread = || {
        let first = place();
        assert!(is_mapped(first), "it is kept");
        assert_eq!(place(), first);
        first
    };
    let elsewhere = std::thread::scope(|scope| scope.spawn(thread).join().unwrap());
    assert!(!is_mapped(elsewhere));
    thread();
}

fn is_mapped(address: usize) -> bool {
    fs::read_to_string("/proc/self/maps").unwrap().lines().any(|line| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let number = |digits| usize::from_str_radix(digits, 16).unwrap();
        (number(from)..number(to)).contains(&address)
    })
}

/// How many to have alive, in the slow form of the story.
fn many() -> usize {
    env::var("GREENLETS").map_or(30_000, |many| many.parse().unwrap())
}

#[runtime::test]
async fn thirty_thousand_are_alive_at_once() {
    let event = Rc::new(Event::new());
    let begun = Rc::new(Cell::new(0));
    let greenlets: Vec<JoinHandle<usize>> = (0..many())
        .map(|n| {
            let (event, begun) = (event.clone(), begun.clone());
            greenlet::spawn(move || {
                begun.set(begun.get() + 1);
                greenlet::wait(event.wait());
                n
            })
        })
        .collect();
    while begun.get() < many() {
        yield_now().await;
    }
    event.set();
    for (n, greenlet) in greenlets.into_iter().enumerate() {
        assert_eq!(greenlet.await.unwrap(), n);
    }
}
