//! A stack for signal handlers on threads that have none: where a stack has overflowed, nothing can run on it.
//!
//! The standard library gives one to the main thread and to those that it starts. The others are threads of other languages
//! that call into Rust, and all threads of programs in which something else had handled SIGSEGV before `main`.

#![expect(unsafe_code, reason = "sigaltstack has no safe wrapper")]

use super::mapping::{Guards, Mapping, page_size};
use std::{
    io, mem, ptr,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
};

/// Some processors save more than ten kilobytes when a signal interrupts them; ours needs two, and those behind it some more.
/// Only what is used is taken.
const BYTES: usize = 64 * 1024;

/// The stacks that are ours.
static GIVEN: Mutex<Vec<Given>> = Mutex::new(Vec::new());

struct Given {
    thread: ThreadId,
    users: usize,
    memory: Mapping,
}

fn given() -> MutexGuard<'static, Vec<Given>> {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what was given to this thread.
#[derive(Debug)]
pub(super) struct Alternate {
    /// `None` if the thread had its own. Drop takes the thread's, so it stays on it.
    thread: Option<ThreadId>,
    _stays: std::marker::PhantomData<*mut ()>,
}

impl Alternate {
    /// Sees to it that this thread has one.
    pub(super) fn for_this_thread() -> io::Result<Self> {
        let this = thread::current().id();
        let mut given = given();
        let thread = if let Some(ours) = given.iter_mut().find(|ours| ours.thread == this) {
            ours.users += 1;
            Some(this)
        } else if current()?.ss_flags & libc::SS_DISABLE == 0 {
            None
        } else {
            given.push(Given { thread: this, users: 1, memory: give()? });
            Some(this)
        };
        Ok(Self { thread, _stays: std::marker::PhantomData })
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        let Some(this) = self.thread else { return };
        let mut given = given();
        let Some(index) = given.iter().position(|ours| ours.thread == this) else { return };
        given[index].users -= 1;
        if given[index].users == 0 {
            let ours = given.swap_remove(index);
            take_back(&ours.memory);
        }
    }
}

/// What this thread has.
fn current() -> io::Result<libc::stack_t> {
    // SAFETY: all zeroes is a valid value.
    let mut current: libc::stack_t = unsafe { mem::zeroed() };
    // SAFETY: it only asks, and writes the struct it is given.
    match unsafe { libc::sigaltstack(ptr::null(), &raw mut current) } {
        0 => Ok(current),
        _ => Err(io::Error::last_os_error()),
    }
}

fn give() -> io::Result<Mapping> {
    let guard = page_size();
    let bytes = BYTES.next_multiple_of(guard);
    let memory = Mapping::new(guard + bytes)?;
    memory.guard(0, guard, Guards::best())?;
    let stack = libc::stack_t { ss_sp: memory.at(guard).cast(), ss_flags: 0, ss_size: bytes };
    // SAFETY: the memory is ours, and is taken back before it goes.
    match unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } {
        0 => Ok(memory),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Unless the thread has another one by now.
fn take_back(memory: &Mapping) {
    let Ok(mut stack) = current() else { return };
    let is_ours = (memory.start()..memory.start() + memory.bytes()).contains(&stack.ss_sp.addr());
    if is_ours {
        stack.ss_flags = libc::SS_DISABLE;
        // Some systems insist on a size that would do.
        stack.ss_size = BYTES;
        // SAFETY: it takes a stack away on which nobody runs: this is no handler.
        unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
    }
}
