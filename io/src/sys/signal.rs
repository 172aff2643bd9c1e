//! Signals as counts and bells: the one handler adds one to its signal's count, and rings every runtime that listens.
//!
//! A bell is a pair of sockets. Its writing end is never closed, so that a handler which has just read its number cannot
//! ring a stranger; bells that nobody needs any more wait for the next who does, so there are never more of them than
//! runtimes that listened at one time. A forked child inherits both, and rings neither: a bell knows how deep below the
//! first process it was made.
//!
//! What was installed for a signal before us is called after us. It comes back when the last runtime that has listened to the
//! signal has ended, unless somebody has asked us to stay, or has installed something else since.
//!
//! Who listens may be a thread that never looks. One signal therefore does something by itself: the SIGTERM of a parent that
//! has died sets the system's alarm (`end_with_parent`).

#![expect(unsafe_code, reason = "signal handlers have no safe wrapper")]

use super::{fork, quit};
use std::{
    io::{self, Read},
    mem,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::{net::UnixStream, process::parent_id},
    },
    ptr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};

/// No system that we know has a signal with a higher number.
pub(super) const LAST: libc::c_int = 128;
const SIGNALS: usize = LAST as usize + 1;
/// As many runtimes as a process can have.
const MAX_BELLS: usize = 4_096;

/// How many of each signal have come.
static COUNTS: [AtomicU32; SIGNALS] = [const { AtomicU32::new(0) }; SIGNALS];
/// Whether somebody asks for a signal's count.
static WANTED: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// Whether our handler is installed for a signal. Set under [`INSTALLING`].
static INSTALLED: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// What was installed before: null, or one of those that [`Installation`] keeps.
static FORMER: [AtomicPtr<libc::sigaction>; SIGNALS] = [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS];
/// Where to ring: the depth of forks above, one more than the writing end's number below. 0: nowhere.
static BELLS: [AtomicU64; MAX_BELLS] = [const { AtomicU64::new(0) }; MAX_BELLS];
/// How many of them have ever been used.
static BELLS_USED: AtomicUsize = AtomicUsize::new(0);

/// With whom this process is to end: the depth of forks above, the parent's number below. 0: with nobody.
static GUARDIAN: AtomicU64 = AtomicU64::new(0);
/// How long that may then take.
static GUARDIAN_SECONDS: AtomicU32 = AtomicU32::new(0);

static INSTALLING: Mutex<Installation> = Mutex::new(Installation {
    depth: 0,
    runtimes: [0; SIGNALS],
    stays: [false; SIGNALS],
    is_restored: [false; SIGNALS],
    former: Vec::new(),
});
static BELFRY: Mutex<Belfry> = Mutex::new(Belfry { writers: Vec::new(), idle: Vec::new() });

/// Who wants our handler to be there.
struct Installation {
    /// The depth of forks at which runtimes were counted: a child has none of its parent's.
    depth: u32,
    /// How many runtimes have listened to each signal, and have not ended.
    runtimes: [u32; SIGNALS],
    /// Whether it stays without any.
    stays: [bool; SIGNALS],
    /// Whether we have given a signal back: what is there when we come again is new.
    is_restored: [bool; SIGNALS],
    /// All that ever was installed before us, once: a handler may still be reading it.
    #[expect(clippy::vec_box, reason = "they stay where they are")]
    former: Vec<Box<libc::sigaction>>,
}

fn installing() -> MutexGuard<'static, Installation> {
    let mut installation = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if installation.depth != fork::depth() {
        installation.depth = fork::depth();
        installation.runtimes = [0; SIGNALS];
    }
    installation
}

struct Belfry {
    /// The writing end of each bell, as long as the program.
    writers: Vec<UnixStream>,
    /// Bells that nobody hears.
    idle: Vec<(usize, Hearing)>,
}

/// The reading end of a bell.
#[derive(Debug)]
struct Hearing {
    reader: UnixStream,
    depth: u32,
}

