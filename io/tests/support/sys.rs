//! System calls that the stories need and no safe crate offers.
#![expect(unsafe_code, reason = "tests provoke what safe code cannot")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Lowers or raises how many descriptors this process may open; gives what it was.
pub(crate) fn limit_descriptors(limit: libc::rlim_t) -> libc::rlim_t {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the struct it is given.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) }, 0);
    let before = limits.rlim_cur;
    limits.rlim_cur = limit.min(limits.rlim_max);
    // SAFETY: it reads the struct it is given.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) }, 0);
    before
}

/// The number that the next descriptor will get.
pub(crate) fn next_descriptor() -> RawFd {
    let probe = std::fs::File::open("/dev/null").unwrap();
    probe.as_raw_fd()
}

/// Whether a descriptor is closed by `exec`.
pub(crate) fn closes_on_exec(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: it only asks.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
}

/// A descriptor that is not open.
pub(crate) fn closed_descriptor() -> BorrowedFd<'static> {
    // SAFETY: it is a lie, and what is done about it is the story. No process may open as many.
    unsafe { BorrowedFd::borrow_raw(i32::MAX - 7) }
}

/// A pipe that keeps every write apart, as a packet.
#[cfg(target_os = "linux")]
pub(crate) fn packet_pipe() -> (std::os::fd::OwnedFd, std::os::fd::OwnedFd) {
    use std::os::fd::FromRawFd;

    let mut ends = [0; 2];
    // SAFETY: it writes the two numbers.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_DIRECT | libc::O_CLOEXEC) }, 0);
    // SAFETY: the call has opened both for us.
    let [reader, writer] = ends.map(|end| unsafe { std::os::fd::OwnedFd::from_raw_fd(end) });
    (reader, writer)
}

/// A socket for datagrams that is bound to a path as long as the system takes, which leaves no room for its terminator.
#[cfg(target_os = "linux")]
pub(crate) fn bound_without_terminator(path: &std::path::Path) -> std::os::unix::net::UnixDatagram {
    use std::os::unix::ffi::OsStrExt;
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    // SAFETY: all zeroes is an address without a name.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX.try_into().unwrap();
    let path = path.as_os_str().as_bytes();
    assert_eq!(path.len(), address.sun_path.len());
    for (place, byte) in address.sun_path.iter_mut().zip(path) {
        *place = byte.cast_signed() as libc::c_char;
    }
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap();
    // SAFETY: it reads the struct it is given.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(bound, 0, "{}", io::Error::last_os_error());
    socket
}

/// A counter that is read one by one.
#[cfg(target_os = "linux")]
pub(crate) fn semaphore() -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: it takes plain numbers.
    let counter = unsafe { libc::eventfd(0, libc::EFD_SEMAPHORE | libc::EFD_CLOEXEC) };
    assert!(counter >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the call has opened it for us.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(counter) }
}

/// Tells of each file that is made in a folder.
#[cfg(target_os = "linux")]
pub(crate) fn watch_for_new_files(folder: &std::path::Path) -> std::os::fd::OwnedFd {
    use std::os::{fd::FromRawFd, unix::ffi::OsStrExt};
    // SAFETY: it takes a plain number.
    let watch = unsafe { libc::inotify_init1(libc::IN_CLOEXEC) };
    assert!(watch >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the call has opened it for us.
    let watch = unsafe { std::os::fd::OwnedFd::from_raw_fd(watch) };
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path lives for the call, and ends with a zero.
    let added = unsafe { libc::inotify_add_watch(watch.as_raw_fd(), path.as_ptr(), libc::IN_CREATE) };
    assert!(added >= 0, "{}", io::Error::last_os_error());
    watch
}

/// A terminal: the side of who types and looks, and the side of the program. It shows nothing that is typed.
pub(crate) fn terminal() -> (std::fs::File, std::os::fd::OwnedFd) {
    use std::os::fd::{FromRawFd, OwnedFd};

    let (mut keyboard, mut program) = (0, 0);
    let (name, settings, size) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: it writes the two numbers.
    let opened = unsafe { libc::openpty(&raw mut keyboard, &raw mut program, name, settings, size) };
    assert_eq!(opened, 0, "{}", io::Error::last_os_error());
    // SAFETY: the call has opened it for us.
    let keyboard = unsafe { OwnedFd::from_raw_fd(keyboard) };
    // SAFETY: as above.
    let program = unsafe { OwnedFd::from_raw_fd(program) };
    // SAFETY: all zeroes is a valid value.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: it writes the struct.
    assert_eq!(unsafe { libc::tcgetattr(program.as_raw_fd(), &raw mut settings) }, 0);
    settings.c_lflag &= !libc::ECHO;
    settings.c_oflag &= !libc::OPOST;
    // SAFETY: it reads the struct.
    assert_eq!(unsafe { libc::tcsetattr(program.as_raw_fd(), libc::TCSANOW, &raw const settings) }, 0);
    (keyboard.into(), program)
}

/// Has the system put a descriptor of the sending process beside each message (`SO_PASSPIDFD`, Linux 6.5); false if it cannot.
#[cfg(target_os = "linux")]
pub(crate) fn ask_for_senders(socket: BorrowedFd<'_>) -> bool {
    let yes: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&yes)).unwrap();
    let (fd, option) = (socket.as_raw_fd(), libc::SO_PASSPIDFD);
    // SAFETY: it reads the number.
    let set = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const yes).cast(), size) };
    set == 0
}

