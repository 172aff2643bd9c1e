//! Children on a system where no descriptor stands for one.

use super::Child;
use crate::{
    Reactor,
    process::{Launch, life::Life},
    signal::SignalKind,
};
use runtime_executor::{Executor, Park, spawn, task::yield_now};
use socket2::{Domain, Socket, Type};
use std::{os::unix::process::ExitStatusExt, path::Path, rc::Rc};

fn without_pidfd(script: &str) -> Child {
    let launch = Launch::new("/bin/sh").args(["-c", script]);
    let plan = launch.plan().unwrap();
    Child::new(Life::begin_with(|| plan.start(), |_| None).unwrap())
}

fn run<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::builder().park(reactor.clone()).extension(reactor.clone()).build();
    executor.block_on(story(reactor))
}

#[test]
fn its_end_is_noticed_by_sigchld() {
    run(|reactor| async move {
        let child = Rc::new(without_pidfd("exec sleep 60"));
        assert!(child.watch.is_none());
        let waiting = {
            let child = Rc::clone(&child);
            spawn(async move { child.wait().await.unwrap().signal() })
        };
        while reactor.waiters() == 0 {
            yield_now().await;
        }
        child.signal(SignalKind::terminate()).unwrap();
        assert_eq!(waiting.await.unwrap(), Some(libc::SIGTERM));
        assert!(child.signal(SignalKind::terminate()).is_err());
        assert_eq!(without_pidfd("exit 3").wait().await.unwrap().code(), Some(3));
    });
}

#[test]
fn its_descriptors_are_gone_through_where_no_call_reaches_all() {
    run(|_| async {
        // The standard library's and ours would be closed all the same; these are like a careless C library's.
        let open: Vec<_> = (0..40)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket.set_cloexec(false).unwrap();
                socket
            })
            .collect();
        let mut launch = Launch::new("/bin/sleep").arg("60");
        let given = launch.descriptor(open[20].try_clone().unwrap().into());
        let child = {
            let plan = launch.plan().unwrap();
            Child::new(Life::begin(|| plan.start_going_through()).unwrap())
        };
        let listed = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let mut numbers: Vec<_> =
            listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        numbers.sort_unstable_by_key(|number| number.parse::<i32>().unwrap());
        assert_eq!(numbers, ["0", "1", "2", &given.to_string()]);
        child.kill().unwrap();
        child.wait().await.unwrap();
    });
}

#[test]
fn dropped_it_is_reaped_all_the_same() {
    run(|_| async {
        let child = without_pidfd("exit 0");
        let gone = format!("/proc/{}", child.id());
        drop(child);
        while Path::new(&gone).exists() {
            yield_now().await;
        }
    });
}
