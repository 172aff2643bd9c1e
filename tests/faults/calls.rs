//! The system calls that can be made to fail, and how: what the manual page of each lists under ERRORS, in the edition
//! of man-pages 6, with what the pages of the protocols add.

use nix::libc;

/// One way for a call to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused, and has done nothing.
    Refused(i32),
    /// It has done its work, and says that it failed: that is how `close` fails, a `connect` that goes on behind, and a
    /// `shutdown` of what has ended.
    Denied(i32),
    /// There is nothing to do just now. The event that says otherwise comes again, as it would if this were true.
    Again,
    /// It takes or gives one byte only, or one message of several.
    Short,
}

impl Fault {
    pub(crate) fn errno(self) -> Option<i32> {
        match self {
            Self::Refused(errno) | Self::Denied(errno) => Some(errno),
            Self::Again => Some(libc::EAGAIN),
            Self::Short => None,
        }
    }
}

macro_rules! calls {
    ($($call:ident $name:literal: [$($errno:ident)*] [$($denied:ident)*] [$($fault:ident)*];)*) => {
        /// What was called.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Call { $($call),* }

        /// All of them, in the order of their numbers.
        pub(crate) const CALLS: &[Call] = &[$(Call::$call),*];

        impl Call {
            /// As libc has it.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$call => $name),* }
            }

            /// What may go wrong.
            pub(crate) fn faults(self) -> &'static [Fault] {
                match self {
                    $(Self::$call => &[
                        $(Fault::Refused(libc::$errno),)*
                        $(Fault::Denied(libc::$denied),)*
                        $(Fault::$fault,)*
                    ]),*
                }
            }
        }
    };
}

