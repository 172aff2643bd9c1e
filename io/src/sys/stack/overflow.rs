//! Says whose stack it was when a greenlet has overflowed it, and ends the process, as the standard library does for threads.
//!
//! The handler of SIGSEGV and SIGBUS looks the address up among our guards. Whatever else has happened is for whoever was
//! there before us. It runs in the middle of anything, so the list of slabs is only ever added to, read without a lock, and its
//! nodes are used again but never freed.

#![expect(unsafe_code, reason = "signal handlers have no safe wrapper")]

use super::alternate::Alternate;
use crate::sys::{errno, signal};
use runtime_executor::inspect::Glance;
use std::{
    fmt, io, mem, ptr,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};

/// By which an access to a guard shows: the second one on macOS.
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Where some of our guards are.
struct Node {
    start: AtomicUsize,
    /// 0: nowhere. Written last, read first.
    bytes: AtomicUsize,
    stride: AtomicUsize,
    guard: AtomicUsize,
    next: *const Node,
}

/// The newest node. None is ever freed.
static NODES: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());
/// Held by who adds or takes a node.
static CHANGING: Mutex<()> = Mutex::new(());
/// What was installed before us.
static FORMER: [OnceLock<libc::sigaction>; SIGNALS.len()] = [const { OnceLock::new() }; SIGNALS.len()];

/// An entry in the list, until it is dropped.
pub(super) struct Listed(*const Node);

impl Listed {
    /// Enters memory in which a guard begins every `stride` bytes.
    pub(super) fn new(start: usize, bytes: usize, stride: usize, guard: usize) -> Self {
        let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        let free = nodes().find(|node| node.bytes.load(Ordering::Relaxed) == 0);
        let node = free.unwrap_or_else(|| {
            let next = NODES.load(Ordering::Relaxed).cast_const();
            let zero = || AtomicUsize::new(0);
            let node = Box::new(Node { start: zero(), bytes: zero(), stride: zero(), guard: zero(), next });
            let node = Box::leak(node);
            NODES.store(node, Ordering::Release);
            node
        });
        node.start.store(start, Ordering::Relaxed);
        node.stride.store(stride, Ordering::Relaxed);
        node.guard.store(guard, Ordering::Relaxed);
        node.bytes.store(bytes, Ordering::Release);
        Self(node)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: nodes are never freed.
        unsafe { &*self.0 }.bytes.store(0, Ordering::Release);
    }
}

fn nodes() -> impl Iterator<Item = &'static Node> {
    // SAFETY: null, or a node, which is never freed, nor written but for its atomics.
    let node = |node: *const Node| unsafe { node.as_ref() };
    std::iter::successors(node(NODES.load(Ordering::Acquire)), move |last| node(last.next))
}

/// The stack whose guard this address lies in: its lowest address, its highest, and its size without the guard. A slab of
/// another thread that comes or goes at this moment may be misread; that of the stack we are on does neither.
fn guarded_at(address: usize) -> Option<(usize, usize, usize)> {
    nodes().find_map(|node| {
        let bytes = node.bytes.load(Ordering::Acquire);
        let stride = node.stride.load(Ordering::Relaxed);
        let guard = node.guard.load(Ordering::Relaxed);
        let offset = address.checked_sub(node.start.load(Ordering::Relaxed))?;
        let below = offset.checked_rem(stride)?;
        (offset < bytes && below < guard).then(|| (address - below, address - below + stride, stride - guard))
    })
}

/// While there is one on a thread, an overflow of a stack there is reported.
#[derive(Debug)]
pub(crate) struct Watch {
    _alternate: Alternate,
}

impl Watch {
    /// The handler is installed once, and stays; one that the program installs later hides it, unless it calls what was there
    /// before it.
    ///
    /// # Errors
    /// If the system has no memory for the stack that the handler needs.
    pub(crate) fn this_thread() -> io::Result<Self> {
        static INSTALLED: Mutex<bool> = Mutex::new(false);
        let mut is_installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_installed {
            for (signal, former) in SIGNALS.into_iter().zip(&FORMER) {
                install(signal, former)?;
            }
            *is_installed = true;
        }
        Ok(Self { _alternate: Alternate::for_this_thread()? })
    }
}

