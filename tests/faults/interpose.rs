//! The functions of libc that we, std, mio and socket2 call, defined here: the linker takes these, and each asks the plan
//! before it calls the one in the library. No ptrace, no preloading, and no code of ours knows.
//!
//! Invariants, cited by the `// SAFETY:` comments:
//!
//! - **I1** What stands behind a name in the library has the type that its page says. Functions with three dots are
//!   declared without: on the systems we build this for, integers and pointers travel the same way.
//! - **I2** Arguments are handed on as they came, or with a shorter length, so whoever called vouches for them.
//! - **I3** The state is made once, before any plan, in memory that is never unmapped.
//! - **I4** Nothing here takes a lock or allocates once `prepare` has been called: signal handlers and forked children call
//!   these functions too.

#![expect(unsafe_code, reason = "it stands between programs and their library")]
#![allow(clippy::missing_safety_doc, reason = "the manual pages are")]

use super::{
    calls::{Call, Fault},
    plan::{self, State, Verdict},
};
use nix::libc::{
    self, c_char, c_int, c_long, c_uint, c_ulong, c_void, mode_t, nfds_t, off64_t, pid_t, size_t, sockaddr,
    socklen_t, ssize_t,
};
use std::{
    ffi::CStr,
    mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst},
};

/// Makes the state, and finds all functions in the library.
pub(crate) fn prepare() {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, zeroed, aligned to a page.
    let memory = unsafe { libc::mmap(ptr::null_mut(), size_of::<State>(), protection, flags, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED, "there is memory");
    find_all();
    PROCESS.store(std::process::id(), SeqCst);
    STATE.store(memory.cast(), SeqCst);
}

/// The process of the scenario.
static PROCESS: AtomicU32 = AtomicU32::new(0);

static STATE: AtomicPtr<State> = AtomicPtr::new(ptr::null_mut());

/// # Panics
/// Before [`prepare`].
pub(crate) fn state() -> &'static State {
    state_if_there().expect("prepared")
}

pub(crate) fn state_if_there() -> Option<&'static State> {
    // SAFETY: I3; it is made of atomics, for which all zeroes will do.
    unsafe { STATE.load(SeqCst).as_ref() }
}

/// A function of the library, found at its first call, or by [`find_all`].
struct Real {
    name: &'static CStr,
    address: AtomicUsize,
}

impl Real {
    const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicUsize::new(0) }
    }

    fn address(&self) -> usize {
        match self.address.load(SeqCst) {
            0 => self.find(),
            address => address,
        }
    }

    #[cold]
    fn find(&self) -> usize {
        // SAFETY: the name ends with a zero.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) } as usize;
        assert_ne!(found, 0, "the library has {:?}", self.name);
        self.address.store(found, SeqCst);
        found
    }
}

/// What a function returns when it fails.
trait Refused {
    fn refused() -> Self;
}

impl Refused for c_int {
    fn refused() -> Self {
        -1
    }
}

impl Refused for isize {
    fn refused() -> Self {
        -1
    }
}

impl<T> Refused for *mut T {
    fn refused() -> Self {
        ptr::null_mut()
    }
}

impl Refused for i64 {
    fn refused() -> Self {
        -1
    }
}

fn refuse<T: Refused>(errno: c_int) -> T {
    set_errno(errno);
    T::refused()
}

fn set_errno(errno: c_int) {
    // SAFETY: it is this thread's.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { place.write(errno) };
}

/// What a plan has in store for a call.
fn decide(call: Call, fd: c_int) -> Verdict {
    let verdict = plan::decide(call, fd);
    // Who is not connected yet will hear of it.
    let is_connecting =
        call == Call::GetPeerName && verdict == Verdict::Wrong(Fault::Refused(libc::ENOTCONN));
    if is_connecting || verdict == Verdict::Wrong(Fault::Again) {
        rearm(fd);
    }
    verdict
}

