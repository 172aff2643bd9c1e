//! Stories of child processes: what they get, and what becomes of them.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::{poll_once, zip};
use runtime_executor::{Park, spawn, task::yield_now};
use runtime_io::{
    host::{ignore_signal, parent_death_signal},
    process::{Kind, Launch, ProgramFile, take_inherited},
    signal::{SignalKind, signal},
};
use std::{
    env, fs,
    io::{self, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};
use support::{
    run, run_with,
    sys::{block, inheritable},
};

fn shell(script: &str) -> Launch {
    Launch::new("/bin/sh").args(["-c", script])
}

/// Runs a script and gives what it says on the descriptor `$OUT`.
async fn says(script: &str, prepare: impl FnOnce(Launch) -> Launch) -> String {
    let (mut ours, theirs) = io::pipe().unwrap();
    let mut launch = prepare(shell(script));
    let number = launch.descriptor(theirs.into());
    let child = launch.env("OUT", number.to_string()).spawn().unwrap();
    // Blocks, but the child needs nobody here.
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    assert!(child.ended().await.unwrap().success());
    said
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn everybody_who_waits_learns_how_a_child_ended() {
    run_with(|reactor| async move {
        let (theirs, held) = io::pipe().unwrap();
        let mut launch = shell("read line </dev/fd/$IN; exit 7");
        let number = launch.descriptor(theirs.into());
        let child = Rc::new(launch.env("IN", number.to_string()).spawn().unwrap());
        let waiting = {
            let child = Rc::clone(&child);
            spawn(async move { child.ended().await.unwrap().code() })
        };
        let mut given_up = Box::pin(child.ended());
        assert!(poll_once(&mut given_up).await.is_none());
        drop(given_up);
        assert_eq!(child.try_wait().unwrap(), None);
        while reactor.waiters() == 0 {
            yield_now().await;
        }
        drop(held);
        let (first, second) = zip(child.ended(), waiting).await;
        assert_eq!((first.unwrap().code(), second.unwrap()), (Some(7), Some(7)));
        assert_eq!(child.ended().await.unwrap().code(), Some(7), "and later");
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
    });
}

#[test]
fn exits_signals_and_cores_are_told_apart() {
    run(async {
        assert_eq!(shell("exit 0").spawn().unwrap().wait().await.unwrap().code(), Some(0));
        assert_eq!(shell("exit 255").spawn().unwrap().wait().await.unwrap().code(), Some(255));
        let killed = shell("kill -KILL $$").spawn().unwrap().wait().await.unwrap();
        assert_eq!((killed.signal(), killed.core_dumped(), killed.code()), (Some(9), false, None));
        let aborted = shell("ulimit -c 0; kill -ABRT $$").spawn().unwrap().wait().await.unwrap();
        assert_eq!(aborted.signal(), Some(6));
    });
}

#[test]
fn a_child_that_has_ended_gets_no_signal() {
    run(async {
        let child = shell("exec sleep 60").spawn().unwrap();
        child.signal(SignalKind::terminate()).unwrap();
        assert_eq!(child.ended().await.unwrap().signal(), Some(libc::SIGTERM));
        assert_eq!(child.signal(SignalKind::terminate()).unwrap_err().raw_os_error(), Some(libc::ESRCH));
        child.kill().unwrap();
    });
}

#[test]
fn a_dropped_child_goes_on_and_is_reaped() {
    run(async {
        let (theirs, held) = io::pipe().unwrap();
        let (mut ours, out) = io::pipe().unwrap();
        let mut launch = shell("read line </dev/fd/$IN; echo still here >/dev/fd/$OUT");
        let (number, answers) = (launch.descriptor(theirs.into()), launch.descriptor(out.into()));
        let launch = launch.env("IN", number.to_string()).env("OUT", answers.to_string());
        let child = launch.spawn().unwrap();
        let pid = child.id();
        drop(child);
        drop(held);
        let mut said = String::new();
        ours.read_to_string(&mut said).unwrap();
        assert_eq!(said, "still here\n");
        while exists(pid) {
            yield_now().await;
        }
    });
}

#[test]
fn a_child_gets_no_descriptor_but_what_it_is_given() {
    run(async {
        let strays: Vec<OwnedFd> = (0..50).map(|_| inheritable()).collect();
        let mut launch = Launch::new("/bin/sleep").arg("60");
        let given = launch.descriptor(inheritable());
        let child = launch.spawn().unwrap();
        // The program runs: what `exec` closes is closed.
        // It may just be opening and closing its libraries, though.
        let listed = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().map(Result::unwrap);
        let is_library = |target: &Path| {
            target.starts_with("/usr")
                || target.starts_with("/etc")
                || target.extension() == Some("so".as_ref())
        };
        let is_no_library = |path: PathBuf| fs::read_link(path).is_ok_and(|target| !is_library(&target));
        let mut numbers: Vec<i32> = listed
            .filter(|entry| is_no_library(entry.path()))
            .map(|entry| entry.file_name().to_str().unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, given]);
        assert!(strays.iter().all(|stray| stray.as_raw_fd() > 2 && stray.as_raw_fd() != given));
        child.kill().unwrap();
        child.ended().await.unwrap();
    });
}

#[test]
fn a_child_ignores_no_signal_and_blocks_none() {
    // Rust programs ignore SIGPIPE from the start.
    ignore_signal(SignalKind::alarm()).unwrap();
    let masks = std::thread::scope(|scope| {
        let launching = scope.spawn(|| {
            block(libc::SIGUSR1);
            let own = || fs::read_to_string("/proc/thread-self/status").unwrap();
            let masks =
                run(says("grep -E '^Sig(Blk|Ign):' /proc/self/status >/dev/fd/$OUT", |launch| launch));
            assert!(own().contains(&format!("SigBlk:\t{:016x}\n", 1 << (libc::SIGUSR1 - 1))), "{}", own());
            masks
        });
        launching.join().unwrap()
    });
    let masks: Vec<(&str, u64)> = masks
        .lines()
        .map(|line| line.split_once(":\t").unwrap())
        .map(|(name, mask)| (name, u64::from_str_radix(mask, 16).unwrap()))
        .collect();
    // Two numbers are the C library's own, and nobody can change what they do.
    let others = !(0b11 << 31);
    assert_eq!(masks[0], ("SigBlk", 0));
    assert_eq!((masks[1].0, masks[1].1 & others), ("SigIgn", 0));
}

#[test]
fn the_environment_and_the_arguments_are_what_was_asked_for() {
    run(async {
        let said = says("echo \"$0|$1|$ADDED|${HOME-none}|${PATH+path}\" >/dev/fd/$OUT", |launch| {
            launch.args(["zeroth", "a b"]).env("ADDED", "1=2").env_remove("HOME")
        });
        assert_eq!(said.await, "zeroth|a b|1=2|none|path\n");
        let bare =
            says("echo \"${HOME-none}|$ADDED\" >/dev/fd/$OUT", |launch| launch.env_clear().env("ADDED", "x"));
        assert_eq!(bare.await, "none|x\n");
        let named = Launch::new("/bin/sh").arg0("a name").args(["-c", "test \"$0\" = 'a name'"]);
        assert!(named.spawn().unwrap().wait().await.unwrap().success());
    });
}

#[test]
fn a_program_that_cannot_be_run_is_an_error_here_and_leaves_nothing() {
    run(async {
        let kind = |launch: Launch| launch.spawn().unwrap_err().raw_os_error();
        assert_eq!(kind(Launch::new("/no/such/program")), Some(libc::ENOENT));
        assert_eq!(kind(Launch::new("/")), Some(libc::EACCES));
        assert_eq!(kind(Launch::new("/etc/passwd")), Some(libc::EACCES));
        let zero = Launch::new("/bin/sh").arg("a\0b").spawn().unwrap_err();
        assert_eq!(zero.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            kind(Launch::new(ProgramFile::open("/etc/passwd").unwrap())),
            Some(libc::EACCES),
            "an open file, too"
        );
    });
}

/// The standard library's does not go on when a signal has interrupted it.
fn copy(from: &str, to: &Path) {
    while let Err(error) = fs::copy(from, to) {
        assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
    }
}

#[test]
fn an_open_program_stays_the_one_it_was_when_its_file_is_replaced() {
    let path: PathBuf = env::temp_dir().join(format!("runtime-program-{}", std::process::id()));
    copy("/bin/true", &path);
    let before = ProgramFile::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    copy("/bin/false", &path);
    let after = ProgramFile::open(&path).unwrap();
    let ended = run(async {
        let mut ended = Vec::new();
        for program in [&before, &after, &before] {
            ended.push(Launch::new(program).spawn().unwrap().wait().await.unwrap().code());
        }
        ended
    });
    fs::remove_file(&path).unwrap();
    assert_eq!(ended, [Some(0), Some(1), Some(0)]);
    assert_eq!(before.path(), path);
}

const LAUNCHER: &str = "STORY_OF_A_LAUNCHER";

/// Its child launches a grandchild that holds the descriptor, and is killed.
#[test]
fn a_child_ends_with_who_started_it_if_that_was_asked_for() {
    let name = "a_child_ends_with_who_started_it_if_that_was_asked_for";
    if let Ok(number) = env::var(LAUNCHER) {
        let held = take_inherited(number.parse().unwrap(), Kind::Socket).unwrap();
        let mut ready = UnixStream::from(held.try_clone().unwrap());
        let mut launch = Launch::new("/bin/sleep").arg("60").parent_death_signal(SignalKind::terminate());
        launch.descriptor(held);
        let _grandchild = launch.spawn().unwrap();
        io::Write::write_all(&mut ready, b"r").unwrap();
        loop {
            std::thread::park();
        }
    }
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut launch = Launch::new(ProgramFile::current().unwrap()).args(["--exact", name]);
    let number = launch.descriptor(theirs.into());
    let child = launch.env(LAUNCHER, number.to_string()).spawn().unwrap();
    ours.read_exact(&mut [0]).unwrap();
    child.kill().unwrap();
    assert_eq!(ours.read_to_end(&mut Vec::new()).expect("the grandchild is still there"), 0);
    run(async { child.ended().await.unwrap() });
}

const IGNORANT: &str = "STORY_OF_THE_IGNORANT";

#[test]
fn where_sigchld_is_ignored_the_end_is_noticed_and_how_is_nobodys_knowledge() {
    let name = "where_sigchld_is_ignored_the_end_is_noticed_and_how_is_nobodys_knowledge";
    if env::var_os(IGNORANT).is_some() {
        ignore_signal(SignalKind::child()).unwrap();
        run(async {
            let child = shell("exec sleep 60").spawn().unwrap();
            child.kill().unwrap();
            assert_eq!(child.ended().await.unwrap_err().raw_os_error(), Some(libc::ECHILD));
            assert_eq!(child.ended().await.unwrap_err().raw_os_error(), Some(libc::ECHILD));
            child.kill().unwrap();
            // Who listens to it does not ignore it any more.
            let _listener = signal(SignalKind::child()).unwrap();
            assert!(shell("exit 0").spawn().unwrap().wait().await.unwrap().success());
        });
        std::process::exit(42);
    }
    let launch = Launch::new(ProgramFile::current().unwrap()).args(["--exact", name]);
    let ended = run(async { launch.env(IGNORANT, "1").spawn().unwrap().wait().await.unwrap() });
    assert_eq!(ended.code(), Some(42), "{ended}");
}

#[test]
fn a_parent_that_is_gone_already_is_an_error() {
    // SIGURG does nothing to whoever it is sent to, should this process lose its own parent.
    let refused = parent_death_signal(SignalKind::from_raw(libc::SIGURG), 1 << 30).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ESRCH));
}