/// Becomes readable with every signal that we have a handler for.
#[derive(Debug)]
pub(crate) struct Bell {
    index: usize,
    /// `None` only while it is dropped.
    hearing: Option<Hearing>,
}

impl Bell {
    /// A bell that rings from now on.
    pub(crate) fn hang() -> io::Result<Self> {
        let depth = fork::depth();
        let mut belfry = BELFRY.lock().unwrap_or_else(PoisonError::into_inner);
        // What a parent left to us rings over there.
        belfry.idle.retain(|(_, hearing)| hearing.depth == depth);
        let (index, hearing) = match belfry.idle.pop() {
            Some(idle) => idle,
            None => belfry.cast(depth)?,
        };
        BELLS[index].store(ring_at(&belfry.writers[index], depth), Ordering::Release);
        Ok(Self { index, hearing: Some(hearing) })
    }

    fn reader(&self) -> &UnixStream {
        &self.hearing.as_ref().expect("taken only by drop").reader
    }

    /// Takes some of what has rung.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is left.
    pub(crate) fn hear(&self) -> io::Result<usize> {
        self.reader().read(&mut [0; 64])
    }
}

impl Belfry {
    fn cast(&mut self, depth: u32) -> io::Result<(usize, Hearing)> {
        let index = self.writers.len();
        if index == MAX_BELLS {
            return Err(io::Error::other("too many runtimes listen to signals"));
        }
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        self.writers.push(writer);
        BELLS_USED.store(self.writers.len(), Ordering::Release);
        Ok((index, Hearing { reader, depth }))
    }
}

/// How [`BELLS`] says where to ring.
fn ring_at(writer: &UnixStream, depth: u32) -> u64 {
    u64::from(depth) << 32 | u64::from(writer.as_raw_fd().cast_unsigned() + 1)
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader().as_fd()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let Some(hearing) = self.hearing.take() else { return };
        if hearing.depth != fork::depth() {
            return;
        }
        let mut belfry = BELFRY.lock().unwrap_or_else(PoisonError::into_inner);
        BELLS[self.index].store(0, Ordering::Release);
        while (&hearing.reader).read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        belfry.idle.push((self.index, hearing));
    }
}

/// How many of a signal have come so far; it starts again after 2^32.
pub(crate) fn count(signal: libc::c_int) -> u32 {
    index(signal).map_or(0, |index| COUNTS[index].load(Ordering::Acquire))
}

fn index(signal: libc::c_int) -> Option<usize> {
    usize::try_from(signal).ok().filter(|index| (1..SIGNALS).contains(index))
}

/// Counts a signal from now on, on behalf of a runtime that has not listened to it before, or that has.
pub(crate) fn listen(signal: libc::c_int, is_first: bool) -> io::Result<()> {
    let Some(index) = index(signal) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut installation = installing();
    WANTED[index].store(true, Ordering::Relaxed);
    if !INSTALLED[index].load(Ordering::Relaxed) {
        installation.install(signal, index)?;
    }
    installation.runtimes[index] += u32::from(is_first);
    Ok(())
}

/// A runtime that has listened to a signal has ended.
pub(crate) fn leave(signal: libc::c_int) {
    let Some(index) = index(signal) else { return };
    let mut installation = installing();
    installation.runtimes[index] = installation.runtimes[index].saturating_sub(1);
    if installation.runtimes[index] == 0 && !installation.stays[index] {
        WANTED[index].store(false, Ordering::Relaxed);
        if signal != libc::SIGQUIT || !quit::is_caught() {
            // It can be caught, so this cannot fail.
            let _ = installation.restore(signal, index);
        }
    }
}

/// The handler stays when all runtimes that listen to a signal have ended.
pub(crate) fn stay(signal: libc::c_int) -> io::Result<()> {
    let Some(index) = index(signal) else { return Err(io::ErrorKind::InvalidInput.into()) };
    installing().stays[index] = true;
    Ok(())
}