/// Sends bytes with a descriptor beside them (`SCM_RIGHTS`).
#[cfg(target_os = "linux")]
pub(crate) fn send_with_descriptor(socket: BorrowedFd<'_>, bytes: &[u8], passenger: BorrowedFd<'_>) {
    #[repr(C, align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut slice = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zeroes is a message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    let size = u32::try_from(size_of::<RawFd>()).unwrap();
    // SAFETY: it only computes.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size) } as usize;
    // SAFETY: it only computes.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: the message has room for a header, aligned for it.
    let header = unsafe { &mut *header };
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: it only computes.
    header.cmsg_len = unsafe { libc::CMSG_LEN(size) } as usize;
    // SAFETY: it only computes; the room was counted for this.
    let place = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: as above; the place may be unaligned.
    unsafe { place.cast::<RawFd>().write_unaligned(passenger.as_raw_fd()) };
    // SAFETY: everything the message points to is alive.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) };
    assert_eq!(sent, bytes.len().cast_signed(), "{}", io::Error::last_os_error());
}

/// Gives SIGPIPE back the deadly meaning that Rust programs take from it at the start.
pub(crate) fn make_sigpipe_deadly() {
    give_back(libc::SIGPIPE);
}

/// Gives a signal back what it means by itself.
pub(crate) fn give_back(signal: libc::c_int) {
    // SAFETY: no handler of ours is involved.
    assert_ne!(unsafe { libc::signal(signal, libc::SIG_DFL) }, libc::SIG_ERR);
}

/// Whether a signal is held off on this thread, or waits.
pub(crate) fn is_held_off(signal: libc::c_int) -> bool {
    // SAFETY: all zeroes is a valid value.
    let mut masked: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: it writes the set.
    assert_eq!(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut masked) }, 0);
    // SAFETY: all zeroes is a valid value.
    let mut pending: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: it writes the set.
    assert_eq!(unsafe { libc::sigpending(&raw mut pending) }, 0);
    // SAFETY: it reads the set.
    let is_in = |set: &libc::sigset_t| unsafe { libc::sigismember(set, signal) == 1 };
    is_in(&masked) || is_in(&pending)
}

static INTERRUPTIONS: AtomicUsize = AtomicUsize::new(0);

/// How many signals of [`catch_sigusr1`] have come.
pub(crate) fn interruptions() -> usize {
    INTERRUPTIONS.load(Ordering::Relaxed)
}

/// Has SIGUSR1 interrupt system calls, and not restart them.
pub(crate) fn catch_sigusr1() {
    extern "C" fn count(_: libc::c_int) {
        INTERRUPTIONS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: all zeroes is an action without flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as *const () as usize;
    // SAFETY: the handler touches one atomic.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) }, 0);
}

/// Has a function called for a signal, which must be one that may run in the middle of anything.
pub(crate) fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all zeroes is an action without flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: the caller's promise.
    assert_eq!(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }, 0);
}