calls! {
    Accept "accept4": [EBADF ECONNABORTED EFAULT EHOSTDOWN EHOSTUNREACH EINTR EINVAL EMFILE ENETDOWN
        ENETUNREACH ENFILE ENOBUFS ENOMEM ENONET ENOPROTOOPT ENOTSOCK EOPNOTSUPP EPERM EPROTO] [] [Again];
    Bind "bind": [EACCES EADDRINUSE EADDRNOTAVAIL EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR
        ENOTSOCK EROFS] [] [];
    ChangeDirectory "chdir": [EACCES EFAULT EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR] [] [];
    Clone "clone": [EAGAIN EINVAL ENOMEM ENOSPC ENOSYS EPERM EUSERS] [] [];
    Close "close": [] [EINTR EIO ENOSPC EDQUOT] [];
    CloseRange "close_range": [EINVAL EMFILE ENOMEM ENOSYS] [] [];
    Connect "connect": [EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED
        EFAULT EISCONN ENETUNREACH ENOTSOCK EPROTOTYPE ETIMEDOUT] [EINTR EINPROGRESS] [];
    Duplicate "dup": [EBADF EBUSY EINTR EMFILE] [] [];
    DuplicateAs "dup2": [EBADF EBUSY EINTR EMFILE] [] [];
    EpollControl "epoll_ctl": [EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC EPERM] [] [];
    EpollCreate "epoll_create1": [EINVAL EMFILE ENFILE ENOMEM] [] [];
    EpollWait "epoll_wait": [EBADF EFAULT EINTR EINVAL] [] [];
    Eventfd "eventfd": [EINVAL EMFILE ENFILE ENODEV ENOMEM] [] [];
    Execute "execve": [E2BIG EACCES EAGAIN EFAULT EINVAL EIO EISDIR ELIBBAD ELOOP EMFILE ENAMETOOLONG ENFILE
        ENOENT ENOEXEC ENOMEM ENOTDIR EPERM ETXTBSY] [] [];
    ExecuteOpen "fexecve": [EINVAL ENOENT ENOSYS EACCES ENOEXEC ENOMEM ETXTBSY] [] [];
    FcntlDuplicate "fcntl(F_DUPFD_CLOEXEC)": [EBADF EINVAL EMFILE] [] [];
    FcntlFlags "fcntl": [EBADF EINVAL EPERM] [] [];
    Fork "fork": [EAGAIN ENOMEM ENOSYS] [] [];
    GetAddrInfo "getaddrinfo": [EAGAIN ENOMEM ENOENT] [] [];
    GetPeerName "getpeername": [EBADF EFAULT EINVAL ENOBUFS ENOTCONN ENOTSOCK] [] [];
    GetSockName "getsockname": [EBADF EFAULT EINVAL ENOBUFS ENOTSOCK] [] [];
    GetSockOpt "getsockopt": [EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK] [] [];
    Ioctl "ioctl": [EBADF EFAULT EINVAL ENOTTY] [] [];
    Kill "kill": [EINVAL EPERM ESRCH] [] [];
    Listen "listen": [EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP] [] [];
    LinkStatus "lstat64": [EACCES EBADF EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW] [] [];
    Open "open64": [EACCES EBUSY EDQUOT EEXIST EFAULT EFBIG EINTR EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG
        ENFILE ENODEV ENOENT ENOMEM ENOSPC ENOTDIR ENXIO EOPNOTSUPP EOVERFLOW EPERM EROFS ETXTBSY EWOULDBLOCK]
        [] [];
    PidfdOpen "pidfd_open": [EINVAL EMFILE ENFILE ENODEV ENOMEM ESRCH ENOSYS] [] [];
    PidfdSendSignal "pidfd_send_signal": [EBADF EINVAL EPERM ESRCH ENOSYS] [] [];
    Pipe "pipe2": [EFAULT EINVAL EMFILE ENFILE] [] [];
    Poll "poll": [EFAULT EINTR EINVAL ENOMEM] [] [];
    Prctl "prctl": [EINVAL] [] [];
    Read "read": [EBADF ECONNRESET EFAULT EINTR EINVAL EIO EISDIR] [] [Again Short];
    ReadVectored "readv": [EBADF ECONNRESET EFAULT EINTR EINVAL EIO EISDIR EOPNOTSUPP] [] [Again Short];
    Receive "recv": [EBADF ECONNREFUSED ECONNRESET EFAULT EHOSTUNREACH EINTR EINVAL ENETUNREACH ENOMEM ENOTCONN
        ENOTSOCK ETIMEDOUT] [] [Again Short];
    ReceiveFrom "recvfrom": [EBADF ECONNREFUSED EFAULT EHOSTUNREACH EINTR EINVAL ENETUNREACH ENOMEM ENOTCONN
        ENOTSOCK] [] [Again Short];
    ReceiveMany "recvmmsg": [EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK] [] [Again Short];
    ReceiveMessage "recvmsg": [EBADF ECONNREFUSED ECONNRESET EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK] []
        [Again Short];
    Send "send": [EACCES EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS
        ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE] [] [Again Short];
    SendMany "sendmmsg": [EACCES EBADF ECONNREFUSED EFAULT EINTR EINVAL EMSGSIZE ENOBUFS ENOMEM ENOTCONN
        ENOTSOCK EPIPE] [] [Again Short];
    SendMessage "sendmsg": [EACCES EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE
        ENOBUFS ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE ETOOMANYREFS] [] [Again Short];
    SendTo "sendto": [EACCES EBADF ECONNREFUSED ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE
        ENETUNREACH ENOBUFS ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP EPERM EPIPE] [] [Again Short];
    SetSockOpt "setsockopt": [EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK] [] [];
    Shutdown "shutdown": [EBADF EINVAL ENOTSOCK] [ENOTCONN] [];
    SigAction "sigaction": [EFAULT EINVAL] [] [];
    Socket "socket": [EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT] [] [];
    SocketPair "socketpair": [EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT] [] [];
    ThreadStart "pthread_create": [EAGAIN EINVAL EPERM] [] [];
    Unlink "unlink": [EACCES EBUSY EFAULT EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS] []
        [];
    WaitId "waitid": [EINTR EINVAL] [] [];
    WaitPid "waitpid": [EINTR] [] [];
    Write "write": [EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE] [] [Again
        Short];
    WriteVectored "writev": [EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EOPNOTSUPP EPERM
        EPIPE] [] [Again Short];
    ChangeMode "chmod": [EACCES EFAULT EINTR EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR ENOTSUP EPERM EROFS] [] [];
    CopyRange "copy_file_range": [EBADF EFBIG EINTR EINVAL EIO EISDIR ENOMEM ENOSPC EOPNOTSUPP EOVERFLOW EPERM ETXTBSY
        EXDEV ENOSYS] [] [Short];
    Fallocate "fallocate64": [EFBIG EINTR EIO ENODEV ENOSPC ENOSYS EOPNOTSUPP EPERM ESPIPE ETXTBSY] [] [];
    FileStatus "fstat64": [EBADF EFAULT ENOMEM EOVERFLOW] [] [];
    FileLock "flock": [EBADF EINTR EINVAL ENOLCK] [] [Again];
    FileSystem "fstatfs": [EBADF EFAULT EINTR EIO ENOMEM ENOSYS EOVERFLOW] [] [];
    FileSync "fsync": [EBADF EINTR EIO ENOSPC EROFS EINVAL EDQUOT] [] [];
    HardLink "linkat": [EACCES EDQUOT EEXIST EFAULT EIO ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR EPERM
        EROFS EXDEV] [] [];
    Map "mmap": [EACCES EAGAIN EBADF EINVAL ENFILE ENODEV ENOMEM EOVERFLOW EPERM ETXTBSY] [] [];
    MemoryFile "memfd_create": [EFAULT EINVAL EMFILE ENFILE ENOMEM] [] [];
    MakeDirectory "mkdir": [EACCES EDQUOT EEXIST EFAULT EINVAL ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR
        EPERM EROFS] [] [];
    MakeFifo "mkfifo": [EACCES EDQUOT EEXIST ENAMETOOLONG ENOENT ENOSPC ENOTDIR EROFS] [] [];
    OpenAt "openat64": [EACCES EBADF EBUSY EDQUOT EEXIST EFAULT EINTR EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE
        ENODEV ENOENT ENOMEM ENOSPC ENOTDIR ENXIO EOPNOTSUPP EPERM EROFS ETXTBSY] [] [];
    OpenAtHow "openat2": [E2BIG EAGAIN EINVAL ELOOP EXDEV EACCES EMFILE ENFILE ENOENT ENOMEM ENOSYS EPERM EINTR] [] [];
    OpenDirectory "opendir": [EACCES EBADF EMFILE ENFILE ENOENT ENOMEM ENOTDIR] [] [];
    ProcessGroup "setpgid": [EACCES EINVAL EPERM ESRCH] [] [];
    ReadAt "pread64": [EBADF EFAULT EINTR EINVAL EIO EISDIR ENXIO EOVERFLOW ESPIPE] [] [Short];
    ReadAtHow "preadv2": [EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR ENOSYS EOPNOTSUPP ESPIPE] [] [Short];
    ReadDirectory "readdir64": [EBADF EIO ENOENT] [] [];
    ReadLink "readlink": [EACCES EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR] [] [];
    RealPath "realpath": [EACCES EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR] [] [];
    RemoveDirectory "rmdir": [EACCES EBUSY EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR ENOTEMPTY EPERM
        EROFS] [] [];
    Rename "rename": [EACCES EBUSY EDQUOT EEXIST EFAULT EINVAL EISDIR ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC
        ENOTDIR ENOTEMPTY EPERM EROFS EXDEV] [] [];
    Seek "lseek64": [EBADF EINVAL ENXIO EOVERFLOW ESPIPE] [] [];
    // Neither EINVAL nor ENOSYS: std asserts that what could be done once can be done twice.
    SendFile "sendfile64": [EBADF EFAULT EINTR EIO ENOMEM EOVERFLOW ESPIPE EPIPE] [] [Again Short];
    Spawn "posix_spawnp": [EAGAIN ENOMEM ENOENT EACCES ENOEXEC E2BIG EMFILE ENFILE] [] [];
    Splice "splice": [EBADF EINTR EINVAL ENOMEM ESPIPE EPIPE ENOSYS] [] [Again Short];
    Status "stat64": [EACCES EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW] [] [];
    StatusX "statx": [EACCES EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR ENOSYS] [] [];
    SymbolicLink "symlink": [EACCES EDQUOT EEXIST EFAULT EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR EPERM
        EROFS] [] [];
    Truncate "ftruncate64": [EBADF EFBIG EINTR EINVAL EIO EPERM EROFS ENOSPC] [] [];
    UnlinkAt "unlinkat": [EACCES EBADF EBUSY EFAULT EINVAL EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR
        ENOTEMPTY EPERM EROFS] [] [];
    WriteAt "pwrite64": [EBADF EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE ENXIO EOVERFLOW ESPIPE] []
        [Short];
}

impl Call {
    pub(crate) fn of_number(number: u32) -> Option<Self> {
        CALLS.get(usize::try_from(number).ok()?).copied()
    }

    pub(crate) fn number(self) -> u32 {
        self as u32
    }
}
