//! What a process can learn from the machine it runs on, and settle with it: memory shared with other processes, and who
//! it is to them.

mod identity;

pub use identity::{Identity, drop_privileges};

use crate::{
    signal::SignalKind,
    sys::{child, limits, machine, mapping::Mapping, signal},
};
use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::parent_id,
    },
    path::Path,
    process,
    sync::atomic::AtomicU64,
    time::Duration,
};

/// The processors that this thread may use, by their numbers, lowest first. A quota of time (cgroups) is not in this:
/// [`std::thread::available_parallelism`] counts it in. Elsewhere than on Linux: as many numbers as there are processors.
///
/// # Errors
/// What the system says.
///
/// ```
/// assert!(!runtime_io::host::allowed_cores()?.is_empty());
/// # std::io::Result::Ok(())
/// ```
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    machine::allowed_cores()
}

/// Keeps this thread, and those that it starts, on one processor.
///
/// # Errors
/// `EINVAL` or `InvalidInput` if there is no such processor or the thread may not use it; `Unsupported` elsewhere than on
/// Linux.
///
/// ```
/// use runtime_io::host;
/// # if cfg!(target_os = "linux") {
/// let last = *host::allowed_cores()?.last().unwrap();
/// host::pin(last)?;
/// assert_eq!(host::allowed_cores()?, [last]);
/// # }
/// # std::io::Result::Ok(())
/// ```
pub fn pin(core: usize) -> io::Result<()> {
    machine::pin(core)
}

/// Has this process not notice a signal, until it is listened to. Programs started by
/// [`process::Launch`](crate::process::Launch) notice it all the same; others inherit this.
///
/// # Errors
/// `EINVAL` or `InvalidInput` for what is no signal, or cannot be ignored.
///
/// ```
/// use runtime_io::{host, signal::SignalKind};
/// host::ignore_signal(SignalKind::hangup())?;
/// assert!(host::ignore_signal(SignalKind::kill()).is_err());
/// # std::io::Result::Ok(())
/// ```
pub fn ignore_signal(kind: SignalKind) -> io::Result<()> {
    signal::ignore(kind.as_raw_value())
}

/// How many descriptors this process may open, all in all; `None` if there is no limit.
///
/// ```
/// assert!(runtime_io::host::descriptor_limit() > Some(10));
/// ```
pub fn descriptor_limit() -> Option<usize> {
    limits::descriptors()
}

/// Raises the [limit of descriptors](descriptor_limit) as far as this process may raise it. Not for a process with code that
/// uses `select`, which goes wrong from 1024 on: so this is done for programs that have none, and never of itself.
///
/// # Errors
/// What the system says; macOS for one has a second limit that is not told.
///
/// ```
/// let before = runtime_io::host::descriptor_limit();
/// runtime_io::host::raise_descriptor_limit()?;
/// assert!(runtime_io::host::descriptor_limit().is_none_or(|now| Some(now) >= before));
/// # std::io::Result::Ok(())
/// ```
pub fn raise_descriptor_limit() -> io::Result<()> {
    limits::raise_descriptors()
}

/// Has the system send this process a signal when the thread that started it ends, and so when its parent dies
/// (`PR_SET_PDEATHSIG`). A change of user or group makes it void, so this comes after. It does not exist elsewhere than on
/// Linux: a second line behind a pipe that closes when the parent dies.
///
/// # Errors
/// `ESRCH` if `parent` is not this process' parent any more: it died before this was called, and nobody will tell.
///
/// ```
/// use runtime_io::{host, signal::SignalKind};
/// host::parent_death_signal(SignalKind::kill(), std::os::unix::process::parent_id())?;
/// # std::io::Result::Ok(())
/// ```
pub fn parent_death_signal(kind: SignalKind, parent: u32) -> io::Result<()> {
    child::parent_death_signal(kind.as_raw_value(), parent)
}