/// Whether this runs on the stack that the thread has for signals; std gives each thread one.
pub(crate) fn is_on_signal_stack() -> bool {
    // SAFETY: all zeroes is a stack of nothing.
    let mut stack: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: it only asks.
    assert_eq!(unsafe { libc::sigaltstack(std::ptr::null(), &raw mut stack) }, 0);
    stack.ss_flags & libc::SS_ONSTACK != 0
}

/// Sends a signal to this thread.
pub(crate) fn raise(signal: libc::c_int) {
    // SAFETY: it only sends.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

/// Names this thread for [`interrupt`].
pub(crate) fn this_thread() -> libc::pthread_t {
    // SAFETY: it takes nothing.
    unsafe { libc::pthread_self() }
}

/// Sends SIGUSR1 to a thread that is alive.
pub(crate) fn interrupt(thread: libc::pthread_t) {
    // SAFETY: the caller joins itself before that thread ends.
    unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
}

/// Makes a call again that a signal has interrupted.
fn uninterrupted(mut call: impl FnMut() -> libc::c_int) -> libc::c_int {
    loop {
        let done = call();
        if done >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return done;
        }
    }
}

/// Runs `child` in a forked process, which ends with the status that it returns; gives that status.
pub(crate) fn in_forked_child(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child does not return into the test harness.
    match unsafe { libc::fork() } {
        0 => {
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: it ends the process.
            unsafe { libc::_exit(status) }
        }
        pid => {
            assert!(pid > 0, "{}", io::Error::last_os_error());
            let mut status = 0;
            // SAFETY: it writes the status.
            let waited = uninterrupted(|| unsafe { libc::waitpid(pid, &raw mut status, 0) });
            assert_eq!(waited, pid, "{}", io::Error::last_os_error());
            assert!(libc::WIFEXITED(status), "the child died: {status:x}");
            libc::WEXITSTATUS(status)
        }
    }
}

/// A forked process that runs `child`, ends with it, and is killed when this is dropped.
#[cfg(target_os = "linux")]
pub(crate) struct Forked(libc::pid_t);

#[cfg(target_os = "linux")]
impl Forked {
    pub(crate) fn new(child: impl FnOnce()) -> Self {
        // SAFETY: the child does not return into the test harness.
        match unsafe { libc::fork() } {
            0 => {
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
                // SAFETY: it ends the process.
                unsafe { libc::_exit(if ended.is_ok() { 0 } else { 101 }) }
            }
            pid => {
                assert!(pid > 0, "{}", io::Error::last_os_error());
                Self(pid)
            }
        }
    }

    /// In the child: from now on its parent says when it goes on.
    pub(crate) fn be_traced() {
        // SAFETY: it takes no more than its name.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_TRACEME) }, 0);
        Self::stop();
    }

    /// In the child: stands still until it is told to go on.
    pub(crate) fn stop() {
        // SAFETY: it takes a plain number.
        unsafe { libc::raise(libc::SIGSTOP) };
    }

    /// The signal that the child stopped at; `None` if it ended.
    pub(crate) fn stopped(&self) -> Option<libc::c_int> {
        let mut status = 0;
        // SAFETY: it writes the status.
        let waited = uninterrupted(|| unsafe { libc::waitpid(self.0, &raw mut status, libc::WUNTRACED) });
        assert_eq!(waited, self.0, "{}", io::Error::last_os_error());
        libc::WIFSTOPPED(status).then(|| libc::WSTOPSIG(status))
    }