/// What was installed before us comes back, whoever listens. Gives whether we were there.
pub(crate) fn restore(signal: libc::c_int) -> io::Result<bool> {
    let Some(index) = index(signal) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut installation = installing();
    installation.stays[index] = false;
    WANTED[index].store(false, Ordering::Relaxed);
    installation.restore(signal, index)
}

/// Installs the handler if the signal has its default meaning, after `before`. Gives whether.
pub(super) fn listen_if_default(signal: libc::c_int, before: impl FnOnce()) -> io::Result<bool> {
    let Some(index) = index(signal) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut installation = installing();
    if disposition(signal)?.sa_sigaction != libc::SIG_DFL {
        return Ok(false);
    }
    before();
    installation.install(signal, index).map(|()| true)
}

impl Installation {
    fn install(&mut self, signal: libc::c_int, index: usize) -> io::Result<()> {
        let former = disposition(signal)?;
        let mut action = former;
        action.sa_sigaction = handler();
        // Programs with small stacks (Go's) insist on the other stack, and for others it means nothing.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        // Known before the handler can run. After an `ignore` it is there already: that is who was there first.
        if FORMER[index].load(Ordering::Relaxed).is_null() || self.is_restored[index] {
            let kept = self.keep(former);
            FORMER[index].store(kept, Ordering::Release);
        }
        // SAFETY: S4.
        if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        self.is_restored[index] = false;
        INSTALLED[index].store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Where it is as long as the program: where one like it is, or else in a new place.
    fn keep(&mut self, former: libc::sigaction) -> *mut libc::sigaction {
        let is_like = |kept: &libc::sigaction| {
            kept.sa_sigaction == former.sa_sigaction
                && kept.sa_flags == former.sa_flags
                && (1..=LAST).all(|signal| blocks(kept, signal) == blocks(&former, signal))
        };
        let at = self.former.iter().position(|kept| is_like(kept)).unwrap_or_else(|| {
            self.former.push(Box::new(former));
            self.former.len() - 1
        });
        ptr::from_ref(&*self.former[at]).cast_mut()
    }

    /// Takes our handler away if it is there. Gives whether.
    fn restore(&mut self, signal: libc::c_int, index: usize) -> io::Result<bool> {
        // Whoever has come after us may call us: then we stay where we are.
        if !INSTALLED[index].load(Ordering::Relaxed) || disposition(signal)?.sa_sigaction != handler() {
            return Ok(false);
        }
        // SAFETY: S4; what is installed was not null, and is kept.
        if unsafe { libc::sigaction(signal, FORMER[index].load(Ordering::Relaxed), ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        self.is_restored[index] = true;
        INSTALLED[index].store(false, Ordering::Relaxed);
        Ok(true)
    }
}

/// Whether a signal waits while the handler runs.
fn blocks(action: &libc::sigaction, signal: libc::c_int) -> bool {
    // SAFETY: it reads the set, which `sigaction` has given. A number that is no signal is in none.
    unsafe { libc::sigismember(&raw const action.sa_mask, signal) == 1 }
}

fn handler() -> libc::sighandler_t {
    on_signal as extern "C" fn(_, _, _) as usize
}

/// What a signal does now.
fn disposition(signal: libc::c_int) -> io::Result<libc::sigaction> {
    // SAFETY: S4; all zeroes is a valid value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: S4; it only asks.
    match unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) } {
        0 => Ok(action),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has this process not notice a signal.
pub(crate) fn ignore(signal: libc::c_int) -> io::Result<()> {
    let Some(index) = index(signal) else { return Err(io::ErrorKind::InvalidInput.into()) };
    let _installation = installing();
    // SAFETY: S4; all zeroes is a valid value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = libc::SIG_IGN;
    // SAFETY: S4.
    if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    INSTALLED[index].store(false, Ordering::Relaxed);
    Ok(())
}

/// From now on the first SIGTERM that comes when `parent` is gone sets the alarm. Not one that has come before: whether it
/// is gone already is for the caller to see.
pub(crate) fn end_with_parent(parent: u32, seconds: u32) {
    // A child is no worker, and its parent is another.
    fork::watch();
    // Also at its last moment.
    installing().stays[libc::SIGTERM as usize] = true;
    GUARDIAN_SECONDS.store(seconds, Ordering::Relaxed);
    GUARDIAN.store(u64::from(fork::depth()) << 32 | u64::from(parent), Ordering::Release);
}

/// In the handler (S6): the alarm, if this process has lost its guardian. Set only once, or each signal would put it off.
fn look_for_guardian() {
    let guardian = GUARDIAN.load(Ordering::Acquire);
    let is_here = guardian != 0 && guardian >> 32 == u64::from(fork::depth());
    // The system makes this process somebody else's child first, and sends the signal then.
    if is_here
        && guardian & u64::from(u32::MAX) != u64::from(parent_id())
        && GUARDIAN.compare_exchange(guardian, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        // SAFETY: S6, as POSIX lists it among what a handler may call; it takes a plain number.
        unsafe { libc::alarm(GUARDIAN_SECONDS.load(Ordering::Relaxed)) };
    }
}

/// A handler's view of a signal whose default meaning comes back (S6).
pub(super) fn is_wanted(signal: libc::c_int) -> bool {
    index(signal).is_some_and(|index| WANTED[index].load(Ordering::Relaxed))
}

/// In the handler (S6): the signal has its default meaning again.
pub(super) fn forget(signal: libc::c_int) {
    if let Some(index) = index(signal) {
        INSTALLED[index].store(false, Ordering::Relaxed);
    }
}

#[cfg(not(any(target_vendor = "apple")))]
pub(super) const NO_SIGNAL: libc::c_int = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const NO_SIGNAL: libc::c_int = 0;

/// Runs in the middle of anything (S6), and who is interrupted must not notice. A ring fails when as many bytes are under
/// way as the socket takes, which does not matter.
extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(index) = index(signal) else { return };
    let errno = super::errno::errno();
    // SAFETY: S6; it is this thread's.
    let before = unsafe { errno.read() };
    COUNTS[index].fetch_add(1, Ordering::Release);
    if WANTED[index].load(Ordering::Relaxed) {
        let depth = u64::from(fork::depth());
        for bell in &BELLS[..BELLS_USED.load(Ordering::Acquire)] {
            let at = bell.load(Ordering::Acquire);
            let writer = at & u64::from(u32::MAX);
            if writer != 0 && at >> 32 == depth {
                // SAFETY: S1, as a bell's writing end is never closed; one byte of a static.
                unsafe { libc::send(writer as libc::c_int - 1, c"s".as_ptr().cast(), 1, NO_SIGNAL) };
            }
        }
    }
    match signal {
        libc::SIGQUIT => quit::ring(),
        libc::SIGTERM => look_for_guardian(),
        _ => {}
    }
    // SAFETY: S4; null, or one that is kept as long as the program, and never written.
    if let Some(former) = unsafe { FORMER[index].load(Ordering::Acquire).as_ref() } {
        pass_on(former, signal, info, context);
    }
    // SAFETY: as above.
    unsafe { errno.write(before) };
}

/// Calls the handler that was there before us, in ours (S6). To ignore the signal is nothing to do, and that its default
/// meaning does not come true is what who listens wants.
pub(super) fn pass_on(
    before: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let handler = before.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        return;
    }
    if before.sa_flags & libc::SA_SIGINFO != 0 {
        type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: the flag says that it is of this type.
        let handler = unsafe { mem::transmute::<usize, Handler>(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: without the flag it is of this type.
        let handler = unsafe { mem::transmute::<usize, extern "C" fn(libc::c_int)>(handler) };
        handler(signal);
    }
}
