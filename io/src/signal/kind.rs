//! Which signal.

use std::fmt;

/// A signal, by its number in this system.
///
/// ```
/// use runtime_io::signal::SignalKind;
/// assert_eq!(SignalKind::from_raw(15), SignalKind::terminate());
/// assert_eq!(SignalKind::hangup().to_string(), "SIGHUP");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalKind(libc::c_int);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:ident;)*) => {
        impl SignalKind {
            $($(#[$doc])* pub const fn $name() -> Self { Self(libc::$number) })*

            /// As the manual writes it, if it is one of those that have a constructor here.
            const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$number => Some(stringify!($number)),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// SIGABRT: the process gives up, as `abort` does. Can be awaited, but whoever calls `abort` is gone all the same.
    abort = SIGABRT;
    /// SIGALRM: a timer of the process has run out.
    alarm = SIGALRM;
    /// SIGCHLD: a child has ended, or was stopped or continued.
    child = SIGCHLD;
    /// SIGCONT: the process goes on after it was stopped.
    resume = SIGCONT;
    /// SIGHUP: the terminal has gone; daemons read their settings anew.
    hangup = SIGHUP;
    /// SIGINT: ^C at the terminal.
    interrupt = SIGINT;
    /// SIGIO: a descriptor is ready.
    io = SIGIO;
    /// SIGKILL: ends the process at once. To be sent only.
    kill = SIGKILL;
    /// SIGPIPE: something was written that nobody reads.
    pipe = SIGPIPE;
    /// SIGQUIT: ^\ at the terminal.
    quit = SIGQUIT;
    /// SIGSTOP: stops the process. To be sent only.
    stop = SIGSTOP;
    /// SIGTERM: please end.
    terminate = SIGTERM;
    /// SIGTSTP: ^Z at the terminal.
    terminal_stop = SIGTSTP;
    /// SIGTTIN: a background process reads from its terminal; supervisors add a worker.
    terminal_input = SIGTTIN;
    /// SIGTTOU: a background process writes to its terminal; supervisors take a worker away.
    terminal_output = SIGTTOU;
    /// SIGUSR1: whatever the program makes of it.
    user_defined1 = SIGUSR1;
    /// SIGUSR2: whatever the program makes of it.
    user_defined2 = SIGUSR2;
    /// SIGWINCH: the terminal has another size.
    window_change = SIGWINCH;
}

impl SignalKind {
    /// A signal that has no constructor here. What is no signal is refused when it is used.
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// A real-time signal, counted from the first that is free for programs; `None` where the system has not as many, or none
    /// (macOS). The system queues these, and a listener hears of those that came since it last looked as one, as of all.
    ///
    /// ```
    /// # use runtime_io::signal::SignalKind;
    /// # if cfg!(target_os = "linux") {
    /// assert_eq!(SignalKind::real_time(3).unwrap().to_string(), "SIGRTMIN+3");
    /// # }
    /// assert_eq!(SignalKind::real_time(100), None);
    /// ```
    pub fn real_time(number: u32) -> Option<Self> {
        let (first, last) = real_time_signals()?;
        let signal = first.checked_add_unsigned(number).filter(|&signal| signal <= last)?;
        Some(Self(signal))
    }

    /// Its number in this system.
    pub const fn as_raw_value(self) -> i32 {
        self.0
    }
}

/// The first and the last real-time signal that programs may use.
fn real_time_signals() -> Option<(libc::c_int, libc::c_int)> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Some((libc::SIGRTMIN(), libc::SIGRTMAX()));
    // FreeBSD's numbers, which its C library does not hide.
    #[cfg(target_os = "freebsd")]
    return Some((65, 126));
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    None
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => match real_time_signals() {
                Some((first, last)) if (first..=last).contains(&self.0) => {
                    write!(f, "SIGRTMIN+{}", self.0 - first)
                }
                _ => write!(f, "signal {}", self.0),
            },
        }
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalKind({self})")
    }
}
