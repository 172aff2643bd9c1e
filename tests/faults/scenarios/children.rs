//! Children: started, awaited, signalled, killed; and programs that cannot be started.

use super::run;
use runtime_io::{process::Launch, signal::SignalKind};
use std::{io, os::unix::process::ExitStatusExt};

pub(super) fn wait_and_kill() -> io::Result<()> {
    run(async {
        let (reader, writer) = io::pipe()?;
        let mut launch = Launch::new("/bin/sh");
        let number = launch.descriptor(writer.into());
        let child = launch.args(["-c".into(), format!("echo told >/dev/fd/{number}; exit 7")]).spawn()?;
        let said = io::read_to_string(&reader)?;
        let status = child.wait().await?;
        assert_eq!((said.as_str(), status.code()), ("told\n", Some(7)));
        assert_eq!(child.try_wait()?, Some(status));

        let sleeper = Launch::new("/bin/sleep").arg("600").spawn()?;
        let sent = sleeper.signal(SignalKind::terminate());
        if sent.is_err() {
            sleeper.kill()?;
        }
        let status = sleeper.wait().await?;
        assert!(status.signal().is_some());
        sent
    })
}

pub(super) fn cannot_start() -> io::Result<()> {
    run(async {
        let refused = Launch::new("/bin/there is no such program").spawn().expect_err("there is none");
        if refused.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(refused) }
    })
}

/// A child that was dropped is reaped when it ends, or when the next one is started. One that a fault has kept from being
/// killed is killed here.
pub(crate) fn reap() {
    let tasks = std::fs::read_dir("/proc/self/task").expect("proc(5) is mounted");
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    let children: Vec<i32> =
        lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
    for pid in children {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    run(async { Launch::new("/bin/true").spawn()?.wait().await }).expect("a child");
}
