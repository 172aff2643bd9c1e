//! Has a thread look at itself, by a signal: what it executes, and which task.
//!
//! SIGURG, as Go does it: programs hardly ever use it, it is ignored where nobody handles it, and debuggers let it pass.
//! A handler that was there before gets every SIGURG that is not ours, and one of ours that comes so late that its question
//! was taken back. System calls go on (`SA_RESTART`), but for those
//! that never do (signal(7)): `epoll_wait`, `nanosleep`, which well-written code repeats.
//!
//! ```text
//!        ask             handler            handler            ask
//! IDLE ───────> ASKED ───────────> ANSWERING ──────> ANSWERED ─────> IDLE
//!                 └──────────────ask, after a while───────────────────^
//! ```
//!
//! One question at a time in this process, under a lock that only those who ask take.

#![expect(unsafe_code, reason = "signal handlers have no safe wrapper")]

use runtime_executor::inspect::Glance;
use std::{
    cell::UnsafeCell,
    io, mem, ptr,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicI32, AtomicU8, Ordering},
    },
    thread::park_timeout,
    time::Duration,
};

/// Calls on the stack of which an answer has room. Deeper ones are the loop's.
const MAX_DEPTH: usize = 128;
/// Between two looks for the answer, which takes some 10 µs.
const PATIENCE: Duration = Duration::from_micros(100);
/// Looks before the question is taken back: a quarter of a second, for a loaded machine.
const LOOKS: u32 = 2_500;

const IDLE: u8 = 0;
const ASKED: u8 = 1;
const ANSWERING: u8 = 2;
const ANSWERED: u8 = 3;

/// A thread, by its number in the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target(libc::pid_t);

/// What the handler found.
#[derive(Clone, Copy)]
struct Answer {
    glance: Option<Glance>,
    /// Return addresses, innermost first. The first ones are the handler's.
    stack: [usize; MAX_DEPTH],
    depth: usize,
}

struct Exchange {
    state: AtomicU8,
    /// Who is asked.
    target: AtomicI32,
    answer: UnsafeCell<Answer>,
}

// SAFETY: S3.
unsafe impl Sync for Exchange {}

static EXCHANGE: Exchange = Exchange {
    state: AtomicU8::new(IDLE),
    target: AtomicI32::new(0),
    answer: UnsafeCell::new(Answer { glance: None, stack: [0; MAX_DEPTH], depth: 0 }),
};

/// Held by who asks.
static ASKING: Mutex<()> = Mutex::new(());

/// Whether our handler is.
static INSTALLED: Mutex<bool> = Mutex::new(false);

/// What was installed for SIGURG before us.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// This thread. Installs the handler, once in a process.
pub(crate) fn this_thread() -> io::Result<Target> {
    let mut is_installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_installed {
        install()?;
        *is_installed = true;
    }
    Ok(Target(own_number()))
}

fn own_number() -> libc::pid_t {
    // SAFETY: it only tells, and cannot fail.
    unsafe { libc::gettid() }
}

fn install() -> io::Result<()> {
    // What is loaded and looked up at the first walk must not be so in a handler.
    let _ = walk(&mut [0; MAX_DEPTH]);
    // SAFETY: S4; all zeroes is a valid value.
    let mut before: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: S4; it only asks.
    if unsafe { libc::sigaction(libc::SIGURG, ptr::null(), &raw mut before) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Known before the handler can run.
    let _ = BEFORE.set(before);
    let mut ours = before;
    ours.sa_sigaction = probe_signal_handler as extern "C" fn(_, _, _) as usize;
    // A former handler that we pass signals on to runs as it wanted to: on the same stack, with the same signals blocked.
    ours.sa_flags =
        libc::SA_SIGINFO | libc::SA_RESTART | before.sa_flags & (libc::SA_ONSTACK | libc::SA_NODEFER);
    // SAFETY: S4.
    if unsafe { libc::sigaction(libc::SIGURG, &raw const ours, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Has the thread look at itself: which task it runs, and its stack. `None` if it did not answer.
pub(crate) fn ask(target: Target) -> Option<(Option<Glance>, Vec<usize>)> {
    let _asking = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    EXCHANGE.target.store(target.0, Ordering::Relaxed);
    EXCHANGE.state.store(ASKED, Ordering::Release);
    // SAFETY: S5.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), target.0, libc::SIGURG) } == 0;
    let mut looks = if sent { LOOKS } else { 0 };
    while EXCHANGE.state.load(Ordering::Acquire) != ANSWERED {
        if looks == 0 {
            let retract = EXCHANGE.state.compare_exchange(ASKED, IDLE, Ordering::Relaxed, Ordering::Relaxed);
            if retract.is_ok() {
                return None;
            }
            // The handler is at it, and runs to its end.
        } else {
            looks -= 1;
        }
        park_timeout(PATIENCE);
    }
    // SAFETY: S3; the answer is ours now.
    let answer = unsafe { *EXCHANGE.answer.get() };
    EXCHANGE.state.store(IDLE, Ordering::Relaxed);
    Some((answer.glance, answer.stack[..answer.depth].to_vec()))
}

/// Runs on the thread that is asked, in the middle of anything (S6).
extern "C" fn probe_signal_handler(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let for_us = EXCHANGE.target.load(Ordering::Relaxed) == own_number()
        && EXCHANGE.state.compare_exchange(ASKED, ANSWERING, Ordering::Acquire, Ordering::Relaxed).is_ok();
    if for_us {
        let errno = super::errno::errno();
        // SAFETY: S6; it is this thread's.
        let before = unsafe { errno.read() };
        // SAFETY: S3; the answer is ours until we say that it is there.
        let answer = unsafe { &mut *EXCHANGE.answer.get() };
        answer.glance = Glance::take();
        answer.depth = walk(&mut answer.stack);
        // SAFETY: as above.
        unsafe { errno.write(before) };
        EXCHANGE.state.store(ANSWERED, Ordering::Release);
    } else if let Some(before) = BEFORE.get() {
        super::signal::pass_on(before, signal, info, context);
    }
}

/// Writes the return addresses of this thread's stack, innermost first, and gives how many. Async-signal-safe where the
/// unwinder finds its tables without a lock: with glibc from 2.35 on and libgcc from 12 on. Elsewhere a thread that is
/// interrupted while it loads a library might deadlock, which is why this is a feature.
#[cfg(feature = "stacks")]
fn walk(into: &mut [usize; MAX_DEPTH]) -> usize {
    let mut depth = 0;
    let walk = |frame: &backtrace::Frame| {
        into[depth] = frame.ip().addr();
        depth += 1;
        depth < MAX_DEPTH
    };
    // SAFETY: the walk itself keeps no state of the crate's; only what looks up names does.
    unsafe { backtrace::trace_unsynchronized(walk) };
    depth
}

#[cfg(not(feature = "stacks"))]
fn walk(_into: &mut [usize; MAX_DEPTH]) -> usize {
    0
}
