//! Stories of stacks that were too small, and of faults that are nobody's stack. Each is told by a child, which dies of it.
#![cfg(all(feature = "greenlet", target_os = "linux", not(miri), not(asan)))]

mod support;

use corosensei::{Coroutine, Yielder};
use runtime_executor::{Executor, task};
use runtime_io::stack::{Options, Stack, StackPool};
use std::{
    env, hint,
    os::unix::process::ExitStatusExt,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};
use support::sys;

const KIB: usize = 1024;

/// Says to the program of these stories that it is a child, which tells one of them.
const IN_CHILD: &str = "RUNTIME_IO_STACK_OVERFLOWS";

/// How a child ended, and what it has said.
#[derive(Debug)]
struct End {
    signal: Option<i32>,
    said: String,
}

/// Has a story told by a child, in a way that the child can tell from others.
fn tell(story: &str, way: &str) -> End {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", story, "--nocapture"]).env(IN_CHILD, way);
    let output = child.output().unwrap();
    End { signal: output.status.signal(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

fn way() -> Option<String> {
    env::var(IN_CHILD).ok()
}

impl End {
    #[track_caller]
    fn is_report(&self, text: &str) {
        assert_eq!(self.signal, Some(libc::SIGABRT), "{}", self.said);
        assert!(self.said.contains(text), "{}", self.said);
    }

    #[track_caller]
    fn is_plain_fault(&self) {
        assert_eq!(self.signal, Some(libc::SIGSEGV), "{self:?}");
        assert!(!self.said.contains("overflowed"), "{}", self.said);
    }
}

const ADVICE: &str =
    ": give it more by `greenlet::Builder::stack_size`, or all by `Builder::greenlet_stack_size`\n";

fn run_on(stack: Stack, f: impl FnOnce() + 'static) -> Stack {
    let mut coroutine = Coroutine::with_stack(stack, move |_: &Yielder<(), ()>, ()| f());
    coroutine.resume(());
    coroutine.into_stack()
}

fn overflow() {
    hint::black_box(recurse(0));
}

fn recurse(depth: usize) -> usize {
    let frame = hint::black_box([depth; 16]);
    if depth == usize::MAX { 0 } else { recurse(hint::black_box(depth + 1)) + frame[3] }
}

fn one_frame<const BYTES: usize>() {
    let frame = [1_u8; BYTES];
    hint::black_box(&frame);
}

#[test]
fn a_recursion_is_reported() {
    let Some(way) = way() else {
        for way in ["marks", "mappings", "large frame", "second", "reused", "cold", "other size"] {
            let size = if way == "other size" { "256" } else { "64" };
            let end = tell("a_recursion_is_reported", way);
            end.is_report(&format!("\na greenlet has overflowed its stack of {size} KiB{ADVICE}"));
        }
        return;
    };
    let options = Options { guards_are_mappings: way == "mappings", ..Options::default() };
    let pool = StackPool::new(options);
    let other = pool.take().unwrap();
    let stack = match &*way {
        "second" => {
            drop(other);
            pool.take().unwrap();
            pool.take().unwrap()
        }
        "reused" => {
            let stack = run_on(pool.take().unwrap(), one_frame::<{ 32 * KIB }>);
            let base = stack.base();
            drop(stack);
            let stack = pool.take().unwrap();
            assert_eq!(stack.base(), base);
            stack
        }
        "cold" => {
            let pool = StackPool::new(Options { kept: 0, ..Options::default() });
            drop(run_on(pool.take().unwrap(), one_frame::<{ 32 * KIB }>));
            pool.take().unwrap()
        }
        "other size" => pool.take_sized(200 * KIB).unwrap(),
        _ => pool.take().unwrap(),
    };
    // One frame that is far larger than stack and guard together.
    run_on(stack, if way == "large frame" { one_frame::<{ 1024 * KIB }> } else { overflow });
    println!("it has not overflowed");
}

#[test]
fn the_report_names_the_task() {
    let Some(way) = way() else {
        let end = tell("the_report_names_the_task", "child");
        end.is_report("\na greenlet in task 2 'réader' (spawned at io/tests/stack_overflows.rs:");
        end.is_report(&format!(") has overflowed its stack of 64 KiB{ADVICE}"));
        let end = tell("the_report_names_the_task", "main");
        end.is_report(&format!("\na greenlet in the main task has overflowed its stack of 64 KiB{ADVICE}"));
        return;
    };
    let pool = StackPool::new(Options::default());
    Executor::builder().build().block_on(async move {
        if way == "main" {
            drop(run_on(pool.take().unwrap(), overflow));
        }
        let _ = task::spawn(async {}).await;
        let overflows = async move { drop(run_on(pool.take().unwrap(), overflow)) };
        let _ = task::Builder::new().name("réader").spawn(overflows).await;
    });
}

#[test]
fn the_report_comes_on_every_thread() {
    let Some(way) = way() else {
        for way in ["main", "thread", "bare"] {
            tell("the_report_comes_on_every_thread", way)
                .is_report("a greenlet has overflowed its stack of 64 KiB");
        }
        return;
    };
    let overflows = || {
        let first = StackPool::new(Options::default());
        drop(first.take().unwrap());
        let second = StackPool::new(Options::default());
        let stack = second.take().unwrap();
        // What the handler runs on stays while anybody needs it.
        drop(first);
        drop(run_on(stack, overflow));
    };
    match &*way {
        "main" => overflows(),
        "thread" => on_a_thread(overflows),
        _ => on_a_thread(move || {
            sys::without_alternate_stack();
            overflows();
        }),
    }
}

fn on_a_thread(f: impl FnOnce() + Send) {
    on_a_thread_of(2 * 1024 * KIB, f);
}

fn on_a_thread_of(stack: usize, f: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, f);
        thread.unwrap().join().unwrap();
    });
}

