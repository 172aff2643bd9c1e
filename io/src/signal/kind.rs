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

    /// Its number in this system.
    pub const fn as_raw_value(self) -> i32 {
        self.0
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalKind({self})")
    }
}
