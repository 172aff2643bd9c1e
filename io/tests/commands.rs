//! Stories of commands: what a child says and hears, how it is ended, and why it may not begin.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::future::{poll_once, zip};
use runtime_executor::{
    spawn,
    task::yield_now,
    time::{advance, pause},
};
use runtime_io::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command, Stdio},
    signal::SignalKind,
};
use std::{
    env, fs,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{fs::PermissionsExt, process::ExitStatusExt},
    },
    path::Path,
    time::Duration,
};
use support::{Folder, run, run_with, sys::inheritable};

/// Less than a story may take.
const GRACE: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    // Also if the story fails.
    command.args(["-c", script]).kill_on_drop(true);
    command
}

async fn says(command: &mut Command) -> String {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The next line that a child says.
async fn line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    let mut reader = BufReader::with_capacity(1, stdout);
    reader.read_line(&mut line).await.unwrap();
    child.stdout = Some(reader.into_inner());
    line
}

/// Whether a process runs: one that nobody has waited for does not.
fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[test]
fn ten_megabytes_on_both_pipes_come_whole_and_nobody_waits_for_the_other() {
    run(async {
        let script = "yes out | head -c 10000000; yes errors | head -c 10000000 >&2; echo end";
        let output = shell(script).output().await.unwrap();
        assert!(output.status.success());
        assert_eq!((output.stdout.len(), output.stderr.len()), (10_000_004, 10_000_000));
        assert!(output.stdout.starts_with(b"out\nout\n") && output.stdout.ends_with(b"out\nend\n"));
        assert!(output.stderr.chunks(7).all(|chunk| b"errors\n".starts_with(chunk)));
        let other = "yes errors | head -c 10000000 >&2; yes out | head -c 10000000";
        assert_eq!(shell(other).output().await.unwrap().stdout.len(), 10_000_000);
    });
}