/// Functions of the library, by name.
macro_rules! library {
    ($($name:ident)*) => {
        mod real {
            use super::{CStr, Real};
            $(
                #[allow(non_upper_case_globals, reason = "the library's name")]
                pub(super) static $name: Real = Real::new(
                    match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                        Ok(name) => name,
                        Err(_) => panic!("a name has no zero byte"),
                    },
                );
            )*
        }

        fn find_all() {
            $(real::$name.address();)*
        }
    };
}

/// The one in the library.
macro_rules! real {
    ($name:ident as fn($($type:ty),*) -> $ret:ty) => {
        // SAFETY: I1.
        unsafe { mem::transmute::<usize, unsafe extern "C" fn($($type),*) -> $ret>(real::$name.address()) }
    };
}

/// Defines functions. Those with a length to cut know [`Fault::Short`].
macro_rules! intercepted {
    ($($call:expr, $fd:expr => $name:ident($($arg:ident: $type:ty),*) -> $ret:ty $(, cut $len:ident)?;)*) => {$(
        /// Stands before the one in the library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $type),*) -> $ret {
            let real = real!($name as fn($($type),*) -> $ret);
            match decide($call, $fd) {
                Verdict::Wrong(Fault::Refused(errno)) => return refuse(errno),
                Verdict::Wrong(Fault::Again) => return refuse(libc::EAGAIN),
                Verdict::Wrong(Fault::Denied(errno)) => {
                    // SAFETY: I2.
                    unsafe { real($($arg),*) };
                    return refuse(errno);
                }
                Verdict::Wrong(Fault::Short) => {
                    $(let $len = 1.min($len);)?
                    // SAFETY: I2.
                    let done = unsafe { real($($arg),*) };
                    rearm($fd);
                    return done;
                }
                Verdict::Pass => {}
            }
            // SAFETY: I2.
            unsafe { real($($arg),*) }
        }
    )*};
}

const NOBODY: c_int = -1;

library! {
    accept4 bind chdir clone close connect dup dup2 epoll_create1 epoll_ctl epoll_wait eventfd execve fcntl fexecve fork getaddrinfo
    getpeername getsockname getsockopt ioctl kill listen lstat64 open64 pipe2 poll prctl pthread_create read readv recv
    recvfrom recvmmsg recvmsg send sendmmsg sendmsg sendto setsockopt shutdown sigaction socket socketpair syscall unlink
    waitid waitpid write writev

    fstat fstatat64 fstatfs mkfifo pread preadv2
    chmod copy_file_range fallocate64 fchmod fdatasync fdopendir flock fstat64 fsync ftruncate64 linkat lseek64
    memfd_create mkdir mmap mmap64 openat64 opendir posix_spawnp pread64 pwrite64 readdir64 readlink realpath rename rmdir
    sendfile64 setpgid splice stat64 statx symlink unlinkat
}