/// Has this process end even if its thread hangs when its parent dies. Who listens to the SIGTERM of
/// [`parent_death_signal`] does not hear it in a thread that never turns again. Therefore, when SIGTERM comes to a process
/// that listens to it ([`signal`](crate::signal::signal())) and whose parent is not `parent` any more, the system's alarm is
/// set to `within`, rounded up to whole seconds, and one second more. Who has not ended by then is ended by SIGALRM. To
/// one that does not listen, SIGTERM does it at once.
///
/// It is set only once, also if more SIGTERMs come. Forked children do not inherit this. Whoever handles or ignores SIGALRM
/// himself, uses `alarm`, or replaces our handler of SIGTERM gives it up. Elsewhere than on Linux nobody sends the signal
/// when the parent dies.
///
/// # Errors
/// `ESRCH` if `parent` is not this process' parent any more: its signal may have come before this was called.
///
/// ```
/// use runtime_io::{host, signal::SignalKind};
/// use std::{os::unix::process::parent_id, time::Duration};
///
/// let parent = parent_id(); // better: as the parent has told it
/// host::parent_death_signal(SignalKind::terminate(), parent)?;
/// host::end_with_parent(parent, Duration::from_secs(30))?;
/// # std::io::Result::Ok(())
/// ```
pub fn end_with_parent(parent: u32, within: Duration) -> io::Result<()> {
    signal::end_with_parent(parent, alarm_seconds(within));
    if parent_id() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

/// Never 0, which would call an alarm off.
fn alarm_seconds(within: Duration) -> u32 {
    let whole = within.as_secs().saturating_add(u64::from(within.subsec_nanos() > 0));
    u32::try_from(whole.saturating_add(1)).unwrap_or(u32::MAX)
}

/// Ends this process at once, whatever its threads are in: nothing is dropped, flushed or called (`_exit(2)`).
///
/// ```no_run
/// runtime_io::host::exit_now(0)
/// ```
pub fn exit_now(code: i32) -> ! {
    machine::exit_now(code)
}

/// Whether this process is the first of its system or container, to which all processes come whose parents have died: then
/// it has to reap them ([`process::reap_unknown`](crate::process::reap_unknown)), and signals that nobody listens to do
/// nothing.
pub fn is_pid_1() -> bool {
    process::id() == 1
}

/// Has descendants whose parents die become children of this process, which then has to reap them
/// ([`process::reap_unknown`](crate::process::reap_unknown)).
///
/// # Errors
/// `Unsupported` elsewhere than on Linux.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// runtime_io::host::become_subreaper()?;
/// # }
/// # std::io::Result::Ok(())
/// ```
pub fn become_subreaper() -> io::Result<()> {
    machine::become_subreaper()
}

/// Whether other processes of the same user may trace this one and read its memory, and whether it leaves a core when it
/// dies. They may, by default; switch it off before a secret is read. A change of user switches it off, too.
///
/// # Errors
/// `Unsupported` elsewhere than on Linux.
///
/// ```
/// # if cfg!(target_os = "linux") {
/// runtime_io::host::set_dumpable(false)?;
/// # }
/// # std::io::Result::Ok(())
/// ```
pub fn set_dumpable(is_dumpable: bool) -> io::Result<()> {
    machine::set_dumpable(is_dumpable)
}

/// How many processes of this process' control group the system has killed for want of memory. `None` where nothing tells.
/// A child that died by SIGKILL while this went up died of that.
///
/// ```
/// if let Some(kills) = runtime_io::host::oom_kills() {
///     println!("{kills} so far");
/// }
/// ```
pub fn oom_kills() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    oom_kills_in(&groups, Path::new("/sys/fs/cgroup"))
}

/// What the file of our groups (cgroups(7)) and the tree of all of them tell.
fn oom_kills_in(groups: &str, tree: &Path) -> Option<u64> {
    let count_in = |file: &Path| {
        let counts = fs::read_to_string(file).ok()?;
        counts.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    };
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            count_in(&tree.join(path).join("memory.events"))
        } else if controllers.split(',').any(|controller| controller == "memory") {
            count_in(&tree.join("memory").join(path).join("memory.oom_control"))
        } else {
            None
        }
    })
}

/// Cells of memory that this process shares with those to which it gives the descriptor.
///
/// On Linux it is sealed: nobody who gets it can change its length, and so nobody can have it end another's process.
///
/// ```
/// use runtime_io::host::SharedMemory;
/// use std::sync::atomic::Ordering;
///
/// let ours = SharedMemory::create(4)?;
/// let theirs = SharedMemory::from_fd(ours.fd().try_clone_to_owned()?, 4)?; // in another process
/// ours.cells()[3].fetch_add(1, Ordering::Relaxed);
/// assert_eq!(theirs.cells()[3].load(Ordering::Relaxed), 1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct SharedMemory {
    fd: OwnedFd,
    mapping: Mapping,
}

impl SharedMemory {
    /// Makes so many cells, all 0.
    ///
    /// # Errors
    /// `InvalidInput` for no cells, or more than there can be; or if the system has no memory or descriptors left.
    pub fn create(cells: usize) -> io::Result<Self> {
        let (fd, mapping) = Mapping::create(cells, 0)?;
        Ok(Self { fd, mapping })
    }

    /// Takes what another process has made.
    ///
    /// # Errors
    /// `InvalidData` if it is no such memory, could be shortened, or has not exactly so many cells.
    pub fn from_fd(fd: OwnedFd, cells: usize) -> io::Result<Self> {
        let (fd, mapping) = Mapping::open(fd, cells, 0)?;
        Ok(Self { fd, mapping })
    }

    /// The cells.
    #[inline]
    pub fn cells(&self) -> &[AtomicU64] {
        self.mapping.cells()
    }

    /// What to give to others, and the cells, which stay as long as the process lives.
    pub fn into_static(self) -> (OwnedFd, &'static [AtomicU64]) {
        (self.fd, self.mapping.into_static())
    }

    /// What to give to another process.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::{alarm_seconds, oom_kills_in};
    use std::{env, fs, time::Duration};

    #[test]
    fn an_alarm_is_never_early_and_never_off() {
        let seconds =
            [0, 1, 1_000, 1_001].map(|milliseconds| alarm_seconds(Duration::from_millis(milliseconds)));
        assert_eq!(seconds, [1, 2, 2, 3]);
        assert_eq!(alarm_seconds(Duration::MAX), u32::MAX);
    }

    #[test]
    fn kills_for_want_of_memory_are_found_in_both_kinds_of_groups() {
        let tree = env::temp_dir().join(format!("runtime-host-{}", std::process::id()));
        let (new, old) = (tree.join("app/web"), tree.join("memory/app"));
        fs::create_dir_all(&new).unwrap();
        fs::create_dir_all(&old).unwrap();
        fs::write(new.join("memory.events"), "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n")
            .unwrap();
        fs::write(old.join("memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n").unwrap();
        let found = [
            oom_kills_in("0::/app/web\n", &tree),
            oom_kills_in("3:cpu,cpuacct:/app\n2:memory:/app\n1:name=systemd:/app\n", &tree),
            oom_kills_in("0::/elsewhere\n", &tree),
            oom_kills_in("", &tree),
        ];
        fs::remove_dir_all(&tree).unwrap();
        assert_eq!(found, [Some(2), Some(5), None, None]);
    }
}
