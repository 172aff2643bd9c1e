//! Stories of children that outlive their runtime, or have none at all: nobody stays a zombie. They count children, so they are
//! alone in their process, one after the other.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use runtime_executor::{Executor, OnExit, spawn, task};
use runtime_io::{
    Reactor,
    process::{Child, Command, Launch},
};
use std::{
    cell::Cell,
    io::{self, PipeWriter},
    os::fd::OwnedFd,
    path::Path,
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use support::run;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that runs until what comes with it is dropped.
fn held_child() -> (Child, PipeWriter) {
    let (stop, held) = io::pipe().unwrap();
    (Command::new("cat").stdin(OwnedFd::from(stop)).spawn().unwrap(), held)
}

fn has_number(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// No runtime is there whose loop could be asked: the thread that reaps is.
fn until_reaped(pid: u32) {
    for _ in 0..60_000 {
        if !has_number(pid) {
            return;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    panic!("nobody has reaped it");
}

/// How many threads reap orphans; whether one of them sleeps.
fn reaping_threads() -> (usize, bool) {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let states = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let reaping: Vec<_> = states.filter(|state| state.contains("(orphans)")).collect();
    (reaping.len(), reaping.iter().any(|state| state.contains("(orphans) S")))
}

fn until_threads(expected: (usize, bool)) {
    while reaping_threads() != expected {
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn dropped_in_a_runtime_that_ends_it_goes_on_and_is_reaped() {
    let _alone = alone();
    let (pid, held) = run(async {
        let (child, held) = held_child();
        (child.id(), held)
    });
    assert!(has_number(pid), "it goes on");
    drop(held);
    until_reaped(pid);
}

#[test]
fn in_a_task_that_the_end_of_the_runtime_cancels_it_goes_on_and_is_reaped() {
    let _alone = alone();
    let (pid, held) = run(async {
        let (mut child, held) = held_child();
        let pid = child.id();
        spawn(async move { child.wait().await.unwrap() }).detach();
        task::yield_now().await;
        (pid, held)
    });
    assert!(has_number(pid), "it goes on");
    drop(held);
    until_reaped(pid);
}

#[test]
fn where_main_waits_for_tasks_one_that_is_awaited_is_waited_for_and_one_that_was_dropped_is_not() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let executor = Executor::builder().park(reactor.clone()).extension(reactor).on_exit(OnExit::Wait).build();
    let (dropped, dropped_held) = held_child();
    let (mut awaited, awaited_held) = held_child();
    let (dropped_pid, awaited_pid) = (dropped.id(), awaited.id());
    let ended = Rc::new(Cell::new(false));
    executor.block_on(async {
        drop(dropped);
        let ended = Rc::clone(&ended);
        spawn(async move {
            // Main has ended by now.
            task::yield_now().await;
            drop(awaited_held);
            assert!(awaited.wait().await.unwrap().success());
            ended.set(true);
        })
        .detach();
    });
    assert!(ended.get() && !has_number(awaited_pid));
    drop(executor);
    assert!(has_number(dropped_pid), "it goes on");
    drop(dropped_held);
    until_reaped(dropped_pid);
}

#[test]
fn one_that_is_to_die_with_its_child_does_so_when_the_runtime_ends() {
    let _alone = alone();
    let pid = run(async {
        let mut child = Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
        let pid = child.id();
        spawn(async move { child.wait().await.unwrap() }).detach();
        pid
    });
    until_reaped(pid);
}

#[test]
fn dropped_where_there_is_no_runtime_all_are_reaped_by_one_thread_that_ends_with_the_last() {
    let _alone = alone();
    let children: Vec<_> = (0..20).map(|_| held_child()).collect();
    let mut held = Vec::new();
    let mut numbers = Vec::new();
    for (child, writer) in children {
        numbers.push(child.id());
        held.push(writer);
        drop(child);
    }
    // Not in the order in which they were born.
    drop(held.split_off(10));
    numbers[10..].iter().copied().for_each(until_reaped);
    assert!(numbers[..10].iter().all(|&pid| has_number(pid)));
    assert_eq!(reaping_threads().0, 1);
    drop(held);
    numbers.into_iter().for_each(until_reaped);
    until_threads((0, false));
    // And it begins anew.
    let child = Launch::new("/bin/true").spawn().unwrap();
    let pid = child.id();
    drop(child);
    until_reaped(pid);
}

#[test]
fn the_thread_that_reaps_hears_of_another_while_it_waits() {
    let _alone = alone();
    let (first, first_held) = held_child();
    let (second, second_held) = held_child();
    let (first_pid, second_pid) = (first.id(), second.id());
    until_threads((0, false));
    drop(first);
    until_threads((1, true));
    drop(second);
    drop(second_held);
    until_reaped(second_pid);
    assert!(has_number(first_pid));
    drop(first_held);
    until_reaped(first_pid);
}