fn install(signal: libc::c_int, former: &OnceLock<libc::sigaction>) -> io::Result<()> {
    // SAFETY: S4; all zeroes is a valid value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: S4; it only asks.
    if unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Known before the handler can run. Its signals are blocked in ours, too, and are passed on as it wants them.
    let _ = former.set(action);
    action.sa_sigaction = on_fault as extern "C" fn(_, _, _) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | action.sa_flags & libc::SA_NODEFER;
    // SAFETY: S4.
    if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Runs in the middle of anything (S6), on the alternate stack.
extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let errno = errno::errno();
    // SAFETY: S6; it is this thread's.
    let before = unsafe { errno.read() };
    // SAFETY: the system hands its own record to the handler.
    let fault = unsafe { &*info };
    // Others are sent by processes, and tell their number instead of an address.
    let is_fault = fault.si_code > 0;
    if is_fault {
        // SAFETY: a fault has an address.
        let address = unsafe { fault.si_addr() }.addr();
        if let Some((limit, base, size)) = guarded_at(address)
            && stack_pointer(context).is_none_or(|pointer| (limit..=base).contains(&pointer))
        {
            end(size);
        }
    }
    // SAFETY: as above.
    unsafe { errno.write(before) };
    let former = SIGNALS.iter().position(|&other| other == signal).and_then(|index| FORMER[index].get());
    let Some(former) = former else { return };
    match former.sa_sigaction {
        libc::SIG_IGN if !is_fault => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: S4; all zeroes is the default meaning.
            let default: libc::sigaction = unsafe { mem::zeroed() };
            // SAFETY: S4, S6.
            unsafe { libc::sigaction(signal, &raw const default, ptr::null_mut()) };
            // A fault comes again by itself.
            if !is_fault {
                // SAFETY: S6.
                unsafe { libc::raise(signal) };
            }
        }
        _ => signal::pass_on(former, signal, info, context),
    }
}

/// Where the stack of who was interrupted ended. A stray access from elsewhere to a guard is no overflow.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn stack_pointer(context: *mut libc::c_void) -> Option<usize> {
    // SAFETY: the system hands its own record to the handler.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    #[cfg(target_arch = "x86_64")]
    let pointer = context.uc_mcontext.gregs[libc::REG_RSP as usize] as usize;
    #[cfg(target_arch = "aarch64")]
    let pointer = context.uc_mcontext.sp as usize;
    Some(pointer)
}

/// It is not known how to ask.
#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn stack_pointer(_context: *mut libc::c_void) -> Option<usize> {
    None
}

/// Says it (S6), and ends the process as the standard library does.
fn end(size: usize) -> ! {
    let mut text = Text { bytes: [0; 768], length: 0 };
    let _ = describe(&mut text, Glance::take().as_ref(), size);
    // SAFETY: it reads so many bytes that are there.
    unsafe { libc::write(libc::STDERR_FILENO, text.bytes.as_ptr().cast(), text.length) };
    // SAFETY: it takes nothing.
    unsafe { libc::abort() }
}

/// Formatting what is no float neither allocates nor locks.
fn describe(text: &mut impl fmt::Write, glance: Option<&Glance>, size: usize) -> fmt::Result {
    text.write_str("\n")?;
    match glance.and_then(|glance| Some((glance, glance.task_id()?))) {
        None => text.write_str("a greenlet")?,
        Some((_, (_, None))) => text.write_str("a greenlet in the main task")?,
        Some((glance, (id, Some(spawned_at)))) => {
            // A task that is no greenlet has some that are no tasks.
            let article = if glance.noun() == "greenlet" { "" } else { "a greenlet in " };
            write!(text, "{article}{} {}", glance.noun(), id.get())?;
            if !glance.name().is_empty() {
                write!(text, " '{}'", glance.name())?;
            }
            write!(text, " (spawned at {spawned_at})")?;
        }
    }
    text.write_str(" has overflowed its stack of ")?;
    match size % 1024 {
        0 => write!(text, "{} KiB", size / 1024)?,
        _ => write!(text, "{size} bytes")?,
    }
    text.write_str(
        ": give it more by `greenlet::Builder::stack_size`, or all by `Builder::greenlet_stack_size`\n",
    )
}

/// As much of a text as there is room for.
struct Text {
    bytes: [u8; 768],
    length: usize,
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let taken = s.len().min(room.len());
        room[..taken].copy_from_slice(&s.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}