intercepted! {
    Call::Accept, fd => accept4(fd: c_int, addr: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int;
    Call::Bind, fd => bind(fd: c_int, addr: *const sockaddr, len: socklen_t) -> c_int;
    Call::Connect, fd => connect(fd: c_int, addr: *const sockaddr, len: socklen_t) -> c_int;
    Call::ChangeDirectory, NOBODY => chdir(path: *const c_char) -> c_int;
    Call::Clone, NOBODY => clone(start: *const c_void, stack: *mut c_void, flags: c_int, argument: *mut c_void,
        a: c_long, b: c_long, c: c_long) -> c_int;
    Call::Duplicate, fd => dup(fd: c_int) -> c_int;
    Call::DuplicateAs, fd => dup2(fd: c_int, number: c_int) -> c_int;
    Call::EpollCreate, NOBODY => epoll_create1(flags: c_int) -> c_int;
    Call::EpollWait, epfd => epoll_wait(epfd: c_int, events: *mut c_void, max: c_int, timeout: c_int) -> c_int;
    Call::Execute, NOBODY => execve(path: *const c_char, argv: Strings, envp: Strings) -> c_int;
    Call::ExecuteOpen, fd => fexecve(fd: c_int, argv: Strings, envp: Strings) -> c_int;
    Call::Fork, NOBODY => fork() -> pid_t;
    Call::GetPeerName, fd => getpeername(fd: c_int, addr: *mut sockaddr, len: *mut socklen_t) -> c_int;
    Call::GetSockName, fd => getsockname(fd: c_int, addr: *mut sockaddr, len: *mut socklen_t) -> c_int;
    Call::GetSockOpt, fd =>
        getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_void, len: *mut socklen_t) -> c_int;
    Call::Ioctl, fd => ioctl(fd: c_int, request: c_ulong, arg: c_ulong) -> c_int;
    Call::Kill, NOBODY => kill(pid: pid_t, signal: c_int) -> c_int;
    Call::Listen, fd => listen(fd: c_int, backlog: c_int) -> c_int;
    Call::LinkStatus, NOBODY => lstat64(path: *const c_char, status: *mut libc::stat64) -> c_int;
    Call::Open, NOBODY => open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    Call::Poll, NOBODY => poll(fds: *mut libc::pollfd, count: nfds_t, timeout: c_int) -> c_int;
    Call::Prctl, NOBODY => prctl(what: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int;
    Call::Read, fd => read(fd: c_int, buf: *mut c_void, len: size_t) -> ssize_t, cut len;
    Call::Receive, fd => recv(fd: c_int, buf: *mut c_void, len: size_t, flags: c_int) -> ssize_t, cut len;
    Call::ReceiveFrom, fd => recvfrom(fd: c_int, buf: *mut c_void, len: size_t, flags: c_int, addr: *mut sockaddr,
        addr_len: *mut socklen_t) -> ssize_t, cut len;
    Call::ReceiveMany, fd => recvmmsg(fd: c_int, messages: *mut libc::mmsghdr, count: c_uint, flags: c_int,
        timeout: *mut libc::timespec) -> c_int, cut count;
    Call::Send, fd => send(fd: c_int, buf: *const c_void, len: size_t, flags: c_int) -> ssize_t, cut len;
    Call::SendMany, fd => sendmmsg(fd: c_int, messages: *mut libc::mmsghdr, count: c_uint, flags: c_int) -> c_int,
        cut count;
    Call::SendTo, fd => sendto(fd: c_int, buf: *const c_void, len: size_t, flags: c_int, addr: *const sockaddr,
        addr_len: socklen_t) -> ssize_t, cut len;
    Call::SetSockOpt, fd =>
        setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, len: socklen_t) -> c_int;
    Call::Shutdown, fd => shutdown(fd: c_int, how: c_int) -> c_int;
    Call::Socket, NOBODY => socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    Call::SocketPair, NOBODY => socketpair(domain: c_int, kind: c_int, protocol: c_int, ends: *mut c_int) -> c_int;
    Call::Unlink, NOBODY => unlink(path: *const c_char) -> c_int;
    Call::WaitId, NOBODY => waitid(kind: c_uint, id: c_uint, info: *mut c_void, options: c_int) -> c_int;
    Call::WaitPid, NOBODY => waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t;
    Call::Write, fd => write(fd: c_int, buf: *const c_void, len: size_t) -> ssize_t, cut len;

    Call::ChangeMode, NOBODY => chmod(path: *const c_char, mode: mode_t) -> c_int;
    Call::ChangeMode, fd => fchmod(fd: c_int, mode: mode_t) -> c_int;
    Call::CopyRange, to => copy_file_range(from: c_int, from_at: *mut off64_t, to: c_int, to_at: *mut off64_t, len: size_t,
        flags: c_uint) -> ssize_t, cut len;
    Call::Fallocate, fd => fallocate64(fd: c_int, mode: c_int, at: off64_t, len: off64_t) -> c_int;
    Call::FileLock, fd => flock(fd: c_int, operation: c_int) -> c_int;
    Call::FileStatus, fd => fstat64(fd: c_int, status: *mut c_void) -> c_int;
    Call::FileStatus, fd => fstat(fd: c_int, status: *mut c_void) -> c_int;
    Call::Status, NOBODY => fstatat64(at: c_int, path: *const c_char, status: *mut c_void, flags: c_int) -> c_int;
    Call::FileSystem, fd => fstatfs(fd: c_int, status: *mut c_void) -> c_int;
    Call::FileSync, fd => fdatasync(fd: c_int) -> c_int;
    Call::FileSync, fd => fsync(fd: c_int) -> c_int;
    Call::HardLink, NOBODY => linkat(at: c_int, old: *const c_char, to: c_int, new: *const c_char, flags: c_int) -> c_int;
    Call::MemoryFile, NOBODY => memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    Call::MakeDirectory, NOBODY => mkdir(path: *const c_char, mode: mode_t) -> c_int;
    Call::MakeFifo, NOBODY => mkfifo(path: *const c_char, mode: mode_t) -> c_int;
    Call::OpenAt, NOBODY => openat64(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    Call::OpenDirectory, NOBODY => opendir(path: *const c_char) -> *mut c_void;
    Call::OpenDirectory, fd => fdopendir(fd: c_int) -> *mut c_void;
    Call::ProcessGroup, NOBODY => setpgid(pid: pid_t, group: pid_t) -> c_int;
    Call::ReadAt, fd => pread64(fd: c_int, buf: *mut c_void, len: size_t, at: off64_t) -> ssize_t, cut len;
    Call::ReadAt, fd => pread(fd: c_int, buf: *mut c_void, len: size_t, at: off64_t) -> ssize_t, cut len;
    Call::ReadDirectory, NOBODY => readdir64(directory: *mut c_void) -> *mut c_void;
    Call::ReadLink, NOBODY => readlink(path: *const c_char, buf: *mut c_char, len: size_t) -> ssize_t;
    Call::RealPath, NOBODY => realpath(path: *const c_char, resolved: *mut c_char) -> *mut c_char;
    Call::RemoveDirectory, NOBODY => rmdir(path: *const c_char) -> c_int;
    Call::Rename, NOBODY => rename(old: *const c_char, new: *const c_char) -> c_int;
    Call::Seek, fd => lseek64(fd: c_int, offset: off64_t, whence: c_int) -> off64_t;
    Call::SendFile, to => sendfile64(to: c_int, from: c_int, at: *mut off64_t, len: size_t) -> ssize_t, cut len;
    Call::Splice, if is_registered(from) { from } else { to } => splice(from: c_int, from_at: *mut off64_t, to: c_int, to_at: *mut off64_t, len: size_t,
        flags: c_uint) -> ssize_t, cut len;
    Call::Status, NOBODY => stat64(path: *const c_char, status: *mut c_void) -> c_int;
    Call::StatusX, NOBODY => statx(at: c_int, path: *const c_char, flags: c_int, mask: c_uint, status: *mut c_void) -> c_int;
    Call::SymbolicLink, NOBODY => symlink(target: *const c_char, path: *const c_char) -> c_int;
    Call::Truncate, fd => ftruncate64(fd: c_int, len: off64_t) -> c_int;
    Call::UnlinkAt, NOBODY => unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int;
    Call::WriteAt, fd => pwrite64(fd: c_int, buf: *const c_void, len: size_t, at: off64_t) -> ssize_t, cut len;
}

type Strings = *const *const c_char;

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    forget(fd);
    is_of_kind(fd, Kind::Usual);
    let real = real!(close as fn(c_int) -> c_int);
    let verdict = decide(Call::Close, fd);
    // SAFETY: I2.
    let closed = unsafe { real(fd) };
    // Linux closes it, whatever it says.
    if let Verdict::Wrong(Fault::Denied(errno)) = verdict { refuse(errno) } else { closed }
}

