//! Stories of single processes of this program, mostly unhappy ones: what their parents get to know of them.
#![cfg(all(target_os = "linux", not(miri)))]

use futures_lite::future::poll_once;
use nix::sys::signal::{Signal, raise};
use runtime::{
    Runtime, join_all,
    process::{self, ChildError, Data, Descriptor, Process, SpawnError},
    spawn_blocking,
    time::sleep,
};
use serde::{Deserialize, Serialize, de, ser};
use std::{
    fs,
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::{ExitStatusExt, parent_id},
    },
    time::Duration,
};

const LONG: Duration = Duration::from_secs(3_600);

/// Waits until it is told to, by the end of its parent's interest.
fn wait_for(end: Descriptor) {
    let mut end = fs::File::from(OwnedFd::from(end));
    end.read_to_end(&mut Vec::new()).unwrap();
}

/// A process that lives until what comes with it is dropped.
fn tethered() -> (Process<()>, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (Process::spawn(wait_for, Descriptor::from(OwnedFd::from(reader))).unwrap(), writer)
}

/// Joins a process that has no result.
async fn fails<R: Data + std::fmt::Debug>(process: Process<R>) -> (ChildError, process::ExitStatus) {
    let error = process.join().await.unwrap_err();
    assert!(!process.is_alive());
    (error, process.exit_status().unwrap())
}

#[runtime::test]
async fn what_it_returns_is_given_to_the_first_who_joins_it() {
    let process = Process::spawn(|n: u32| vec![n; 3], 7).unwrap();
    let (one, two) = runtime::join!(process.join(), process.join());
    let results = [one, two];
    assert_eq!(results.iter().flatten().collect::<Vec<_>>(), [&vec![7; 3]]);
    assert!(results.iter().any(|result| matches!(result, Err(ChildError::Taken))));
    assert!(matches!(process.blocking_join(), Err(ChildError::Taken)));
    assert_eq!(process.exit_status().unwrap().code(), Some(0));
}

#[runtime::test]
async fn a_panic_is_told_with_its_place() {
    let process = Process::spawn(|n: u32| -> u32 { panic!("there is no {n}") }, 7).unwrap();
    let (error, status) = fails(process).await;
    let panic = error.panic().unwrap();
    assert_eq!(panic.message(), "there is no 7");
    assert!(panic.location().unwrap().starts_with("tests/children.rs:"), "{panic}");
    assert_eq!(status.code(), Some(1));
    assert!(error.death().is_none());
    assert!(error.to_string().starts_with("the process panicked at tests/children.rs:"), "{error}");
}

#[runtime::test]
async fn a_panic_of_an_async_function_is_told_too() {
    let process = Process::spawn(
        async |n: u32| -> u32 {
            runtime::task::yield_now().await;
            panic!("there is no {n}")
        },
        7,
    );
    let (error, _) = fails(process.unwrap()).await;
    assert_eq!(error.panic().unwrap().message(), "there is no 7");
}

#[runtime::test]
async fn an_exit_is_no_return_whatever_its_code() {
    for code in [0, 3] {
        let process = Process::spawn(|code: i32| -> u32 { std::process::exit(code) }, code).unwrap();
        let pid = process.pid();
        let (error, status) = fails(process).await;
        assert_eq!(status.code(), Some(code));
        let death = error.death().unwrap();
        assert_eq!(death.pid(), pid);
        assert_eq!(
            death.to_string(),
            format!("process {pid} ended with exit code {code}: what it ran has ended its process")
        );
    }
}

#[runtime::test]
async fn a_signal_is_told_by_its_name() {
    let process = Process::spawn(|| raise(Signal::SIGHUP).unwrap(), ()).unwrap();
    let (error, status) = fails(process).await;
    assert_eq!(status.signal(), Some(Signal::SIGHUP as i32));
    assert!(error.to_string().contains("was killed by signal 1 (SIGHUP)"), "{error}");
    let (error, status) = fails(Process::spawn(|| -> () { std::process::abort() }, ()).unwrap()).await;
    assert_eq!(status.signal(), Some(6));
    assert!(error.to_string().contains("it aborted"), "{error}");
}

#[runtime::test]
async fn terminated_before_it_has_begun_it_has_not_begun() {
    let (reader, writer) = io::pipe().unwrap();
    let say = |to: Descriptor| fs::File::from(OwnedFd::from(to)).write_all(b"begun").unwrap();
    let processes: Vec<_> = (0..20)
        .map(|_| {
            let to = Descriptor::from(OwnedFd::from(writer.try_clone().unwrap()));
            let process = Process::spawn(say, to).unwrap();
            process.terminate().unwrap();
            process
        })
        .collect();
    drop(writer);
    for process in processes {
        // Or it was quick.
        let joined = process.join().await;
        let status = process.exit_status().unwrap();
        match joined {
            Ok(()) => assert!(status.success() || status.signal() == Some(15), "{status}"),
            Err(error) => assert_eq!((error.death().is_some(), status.signal()), (true, Some(15)), "{error}"),
        }
        process.terminate().unwrap();
        process.kill().unwrap();
    }
    let mut said = String::new();
    { reader }.read_to_string(&mut said).unwrap();
    assert_eq!(said.replace("begun", ""), "", "what was said was said as a whole");
}

