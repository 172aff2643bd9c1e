//! Children on a system where no descriptor stands for one.

use super::Child;
use crate::{
    Reactor,
    process::{Launch, life::Life},
    signal::SignalKind,
    sys::child::{Nursery, Started},
};
use runtime_executor::{Executor, Park, spawn, task::yield_now};
use socket2::{Domain, Socket, Type};
use std::{os::unix::process::ExitStatusExt, path::Path, rc::Rc, time::Duration};

fn without_pidfd(script: &str) -> Child {
    let launch = Launch::new("/bin/sh").args(["-c", script]);
    let plan = launch.recipe().plan([None; 3]).unwrap();
    let start = |nursery: &mut Nursery| {
        let started = plan.start(nursery)?;
        Ok(Started { pidfd: None, ..started })
    };
    Child::new(Life::begin(false, start).unwrap())
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
            spawn(async move { child.ended().await.unwrap().signal() })
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
            let plan = launch.recipe().plan([None; 3]).unwrap();
            Child::new(Life::begin(false, |_| plan.start_going_through()).unwrap())
        };
        // The program may be opening its libraries at this moment, which are no sockets.
        let listed = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().map(Result::unwrap);
        let is_socket = |path: &Path| {
            std::fs::read_link(path).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
        };
        let numbers = listed.filter(|entry| is_socket(&entry.path())).map(|entry| entry.file_name());
        let others: Vec<_> =
            numbers.filter(|number| !["0", "1", "2"].iter().any(|own| number == own)).collect();
        assert_eq!(others, [&*given.to_string()]);
        child.kill().unwrap();
        child.ended().await.unwrap();
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

#[test]
fn a_thread_waits_for_it_by_looking() {
    let child = without_pidfd("exec sleep 60").handle();
    assert_eq!(child.blocking_ended(Some(Duration::from_millis(1))).unwrap(), None);
    child.kill().unwrap();
    assert_eq!(child.blocking_ended(None).unwrap().unwrap().signal(), Some(libc::SIGKILL));
}