#[test]
fn a_thread_gets_a_stack_for_handlers_as_long_as_it_has_pools() {
    on_a_thread(|| {
        assert!(sys::has_alternate_stack(), "the standard library's");
        drop(StackPool::new(Options::default()).take().unwrap());
        assert!(sys::has_alternate_stack(), "it stays");
    });
    on_a_thread(|| {
        sys::without_alternate_stack();
        let pools = [(); 2].map(|()| StackPool::new(Options::default()));
        assert!(!sys::has_alternate_stack(), "not before it is needed");
        let [first, second] = pools.map(|pool| pool.take().unwrap());
        assert!(sys::has_alternate_stack());
        drop(first);
        assert!(sys::has_alternate_stack(), "there is another one");
        drop(second);
        assert!(!sys::has_alternate_stack());
    });
}

#[test]
fn other_faults_are_what_they_were() {
    let Some(way) = way() else {
        for way in ["null", "sent", "sent by default", "stray", "unmapped", "in a greenlet"] {
            tell("other_faults_are_what_they_were", way).is_plain_fault();
        }
        return;
    };
    if way == "sent by default" {
        sys::give_back(libc::SIGSEGV);
    }
    let pool = StackPool::new(Options { kept: 0, ..Options::default() });
    let stack = pool.take().unwrap();
    match &*way {
        "null" => sys::touch(8),
        // The first one takes the standard library's handler away.
        "sent" => [libc::SIGSEGV; 2].into_iter().for_each(sys::raise),
        "sent by default" => sys::raise(libc::SIGSEGV),
        "stray" => sys::touch(stack.limit() + 8),
        "unmapped" => {
            let limit = stack.limit();
            drop((stack, pool));
            sys::touch(limit + 8);
        }
        _ => drop(run_on(stack, || sys::touch(8))),
    }
}

#[test]
fn the_overflow_of_a_thread_is_not_taken_for_ours() {
    let Some(way) = way() else {
        // Wherever their ends lie, beside what would be a guard if our stacks had no end.
        for way in 0..8 {
            let end = tell("the_overflow_of_a_thread_is_not_taken_for_ours", &way.to_string());
            end.is_report("has overflowed its stack\n");
            assert!(!end.said.contains("greenlet"), "{}", end.said);
        }
        return;
    };
    let way: usize = way.parse().unwrap();
    // It lies where there were some of ours.
    let pool = StackPool::new(Options { kept: 0, ..Options::default() });
    drop((0..1_000).map(|_| pool.take().unwrap()).collect::<Vec<_>>());
    drop(pool);
    on_a_thread_of((1024 + 16 * way) * KIB, || {
        let pool = StackPool::new(Options::default());
        let _stack = pool.take().unwrap();
        overflow();
    });
}

/// Where a handler of ours was called: [`on_fault`] says it.
static CALLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_fault(_: libc::c_int) {
    CALLED.fetch_add(1, Ordering::Relaxed);
    if CALLED.load(Ordering::Relaxed) == 2 {
        std::process::exit(7);
    }
}

#[test]
fn whoever_handled_faults_before_still_does() {
    if way().is_none() {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "whoever_handled_faults_before_still_does", "--nocapture"]).env(IN_CHILD, "");
        assert_eq!(child.status().unwrap().code(), Some(7));
        return;
    }
    sys::handle(libc::SIGSEGV, on_fault);
    let pool = StackPool::new(Options::default());
    drop(pool.take().unwrap());
    sys::raise(libc::SIGSEGV);
    assert_eq!(CALLED.load(Ordering::Relaxed), 1);
    sys::touch(8);
}