#[test]
fn a_child_is_talked_to_line_by_line_while_others_have_their_turns() {
    run(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        for word in ["one\n", "two\n", "three\n"] {
            let asked = stdin.write_all(word.as_bytes());
            let (asked, answered) = zip(asked, line(&mut child)).await;
            asked.unwrap();
            assert_eq!(answered, word);
        }
        drop(stdin);
        assert_eq!(line(&mut child).await, "");
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn who_waits_closes_the_childs_input_and_who_watches_does_not() {
    run_with(|reactor| async move {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        {
            let mut watching = Box::pin(child.ended());
            assert!(poll_once(&mut watching).await.is_none());
            support::until_waiting(&reactor, 1).await;
        }
        assert!(child.stdin.is_some());
        // It would read for ever.
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none());
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_ref().unwrap().write_all(b"heard").await.unwrap();
        assert_eq!(child.wait_with_output().await.unwrap().stdout, b"heard");
    });
}

#[test]
fn writing_to_a_child_that_has_closed_its_input_is_an_error_and_no_death() {
    support::sys::make_sigpipe_deadly();
    run(async {
        let mut command = shell("exec <&-; echo closed; exec cat /dev/fd/$HOLD");
        let (hold, held) = io::pipe().unwrap();
        let hold = command.descriptor(hold.into());
        let mut child = command
            .env("HOLD", hold.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(line(&mut child).await, "closed\n");
        let stdin = child.stdin.take().unwrap();
        assert_eq!(stdin.write_all(b"anybody?").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(held);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_pipe_that_a_grandchild_keeps_open_holds_up_its_reader_alone() {
    run(async {
        let (hold, held) = io::pipe().unwrap();
        let mut command = shell("cat /dev/fd/$HOLD & exit 3");
        let hold = command.descriptor(hold.into());
        let mut child = command.env("HOLD", hold.to_string()).stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        let stdout = child.stdout.take().unwrap();
        assert!(poll_once(stdout.read(&mut [0])).await.is_none(), "the grandchild may still say something");
        (&held).write_all(b"last words").unwrap();
        drop(held);
        let mut said = [0; 10];
        stdout.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"last words");
        assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn what_a_child_has_said_before_it_is_killed_is_heard() {
    run(async {
        let mut child = Command::new("yes").kill_on_drop(true).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut said = [0; 100_000];
        stdout.read_exact(&mut said).await.unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        let mut buf = [0; 4096];
        while stdout.read(&mut buf).await.unwrap() > 0 {}
    });
}

#[test]
fn children_that_end_at_once_are_awaited_like_others() {
    run(async {
        for round in 0..50 {
            let mut child = shell("exit 9").spawn().unwrap();
            if round % 2 == 0 {
                support::sys::until_ended(child.id());
            }
            assert_eq!(child.wait().await.unwrap().code(), Some(9));
        }
    });
}

#[test]
fn a_child_that_does_not_end_within_its_grace_is_killed() {
    run(async {
        pause();
        let script = "trap '' TERM; echo deaf; while :; do sleep 60; done";
        let mut child = shell(script).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        assert_eq!(line(&mut child).await, "deaf\n");
        let ending = spawn(async move { child.terminate(GRACE).await.unwrap() });
        yield_now().await;
        advance(GRACE - Duration::from_secs(1)).await;
        assert!(!ending.is_finished());
        advance(Duration::from_secs(1)).await;
        assert_eq!(ending.await.unwrap().signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn whoever_is_left_of_a_group_goes_with_its_leader() {
    run(async {
        let script = "trap 'exit 4' TERM; sh -c 'trap \"\" TERM; echo $$; exec sleep 60' & wait";
        let mut child = shell(script).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let grandchild = line(&mut child).await.trim().parse().unwrap();
        assert!(runs(grandchild));
        let ended = child.terminate(GRACE).await.unwrap();
        assert_eq!(ended.code(), Some(4), "the leader was asked, and had the time");
        while runs(grandchild) {
            yield_now().await;
        }
        let refused = child.signal_group(SignalKind::terminate()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ESRCH), "its number is nobody's any more");
    });
}

#[test]
fn a_signal_reaches_the_group_that_a_child_leads_and_no_other() {
    run(async {
        let script = "trap 'echo heard; exit' USR1; echo ready; read line";
        let mut leader = Command::new("sleep").arg("60").process_group(0).kill_on_drop(true).spawn().unwrap();
        let group = leader.id().cast_signed();
        let mut member = shell(script);
        let mut member =
            member.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(group).spawn().unwrap();
        assert_eq!(line(&mut member).await, "ready\n");
        leader.signal_group(SignalKind::user_defined1()).unwrap();
        assert_eq!(line(&mut member).await, "heard\n");
        assert_eq!(leader.wait().await.unwrap().signal(), Some(libc::SIGUSR1));
        member.wait().await.unwrap();
        let refused = member.signal_group(SignalKind::kill()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "it leads none");
    });
}

#[test]
fn one_that_is_to_die_with_its_child_takes_its_group_along() {
    run(async {
        let mut command = shell("sleep 60 & echo $!; wait");
        let mut child = command.stdout(Stdio::piped()).process_group(0).kill_on_drop(true).spawn().unwrap();
        let (leader, grandchild) = (child.id(), line(&mut child).await.trim().parse().unwrap());
        assert!(runs(leader) && runs(grandchild));
        drop(child);
        while runs(leader) || runs(grandchild) {
            yield_now().await;
        }
        while Path::new(&format!("/proc/{leader}")).exists() {
            yield_now().await;
        }
    });
}

#[test]
fn a_future_that_is_dropped_lets_its_child_go_on_unless_that_was_said() {
    run(async {
        let (hold, held) = io::pipe().unwrap();
        let (mut said, say) = io::pipe().unwrap();
        {
            let mut command = Command::new("cat");
            let mut running =
                Box::pin(command.stdin(OwnedFd::from(hold)).stdout(OwnedFd::from(say)).status());
            assert!(poll_once(&mut running).await.is_none());
        }
        (&held).write_all(b"still here").unwrap();
        drop(held);
        let mut all = String::new();
        said.read_to_string(&mut all).unwrap();
        assert_eq!(all, "still here");

        let (mut said, say) = io::pipe().unwrap();
        let mut command = Command::new("sleep");
        let mut running = Box::pin(command.arg("60").stdout(OwnedFd::from(say)).kill_on_drop(true).output());
        drop(command);
        assert!(poll_once(&mut running).await.is_none());
        drop(running);
        // To the end, as a single read is not taken up again when a signal has come.
        assert_eq!(said.read_to_end(&mut Vec::new()).unwrap(), 0, "nobody has it any more");
    });
}

#[test]
fn a_program_is_looked_for_in_the_childs_path_and_run_in_its_directory() {
    let folder = Folder::new();
    let tool = folder.path("tool-of-this-story");
    fs::write(&tool, "#!/bin/sh\npwd; echo \"$0 $1\"\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let here = tool.parent().unwrap().canonicalize().unwrap();
    run(async {
        let missing = Command::new("tool-of-this-story").spawn().unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let path = format!("/nowhere:/etc/passwd:{}", here.display());
        let said =
            says(Command::new("tool-of-this-story").arg("x").env("PATH", &path).current_dir(&here)).await;
        assert_eq!(said, format!("{0}\n{0}/tool-of-this-story x\n", here.display()));
        let said = says(Command::new("./tool-of-this-story").current_dir(&here)).await;
        assert_eq!(said, format!("{}\n./tool-of-this-story \n", here.display()));
        // An empty entry is where the child runs; without any, the usual places are looked at.
        let said = says(Command::new("tool-of-this-story").env("PATH", "").current_dir(&here)).await;
        assert!(said.ends_with("/tool-of-this-story \n") || said.contains("tool-of-this-story"), "{said}");
        assert_eq!(says(Command::new("env").env_clear().env("ONLY", "1")).await, "ONLY=1\n");
        // One that may not be run does not hide one further on, and is told of if there is none.
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Command::new("tool-of-this-story").env("PATH", &path).spawn().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn why_a_program_cannot_be_started_is_said_with_its_name() {
    let folder = Folder::new();
    let text = folder.path("text");
    fs::write(&text, "no program\n").unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    run(async {
        let error = Command::new("no-such-program").output().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let said = error.to_string();
        assert!(said.starts_with("cannot start `no-such-program`: it cannot be executed: "), "{said}");
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.raw_os_error(), Some(libc::ENOENT));

        let error = Command::new("true").current_dir("/no/such/folder").status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`true`: it cannot run in `/no/such/folder`"), "{error}");

        let error = Command::new(&*text).spawn().unwrap_err();
        assert!(error.to_string().contains("it cannot be executed"), "{error}");
        let error = Command::new("true").process_group(1 << 30).spawn().unwrap_err();
        assert!(error.to_string().contains("cannot join the process group"), "{error}");
        let error = Command::new("true").env("A", "b\0c").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(Command::new("true\0").spawn().unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(Command::new("").spawn().unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn standard_descriptors_are_what_was_said_and_other_descriptors_only_those_given() {
    let folder = Folder::new();
    let file = folder.path("file");
    run(async {
        let strays: Vec<OwnedFd> = (0..20).map(|_| inheritable()).collect();
        let mut command = shell("ls -l /proc/self/fd | sed -n 's/.* \\([0-9]* -> .*\\)/\\1/p' >&2; cat");
        let given = command.descriptor(inheritable());
        let input = fs::File::open("/etc/passwd").unwrap();
        let output = command
            .stdin(input)
            .stdout(fs::File::create(&file).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .await
            .unwrap();
        assert_eq!(output.stdout, b"", "it is no pipe of ours");
        assert_eq!(fs::read(&file).unwrap(), fs::read("/etc/passwd").unwrap());
        let listed = String::from_utf8(output.stderr).unwrap();
        let numbers: Vec<i32> =
            listed.lines().filter(|line| !line.contains("/proc/")).map(number_of).collect();
        // In the pipeline of a shell, with nothing of it but what it has got from us.
        assert!(numbers.contains(&given), "{listed}");
        assert!(strays.iter().all(|stray| !numbers.contains(&stray.as_raw_fd())), "{listed}");
        let mut null = shell("readlink /proc/self/fd/0 /proc/self/fd/2");
        assert_eq!(says(null.stderr(Stdio::null())).await, "/dev/null\n/dev/null\n");
    });
}

fn number_of(line: &str) -> i32 {
    line.split_whitespace().next().unwrap().parse().unwrap()
}

const STORY: &str = "STORY_OF_A_COMMAND";

/// Signals and standard descriptors are the process's: each such story is told by a process of its own.
fn told_by_a_child(story: &str) -> bool {
    if env::var_os(STORY).is_some() {
        return true;
    }
    let told = std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", story])
        .env(STORY, "1")
        .output()
        .unwrap();
    assert!(told.status.success(), "{told:?}");
    false
}

#[test]
fn a_child_ignores_what_its_parent_was_told_to_ignore_and_blocks_nothing() {
    if !told_by_a_child("a_child_ignores_what_its_parent_was_told_to_ignore_and_blocks_nothing") {
        return;
    }
    // As under `nohup`; Rust programs ignore SIGPIPE from the start, and that is theirs alone.
    runtime_io::host::ignore_signal(SignalKind::hangup()).unwrap();
    support::sys::block(libc::SIGUSR1);
    run(async {
        let _listening = runtime_io::signal::signal(SignalKind::user_defined2()).unwrap();
        let said = says(Command::new("cat").arg("/proc/self/status")).await;
        let masks: Vec<u64> = said
            .lines()
            .filter(|line| ["SigBlk", "SigIgn", "SigCgt"].iter().any(|name| line.starts_with(name)))
            .map(|line| u64::from_str_radix(line.split_once(":\t").unwrap().1, 16).unwrap())
            .collect();
        // Two numbers are the C library's own, and nobody can change what they do.
        let others = !(0b11 << 31);
        let hangup = 1 << (libc::SIGHUP - 1);
        assert_eq!(masks.iter().map(|mask| mask & others).collect::<Vec<_>>(), [0, hangup, 0], "{said}");
    });
}

#[test]
fn pipes_arrive_also_where_the_standard_descriptors_are_closed() {
    if !told_by_a_child("pipes_arrive_also_where_the_standard_descriptors_are_closed") {
        return;
    }
    run(async {
        // Standard input and output: pipes made from now on get their numbers.
        [0, 1].into_iter().for_each(support::sys::close_standard);
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"through").await.unwrap();
        assert_eq!(child.wait_with_output().await.unwrap().stdout, b"through");
        let output = shell("echo out; echo errors >&2").output().await.unwrap();
        assert_eq!((&*output.stdout, &*output.stderr), (&b"out\n"[..], &b"errors\n"[..]));
    });
    // The harness would write its report to a number that is somebody else's by now.
    std::process::exit(0);
}

#[test]
fn a_child_of_another_user_has_none_of_our_rights() {
    if fs::read("/etc/shadow").is_err() {
        return; // Only the superuser can become somebody else.
    }
    if env::var_os(STORY).is_none() {
        // Told by a process that has groups to give up.
        let story = ["--exact", "a_child_of_another_user_has_none_of_our_rights"];
        let mut told = Command::new(env::current_exe().unwrap());
        let told = run(told.args(story).env(STORY, "1").groups(&[0, 1234]).output()).unwrap();
        assert!(told.status.success(), "{told:?}");
        return;
    }
    run(async {
        assert!(says(Command::new("id").arg("-G")).await.contains("1234"));
        let said = says(shell("id -u; id -g; id -G").uid(65534).gid(65534)).await;
        assert_eq!(said, "65534\n65534\n65534\n");
        let said = says(shell("id -u; id -G").uid(65534).gid(65534).groups(&[65534, 4321])).await;
        assert_eq!(said, "65534\n65534 4321\n");
        let refused = Command::new("cat").arg("/etc/shadow").uid(65534).gid(65534).output().await.unwrap();
        assert!(!refused.status.success() && refused.stdout.is_empty());
        let missing = Command::new("/no/such/program").uid(65534).spawn().unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound, "told by a child that was forked, too");
    });
}
