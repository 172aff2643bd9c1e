//! Children on a system where no descriptor stands for one.

use super::Child;
use crate::{
    Reactor,
    process::{Launch, life::Life},
    signal::SignalKind,
};
use runtime_executor::{Executor, Park, spawn, task::yield_now};
use std::{os::unix::process::ExitStatusExt, path::Path, rc::Rc};

fn without_pidfd(script: &str) -> Child {
    let launch = Launch::new("/bin/sh").args(["-c", script]);
    launch.spawn_by(|start| Life::begin_with(start, |_| None)).unwrap()
}

fn run<F: Future>(story: impl FnOnce(Rc<Reactor>) -> F) -> F::Output {
    let reactor = Reactor::new().unwrap();
    let executor = Executor::builder().park(reactor.clone()).extension(reactor.clone()).build();
    executor.block_on(story(reactor))
}

#[test]
fn its_end_is_noticed_by_sigchld() {
    run(|reactor| async move {
        let child = Rc::new(without_pidfd("exec sleep 600"));
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

#[cfg(target_os = "linux")]
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