/// Stands before the one in the library. A child that is about to be a program gives all signals back, and is let through.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaction(signal: c_int, action: *const c_void, before: *mut c_void) -> c_int {
    if std::process::id() == PROCESS.load(SeqCst)
        && let Verdict::Wrong(Fault::Refused(errno)) = decide(Call::SigAction, NOBODY)
    {
        return refuse(errno);
    }
    let real = real!(sigaction as fn(c_int, *const c_void, *mut c_void) -> c_int);
    // SAFETY: I2.
    unsafe { real(signal, action, before) }
}

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn eventfd(value: c_uint, flags: c_int) -> c_int {
    if let Verdict::Wrong(Fault::Refused(errno)) = decide(Call::Eventfd, NOBODY) {
        return refuse(errno);
    }
    let real = real!(eventfd as fn(c_uint, c_int) -> c_int);
    // SAFETY: I2.
    let fd = unsafe { real(value, flags) };
    is_of_kind(fd, Kind::Counter);
    fd
}

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn pipe2(ends: *mut c_int, flags: c_int) -> c_int {
    if let Verdict::Wrong(Fault::Refused(errno)) = decide(Call::Pipe, NOBODY) {
        return refuse(errno);
    }
    let real = real!(pipe2 as fn(*mut c_int, c_int) -> c_int);
    // SAFETY: I2.
    let made = unsafe { real(ends, flags) };
    if made == 0 && flags & libc::O_DIRECT != 0 {
        // SAFETY: I2; it has been filled.
        let ends = unsafe { ends.cast::<[c_int; 2]>().read() };
        ends.into_iter().for_each(|end| is_of_kind(end, Kind::Packets));
    }
    made
}

