//! Where clusters are started: by systemd, in a container, as root, where memory is scarce. What cannot be had here is
//! skipped, aloud.

use super::{
    deaths::leave_one_that_hangs,
    load::ask,
    protocol::{Command, Request},
    under_test::{UnderTest, plainly, send, until},
};
use nix::{sys::signal::Signal, unistd::geteuid};
use runtime::net::TcpStream;
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{self, Stdio},
};

async fn echo(cluster: &UnderTest) {
    let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
    ask(&stream, Request { id: 1, command: Command::Echo, argument: 1 }).await.expect("it replies");
}

/// As systemd hands over a socket. It outlives the whole cluster.
pub(crate) fn socket_unit() {
    runtime::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address: SocketAddr = listener.local_addr().expect("it has an address");
        let socket = OwnedFd::from(listener.try_clone().expect("there are descriptors"));
        let with_socket = |program| {
            let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\"";
            let mut shell = process::Command::new("/bin/sh");
            shell.args(["-c", script]).arg(program).stdin(Stdio::from(socket));
            shell
        };
        let cluster = UnderTest::start_by("unit", &format!("bind={address}"), with_socket).await;
        assert_eq!(cluster.address, address);
        let workers = cluster.until_serving(2).await;
        echo(&cluster).await;
        send(workers[0], Signal::SIGKILL);
        until("it is gone", || (!cluster.workers().contains(&workers[0])).then_some(())).await;
        cluster.until_serving(2).await;
        echo(&cluster).await;
        assert!(cluster.stop().await.success());
        TcpStream::connect(address).await.expect("the socket is there, and its queue");
    });
}

/// Process 1 of a container is everybody's parent.
pub(crate) fn process_1() {
    let unshare = |program: &Path| {
        let mut unshare = process::Command::new("unshare");
        unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(program).stdin(Stdio::null());
        unshare
    };
    let can = unshare(Path::new("true")).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !can {
        return println!("SKIPPED: no namespace of processes is to be had");
    }
    runtime::run(async {
        let mut cluster = UnderTest::start_by("process-1", "", |program| unshare(&program)).await;
        cluster.is_behind_another().await;
        // The numbers in the journals are those of the namespace.
        until("two serve", || (cluster.log().matches("is ready").count() == 2).then_some(())).await;
        let workers = cluster.workers();
        for round in 0..3 {
            let orphan = cluster.folder.join("orphan");
            let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
            let request = Request { id: round, command: Command::Orphan, argument: 0 };
            ask(&stream, request).await.expect("it replies");
            until("the orphan has ended", || orphan.exists().then_some(())).await;
            fs::remove_file(orphan).expect("it is there");
        }
        until("all orphans are reaped", || {
            (cluster.zombies() == 0 && cluster.workers() == workers).then_some(())
        })
        .await;
        send(workers[0], Signal::SIGKILL);
        until("it is replaced", || (cluster.log().matches("is ready").count() == 3).then_some(())).await;
        cluster.signal(Signal::SIGTERM);
        assert!(cluster.ended().await.success(), "{}", cluster.log());
    });
}

/// A group of processes that may have 256 MiB.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn new() -> Option<Self> {
        let name = format!("cluster-{}", process::id());
        let candidates =
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        candidates.iter().find_map(|(tree, limit)| {
            let folder = Path::new(tree).join(&name);
            fs::create_dir(&folder).ok()?;
            let group = Self(folder);
            fs::write(group.0.join(limit), "268435456").ok()?;
            let _ = fs::write(group.0.join("memory.swap.max"), "0");
            Some(group)
        })
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

pub(crate) fn out_of_memory() {
    let Some(group) = MemoryGroup::new() else {
        return println!("SKIPPED: no memory cgroup can be made");
    };
    runtime::run(async {
        let in_group = |program| {
            let mut shell = process::Command::new("/bin/sh");
            let script = "echo $$ > \"$1/cgroup.procs\" && exec \"$0\"";
            shell.args(["-c", script]).arg(program).arg(&group.0).stdin(Stdio::null());
            shell
        };
        let cluster = UnderTest::start_by("memory", "restarts=1000 back_off_ms=0", in_group).await;
        let before = cluster.until_serving(2).await;
        let stream = TcpStream::connect(cluster.address).await.expect("somebody listens");
        let request = Request { id: 1, command: Command::Devour, argument: 0 };
        assert!(ask(&stream, request).await.is_err(), "who is killed does not reply");
        until("the reason is told", || cluster.log().contains("memory ran out").then_some(())).await;
        let after = cluster.until_serving(2).await;
        assert!(before.iter().any(|worker| after.contains(worker)), "only the glutton is killed");
        echo(&cluster).await;
        assert!(cluster.stop().await.success());
    });
    drop(group);
}

/// Root's supervisor has workers that are nobody, for good.
pub(crate) fn privileges() {
    if !geteuid().is_root() {
        return println!("SKIPPED: only root has privileges to drop");
    }
    runtime::run(async {
        let settings = "identity=65534 listen=127.0.0.1:0 beat_ms=1000";
        let mut cluster = UnderTest::begin("privileges", settings, plainly);
        cluster.may_be_written_by_all();
        cluster.until_listening().await;
        for worker in cluster.until_serving(2).await {
            let status = fs::read_to_string(format!("/proc/{worker}/status")).expect("it lives");
            let field = |name: &str| -> Vec<&str> {
                let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.expect("it is there").split_whitespace().collect()
            };
            assert_eq!(field("Uid"), ["65534"; 4]);
            assert_eq!(field("Gid"), ["65534"; 4]);
            assert!(field("Groups").iter().all(|&group| group == "65534"), "{:?}", field("Groups"));
            for capabilities in ["CapEff", "CapPrm"] {
                assert_eq!(field(capabilities), ["0000000000000000"]);
            }
            assert_eq!(field("NoNewPrivs"), ["1"]);
        }
        echo(&cluster).await;
        assert!(cluster.stop().await.success());
    });
}

/// Whoever becomes somebody else loses the system's promise to tell of a dead parent, and asks for it anew.
pub(crate) fn hanging_orphan() {
    if !geteuid().is_root() {
        return println!("SKIPPED: only root has privileges to drop");
    }
    runtime::run(async {
        let settings = "identity=65534 listen=127.0.0.1:0 grace_ms=2000";
        let mut cluster = UnderTest::begin("hanging-nobody", settings, plainly);
        cluster.may_be_written_by_all();
        cluster.until_listening().await;
        leave_one_that_hangs(cluster).await;
    });
}

/// Without the privilege to give up privileges nobody serves, and nobody tries again.
pub(crate) fn no_privileges() {
    runtime::run(async {
        let as_nobody = |program: PathBuf| {
            if !geteuid().is_root() {
                return plainly(program);
            }
            let mut setpriv = process::Command::new("setpriv");
            setpriv
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(program)
                .stdin(Stdio::null());
            setpriv
        };
        let mut cluster = UnderTest::begin("no-privileges", "identity=65533 listen=127.0.0.1:0", as_nobody);
        assert_eq!(cluster.ended().await.code(), Some(78), "{}", cluster.log());
        let log = cluster.log();
        let failures = log.matches("could not be set up").count();
        assert!((1..=2).contains(&failures), "once per worker at most:\n{log}");
        assert!(!log.contains("is ready"), "nobody serves with what it was to give up:\n{log}");
    });
}

impl UnderTest {
    /// Workers that are nobody write their journals too.
    fn may_be_written_by_all(&self) {
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o777)).expect("it is ours");
    }
}