#[runtime::test]
async fn a_limit_of_time_leaves_it_alone() {
    let (process, tether) = tethered();
    assert!(process.join_timeout(Duration::from_millis(5)).await.is_err());
    assert!(process.blocking_join_timeout(Duration::from_millis(5)).is_none());
    assert!(poll_once(process.join()).await.is_none());
    assert!(process.is_alive());
    assert_eq!(process.exit_status(), None);
    drop(tether);
    process.join_timeout(LONG).await.unwrap().unwrap();
    assert!(!process.is_alive());
}

#[runtime::test(start_paused = true)]
async fn virtual_time_waits_for_a_process() {
    let process = Process::spawn(|| 5, ()).unwrap();
    // An hour passes when nothing real can happen any more.
    assert_eq!(process.join_timeout(LONG).await.unwrap().unwrap(), 5);
}

#[runtime::test]
async fn it_goes_on_when_it_is_dropped_and_is_waited_for_at_the_end() {
    let (reader, writer) = io::pipe().unwrap();
    let (held, tether) = io::pipe().unwrap();
    fn say(to: Descriptor, when: Descriptor) {
        wait_for(when);
        fs::File::from(OwnedFd::from(to)).write_all(b"said").unwrap();
    }
    let inner = move || {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let [writer, held] = [OwnedFd::from(writer), held.into()].map(Descriptor::from);
            drop(Process::spawn(say, (writer, held)).unwrap());
        });
        drop(tether);
    };
    spawn_blocking(inner).await.unwrap();
    let mut said = String::new();
    { reader }.read_to_string(&mut said).unwrap();
    assert_eq!(said, "said");
}

/// Refuses to be written, or to be read.
#[derive(Debug)]
struct Stubborn {
    when_written: bool,
}

impl Serialize for Stubborn {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.when_written {
            return Err(ser::Error::custom("I stay here"));
        }
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: de::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("I am not that"))
    }
}

#[runtime::test]
async fn what_cannot_go_over_is_told_on_the_side_that_asked() {
    let take = |_: Stubborn| 5;
    let refused = Process::spawn(take, Stubborn { when_written: true }).unwrap_err();
    assert!(matches!(refused, SpawnError::Arguments(_)));
    assert!(
        refused.to_string().starts_with("no process was started, as its arguments cannot go there"),
        "{refused}"
    );

    let (error, status) = fails(Process::spawn(take, Stubborn { when_written: false }).unwrap()).await;
    assert!(matches!(error, ChildError::Arguments(_)), "{error}");
    assert_eq!(status.code(), Some(1));

    let give = |when_written: bool| Stubborn { when_written };
    let (error, status) = fails(Process::spawn(give, true).unwrap()).await;
    assert!(matches!(error, ChildError::Result(_)), "{error}");
    assert_eq!(status.code(), Some(1));

    let (error, status) = fails(Process::spawn(give, false).unwrap()).await;
    assert!(matches!(error, ChildError::Result(_)), "{error}");
    assert_eq!(status.code(), Some(0), "it has done its part");
}

/// Panics while it is written, or read.
#[derive(Debug)]
struct Explosive;

impl Serialize for Explosive {
    fn serialize<S: ser::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("it has gone off");
    }
}

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: de::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it has gone off");
    }
}

#[runtime::test]
async fn a_panic_of_what_is_to_go_over_is_one_of_the_process() {
    let (error, _) = fails(Process::spawn(|| Explosive, ()).unwrap()).await;
    assert_eq!(error.panic().unwrap().message(), "it has gone off");
}

#[runtime::test]
async fn there_is_a_limit_to_what_goes_over() {
    let len = |text: String| text.len();
    let many = 60 << 20;
    assert_eq!(Process::spawn(len, "x".repeat(many)).unwrap().join().await.unwrap(), many);
    let refused = Process::spawn(len, "x".repeat(65 << 20)).unwrap_err();
    assert!(matches!(refused, SpawnError::Arguments(_)), "{refused}");

    let make = |len: usize| "x".repeat(len);
    assert_eq!(Process::spawn(make, many).unwrap().join().await.unwrap().len(), many);
    let (error, status) = fails(Process::spawn(make, 65_usize << 20).unwrap()).await;
    assert!(matches!(&error, ChildError::Result(why) if why.contains("longer")), "{error}");
    assert_eq!(status.code(), Some(1));
}

