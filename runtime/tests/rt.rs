//! The `rt` command and processes that it asks: one whose loop turns, one whose loop is stuck, one that is not there.
#![cfg(all(unix, not(miri)))]

use runtime::{spawn_blocking, sync::Lock, task};
use std::{
    env,
    fs::{self, Permissions},
    future::pending,
    io::{BufRead, BufReader, Read},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    rc::Rc,
};

/// What the child processes do: two tasks and a lock, then "ready", then nothing until their standard input ends.
#[test]
#[ignore = "a process for the other tests to ask"]
fn child() {
    let Ok(mode) = env::var("RT_CHILD") else { return };
    let until_the_end = || std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    runtime::run(async move {
        let lock = Rc::new(Lock::new(()));
        let held = lock.clone();
        let holding = async move {
            let _guard = held.acquire().await;
            pending::<()>().await;
        };
        task::Builder::new().name("holder").spawn(holding).detach();
        task::Builder::new().name("waiter").spawn(async move { drop(lock.acquire().await) }).detach();
        if mode == "stuck" {
            let stuck = async move {
                println!("ready");
                until_the_end()
            };
            task::Builder::new().name("blocker").spawn(stuck).await.unwrap();
        } else {
            let job = spawn_blocking(until_the_end);
            // Each task has its turn before anybody asks.
            task::yield_now().await;
            task::yield_now().await;
            println!("ready");
            job.await.unwrap();
        }
    });
}

/// A child process, and a directory of its own for sockets.
struct Story {
    sockets: PathBuf,
    child: Child,
    /// Kept open: the harness in there says more at the end.
    _stdout: BufReader<ChildStdout>,
}

impl Story {
    fn begin(mode: &str) -> Self {
        Self::begin_as(mode, mode, None)
    }

