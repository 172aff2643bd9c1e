//! Memory that is reserved and taken page by page as it is used, and how parts of it are closed to everybody.

#![expect(unsafe_code, reason = "mappings have no safe wrapper")]

use std::{
    cell::Cell,
    fs, io, ptr,
    sync::atomic::{AtomicU8, AtomicUsize, Ordering},
};

/// What guards that are mappings leave of those that a process may have: for libraries, threads, large allocations.
const SPARE_MAPPINGS: usize = 2_048;

/// Linux's number; `libc` has no name for it yet.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// How a guard is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guards {
    /// By a mark in the page table.
    Marks,
    /// By a mapping of its own.
    Mappings,
}

impl Guards {
    /// What this system does best.
    pub(crate) fn best() -> Self {
        const UNKNOWN: u8 = 0;
        const MARKS: u8 = 1;
        const MAPPINGS: u8 = 2;
        static BEST: AtomicU8 = AtomicU8::new(UNKNOWN);
        if BEST.load(Ordering::Relaxed) == UNKNOWN {
            BEST.store(if marks_work() { MARKS } else { MAPPINGS }, Ordering::Relaxed);
        }
        if BEST.load(Ordering::Relaxed) == MARKS { Self::Marks } else { Self::Mappings }
    }
}

/// Whether a mark keeps anybody out. That the call succeeds proves nothing: emulators take advice that they do not know.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn marks_work() -> bool {
    let Ok(scratch) = Mapping::new(page_size()) else { return false };
    if scratch.guard(0, page_size(), Guards::Marks).is_err() || scratch.fragments.get() > 0 {
        return false;
    }
    // By the system's own hand, as a function of the C library may reach out by itself; and valgrind looks into what is to be
    // read.
    // SAFETY: the system writes a byte there (K1), or refuses because it may not.
    let answer = unsafe { libc::syscall(libc::SYS_getrandom, scratch.at(0), 1_usize, libc::GRND_NONBLOCK) };
    answer < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn marks_work() -> bool {
    false
}

/// The size of a page, which is what the system deals in.
pub(crate) fn page_size() -> usize {
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    let known = SIZE.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    // SAFETY: it only tells.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let size = usize::try_from(size).expect("every system has pages");
    SIZE.store(size, Ordering::Relaxed);
    size
}

/// Memory that is ours until this is dropped.
pub(super) struct Mapping {
    start: *mut u8,
    bytes: usize,
    /// How many guards in it are mappings.
    fragments: Cell<usize>,
}

// SAFETY: K1; any thread may unmap it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Reserves so many bytes, whole pages.
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | OWN_FLAGS;
        // SAFETY: a new mapping, wherever the system likes.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // One page used would be two megabytes. Kernels without huge pages refuse, and may.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        // SAFETY: K1; it changes no memory.
        unsafe {
            libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE);
        }
        Ok(Self { start: start.cast(), bytes, fragments: Cell::new(0) })
    }

    pub(super) fn start(&self) -> usize {
        self.start.addr()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.bytes);
        self.start.wrapping_add(offset)
    }

    /// Has the system refuse every access to these bytes, which nobody uses (K3).
    pub(super) fn guard(&self, offset: usize, bytes: usize, guards: Guards) -> io::Result<()> {
        match guards {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Guards::Marks => {
                // SAFETY: K1, K3.
                if unsafe { libc::madvise(self.at(offset).cast(), bytes, MADV_GUARD_INSTALL) } == 0 {
                    return Ok(());
                }
                match io::Error::last_os_error() {
                    // Memory that is locked (mlockall(2)) takes no marks.
                    error if error.raw_os_error() == Some(libc::EINVAL) => self.close(offset, bytes),
                    error => Err(error),
                }
            }
            _ => self.close(offset, bytes),
        }
    }

    fn close(&self, offset: usize, bytes: usize) -> io::Result<()> {
        count_fragment()?;
        // SAFETY: K1, K3.
        if unsafe { libc::mprotect(self.at(offset).cast(), bytes, libc::PROT_NONE) } != 0 {
            let error = io::Error::last_os_error();
            FRAGMENTS.fetch_sub(1, Ordering::Relaxed);
            return Err(error);
        }
        self.fragments.set(self.fragments.get() + 1);
        Ok(())
    }

    /// Gives back the pages behind these bytes, which nobody uses (K3); the next to use them finds zeroes, or what was there.
    pub(super) fn discard(&self, offset: usize, bytes: usize) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const ADVICE: libc::c_int = libc::MADV_DONTNEED;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const ADVICE: libc::c_int = libc::MADV_FREE;
        // Refused where the memory is locked: it stays, then.
        // SAFETY: K1, K3.
        unsafe { libc::madvise(self.at(offset).cast(), bytes, ADVICE) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: K1; whatever was in it is gone.
        let failed = unsafe { libc::munmap(self.start.cast(), self.bytes) };
        debug_assert_eq!(failed, 0, "munmap");
        FRAGMENTS.fetch_sub(self.fragments.get(), Ordering::Relaxed);
    }
}

// What a reservation means beyond a private mapping of nothing. Not FreeBSD's `MAP_STACK`, which grows by itself.
#[cfg(any(target_os = "linux", target_os = "android"))]
const OWN_FLAGS: libc::c_int = libc::MAP_NORESERVE | libc::MAP_STACK;
#[cfg(any(target_os = "openbsd", target_os = "netbsd"))]
const OWN_FLAGS: libc::c_int = libc::MAP_STACK;
#[cfg(target_vendor = "apple")]
const OWN_FLAGS: libc::c_int = libc::MAP_NORESERVE;
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "openbsd",
    target_os = "netbsd",
    target_vendor = "apple"
)))]
const OWN_FLAGS: libc::c_int = 0;

/// How many guards of this process are mappings: each makes two more of one.
static FRAGMENTS: AtomicUsize = AtomicUsize::new(0);

/// Refuses where the system would refuse soon, as nothing would then be left for the allocator, and the process would end.
fn count_fragment() -> io::Result<()> {
    // As it was when it was last asked for: that costs two system calls.
    static MOST: AtomicUsize = AtomicUsize::new(0);
    if FRAGMENTS.fetch_add(1, Ordering::Relaxed) >= MOST.load(Ordering::Relaxed) {
        let mappings = max_mappings().unwrap_or(usize::MAX);
        let most = mappings.saturating_sub(SPARE_MAPPINGS) / 2;
        MOST.store(most, Ordering::Relaxed);
        if FRAGMENTS.load(Ordering::Relaxed) > most {
            FRAGMENTS.fetch_sub(1, Ordering::Relaxed);
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
    }
    Ok(())
}

/// How many guards of this process are mappings.
pub(crate) fn fragments() -> usize {
    FRAGMENTS.load(Ordering::Relaxed)
}

/// How many mappings a process may have, `vm.max_map_count`; `None` where nothing tells.
pub(crate) fn max_mappings() -> Option<usize> {
    fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}
