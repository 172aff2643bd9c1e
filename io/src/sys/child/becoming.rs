//! What a child does between its start and its program (C1).

use super::{Failure, Plan, Program, Step, Strings, empty_set, errno};
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
use std::os::fd::AsRawFd;
use std::{io, os::unix::process::parent_id, ptr};

/// The first descriptor that is not a standard one.
const FIRST: libc::c_int = 3;
/// Where there is no `close_range`, and nothing tells which descriptors are open, this many are looked at.
const MAX_LOOKS: libc::c_int = 1 << 20;

/// What is prepared for `exec` (C2), good as long as the plan that it was made from.
pub(super) struct Pointers {
    /// Paths to try; none if the program is an open file.
    paths: Vec<*const libc::c_char>,
    arguments: Vec<*const libc::c_char>,
    /// `None`: the parent's (C5).
    environment: Option<Vec<*const libc::c_char>>,
}

impl Plan<'_> {
    pub(super) fn pointers(&self) -> Pointers {
        Pointers {
            paths: match &self.program {
                Program::Paths(paths) => paths.pointers(),
                Program::Open(_) => Vec::new(),
            },
            arguments: self.arguments.pointers(),
            environment: self.environment.as_ref().map(Strings::pointers),
        }
    }

    /// In the child (C1). Returns only what went wrong.
    pub(super) fn become_program(&self, pointers: &Pointers, parent: u32, others: Others) -> Failure {
        match self.prepare(parent, others) {
            Ok(()) => Failure { step: Step::Execute, errno: self.execute(pointers) },
            Err(failure) => failure,
        }
    }

    /// In the child (C1).
    fn prepare(&self, parent: u32, others: Others) -> Result<(), Failure> {
        let failed = |errno| Failure { step: Step::Prepare, errno };
        self.reset_signals();
        others.close_on_exec().map_err(failed)?;
        for (at, &theirs) in (0..).zip(&self.stdio) {
            let Some(theirs) = theirs else { continue };
            // SAFETY: C1; S1, as the parent owns it during the call of `start`, and this is a copy.
            while unsafe { libc::dup2(theirs, at) } < 0 {
                if errno() != libc::EINTR {
                    return Err(Failure::last(Step::Prepare));
                }
            }
        }
        for &fd in &self.keep {
            // SAFETY: C1; S1, as above.
            if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 {
                return Err(Failure::last(Step::Prepare));
            }
        }
        if let Some(group) = self.process_group {
            // SAFETY: C1; it takes plain numbers.
            if unsafe { libc::setpgid(0, group) } != 0 {
                return Err(Failure::last(Step::ProcessGroup));
            }
        }
        self.change_identity()?;
        if let Some(directory) = &self.directory {
            // SAFETY: C1, C2.
            if unsafe { libc::chdir(directory.as_ptr()) } != 0 {
                return Err(Failure::last(Step::Directory));
            }
        }
        if self.death_signal != 0 {
            // After the change of identity, which would undo it.
            parent_death_signal(self.death_signal, parent)
                .map_err(|error| failed(error.raw_os_error().unwrap_or(libc::ESRCH)))?;
        }
        // Last, for what has waited may end us.
        let mut none = empty_set();
        // SAFETY: C1; it writes the set it is given.
        unsafe { libc::sigemptyset(&raw mut none) };
        // SAFETY: C1; it reads the set.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) };
        Ok(())
    }

    /// In the child (C1): no handler of ours is there when signals come again.
    fn reset_signals(&self) {
        // SAFETY: all zeroes is a valid value: the default meaning, and no flags.
        let default: libc::sigaction = unsafe { std::mem::zeroed() };
        for signal in 1..=super::super::signal::LAST {
            if self.keeps_ignored && signal != libc::SIGPIPE {
                // SAFETY: all zeroes is a valid value.
                let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
                // SAFETY: C1; it writes the struct it is given. Some numbers are refused, which does not matter.
                unsafe { libc::sigaction(signal, ptr::null(), &raw mut now) };
                if matches!(now.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
                    continue;
                }
            }
            // SAFETY: C1; S4. Some numbers are refused, which does not matter.
            unsafe { libc::sigaction(signal, &raw const default, ptr::null_mut()) };
        }
    }

    /// In the child (C1). The rights to do so go last.
    fn change_identity(&self) -> Result<(), Failure> {
        let identity = &self.identity;
        let failed = || Failure::last(Step::Identity);
        if let Some(groups) = &identity.groups {
            set_groups(groups).map_err(|()| failed())?;
        }
        if let Some(group) = identity.group {
            // SAFETY: C1; it takes a plain number.
            if unsafe { libc::setgid(group) } != 0 {
                return Err(failed());
            }
        }
        if let Some(user) = identity.user {
            // The supplementary groups of a superuser are no other user's. One who is none has nothing to give up.
            if identity.groups.is_none() && set_groups(&[]).is_err() && errno() != libc::EPERM {
                return Err(failed());
            }
            // SAFETY: C1; it takes a plain number.
            if unsafe { libc::setuid(user) } != 0 {
                return Err(failed());
            }
        }
        Ok(())
    }

    /// In the child (C1).
    fn execute(&self, pointers: &Pointers) -> i32 {
        let arguments = pointers.arguments.as_ptr();
        let environment = pointers.environment.as_ref().map_or_else(own_environment, |own| own.as_ptr());
        match &self.program {
            Program::Paths(_) => {
                let mut refused = libc::ENOENT;
                for &path in pointers.paths.iter().take_while(|path| !path.is_null()) {
                    // SAFETY: C1, C2.
                    unsafe { libc::execve(path, arguments, environment) };
                    match errno() {
                        // Not here, but perhaps further on.
                        libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
                        libc::EACCES => refused = libc::EACCES,
                        errno => return errno,
                    }
                }
                refused
            }
            #[cfg(any(target_os = "linux", target_os = "freebsd"))]
            Program::Open(file) => {
                // SAFETY: C1, C2; S1, as the parent owns it during the call of `start`, and this is a copy.
                unsafe { libc::fexecve(file.as_raw_fd(), arguments, environment) };
                errno()
            }
            #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
            Program::Open(_) => libc::ENOSYS,
        }
    }
}