/// Stands before the one in the library. What only asks, or is about locks, is let through.
#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: c_ulong) -> c_int {
    let call = match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => Some(Call::FcntlDuplicate),
        libc::F_GETFL | libc::F_SETFL | libc::F_SETFD => Some(Call::FcntlFlags),
        _ => None,
    };
    if let Some(Verdict::Wrong(Fault::Refused(errno))) = call.map(|call| decide(call, fd)) {
        return refuse(errno);
    }
    let real = real!(fcntl as fn(c_int, c_int, c_ulong) -> c_int);
    // SAFETY: I2.
    unsafe { real(fd, command, argument) }
}

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(epfd: c_int, op: c_int, fd: c_int, event: *mut libc::epoll_event) -> c_int {
    if let Verdict::Wrong(Fault::Refused(errno)) = decide(Call::EpollControl, fd) {
        return refuse(errno);
    }
    let real = real!(epoll_ctl as fn(c_int, c_int, c_int, *mut libc::epoll_event) -> c_int);
    // SAFETY: I2.
    let done = unsafe { real(epfd, op, fd, event) };
    if done == 0 {
        // SAFETY: it is read by the system too, unless nothing is registered.
        match unsafe { event.as_ref() } {
            Some(&event) if op != libc::EPOLL_CTL_DEL => note(epfd, fd, event),
            _ => forget(fd),
        }
    }
    done
}

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn readv(fd: c_int, slices: *const libc::iovec, count: c_int) -> ssize_t {
    let real = real!(readv as fn(c_int, *const libc::iovec, c_int) -> ssize_t);
    // SAFETY: I2.
    unsafe { vectored(Call::ReadVectored, real, fd, slices, count) }
}

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, slices: *const libc::iovec, count: c_int) -> ssize_t {
    let real = real!(writev as fn(c_int, *const libc::iovec, c_int) -> ssize_t);
    // SAFETY: I2.
    unsafe { vectored(Call::WriteVectored, real, fd, slices, count) }
}

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn preadv2(
    fd: c_int,
    slices: *const libc::iovec,
    count: c_int,
    at: off64_t,
    flags: c_int,
) -> ssize_t {
    let real = real!(preadv2 as fn(c_int, *const libc::iovec, c_int, off64_t, c_int) -> ssize_t);
    match decide(Call::ReadAtHow, fd) {
        Verdict::Wrong(Fault::Short) => {
            // SAFETY: I2.
            let slice = unsafe { first_byte(slices, count as usize) };
            // SAFETY: I2; the slice lives until the call returns.
            unsafe { real(fd, &raw const slice, 1, at, flags) }
        }
        Verdict::Wrong(fault) => refuse(fault.errno().unwrap_or(0)),
        // SAFETY: I2.
        Verdict::Pass => unsafe { real(fd, slices, count, at, flags) },
    }
}