const INHERITED: &str = "STORY_OF_THE_INHERITED";

#[test]
fn what_was_passed_on_is_taken_once() {
    let Some(number) = env::var(INHERITED).ok() else {
        let name = "what_was_passed_on_is_taken_once";
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut launch = Launch::new(ProgramFile::current().unwrap()).args(["--exact", name]);
        let number = launch.descriptor(theirs.into());
        let ended =
            run(async { launch.env(INHERITED, number.to_string()).spawn().unwrap().wait().await.unwrap() });
        assert!(ended.success(), "{ended}");
        let mut said = String::new();
        ours.read_to_string(&mut said).unwrap();
        assert_eq!(said, "taken");
        return;
    };
    let number = number.parse().unwrap();
    assert!(take_inherited(number, Kind::Pipe).is_err(), "it is a socket");
    let taken = take_inherited(number, Kind::Socket).unwrap();
    assert!(take_inherited(number, Kind::Socket).is_err(), "it has an owner now");
    assert!(take_inherited(0, Kind::File).is_err());
    assert_eq!(take_inherited(9_999, Kind::Socket).unwrap_err().raw_os_error(), Some(libc::EBADF));
    io::Write::write_all(&mut UnixStream::from(taken), b"taken").unwrap();
}

#[test]
fn who_has_only_the_front_of_a_child_can_wait_for_it_with_a_thread_and_end_it() {
    let (theirs, held) = io::pipe().unwrap();
    let mut launch = shell("trap '' TERM; read line </dev/fd/$IN; exit 7");
    let number = launch.descriptor(theirs.into());
    // No runtime here, nor where it is dropped: its handle outlives it, as the child does.
    let child = launch.env("IN", number.to_string()).spawn().unwrap().handle();
    assert!(exists(child.id()));
    assert_eq!(child.try_wait().unwrap(), None);
    assert_eq!(child.blocking_ended(Some(Duration::from_millis(5))).unwrap(), None);
    drop(held);
    let ended = child.blocking_ended(Some(Duration::MAX)).unwrap();
    assert_eq!(ended.unwrap().code(), Some(7), "a limit that no clock can show is none");
    assert_eq!(child.blocking_ended(Some(Duration::ZERO)).unwrap(), ended, "it is told again");
    assert!(!exists(child.id()), "it was reaped");
    assert_eq!(child.signal(SignalKind::terminate()).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    child.kill().unwrap();
}
