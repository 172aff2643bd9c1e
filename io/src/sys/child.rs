//! Child processes: from the fork to the last word about them.
//!
//! - **C1** Between `fork` and `exec` the child has a copy of one thread, and of locks that other threads hold. It calls
//!   what POSIX calls async-signal-safe, reads what was prepared before, allocates nothing, frees nothing, and ends by
//!   `execve` or `_exit`.
//! - **C2** What is prepared for `exec` owns every string that its two arrays point to, and both end with a null.
//! - **C3** A child that nobody has waited for keeps its number. Only its `Life` (`process/life.rs`) waits for it, or whoever
//!   is told to reap it.

#![expect(unsafe_code, reason = "std passes no descriptors on, nor watches a child without a thread")]

use std::{
    ffi::{CString, OsString},
    io::{self, Read},
    mem,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::{
            ffi::OsStringExt,
            net::UnixStream,
            process::{ExitStatusExt, parent_id},
        },
    },
    process::{self, ExitStatus},
    ptr,
};

/// The first descriptor that is not a standard one.
const FIRST: libc::c_int = 3;
/// Where there is no `close_range`, and nothing tells which descriptors are open, this many are looked at.
const MAX_LOOKS: libc::c_int = 1 << 20;

/// What a child becomes.
pub(crate) enum Program<'a> {
    Path(CString),
    /// An open file, where the system executes those.
    #[cfg_attr(not(any(target_os = "linux", target_os = "freebsd")), expect(dead_code))]
    Open(BorrowedFd<'a>),
}

/// All that the child needs to know, ready to use (C2).
pub(crate) struct Plan<'a> {
    program: Program<'a>,
    _strings: Vec<CString>,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    /// Descriptors that the program gets besides the standard ones, under the numbers that they have here.
    keep: Vec<RawFd>,
    /// What the child gets when its parent dies; 0 for nothing.
    death_signal: libc::c_int,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        program: Program<'a>,
        arguments: Vec<OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        keep: Vec<RawFd>,
        death_signal: libc::c_int,
    ) -> io::Result<Self> {
        let text = |bytes: Vec<u8>| CString::new(bytes).map_err(io::Error::from);
        let arguments: Vec<_> =
            arguments.into_iter().map(|argument| text(argument.into_vec())).collect::<io::Result<_>>()?;
        let environment: Vec<_> = environment
            .into_iter()
            .map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                text(name.into_vec())
            })
            .collect::<io::Result<_>>()?;
        let pointers = |strings: &[CString]| {
            strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
        };
        Ok(Self {
            program,
            arguments: pointers(&arguments),
            environment: pointers(&environment),
            _strings: arguments.into_iter().chain(environment).collect(),
            keep,
            death_signal,
        })
    }

    /// Starts the program and gives its number once it runs.
    ///
    /// All signals wait meanwhile: one that reaches the child before it is the program would be swallowed by a handler of
    /// ours; this way the program gets it.
    ///
    /// # Errors
    /// What `fork` said, or any call in the child, `exec` at last.
    pub(crate) fn start(&self) -> io::Result<u32> {
        self.start_closing(Others::find())
    }

    fn start_closing(&self, others: Others) -> io::Result<u32> {
        let (mut failure, in_child) = UnixStream::pair()?;
        let parent = process::id();
        let blocked = Blocked::all()?;
        // SAFETY: C1 for the child; for the parent it is a call like any other.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let errno = self.become_program(parent, others);
            let told = errno.to_ne_bytes();
            // SAFETY: C1; S1; it reads the four bytes.
            unsafe {
                libc::send(in_child.as_raw_fd(), told.as_ptr().cast(), told.len(), super::signal::NO_SIGNAL)
            };
            // SAFETY: C1.
            unsafe { libc::_exit(127) };
        }
        let forked = if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) };
        drop(blocked);
        let pid = forked?;
        drop(in_child);
        let mut errno = [0; 4];
        if failure.read_exact(&mut errno).is_err() {
            // Closed by `exec`.
            return Ok(pid.cast_unsigned());
        }
        // It has ended, or is about to: nobody knows of it but us (C3).
        let mut status = 0;
        // SAFETY: it writes the status.
        while unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
        Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno)))
    }

    /// In the child (C1). Returns only what went wrong.
    fn become_program(&self, parent: u32, others: Others) -> i32 {
        match self.prepare(parent, others) {
            Ok(()) => self.execute(),
            Err(errno) => errno,
        }
    }

    /// In the child (C1).
    fn prepare(&self, parent: u32, others: Others) -> Result<(), i32> {
        // Handlers end with `exec` by themselves; what is ignored would stay so.
        for signal in 1..=super::signal::LAST {
            // SAFETY: C1; S4. Some numbers are refused, which does not matter.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        if self.death_signal != 0 {
            parent_death_signal(self.death_signal, parent)
                .map_err(|error| error.raw_os_error().unwrap_or(libc::ESRCH))?;
        }
        others.close_on_exec()?;
        for &fd in &self.keep {
            // SAFETY: C1; S1, as the parent owns it during the call of `start`, and this is a copy.
            if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 {
                return Err(errno());
            }
        }
        // Last, for what has waited may end us.
        let mut none = empty_set();
        // SAFETY: C1; it writes the set it is given.
        unsafe { libc::sigemptyset(&raw mut none) };
        // SAFETY: C1; it reads the set.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) };
        Ok(())
    }

    /// In the child (C1).
    fn execute(&self) -> i32 {
        let (arguments, environment) = (self.arguments.as_ptr(), self.environment.as_ptr());
        match &self.program {
            // SAFETY: C1, C2.
            Program::Path(path) => unsafe { libc::execve(path.as_ptr(), arguments, environment) },
            #[cfg(any(target_os = "linux", target_os = "freebsd"))]
            // SAFETY: C1, C2; S1, as the parent owns it during the call of `start`, and this is a copy.
            Program::Open(file) => unsafe { libc::fexecve(file.as_raw_fd(), arguments, environment) },
            #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
            Program::Open(_) => return libc::ENOSYS,
        };
        errno()
    }
}

