//! A cluster as seen from outside: a supervisor's process, its children, their descriptors.

use super::{journal, ledger::Kill, server};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use runtime::time::{Instant, sleep};
use std::{
    collections::HashSet,
    env, fs,
    fs::File,
    io,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// What a story waits for at most; each of these things takes milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

pub(crate) struct UnderTest {
    /// What was started: the supervisor, or what has started it.
    started: Child,
    supervisor: Pid,
    pub(crate) folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl UnderTest {
    /// Starts a cluster with these settings (see `server.rs`), and waits until a worker listens.
    pub(crate) async fn start(story: &str, settings: &str) -> Self {
        Self::start_by(story, settings, plainly).await
    }

    /// Starts it by another command than the program itself.
    pub(crate) async fn start_by(
        story: &str,
        settings: &str,
        command: impl FnOnce(PathBuf) -> Command,
    ) -> Self {
        let mut cluster = Self::begin(story, settings, command);
        cluster.until_listening().await;
        cluster
    }

    pub(crate) async fn until_listening(&mut self) {
        let path = self.folder.join(server::ADDRESS);
        let address = until("a worker listens", || {
            if let Some(status) = self.started.try_wait().expect("our own child") {
                panic!("it has ended, with {status}: {}", self.log());
            }
            fs::read_to_string(&path).ok()?.parse().ok()
        });
        self.address = address.await;
    }

    /// Starts a cluster that may never listen.
    pub(crate) fn begin(story: &str, settings: &str, command: impl FnOnce(PathBuf) -> Command) -> Self {
        let folder = env::temp_dir().join(format!("cluster-{story}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for the journals");
        let log = File::create(folder.join("log")).expect("a log");
        // A copy, so that a story can replace it; a second name for the same file where that can be had.
        let program = folder.join("program");
        let this = env::current_exe().expect("a program has a path");
        fs::hard_link(&this, &program)
            .or_else(|_| fs::copy(&this, &program).map(drop))
            .expect("a copy of this program");
        let mut command = command(program);
        let started = command
            .env(server::FOLDER, &folder)
            .env(server::SETTINGS, settings)
            // Under the sanitizer a worker dies as it would without.
            .env("ASAN_OPTIONS", "handle_segv=0:detect_leaks=0")
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("the supervisor starts");
        Self { supervisor: pid(started.id()), started, folder, address: SocketAddr::from(([0; 4], 0)) }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("program")
    }

    pub(crate) fn supervisor(&self) -> Pid {
        self.supervisor
    }

    /// What was started runs the supervisor as its child.
    pub(crate) async fn is_behind_another(&mut self) {
        let started = self.supervisor;
        self.supervisor = until("there is a child", || Some(children(started).first()?.pid)).await;
    }

    /// The supervisor's children, zombies left out.
    pub(crate) fn workers(&self) -> Vec<Pid> {
        children(self.supervisor())
            .into_iter()
            .filter(|child| child.state != 'Z')
            .map(|child| child.pid)
            .collect()
    }

    /// Waits until there are so many workers, and all of them have begun to accept.
    pub(crate) async fn until_serving(&self, count: usize) -> Vec<Pid> {
        until(&format!("{count} workers serve"), || {
            let workers = self.workers();
            let records = journal::read_all(&self.folder).ok()?;
            let is_ready = |worker: &Pid| {
                records.iter().any(|(pid, record)| {
                    *pid == worker.as_raw() as u32 && matches!(record, journal::Record::Ready(_))
                })
            };
            (workers.len() == count && workers.iter().all(is_ready)).then_some(workers)
        })
        .await
    }

    /// Waits until none of these workers is left.
    pub(crate) async fn until_gone(&self, former: &[Pid]) {
        until("the former workers are gone", || {
            self.workers().iter().all(|worker| !former.contains(worker)).then_some(())
        })
        .await;
    }

    pub(crate) fn zombies(&self) -> usize {
        children(self.supervisor()).into_iter().filter(|child| child.state == 'Z').count()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.supervisor())).map(Iterator::count).unwrap_or(0)
    }

    /// Kills a worker, wherever it is, and notes first what it has in its hands: nothing more comes to one that is stopped.
    pub(crate) async fn kill(&self, worker: Pid) -> Kill {
        send(worker, Signal::SIGSTOP);
        until("it is stopped or gone", || {
            state(worker).is_none_or(|state| matches!(state, 'T' | 'Z')).then_some(())
        })
        .await;
        let held = clients(worker, self.address.port());
        // What it writes first.
        let was_ready =
            fs::metadata(self.folder.join(worker.to_string())).is_ok_and(|journal| journal.len() > 0);
        let at = journal::now();
        send(worker, Signal::SIGKILL);
        // Until then it seems to serve.
        until("it is gone", || state(worker).is_none_or(|state| state == 'Z').then_some(())).await;
        Kill { at, held, was_ready }
    }

    /// What the cluster has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.supervisor(), signal).expect("the supervisor is there");
    }

    /// Waits for the supervisor's end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until("the supervisor has ended", || self.started.try_wait().expect("our own child")).await
    }

    /// Asks the cluster to stop, gracefully, and waits until it has.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended().await
    }

    pub(crate) fn journal(&self) -> Vec<(u32, journal::Record)> {
        journal::read_all(&self.folder).expect("the journals can be read")
    }
}