    /// Has a child that is traced go on by one instruction; gives whether it got there without stopping by itself.
    pub(crate) fn step(&self) -> bool {
        let nothing = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: no address is read or written.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.0, nothing, nothing) }, 0);
        self.stopped() == Some(libc::SIGTRAP)
    }

    /// Ends it here and now.
    pub(crate) fn kill(self) {}

    /// Waits until it ends by itself; gives whether it ended well.
    pub(crate) fn ends_well(self) -> bool {
        let mut status = 0;
        // SAFETY: it writes the status.
        let waited = uninterrupted(|| unsafe { libc::waitpid(self.0, &raw mut status, 0) });
        assert_eq!(waited, self.0, "{}", io::Error::last_os_error());
        std::mem::forget(self);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

#[cfg(target_os = "linux")]
impl Drop for Forked {
    fn drop(&mut self) {
        // SAFETY: it takes plain numbers, and the child was not reaped yet.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        let mut status = 0;
        // SAFETY: it writes the status.
        uninterrupted(|| unsafe { libc::waitpid(self.0, &raw mut status, 0) });
    }
}

/// Calls the alarm off; gives the seconds that were left, 0 if there was none.
pub(crate) fn cancel_alarm() -> u32 {
    // SAFETY: it takes a plain number.
    unsafe { libc::alarm(0) }
}

/// Has a signal wait, for this thread and those that it starts.
pub(crate) fn block(signal: libc::c_int) {
    // SAFETY: all zeroes is a valid value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: it writes the set.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    // SAFETY: it reads the set.
    assert_eq!(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) }, 0);
}

/// Waits until a child has ended, and leaves its last word to whoever takes it.
#[cfg(target_os = "linux")]
pub(crate) fn until_ended(pid: u32) {
    // SAFETY: all zeroes is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let how = libc::WEXITED | libc::WNOWAIT;
    // SAFETY: it writes the struct.
    let waited = uninterrupted(|| unsafe { libc::waitid(libc::P_PID, pid, &raw mut info, how) });
    assert_eq!(waited, 0, "{}", io::Error::last_os_error());
}

/// A descriptor that programs get which this process starts.
pub(crate) fn inheritable() -> std::os::fd::OwnedFd {
    use std::os::fd::{FromRawFd, OwnedFd};

    // SAFETY: it reads the path.
    let fd = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY) };
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the call has opened it for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A file in memory that can be made shorter.
#[cfg(target_os = "linux")]
pub(crate) fn unsealed_memory() -> std::fs::File {
    use std::os::fd::FromRawFd;

    // SAFETY: it reads the name.
    let fd = unsafe { libc::memfd_create(c"story".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: the call has opened it for us.
    unsafe { std::fs::File::from_raw_fd(fd) }
}

/// Has root's power outlast a change of user (prctl(2), `PR_SET_KEEPCAPS`).
#[cfg(target_os = "linux")]
pub(crate) fn keep_capabilities() {
    // SAFETY: it takes a plain number.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1 as libc::c_ulong, 0, 0, 0) }, 0);
}

/// Lowers or raises how many processes this user may have; gives what it was.
pub(crate) fn limit_processes(limit: libc::rlim_t) -> libc::rlim_t {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the struct it is given.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NPROC, &raw mut limits) }, 0);
    let before = limits.rlim_cur;
    limits.rlim_cur = limit.min(limits.rlim_max);
    // SAFETY: it reads the struct it is given.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limits) }, 0);
    before
}

/// Puts a descriptor in the place of a standard stream. For a process of its own.
pub(crate) fn become_standard(fd: BorrowedFd<'_>, number: RawFd) {
    // SAFETY: it replaces what nobody here owns.
    assert_eq!(unsafe { libc::dup2(fd.as_raw_fd(), number) }, number, "{}", io::Error::last_os_error());
}

/// Closes a standard stream. For a process of its own.
pub(crate) fn close_standard(number: RawFd) {
    // SAFETY: nobody here owns it.
    assert_eq!(unsafe { libc::close(number) }, 0);
}

/// Whether a standard stream blocks, for everybody who has it.
pub(crate) fn blocks(number: RawFd) -> bool {
    // SAFETY: it only asks.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFL) };
    assert!(flags >= 0, "{}", io::Error::last_os_error());
    flags & libc::O_NONBLOCK == 0
}

/// Has writes beyond this size fail, or kill: that is the limit's way.
pub(crate) fn limit_file_size(limit: libc::rlim_t) {
    let limits = libc::rlimit { rlim_cur: limit, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: it reads the struct it is given.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limits) }, 0);
}

/// A small file system in memory, seen by this thread and those it creates; gone when it is dropped.
#[cfg(target_os = "linux")]
pub(crate) struct SmallDisk(std::ffi::CString);