/// Of the last call. No allocation, as C1 demands.
fn errno() -> i32 {
    // SAFETY: it is this thread's.
    unsafe { super::errno::errno().read() }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: all zeroes is a valid value.
    unsafe { mem::zeroed() }
}

/// No signal comes to this thread until it is dropped.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> io::Result<Self> {
        let (mut all, mut before) = (empty_set(), empty_set());
        // SAFETY: it writes the set it is given.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: it reads one set and writes the other.
        match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) } {
            0 => Ok(Self(before)),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: it reads the set.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// The descriptors that a child is not to get: all but the standard ones.
#[derive(Clone, Copy)]
pub(crate) enum Others {
    /// One call reaches them all (Linux 5.11).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Range,
    /// They are gone through, up to this one.
    UpTo(libc::c_int),
}

impl Others {
    fn find() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        // Tried where there is no descriptor.
        if close_range_on_exec(libc::c_uint::MAX - 1) {
            return Self::Range;
        }
        Self::UpTo(highest_descriptor())
    }

    /// In the child (C1): they do not survive `exec`.
    fn close_on_exec(self) -> Result<(), i32> {
        let highest = match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Range => {
                return if close_range_on_exec(FIRST.cast_unsigned()) { Ok(()) } else { Err(errno()) };
            }
            Self::UpTo(highest) => highest,
        };
        for fd in FIRST..=highest {
            // SAFETY: C1; a number that is no descriptor is refused.
            if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 && errno() != libc::EBADF {
                return Err(errno());
            }
        }
        Ok(())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn close_range_on_exec(first: libc::c_uint) -> bool {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;
    // SAFETY: C1; it closes nothing, and what is closed by `exec` is the business of who calls this.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) == 0 }
}

/// The highest descriptor that is open, or as high as one has to look for it.
fn highest_descriptor() -> libc::c_int {
    let list =
        if cfg!(any(target_os = "linux", target_os = "android")) { "/proc/self/fd" } else { "/dev/fd" };
    let names = std::fs::read_dir(list).into_iter().flatten();
    let numbers = names.filter_map(|name| name.ok()?.file_name().to_str()?.parse::<libc::c_int>().ok());
    // FreeBSD lists three there unless another file system is mounted: that says nothing.
    if let Some(highest) = numbers.max().filter(|&highest| highest >= FIRST) {
        return highest;
    }
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the struct it is given.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
    libc::c_int::try_from(limits.rlim_cur).unwrap_or(MAX_LOOKS).clamp(FIRST, MAX_LOOKS)
}

/// Has the system send this process a signal when the thread that started it ends, and so when its parent dies.
///
/// # Errors
/// `ESRCH` if `parent` is not the parent any more. Elsewhere than on Linux there is no such thing, and nothing is done.
pub(crate) fn parent_death_signal(signal: libc::c_int, parent: u32) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: C1, where the child calls it; it takes a plain number.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = signal;
    // Dead before we asked: nobody will tell.
    if parent_id() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

/// A descriptor that becomes readable when the child ends. `None` where there is no such thing, or the system refuses it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn open_pidfd(pid: u32) -> Option<OwnedFd> {
    use std::os::fd::FromRawFd;

    // SAFETY: C3; it takes plain numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // SAFETY: the call has opened it for us. It closes on `exec` by itself.
    RawFd::try_from(fd).ok().filter(|&fd| fd >= 0).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn open_pidfd(_pid: u32) -> Option<OwnedFd> {
    None
}

/// Takes the last word about a child, if it has ended: it has no number afterwards.
///
/// # Errors
/// `ECHILD` if there is no such child: somebody else has waited for it, or SIGCHLD is ignored.
pub(crate) fn reap(pid: u32, pidfd: Option<BorrowedFd<'_>>) -> io::Result<Option<ExitStatus>> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(pidfd) = pidfd {
        let found = wait_id(libc::P_PIDFD, pidfd.as_raw_fd().cast_unsigned(), libc::WEXITED | libc::WNOHANG);
        // Linux 5.3 opens them, but waits for none.
        if !matches!(&found, Err(error) if error.raw_os_error() == Some(libc::EINVAL)) {
            return found.map(|found| found.map(|info| status(&info)));
        }
    }
    let _ = pidfd;
    let mut status = 0;
    // SAFETY: C3; it writes the status.
    match unsafe { libc::waitpid(pid.cast_signed(), &raw mut status, libc::WNOHANG) } {
        0 => Ok(None),
        1.. => Ok(Some(ExitStatus::from_raw(status))),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `None` if there are such children, and none of them has ended.
fn wait_id(kind: libc::idtype_t, id: libc::id_t, how: libc::c_int) -> io::Result<Option<libc::siginfo_t>> {
    // SAFETY: all zeroes is a valid value.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    // SAFETY: it writes the struct it is given.
    if unsafe { libc::waitid(kind, id, &raw mut info, how) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((pid_of(&info) != 0).then_some(info))
}

fn pid_of(info: &libc::siginfo_t) -> u32 {
    // SAFETY: the struct is one that `waitid` has filled, or all zeroes.
    unsafe { info.si_pid() }.cast_unsigned()
}

/// What `wait` would have said (wait(2), and `WIFEXITED` and its kin).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn status(info: &libc::siginfo_t) -> ExitStatus {
    // SAFETY: the struct is one that `waitid` has filled.
    let value = unsafe { info.si_status() };
    ExitStatus::from_raw(match info.si_code {
        libc::CLD_EXITED => (value & 0xff) << 8,
        libc::CLD_DUMPED => value | 0x80,
        _ => value,
    })
}

/// A child that has ended, whoever started it, without taking the last word from it.
pub(crate) fn peek() -> io::Result<Option<u32>> {
    let found = wait_id(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
    match found {
        Ok(found) => Ok(found.map(|info| pid_of(&info))),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a signal to a child that has not been reaped (C3), or that a descriptor stands for.
pub(crate) fn send(pid: u32, pidfd: Option<BorrowedFd<'_>>, signal: libc::c_int) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(pidfd) = pidfd {
        let no_info = ptr::null::<libc::siginfo_t>();
        // SAFETY: S1; it takes plain numbers and no information.
        let sent =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) };
        return if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    }
    let _ = pidfd;
    // SAFETY: C3; it takes plain numbers.
    if unsafe { libc::kill(pid.cast_signed(), signal) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
impl Plan<'_> {
    /// As where no one call reaches all descriptors.
    pub(crate) fn start_going_through(&self) -> io::Result<u32> {
        self.start_closing(Others::UpTo(highest_descriptor()))
    }
}