unsafe fn vectored(
    call: Call,
    real: unsafe extern "C" fn(c_int, *const libc::iovec, c_int) -> ssize_t,
    fd: c_int,
    slices: *const libc::iovec,
    count: c_int,
) -> ssize_t {
    match decide(call, fd) {
        Verdict::Wrong(Fault::Short) => {
            // SAFETY: I2.
            let slice = unsafe { first_byte(slices, count as usize) };
            // SAFETY: I2; the slice lives until the call returns.
            let done = unsafe { real(fd, &raw const slice, 1) };
            rearm(fd);
            done
        }
        Verdict::Wrong(fault) => refuse(fault.errno().unwrap_or(0)),
        // SAFETY: I2.
        Verdict::Pass => unsafe { real(fd, slices, count) },
    }
}

/// The first byte of all slices together.
unsafe fn first_byte(slices: *const libc::iovec, count: usize) -> libc::iovec {
    let none = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
    for index in 0..count {
        // SAFETY: I2.
        let slice = unsafe { slices.add(index) };
        // SAFETY: I2.
        let slice = unsafe { slice.read() };
        if slice.iov_len > 0 {
            return libc::iovec { iov_len: 1, ..slice };
        }
    }
    none
}

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn recvmsg(fd: c_int, message: *mut libc::msghdr, flags: c_int) -> ssize_t {
    let real = real!(recvmsg as fn(c_int, *mut libc::msghdr, c_int) -> ssize_t);
    match decide(Call::ReceiveMessage, fd) {
        // SAFETY: I2.
        Verdict::Pass => return unsafe { real(fd, message, flags) },
        Verdict::Wrong(Fault::Short) => {}
        Verdict::Wrong(fault) => return refuse(fault.errno().unwrap_or(0)),
    }
    // SAFETY: I2.
    let libc::msghdr { msg_iov: slices, msg_iovlen: count, .. } = unsafe { message.read() };
    // SAFETY: I2.
    let mut slice = unsafe { first_byte(slices, count) };
    // SAFETY: I2.
    unsafe { (*message).msg_iov = &raw mut slice };
    // SAFETY: I2.
    unsafe { (*message).msg_iovlen = 1 };
    // SAFETY: I2; the slice lives until the call returns.
    let done = unsafe { real(fd, message, flags) };
    // SAFETY: I2.
    unsafe { (*message).msg_iov = slices };
    // SAFETY: I2.
    unsafe { (*message).msg_iovlen = count };
    rearm(fd);
    done
}

/// Stands before the one in the library.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendmsg(fd: c_int, message: *const libc::msghdr, flags: c_int) -> ssize_t {
    let real = real!(sendmsg as fn(c_int, *const libc::msghdr, c_int) -> ssize_t);
    match decide(Call::SendMessage, fd) {
        // SAFETY: I2.
        Verdict::Pass => unsafe { real(fd, message, flags) },
        Verdict::Wrong(Fault::Short) => {
            // SAFETY: I2.
            let mut message = unsafe { message.read() };
            // SAFETY: I2.
            let mut slice = unsafe { first_byte(message.msg_iov, message.msg_iovlen) };
            message.msg_iov = &raw mut slice;
            message.msg_iovlen = 1;
            // SAFETY: I2; the slice lives until the call returns.
            unsafe { real(fd, &raw const message, flags) }
        }
        Verdict::Wrong(fault) => refuse(fault.errno().unwrap_or(0)),
    }
}

/// Stands before the one in the library. It gives the error, and leaves `errno` alone.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    start: *const c_void,
    argument: *mut c_void,
) -> c_int {
    if let Verdict::Wrong(Fault::Refused(errno)) = decide(Call::ThreadStart, NOBODY) {
        return errno;
    }
    let real = real!(pthread_create as fn(*mut c_void, *const c_void, *const c_void, *mut c_void) -> c_int);
    // SAFETY: I2.
    unsafe { real(thread, attributes, start, argument) }
}

