//! A system that gives no more processes.

use crate::{double, end, until, works};
use nix::{
    sys::{
        prctl::set_dumpable,
        resource::{Resource, getrlimit, setrlimit},
    },
    unistd::{Uid, setuid},
};
use runtime::{
    pool::{JobError, ProcessPool},
    process::{Process, StartError},
    time::timeout,
};
use std::{io::ErrorKind, time::Duration};

/// Nobody has to wait as long.
const LONG: Duration = Duration::from_secs(60);

/// Somebody who has no other processes.
const SOMEBODY: u32 = 64_321;

/// The administrator's processes are not counted.
fn be_somebody() {
    if runtime_io::owner::own_user() == 0 {
        setuid(Uid::from_raw(SOMEBODY)).unwrap();
        // Who changes his name is a stranger to his own files in /proc, unless he says this.
        set_dumpable(true).unwrap();
    }
}

/// How many processes and threads there may be. Gives how many there might before.
fn allow(processes: u64) -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    setrlimit(Resource::RLIMIT_NPROC, processes.min(hard), hard).unwrap();
    soft
}

async fn without_room() {
    be_somebody();
    let pool = ProcessPool::new(2).unwrap();
    works(&pool, 2).await;

    let enough = allow(1);
    let Err(StartError::System(error)) = ProcessPool::new(1) else { panic!("there was room") };
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");

    let [one, other] = pool.workers()[..] else { panic!("two are two") };
    end(one);
    until(|| !pool.workers().contains(&one)).await;
    for n in 0..20 {
        assert_eq!(pool.apply(double, n).await.unwrap(), 2 * n, "by the one who is left");
    }
    end(other);
    until(|| pool.workers().is_empty()).await;
    let jobs = [pool.submit(double, 1), pool.submit(double, 2)];
    for job in jobs {
        let error = timeout(LONG, job).await.expect("a job hangs").unwrap_err();
        assert!(
            matches!(&error, JobError::NoWorker(why) if why.kind() == ErrorKind::WouldBlock),
            "{error:?}"
        );
        assert!(error.never_began() && error.to_string().contains("ulimit -u"), "{error}");
    }

    allow(enough);
    timeout(LONG, works(&pool, 2)).await.expect("it does not recover");
}

#[runtime::test]
async fn jobs_say_that_there_is_no_room_for_workers_and_are_done_once_there_is() {
    Process::spawn(without_room, ()).unwrap().join().await.unwrap();
}