#[cfg(target_os = "linux")]
impl SmallDisk {
    /// # Errors
    /// If this process may not.
    pub(crate) fn mount(at: &std::path::Path, bytes: usize) -> io::Result<Self> {
        use std::{ffi::CString, os::unix::ffi::OsStrExt};

        let check = |result: libc::c_int| match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        };
        // SAFETY: it takes flags only.
        check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        let none = std::ptr::null();
        let private = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: all strings end, and live for the call.
        check(unsafe { libc::mount(none, c"/".as_ptr(), none, private, none.cast()) })?;
        let at = CString::new(at.as_os_str().as_bytes()).unwrap();
        let options = CString::new(format!("size={bytes}")).unwrap();
        let kind = c"tmpfs".as_ptr();
        // SAFETY: as above.
        check(unsafe { libc::mount(kind, at.as_ptr(), kind, 0, options.as_ptr().cast()) })?;
        Ok(Self(at))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        // SAFETY: the string ends, and lives for the call. Should it be busy, it goes with this thread.
        unsafe { libc::umount2(self.0.as_ptr(), libc::MNT_DETACH) };
    }
}

/// Makes a FIFO.
pub(crate) fn make_fifo(at: &std::path::Path) {
    let at = std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(at.as_os_str())).unwrap();
    // SAFETY: the string ends, and lives for the call.
    assert_eq!(unsafe { libc::mkfifo(at.as_ptr(), 0o600) }, 0);
}

/// Has a UDP socket send without checksums: the system then refuses to divide what it sends.
#[cfg(target_os = "linux")]
pub(crate) fn without_checksums(socket: BorrowedFd<'_>) {
    let on: libc::c_int = 1;
    let (place, length) = ((&raw const on).cast(), libc::socklen_t::try_from(size_of_val(&on)).unwrap());
    let number = socket.as_raw_fd();
    // SAFETY: it reads an integer.
    let done = unsafe { libc::setsockopt(number, libc::SOL_SOCKET, libc::SO_NO_CHECK, place, length) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Gives this process a network of its own, in which nobody else is; in a process with one thread. `false` where that is not
/// allowed.
#[cfg(target_os = "linux")]
pub(crate) fn leave_the_network() -> bool {
    // SAFETY: it takes nothing.
    let user = unsafe { libc::getuid() };
    // SAFETY: it takes a plain number.
    let is_alone = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0
        // SAFETY: as above.
        || unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) } == 0
            && std::fs::write("/proc/self/uid_map", format!("0 {user} 1")).is_ok();
    is_alone && switch_loopback(true)
}

/// Switches 127.0.0.1 on or off, in a network of one's own.
#[cfg(target_os = "linux")]
pub(crate) fn switch_loopback(on: bool) -> bool {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // SAFETY: all zeroes is a request about nothing.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l', b'o'].map(u8::cast_signed));
    request.ifr_ifru.ifru_flags = if on { libc::IFF_UP as libc::c_short } else { 0 };
    // SAFETY: it reads the request.
    unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) == 0 }
}

/// Takes from this thread the stack for signal handlers that the standard library gave it.
pub(crate) fn without_alternate_stack() {
    // SAFETY: all zeroes is a valid value.
    let mut stack: libc::stack_t = unsafe { std::mem::zeroed() };
    stack.ss_flags = libc::SS_DISABLE;
    stack.ss_size = libc::SIGSTKSZ;
    // SAFETY: nobody runs on it: this is no handler.
    assert_eq!(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) }, 0);
}

/// Whether this thread has a stack for signal handlers.
pub(crate) fn has_alternate_stack() -> bool {
    // SAFETY: all zeroes is a valid value.
    let mut stack: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: it writes the struct it is given.
    assert_eq!(unsafe { libc::sigaltstack(std::ptr::null(), &raw mut stack) }, 0);
    stack.ss_flags & libc::SS_DISABLE == 0
}

/// Reads where perhaps nothing may be read.
pub(crate) fn touch(address: usize) {
    // SAFETY: it is not safe: what comes of it is the story.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() };
}

/// Bytes of a page of memory.
pub(crate) fn page_size() -> usize {
    // SAFETY: it only tells.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.try_into().unwrap()
}