/// Stands before the one in the library. It gives the error, and leaves `errno` alone.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawnp(
    pid: *mut pid_t,
    file: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    argv: Strings,
    envp: Strings,
) -> c_int {
    if let Verdict::Wrong(Fault::Refused(errno)) = decide(Call::Spawn, NOBODY) {
        return errno;
    }
    let real = real!(
        posix_spawnp
            as fn(*mut pid_t, *const c_char, *const c_void, *const c_void, Strings, Strings) -> c_int
    );
    // SAFETY: I2.
    unsafe { real(pid, file, actions, attributes, argv, envp) }
}

/// Stands before the one in the library. What it gives when it fails is not null.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    place: *mut c_void,
    len: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    at: off64_t,
) -> *mut c_void {
    // SAFETY: I2.
    unsafe { mmap64(place, len, protection, flags, fd, at) }
}

/// Stands before the one in the library. What it gives when it fails is not null.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap64(
    place: *mut c_void,
    len: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    at: off64_t,
) -> *mut c_void {
    // Memory for stacks and the like is the library's business.
    if fd >= 0
        && let Verdict::Wrong(Fault::Refused(errno)) = decide(Call::Map, fd)
    {
        set_errno(errno);
        return libc::MAP_FAILED;
    }
    let real = real!(mmap64 as fn(*mut c_void, size_t, c_int, c_int, c_int, off64_t) -> *mut c_void);
    // SAFETY: I2.
    unsafe { real(place, len, protection, flags, fd, at) }
}

/// Stands before the one in the library. It has errors of its own.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const c_void,
    found: *mut c_void,
) -> c_int {
    match decide(Call::GetAddrInfo, NOBODY) {
        Verdict::Wrong(Fault::Refused(libc::EAGAIN)) => return libc::EAI_AGAIN,
        Verdict::Wrong(Fault::Refused(libc::ENOMEM)) => return libc::EAI_MEMORY,
        Verdict::Wrong(_) => return libc::EAI_NONAME,
        Verdict::Pass => {}
    }
    let real = real!(getaddrinfo as fn(*const c_char, *const c_char, *const c_void, *mut c_void) -> c_int);
    // SAFETY: I2.
    unsafe { real(node, service, hints, found) }
}

/// Stands before the one in the library, and knows the calls that have no function there.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let call = match number {
        libc::SYS_close_range => Some(Call::CloseRange),
        libc::SYS_pidfd_open => Some(Call::PidfdOpen),
        libc::SYS_pidfd_send_signal => Some(Call::PidfdSendSignal),
        libc::SYS_openat2 => Some(Call::OpenAtHow),
        libc::SYS_preadv2 => Some(Call::ReadAtHow),
        _ => None,
    };
    if let Some(Verdict::Wrong(Fault::Refused(errno))) = call.map(|call| decide(call, NOBODY)) {
        return refuse(errno);
    }
    let real = real!(syscall as fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long);
    // SAFETY: I2.
    unsafe { real(number, a, b, c, d, e, f) }
}

/// Descriptors that are not what they look like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Usual,
    /// eventfd(2): a write fails only when there is no room.
    Counter,
    /// Nothing shows it but how it was made.
    Packets,
}

/// What is known of a descriptor, and what is registered with a selector, so that its event can be brought about once more.
struct Known {
    kind: AtomicU32,
    /// 0: nothing; else one more than the selector's number.
    selector: AtomicU32,
    events: AtomicU32,
    data: AtomicU64,
}

/// More descriptors no scenario opens.
const MAX_FDS: usize = 1024;

static KNOWN: [Known; MAX_FDS] = [const {
    Known {
        kind: AtomicU32::new(Kind::Usual as u32),
        selector: AtomicU32::new(0),
        events: AtomicU32::new(0),
        data: AtomicU64::new(0),
    }
}; MAX_FDS];

fn known(fd: c_int) -> Option<&'static Known> {
    KNOWN.get(usize::try_from(fd).ok()?)
}

fn is_of_kind(fd: c_int, kind: Kind) {
    if let Some(place) = known(fd) {
        place.kind.store(kind as u32, SeqCst);
    }
}

fn is(fd: c_int, kind: Kind) -> bool {
    known(fd).is_some_and(|place| place.kind.load(SeqCst) == kind as u32)
}