/// Where the C library has this process' environment (C5).
fn own_environment() -> *const *const libc::c_char {
    #[cfg(not(target_vendor = "apple"))]
    {
        // SAFETY: the C library has a pointer there, and writes it as one word (C5).
        unsafe extern "C" {
            safe static environ: std::sync::atomic::AtomicPtr<*const libc::c_char>;
        }
        environ.load(std::sync::atomic::Ordering::Relaxed)
    }
    #[cfg(target_vendor = "apple")]
    {
        // SAFETY: it only tells.
        let at = unsafe { libc::_NSGetEnviron() };
        // SAFETY: C5; it is one word.
        unsafe { at.read() }.cast_const().cast()
    }
}

/// In the child (C1).
fn set_groups(groups: &[libc::gid_t]) -> Result<(), ()> {
    // SAFETY: C1; it reads so many numbers.
    if unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) } == 0 { Ok(()) } else { Err(()) }
}

/// The descriptors that a child is not to get: all but the standard ones.
#[derive(Clone, Copy)]
pub(super) enum Others {
    /// One call reaches them all (Linux 5.11).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Range,
    /// They are gone through, up to this one.
    UpTo(libc::c_int),
}

impl Others {
    pub(super) fn find() -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use std::sync::atomic::{AtomicU8, Ordering};

            /// 0: not tried yet; 1: there is such a call; 2: there is none.
            static HAS_RANGES: AtomicU8 = AtomicU8::new(0);
            if HAS_RANGES.load(Ordering::Relaxed) == 0 {
                // Tried where there is no descriptor.
                let has = close_range_on_exec(libc::c_uint::MAX - 1);
                HAS_RANGES.store(if has { 1 } else { 2 }, Ordering::Relaxed);
            }
            if HAS_RANGES.load(Ordering::Relaxed) == 1 {
                return Self::Range;
            }
        }
        Self::one_by_one()
    }

    pub(super) fn one_by_one() -> Self {
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
