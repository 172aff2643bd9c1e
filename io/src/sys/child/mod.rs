//! Child processes: from the fork to the last word about them.
//!
//! - **C1** Between `fork` and `exec` the child has a copy of one thread, and of locks that other threads hold. It calls
//!   what POSIX calls async-signal-safe, reads what was prepared before, allocates nothing, frees nothing, and ends by
//!   `execve` or `_exit`.
//! - **C2** What is prepared for `exec` owns every string that its arrays point to, and they end with a null.
//! - **C3** A child that nobody has waited for keeps its number. Only its `Life` (`process/life.rs`) waits for it, or whoever
//!   is told to reap it.
//! - **C4** A child that shares our memory until `exec` (`vfork.rs`) has a stack of its own, and the thread that started it
//!   stands still. What the child writes is that stack, this thread's `errno`, and the one atomic that it is given.
//! - **C5** An environment that a child gets unchanged is read by the system, never by us: we pass on where it is. Who changes
//!   it at the same moment, which `std::env::set_var` forbids, harms nobody here: the child gets a mixture, or `exec` fails.

#![expect(unsafe_code, reason = "std passes no descriptors on, nor watches a child without a thread")]

mod becoming;
mod failure;
mod fork;
mod plan;
#[cfg(all(target_os = "linux", not(miri)))]
mod vfork;

pub(crate) use becoming::parent_death_signal;
pub(crate) use failure::{Failure, Step};
pub(crate) use plan::{Identity, Plan, Program, Strings};

use becoming::Others;
use std::{
    io, mem,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    ptr,
    time::Duration,
};

/// Where children are started from, one at a time: what is needed for that, and kept.
#[derive(Debug)]
pub(crate) struct Nursery {
    #[cfg(all(target_os = "linux", not(miri)))]
    vfork: vfork::Stacks,
}

impl Nursery {
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(all(target_os = "linux", not(miri)))]
            vfork: vfork::Stacks::new(),
        }
    }
}

/// A child that has been started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    /// What stands for it; `None` where the system has no such thing, or refuses it.
    pub(crate) pidfd: Option<OwnedFd>,
}

impl Plan<'_> {
    /// Starts the program. Returns once it runs.
    ///
    /// All signals wait meanwhile: one that reaches the child before it is the program would be swallowed by a handler of
    /// ours; this way the program gets it.
    pub(crate) fn start(&self, nursery: &mut Nursery) -> Result<Started, Failure> {
        let blocked = Blocked::all()?;
        let others = Others::find();
        #[cfg(all(target_os = "linux", not(miri)))]
        // Those who change their identity do it through the C library, which would tell all our threads.
        if self.identity.is_parents() && nursery.vfork.are_usable() {
            return nursery.vfork.start(self, others);
        }
        let _ = nursery;
        let started = self.start_by_fork(others);
        drop(blocked);
        started
    }
}

/// Waits for a child that has told why it could not become a program: it ends at once, and nobody knows of it but us (C3).
fn bury(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: it writes the status.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
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

/// A descriptor that becomes readable when the child ends. `None` where there is no such thing, or the system refuses it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn open_pidfd(pid: u32) -> Option<OwnedFd> {
    use std::os::fd::{FromRawFd, RawFd};

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
    let waited =
        uninterrupted(|| unsafe { libc::waitpid(pid.cast_signed(), &raw mut status, libc::WNOHANG) })?;
    Ok((waited != 0).then(|| ExitStatus::from_raw(status)))
}

/// `None` if there are such children, and none of them has ended.
fn wait_id(kind: libc::idtype_t, id: libc::id_t, how: libc::c_int) -> io::Result<Option<libc::siginfo_t>> {
    // SAFETY: all zeroes is a valid value.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    // SAFETY: it writes the struct it is given.
    uninterrupted(|| unsafe { libc::waitid(kind, id, &raw mut info, how) })?;
    Ok((pid_of(&info) != 0).then_some(info))
}

/// Makes a call again that a signal has interrupted. What is known of a child is known for good, so it must not be that.
fn uninterrupted(mut call: impl FnMut() -> libc::c_int) -> io::Result<libc::c_int> {
    loop {
        match call() {
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            done => return Ok(done),
        }
    }
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

/// Sends a signal to the group that a child leads. Its number is the group's as long as the child has not been reaped (C3).
pub(crate) fn send_to_group(leader: u32, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: C3; it takes plain numbers.
    if unsafe { libc::kill(-leader.cast_signed(), signal) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether a child has ended, without taking the last word from it (C3).
pub(crate) fn has_ended(pid: u32) -> bool {
    let found = wait_id(libc::P_PID, pid as libc::id_t, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
    matches!(found, Ok(Some(_)))
}

/// Blocks this thread until one of the descriptors is readable, or the time is over.
pub(crate) fn wait_for_any(fds: &[BorrowedFd<'_>], at_most: Option<Duration>) -> io::Result<()> {
    let asked = |fd: &BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut asked: Vec<_> = fds.iter().map(asked).collect();
    let milliseconds =
        at_most.map_or(-1, |time| libc::c_int::try_from(time.as_millis()).unwrap_or(libc::c_int::MAX));
    // SAFETY: S1; it writes so many structs.
    match unsafe { libc::poll(asked.as_mut_ptr(), asked.len() as libc::nfds_t, milliseconds) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
impl Plan<'_> {
    /// As where no one call reaches all descriptors, and none is shared until `exec`.
    pub(crate) fn start_going_through(&self) -> Result<Started, Failure> {
        let _blocked = Blocked::all()?;
        self.start_by_fork(Others::one_by_one())
    }
}
