//! Children: started, awaited, signalled, killed; and programs that cannot be started.

use super::{both, run};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use runtime_io::{
    process::{Command, Launch, Stdio},
    signal::{SignalKind, signal},
};
use std::{fs, io, os::unix::process::ExitStatusExt, time::Duration};

pub(super) fn launched() -> io::Result<()> {
    run(async {
        let (reader, writer) = io::pipe()?;
        let mut launch = Launch::new("/bin/sh");
        let number = launch.descriptor(writer.into());
        let mut child = launch.args(["-c".into(), format!("echo told >/dev/fd/{number}; exit 7")]).spawn()?;
        let said = io::read_to_string(&reader)?;
        let status = child.wait().await?;
        assert_eq!((said.as_str(), status.code()), ("told\n", Some(7)));
        assert_eq!(child.try_wait()?, Some(status));
        Ok(())
    })
}

/// What is written to it comes back, in another case.
pub(super) fn talked_to() -> io::Result<()> {
    run(async {
        let mut child = Command::new("tr")
            .args(["a-z", "A-Z"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (writer, reader) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let writing = async move { writer.write_all(b"some words").await };
        let reading = async {
            let mut said = Vec::new();
            let mut buf = [0; 100];
            loop {
                match reader.read(&mut buf).await? {
                    0 => return Ok(said),
                    n => said.extend_from_slice(&buf[..n]),
                }
            }
        };
        let ((), said) = both(writing, reading).await?;
        assert_eq!(said, b"SOME WORDS");
        assert!(child.wait().await?.success());
        let output = Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]).output().await?;
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output.status.code(), Some(3));
        Ok(())
    })
}

pub(super) fn terminated() -> io::Result<()> {
    run(async {
        let mut sleeper = Command::new("sleep").arg("600").process_group(0).kill_on_drop(true).spawn()?;
        sleeper.signal(SignalKind::from_raw(Signal::SIGCONT as i32))?;
        let status = sleeper.terminate(Duration::from_millis(100)).await?;
        let signal = status.signal().expect("it was ended");
        assert!([Signal::SIGTERM as i32, Signal::SIGKILL as i32].contains(&signal), "{status}");
        Ok(())
    })
}

pub(super) fn cannot_start() -> io::Result<()> {
    run(async {
        for refused in [
            Launch::new("/bin/there is no such program").spawn(),
            Command::new("there is no such program").spawn(),
        ] {
            match refused {
                Ok(child) => panic!("there is none, but it is {child:?}"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

/// A child that was dropped is reaped when it ends, or when the next one is started. One that a fault has kept from being
/// killed is killed here.
pub(crate) fn reap() {
    let tasks = fs::read_dir("/proc/self/task").expect("proc(5) is mounted");
    let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let children: Vec<i32> = lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    for pid in children {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    run(async {
        // Where no descriptor stands for a child its signal does, and what that takes is kept.
        signal(SignalKind::child())?;
        Launch::new("/bin/true").spawn()?.wait().await
    })
    .expect("a child");
}