fn note(epfd: c_int, fd: c_int, event: libc::epoll_event) {
    let Some(place) = known(fd) else { return };
    let (events, data) = (event.events, event.u64);
    place.events.store(events, SeqCst);
    place.data.store(data, SeqCst);
    place.selector.store(epfd.cast_unsigned() + 1, SeqCst);
}

fn forget(fd: c_int) {
    if let Some(place) = known(fd) {
        place.selector.store(0, SeqCst);
    }
}

fn is_registered(fd: c_int) -> bool {
    known(fd).is_some_and(|place| place.selector.load(SeqCst) != 0)
}

/// Makes a descriptor what a number stands for, past any plan; gives what it stood for.
pub(crate) fn replace(number: c_int, with: BorrowedFd<'_>) -> OwnedFd {
    let real_fcntl = real!(fcntl as fn(c_int, c_int, c_ulong) -> c_int);
    // SAFETY: it takes plain numbers.
    let before = unsafe { real_fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    assert!(before > 2, "it is open");
    let real_dup2 = real!(dup2 as fn(c_int, c_int) -> c_int);
    // SAFETY: as above.
    assert_eq!(unsafe { real_dup2(with.as_raw_fd(), number) }, number);
    // SAFETY: the first call has opened it for us.
    unsafe { OwnedFd::from_raw_fd(before) }
}

/// Has the selector report anew what is true of a descriptor.
fn rearm(fd: c_int) {
    let Some(place) = known(fd) else { return };
    let Some(selector) = place.selector.load(SeqCst).checked_sub(1) else { return };
    let mut event = libc::epoll_event { events: place.events.load(SeqCst), u64: place.data.load(SeqCst) };
    let real = real!(epoll_ctl as fn(c_int, c_int, c_int, *mut libc::epoll_event) -> c_int);
    // SAFETY: plain numbers, and an event that lives for the call.
    unsafe { real(selector.cast_signed(), libc::EPOLL_CTL_MOD, fd, &raw mut event) };
}

/// Whether a call may go wrong that way: nothing that blocks says "again", nothing is cut that comes in packets but their number,
/// only a stream's `connect` goes on behind, and eventfd(2) has errors of its own.
pub(crate) fn may_happen(call: Call, fault: Fault, fd: c_int) -> bool {
    match fault {
        Fault::Denied(_) if call == Call::Connect => is_a_stream(fd),
        Fault::Refused(errno) if is(fd, Kind::Counter) => errno == libc::EINTR,
        Fault::Refused(_) | Fault::Denied(_) => true,
        // It would hold as much as 64 bits can count.
        Fault::Again if is(fd, Kind::Counter) => false,
        Fault::Again => {
            let real = real!(fcntl as fn(c_int, c_int, c_ulong) -> c_int);
            // SAFETY: it only asks.
            let flags = unsafe { real(fd, libc::F_GETFL, 0) };
            flags >= 0 && flags & libc::O_NONBLOCK != 0
        }
        Fault::Short => matches!(call, Call::SendMany | Call::ReceiveMany) || is_a_stream(fd),
    }
}

fn is_a_stream(fd: c_int) -> bool {
    // SAFETY: all zeroes is a valid value.
    let mut status: libc::stat64 = unsafe { mem::zeroed() };
    let real = real!(fstat64 as fn(c_int, *mut libc::stat64) -> c_int);
    // SAFETY: it writes the struct it is given.
    if unsafe { real(fd, &raw mut status) } != 0 {
        return false;
    }
    match status.st_mode & libc::S_IFMT {
        libc::S_IFSOCK => {
            let (mut kind, mut len) = (0, size_of::<c_int>() as socklen_t);
            let real = real!(getsockopt as fn(c_int, c_int, c_int, *mut c_void, *mut socklen_t) -> c_int);
            // SAFETY: it writes the number.
            unsafe { real(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut len) };
            kind == libc::SOCK_STREAM
        }
        libc::S_IFIFO => !is(fd, Kind::Packets),
        kind => kind == libc::S_IFREG,
    }
}