    /// The same under a name of its own, and run by that user, which takes root.
    fn begin_as(name: &str, mode: &str, user: Option<u32>) -> Self {
        let sockets = env::temp_dir().join(format!("rt-story-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&sockets);
        fs::create_dir(&sockets).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        if let Some(user) = user {
            chown(&sockets, Some(user), Some(user)).unwrap();
            command = Command::new(for_everybody(&sockets, &env::current_exe().unwrap()));
            command.uid(user).gid(user);
        }
        let mut child = command
            .args(["--ignored", "--exact", "child", "--nocapture"])
            .envs([("RT_CHILD", mode), ("RUNTIME_INSPECT", "1")])
            .env("XDG_RUNTIME_DIR", &sockets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        assert!(stdout.by_ref().lines().any(|line| line.unwrap().contains("ready")), "the child got so far");
        Self { sockets, child, _stdout: stdout }
    }

    fn rt(&self, arguments: &[&str]) -> Output {
        let mut rt = Command::new(env!("CARGO_BIN_EXE_rt"));
        rt.args(arguments).env("XDG_RUNTIME_DIR", &self.sockets).output().unwrap()
    }

    /// What `rt ps` says to somebody else: whether it has an answer, and what its complaint is. Takes root.
    fn ask_as(&self, user: u32) -> (bool, String) {
        let mut rt = Command::new(for_everybody(&self.sockets, Path::new(env!("CARGO_BIN_EXE_rt"))));
        rt.args(["ps", &self.child.id().to_string()]).env("XDG_RUNTIME_DIR", &self.sockets);
        let output = rt.uid(user).gid(user).output().unwrap();
        assert_eq!(output.status.success(), !output.stdout.is_empty());
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }

    /// What the child's loop says of itself. On a machine that is busy enough it is late once.
    fn ask_loop(&self, question: &str) -> String {
        let mut answers = (0..40).map(|_| self.ask(question));
        answers.find(|answer| !answer.contains("does not answer")).expect("an answer of its own")
    }

    /// What `rt` says about the child.
    fn ask(&self, question: &str) -> String {
        let output = self.rt(&[question, &self.child.id().to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Lets the child end, and gives what it wrote to standard error.
    fn end(mut self) -> (ExitStatus, String) {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        let left: Vec<_> = fs::read_dir(self.sockets.join("rt-inspect")).unwrap().collect();
        assert!(left.is_empty(), "it took its socket away: {left:?}");
        fs::remove_dir_all(&self.sockets).unwrap();
        (status, said)
    }
}

#[test]
fn a_process_tells_of_its_tasks_and_of_who_has_what_they_wait_for() {
    let story = Story::begin("healthy");
    let ps = story.ask_loop("ps");
    let lines: Vec<&str> = ps.lines().collect();
    assert_eq!(lines[0], "runtime on thread 'child'");
    assert!(lines[1].starts_with("TASK  STATE    FOR"), "{ps}");
    assert!(lines[2].starts_with("0     waiting  ") && lines[2].contains("(main)"), "{ps}");
    assert!(lines[3].starts_with("1     waiting  ") && lines[3].contains("holder"), "{ps}");
    assert!(lines[4].contains("waiter  the Lock created at ") && lines[4].contains("held by task 1"), "{ps}");
    assert!(lines[5].ends_with("its job on the blocking pool"), "{ps}");
    assert_eq!(lines.len(), 6);

    let tree = story.ask_loop("tree");
    assert!(tree.contains("\n3 tasks, 0 ready\nmain task has waited "), "{tree}");
    assert!(tree.contains("\n├─ task 2 'waiter' (spawned at "), "{tree}");

    let locks = story.ask_loop("locks");
    let lines: Vec<&str> = locks.lines().collect();
    let lock = lines.iter().position(|line| line.starts_with("Lock created at ")).expect("the lock");
    assert!(lines[lock + 1].starts_with("    held by task 1 since "), "{locks}");
    assert!(lines[lock + 2].starts_with("    waited for by task 2 at "), "{locks}");

    let stats = story.ask_loop("stats");
    assert!(stats.contains("\ntasks    3 alive, 0 ready, 3 spawned\n"), "{stats}");
    assert!(stats.contains("\njobs     1 running, 0 queued, 1 threads\n"), "{stats}");

    let list = story.rt(&["list"]);
    assert_eq!(String::from_utf8_lossy(&list.stdout), format!("{}\n", story.child.id()));
    let (status, _) = story.end();
    assert!(status.success());
}

#[test]
fn a_process_that_is_stuck_is_answered_for() {
    let story = Story::begin("stuck");
    let ps = story.ask("ps");
    assert!(
        ps.starts_with("runtime on thread 'child'\ndoes not answer: for 250 ms its thread has been "),
        "{ps}"
    );
    if cfg!(target_os = "linux") {
        assert!(ps.contains(" in the poll of task 3 'blocker' (spawned at "), "{ps}");
        assert_eq!(cfg!(feature = "stacks"), ps.contains("\n    in "), "{ps}");
    }
    let (status, _) = story.end();
    assert!(status.success(), "it was not harmed");
}

#[test]
fn sigquit_shows_the_tasks_and_the_process_goes_on() {
    let story = Story::begin("quit");
    let sent = Command::new("kill").args(["-QUIT", &story.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    // An answer after the signal: the process lives.
    assert!(story.ask_loop("tree").contains("'waiter'"));
    let (status, said) = story.end();
    assert!(status.success());
    assert!(
        said.contains("runtime: SIGQUIT\nruntime on thread 'child'\n3 tasks, 0 ready\nmain task has waited "),
        "{said}"
    );
}

/// A copy of that program which every user may run.
fn for_everybody(folder: &Path, program: &Path) -> PathBuf {
    let copy = folder.join(program.file_name().unwrap());
    // `fs::copy` would not repeat what a signal interrupts.
    fs::write(&copy, fs::read(program).unwrap()).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    copy
}

/// Whether this test may become somebody else; says so if not.
fn is_root() -> bool {
    let is_root = own_user() == 0;
    if !is_root {
        println!("skipped: to become another user takes root");
    }
    is_root
}

/// Who runs this process.
fn own_user() -> u32 {
    let own = env::temp_dir().join(format!("rt-story-user-{}", std::process::id()));
    fs::write(&own, "").unwrap();
    let user = fs::metadata(&own).unwrap().uid();
    fs::remove_file(&own).unwrap();
    user
}

/// `nobody`, on most systems.
const STRANGER: u32 = 65_534;

#[test]
fn a_stranger_gets_no_answer_even_where_the_directory_was_opened() {
    if !is_root() {
        return;
    }
    let story = Story::begin_as("guarded", "turning", None);
    let (is_answered, said) = story.ask_as(STRANGER);
    assert!(!is_answered && said.contains("Permission denied"), "{said}");
    let directory = story.sockets.join("rt-inspect");
    let socket = directory.join(format!("{}.sock", story.child.id()));
    for place in [&directory, &socket] {
        fs::set_permissions(place, Permissions::from_mode(0o777)).unwrap();
    }
    let (is_answered, said) = story.ask_as(STRANGER);
    assert!(!is_answered && said.contains("it answers nobody but its own user"), "{said}");
    assert!(story.ask("ps").contains("holder"), "its own user is answered still");
    assert!(story.end().0.success());
}

#[test]
fn a_socket_of_somebody_elses_is_not_believed() {
    if !is_root() {
        return;
    }
    let story = Story::begin_as("foreign", "turning", Some(STRANGER));
    assert_eq!(story.ask_as(STRANGER), (true, String::new()));
    let output = story.rt(&["ps", &story.child.id().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("its socket is somebody else's"), "{said}");
    assert!(story.end().0.success());
}

#[test]
fn a_process_that_cannot_be_asked_and_a_question_that_is_none_are_failures_that_say_why() {
    let sockets = env::temp_dir().join(format!("rt-story-nobody-{}", std::process::id()));
    let rt = |arguments: &[&str]| {
        let mut rt = Command::new(env!("CARGO_BIN_EXE_rt"));
        let output = rt.args(arguments).env("XDG_RUNTIME_DIR", &sockets).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = rt(&["ps", &std::process::id().to_string()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("was it started with RUNTIME_INSPECT=1"), "{said}");
    assert!(rt(&["ps", "init"]).1.contains("init is not the number of a process"));
    assert!(rt(&["threads", "1"]).1.starts_with("usage: rt ps | tree | locks | stats PID"));
    assert_eq!(rt(&["list"]), (Some(0), String::new()), "nobody is there");
}