impl Drop for UnderTest {
    /// Whatever the story left: only processes that it started, by number, while we are still their forebear.
    fn drop(&mut self) {
        let workers = self.workers();
        if let Ok(None) = self.started.try_wait() {
            let _ = self.started.kill();
            let _ = self.started.wait();
            for worker in workers {
                let _ = kill(worker, Signal::SIGKILL);
            }
        }
        if std::thread::panicking() {
            eprintln!("--- what the cluster said:\n{}---", self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The ports of the clients whose connections to `port` this process holds, by proc(5).
fn clients(process: Pid, port: u16) -> Vec<u16> {
    let Ok(entries) = fs::read_dir(format!("/proc/{process}/fd")) else { return Vec::new() };
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let held: HashSet<String> = targets.filter_map(|target| target.to_str().map(str::to_owned)).collect();
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port_of = |field: &str| u16::from_str_radix(field.split_once(':')?.1, 16).ok();
        let is_held = held.contains(&format!("socket:[{}]", fields.get(9)?));
        (is_held && port_of(fields[1])? == port).then(|| port_of(fields[2])).flatten()
    };
    table.lines().filter_map(of_line).collect()
}

/// The program by itself.
pub(crate) fn plainly(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// How long its threads have run so far, by schedstat.
pub(crate) fn cpu_time(process: Pid) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it lives");
    let of_thread = |thread: fs::DirEntry| -> Option<u64> {
        fs::read_to_string(thread.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(threads.filter_map(|thread| of_thread(thread.ok()?)).sum())
}

/// How often its threads have waited so far.
pub(crate) fn switches(process: Pid) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it lives");
    let of_thread = |thread: fs::DirEntry| -> Option<u64> {
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
    };
    threads.filter_map(|thread| of_thread(thread.ok()?)).sum()
}

/// The state of a process, as proc(5) has it.
pub(crate) fn state(pid: Pid) -> Option<char> {
    process(Path::new(&format!("/proc/{pid}"))).ok().flatten().map(|process| process.state)
}

/// Looks again and again until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        sleep(LOOK_AGAIN).await;
    }
}

/// Sends a signal to a process that may have ended already.
pub(crate) fn send(pid: Pid, signal: Signal) -> bool {
    match kill(pid, signal) {
        Ok(()) => true,
        Err(Errno::ESRCH) => false,
        Err(error) => panic!("{signal} to {pid}: {error}"),
    }
}

struct Process {
    pid: Pid,
    parent: Pid,
    state: char,
}

fn children(parent: Pid) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| process(&entry.ok()?.path()).ok().flatten())
        .filter(|process| process.parent == parent)
        .collect()
}

/// None: not the folder of a process, or one that has just gone.
fn process(folder: &Path) -> io::Result<Option<Process>> {
    let Some(number) = folder.file_name().and_then(|name| name.to_str()?.parse().ok()) else {
        return Ok(None);
    };
    let stat = fs::read_to_string(folder.join("stat"))?;
    // The name stands in brackets, and may have spaces and brackets of its own.
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let state = fields.next().and_then(|state| state.chars().next());
    let parent = fields.next().and_then(|parent| parent.parse().ok());
    Ok(state.zip(parent).map(|(state, parent)| Process {
        pid: pid(number),
        parent: Pid::from_raw(parent),
        state,
    }))
}

pub(crate) fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("a process number"))
}
