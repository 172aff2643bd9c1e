//! How programs begin, so that their processes can have children.

use super::{Program, programs};
use nix::{
    sys::{
        prctl::set_dumpable,
        resource::{Resource, getrlimit, setrlimit},
    },
    unistd::{Uid, geteuid, setuid},
};
use runtime::process::{self, Process, SpawnError, StartError};
use std::{env, fs, io::Write};

pub(super) const ALL: &[Program] =
    programs![forgetful, forgetful_child, with_init, without_descriptors, without_room];

fn children() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let lists = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap());
    lists.map(|list| list.split_whitespace().count()).sum()
}

/// Its `main` does not begin as it should.
fn forgetful() {
    runtime::run(async {
        let refused = Process::spawn(|| println!("never"), ()).unwrap_err();
        assert!(matches!(refused, SpawnError::Start(StartError::NoEntry)));
        println!("{refused}");
        println!("children {}", children());
    });
}

/// Its `main` begins as it should when it is started by a user, and otherwise not.
fn forgetful_child() {
    if env::var_os("RUNTIME_CHILD").is_some() {
        // Standard output is for the other one.
        let refused = runtime::run(async { Process::spawn(|| println!("never"), ()).unwrap_err() });
        assert!(matches!(refused, SpawnError::Start(StartError::Unnoticed)));
        println!("{refused}");
        return;
    }
    let _init = process::init();
    runtime::run(async {
        let child = Process::spawn(|| println!("never"), ()).unwrap();
        let died = child.join().await.unwrap_err();
        assert_eq!(died.death().unwrap().pid(), child.pid());
        println!("status {}", child.exit_status().unwrap());
    });
}

fn with_init() {
    let _init = process::init();
    print!("before ");
    std::io::stdout().flush().unwrap();
    let six = Process::spawn(|| 6, ()).unwrap();
    // No runtime yet.
    let six = six.blocking_join().unwrap();
    println!("{}", six * runtime::run(async { Process::spawn(|| 7, ()).unwrap().join().await.unwrap() }));
}

/// It may have too few descriptors for another child, and none is left behind or waited for.
#[runtime::main]
async fn without_descriptors() {
    let mut held = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        held.push(file);
    }
    let mut refused = 0;
    loop {
        match Process::spawn(|| 5, ()) {
            Ok(five) => {
                drop(held);
                assert_eq!(five.join().await.unwrap(), 5);
                break;
            }
            Err(error) => {
                assert!(
                    matches!(error, SpawnError::Start(StartError::System(_)) | SpawnError::Arguments(_)),
                    "{error:?}"
                );
                println!("refused {error}");
                refused += 1;
            }
        }
        assert!(held.pop().is_some(), "with all descriptors it has started");
    }
    println!("after {refused}");
    assert_eq!(children(), 0);
}

/// The system gives its user no process more.
#[runtime::main]
async fn without_room() {
    if geteuid().is_root() {
        // Of whom no limit holds. Nobody else has this number, so he has one process.
        setuid(Uid::from_raw(0x3000_0000 + std::process::id())).unwrap();
        set_dumpable(true).unwrap();
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    setrlimit(Resource::RLIMIT_NPROC, 1, hard).unwrap();
    let refused = Process::spawn(|| println!("never"), ()).unwrap_err();
    println!("{refused}");
    assert_eq!(children(), 0);
    setrlimit(Resource::RLIMIT_NPROC, hard, hard).unwrap();
    println!("{}", Process::spawn(|| 6, ()).unwrap().join().await.unwrap());
}
