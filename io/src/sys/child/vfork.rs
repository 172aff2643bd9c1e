//! A child that runs in our memory until it is a program (`CLONE_VM`, `CLONE_VFORK`), so that nothing is copied: a third of
//! what `fork` costs, however large we are. What stands for it comes from the same call (`CLONE_PIDFD`).
//!
//! The manner is that of `posix_spawn` in musl and glibc, and for their reasons: all signals are blocked, and
//! handlers of ours are gone in the child, whose table of them is its own, before they come again (C4).

use super::{
    Failure, Plan, Started, Step,
    becoming::{Others, Pointers},
    bury, errno,
};
use std::{
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    process, ptr,
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
};

/// Ample for a few calls of the C library, also unoptimized.
const STACK: usize = 64 << 10;
/// What lies below the stack, and cannot be touched: a multiple of every size of pages.
const GUARD: usize = 64 << 10;

/// The stack of the child that is being started; kept for the next one.
#[derive(Debug)]
pub(super) struct Stacks(Option<Stack>);

/// Its lower end, as a number: it is lent to one child at a time.
#[derive(Debug)]
struct Stack(usize);

/// What a child is given (C4).
struct Errand<'a> {
    plan: &'a Plan<'a>,
    pointers: Pointers,
    parent: u32,
    others: Others,
    /// What has gone wrong; 0: nothing so far.
    told: AtomicU64,
}

extern "C" fn run(errand: *mut libc::c_void) -> libc::c_int {
    // SAFETY: C4; it is that of `start`, which stands still.
    let errand = unsafe { &*errand.cast::<Errand<'_>>() };
    let failure = errand.plan.become_program(&errand.pointers, errand.parent, errand.others);
    errand.told.store(failure.to_bits(), Ordering::Relaxed);
    // SAFETY: C1.
    unsafe { libc::_exit(127) }
}

impl Stacks {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Whether children can be started this way. Emulators (qemu, valgrind) say so and copy the memory all the same, so that
    /// a child's last words would be lost: tried once, by a child that says one.
    pub(super) fn are_usable(&mut self) -> bool {
        extern "C" fn speak(word: *mut libc::c_void) -> libc::c_int {
            // SAFETY: C4; it is that of `are_usable`, which stands still.
            unsafe { &*word.cast::<AtomicU32>() }.store(1, Ordering::Relaxed);
            // SAFETY: C1.
            unsafe { libc::_exit(0) }
        }

        /// 0: not tried yet; 1: they can; 2: they cannot.
        static ANSWER: AtomicU8 = AtomicU8::new(0);
        match ANSWER.load(Ordering::Relaxed) {
            0 => {}
            answer => return answer == 1,
        }
        let word = AtomicU32::new(0);
        if let Ok(top) = self.top() {
            // Without a signal at its end, so that nobody else takes note of it.
            // SAFETY: C4; the word lives for the call, in which the child ends.
            let pid = unsafe {
                libc::clone(
                    speak,
                    top,
                    libc::CLONE_VM | libc::CLONE_VFORK,
                    (&raw const word).cast_mut().cast(),
                )
            };
            if pid > 0 {
                // SAFETY: C3; it may write nothing.
                unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WALL) };
            }
        }
        let shares = word.load(Ordering::Relaxed) == 1;
        ANSWER.store(if shares { 1 } else { 2 }, Ordering::Relaxed);
        shares
    }

    /// Starts the program, with all signals blocked.
    pub(super) fn start(&mut self, plan: &Plan<'_>, others: Others) -> Result<Started, Failure> {
        const FLAGS: libc::c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let top = self.top()?;
        // Asked only where it is needed, as it is a system call.
        let parent = if plan.death_signal == 0 { 0 } else { process::id() };
        let errand = Errand { plan, pointers: plan.pointers(), parent, others, told: AtomicU64::new(0) };
        let clone = |flags| {
            let mut pidfd: RawFd = -1;
            let errand = (&raw const errand).cast_mut().cast();
            // SAFETY: C4; the errand lives for the call, in which the child becomes a program or ends. The call writes the
            // number of a descriptor.
            let pid = unsafe { libc::clone(run, top, flags, errand, &raw mut pidfd) };
            (pid, pidfd)
        };
        let (mut pid, mut pidfd) = clone(FLAGS | libc::CLONE_PIDFD);
        if pid < 0 && !matches!(errno(), libc::EAGAIN | libc::ENOMEM) {
            // No descriptor for it, or not in this sandbox, but room for the child. A call that failed may have written a number that it gave up.
            (pid, pidfd) = clone(FLAGS);
        }
        if pid < 0 {
            return Err(Failure::last(Step::Fork));
        }
        // SAFETY: the call has opened it for us. It closes on `exec` by itself. Linux before 5.2 does not know of it.
        let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
        if let Some(failure) = Failure::from_bits(errand.told.load(Ordering::Relaxed)) {
            bury(pid);
            return Err(failure);
        }
        Ok(Started { pid: pid.cast_unsigned(), pidfd })
    }

    /// The upper end of the stack, at which it begins.
    fn top(&mut self) -> io::Result<*mut libc::c_void> {
        let stack = match &self.0 {
            Some(stack) => stack,
            None => self.0.insert(Stack::new()?),
        };
        Ok(ptr::with_exposed_provenance_mut(stack.0 + GUARD + STACK))
    }
}

impl Stack {
    /// Memory that is nobody else's, and stays as long as the process: pages that were never used cost nothing.
    fn new() -> io::Result<Self> {
        // SAFETY: a new mapping wherever the system likes.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                GUARD + STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is the lower part of what was just mapped.
        if unsafe { libc::mprotect(base, GUARD, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(base.expose_provenance()))
    }
}
