//! No system call is forgotten: whatever this program takes from libc can be made to fail here, or is excused.

use std::{env, process::Command};

/// Functions of libc that call the system, and that a program of ours may come to use. `64` at the end is left out.
const CALLS: &str = "
    accept accept4 access acct bind chdir chmod chown chroot clock_nanosleep clone close close_range closefrom closedir
    connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait
    eventfd eventfd_read eventfd_write execl execle execlp execv execve execveat execvp execvpe faccessat fallocate fchdir
    fchmod fchmodat fchown fchownat fcntl fdatasync fdopendir fexecve fgetxattr flock fork fstat fstatat fstatfs fstatvfs
    fsync ftruncate futimens getaddrinfo getdents getgroups getnameinfo getpeername getsockname getsockopt getxattr
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_uring_enter io_uring_setup ioctl kill killpg lchown
    link linkat listen listxattr lockf lseek lstat madvise memfd_create mkdir mkdirat mkfifo mkfifoat mknod mknodat mkostemp
    mkstemp mlock mmap mount mprotect mremap msync munmap nanosleep open openat openat2 opendir openpty pause personality
    pidfd_open pidfd_send_signal pidfd_spawn pidfd_spawnp pipe pipe2 poll posix_fadvise posix_fallocate posix_openpt
    posix_spawn posix_spawnp ppoll prctl pread preadv preadv2 process_vm_readv pselect pthread_create pthread_kill
    pthread_sigmask ptrace pwrite pwritev pwritev2 raise read readdir readlink readlinkat readv realpath recv recvfrom
    recvmmsg recvmsg removexattr rename renameat renameat2 rmdir scandir sched_setaffinity select send sendfile sendmmsg
    sendmsg sendto setgid setgroups setns setpgid setpriority setresgid setresuid setrlimit setsid setsockopt setuid
    shutdown sigaction sigaltstack signal signalfd sigprocmask sigqueue sigsuspend sigtimedwait sigwait sigwaitinfo socket
    socketpair splice stat statfs statvfs statx symlink symlinkat sync_file_range syncfs syscall tcgetattr tcsetattr tee
    tgkill timer_create timerfd_create timerfd_settime tmpfile truncate umount2 unlink unlinkat unshare utimensat utimes
    vfork vmsplice wait wait3 wait4 waitid waitpid write writev";

/// Why some are left alone.
const EXCUSED: &[(&str, &str)] = &[
    (
        "what cannot fail, or only by a mistake of the caller",
        "closedir madvise munmap pause pthread_sigmask raise sched_setaffinity signal sigprocmask sigwait",
    ),
    ("nobody can go on without: std aborts", "mprotect sigaltstack"),
    ("std's own sleep, which no runtime uses; it repeats what was interrupted", "clock_nanosleep nanosleep"),
    (
        "std's ways to start a program that is not asked for, or that std uses in the child it has forked",
        "chroot execvp pidfd_spawnp setgid setgroups setsid setuid",
    ),
];

pub(crate) fn all_are_known() {
    let program = env::current_exe().expect("a program has a path");
    let Ok(listed) = Command::new("nm").args(["-D", "--undefined-only"]).arg(&program).output() else {
        println!("SKIPPED: there is no nm on this machine");
        return;
    };
    let listed = String::from_utf8(listed.stdout).expect("names are text");
    let names = listed.lines().filter_map(|line| line.split_whitespace().last()?.split('@').next());
    let forgotten: Vec<_> = names
        .filter(|name| CALLS.split_whitespace().any(|call| call == name.trim_end_matches("64")))
        .filter(|name| {
            !EXCUSED.iter().any(|(_, excused)| excused.split_whitespace().any(|call| call == *name))
        })
        .collect();
    assert!(
        forgotten.is_empty(),
        "this program calls the system by {forgotten:?}: stand before them in interpose.rs, or excuse them here"
    );
}