#[runtime::test]
async fn threads_start_processes_and_join_those_of_others() {
    let by_thread = spawn_blocking(|| {
        let process = Process::spawn(|| (parent_id(), process::current().parent()), ()).unwrap();
        (process.blocking_join().unwrap(), Process::spawn(|| 6, ()).unwrap())
    });
    let (parents, six) = by_thread.await.unwrap();
    assert_eq!(parents, (std::process::id(), Some(std::process::id())));
    assert_eq!(six.join().await.unwrap(), 6);
    let seven = Process::spawn(|| 7, ()).unwrap();
    assert_eq!(spawn_blocking(move || seven.blocking_join().unwrap()).await.unwrap(), 7);
}

#[runtime::test]
async fn who_has_awaited_it_in_one_runtime_does_not_in_another() {
    let (process, tether) = tethered();
    assert!(poll_once(process.join()).await.is_none());
    let there = spawn_blocking(move || {
        let error = runtime::run(process.join()).unwrap_err();
        assert!(matches!(error, ChildError::System(_)), "{error}");
        process
    });
    let process = there.await.unwrap();
    drop(tether);
    process.join().await.unwrap();
}

#[runtime::test]
async fn a_descriptor_among_the_arguments_is_there_and_gone_here() {
    let (process, tether) = tethered();
    let inode =
        |fd: &str| fs::read_link(fd).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let pipe = inode(&format!("/proc/self/fd/{}", tether.as_raw_fd()));
    let here = fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap);
    let holders = here.filter(|entry| inode(entry.path().to_str().unwrap()) == pipe).count();
    assert_eq!(holders, 1, "the writer, and no reader");
    drop(tether);
    process.join().await.unwrap();
}

/// How many descriptors a process has, once it has begun.
fn descriptors() -> Vec<String> {
    let open = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let mut open: Vec<_> =
        open.filter_map(|path| Some(fs::read_link(path).ok()?.to_string_lossy().into_owned())).collect();
    open.sort();
    open
}

#[runtime::test]
async fn children_have_no_descriptors_of_their_siblings() {
    let count = || descriptors().len();
    let first = Process::spawn(count, ()).unwrap().join().await.unwrap();
    let siblings: Vec<_> = (0..20).map(|_| tethered()).collect();
    let last = Process::spawn(count, ()).unwrap().join().await.unwrap();
    assert_eq!(first, last);
    // Standard descriptors, line, life-line at most, and the folder that is read.
    assert!(first <= 6, "{:?}", Process::spawn(descriptors, ()).unwrap().join().await);
    for (process, tether) in siblings {
        drop(tether);
        process.join().await.unwrap();
    }
}

#[runtime::test]
async fn a_child_that_closes_its_line_has_no_result() {
    // As a daemon of old does: it closes all that it has. No descriptor that is owned is closed here twice, as it exits then.
    fn close_all() {
        for number in 3..100 {
            let _ = nix::unistd::close(number);
        }
        std::process::exit(4);
    }
    let (error, status) = fails(Process::spawn(close_all, ()).unwrap()).await;
    assert_eq!(status.code(), Some(4));
    assert!(error.death().is_some());
}

#[runtime::test]
async fn it_is_reaped_although_its_handle_is_gone() {
    let (process, tether) = tethered();
    let pid = process.pid();
    drop(process);
    drop(tether);
    while fs::exists(format!("/proc/{pid}")).unwrap() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[runtime::test]
async fn a_child_has_children_and_gives_their_results() {
    fn sum(depth: u32) -> u32 {
        if depth == 0 {
            return 1;
        }
        let children: Vec<_> = (0..2).map(|_| Process::spawn(sum, depth - 1).unwrap()).collect();
        children.iter().map(|child| child.blocking_join().unwrap()).sum()
    }
    async fn sum_async(depth: u32) -> u32 {
        let children: Vec<_> = (0..2).map(|_| Process::spawn(sum, depth - 1).unwrap()).collect();
        join_all(children.iter().map(Process::join)).await.into_iter().map(Result::unwrap).sum()
    }
    assert_eq!(Process::spawn(sum, 3).unwrap().join().await.unwrap(), 8);
    assert_eq!(Process::spawn(sum_async, 3).unwrap().join().await.unwrap(), 8);
}

#[runtime::test]
async fn an_async_function_has_a_runtime_whose_tasks_end_with_it() {
    async fn work(n: u32) -> u32 {
        let tripled = runtime::spawn(async move {
            sleep(Duration::from_millis(1)).await;
            3 * n
        });
        // Left behind, and ended.
        runtime::spawn(sleep(LONG)).detach();
        tripled.await.unwrap()
    }
    assert_eq!(Process::spawn(work, 7).unwrap().join().await.unwrap(), 21);
}

#[runtime::test]
fn a_greenlet_is_suspended_by_a_join() {
    let (process, tether) = tethered();
    let other = runtime::greenlet::spawn(move || drop(tether));
    process.blocking_join().unwrap();
    assert!(other.is_finished());
    let (process, tether) = tethered();
    assert!(process.blocking_join_timeout(Duration::from_millis(5)).is_none());
    drop(tether);
    process.blocking_join_timeout(LONG).unwrap().unwrap();
}
