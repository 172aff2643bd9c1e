//! A function in a process of its own.
//!
//! | file | |
//! |---|---|
//! | `family.rs` | who is ended and who is waited for when a runtime, or the program, ends |
//! | `inside.rs` | the other side: what the child does |
//! | `word.rs` | what the two say to each other |
//! | `me.rs` | who a process is among those of its program |
//!
//! ```text
//! spawn ──order──> the function ──word──> the family of the child ──> exit ──> join
//! ```
//!
//! The word always fits into the line, so a child never waits for its parent to read it; and it is read when the child has
//! ended, so nobody has to watch two things.

mod error;
pub(crate) mod family;
mod inside;
pub(crate) mod me;
mod word;

pub use self::{
    error::{ChildError, SpawnError},
    me::{Me, current},
};
pub(crate) use inside::live;

use super::{
    Child, Data, Death, ExitStatus,
    birth::{Birth, Newborn, Role},
    function::Function,
    luggage,
    packet::{DEFAULT_LIMIT_BYTES, Packet, PacketError, Packets},
    registry,
};
use crate::{
    signal::SignalKind,
    time::{Elapsed, timeout},
};
use family::Family;
use std::{
    fmt, io,
    marker::PhantomData,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use word::{Order, Word};

/// A function that runs in a process of its own: this program, started again for nothing but that (`multiprocessing.Process`).
///
/// The function is a `fn`, or a closure that captures nothing, plain or `async`; what it needs, it gets as arguments, which are
/// **moved** there: the process gets a copy, and here they are gone. What it returns, [`join`](Self::join) gives. Nothing else
/// is shared: a static that the function changes is another process' static. See [`Function`] and [`Data`].
///
/// ```
/// use runtime::process::Process;
/// use std::time::Duration;
///
/// fn power(base: u64, exponent: u32) -> u64 {
///     println!("this is process {}", std::process::id());
///     base.pow(exponent)
/// }
///
/// #[runtime::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let process = Process::spawn(power, (2, 10))?;
///     assert_ne!(process.pid(), std::process::id());
///     assert_eq!(process.join().await?, 1024);
///
///     let endless = Process::spawn(async || runtime::time::sleep(Duration::from_secs(3_600)).await, ())?;
///     endless.terminate()?;
///     println!("{}", endless.join().await.unwrap_err()); // process 4711 was killed by signal 15 (SIGTERM): …
///     Ok(())
/// }
/// ```
///
/// # Who waits for whom
/// A process belongs to the runtime in which it was started. When that ends, because `main` has returned or panicked,
/// - **daemons** are told to end (SIGTERM) before anything else happens, and killed if they have not within a second,
/// - all others are waited for, after the tasks that are left have been cancelled.
///
/// So a program stays until its processes have ended, also if nobody joins them. Whether a process is a daemon is said when it
/// is started, by [`builder`](Self::builder); unless it is said, a child of a daemon is one, and others are not. Processes that
/// are started where no runtime runs, by a thread of their own, belong to the program, and it is the end of `main` that they
/// see.
///
/// If the program is killed, or ends by [`std::process::exit`], daemons notice and end at once, whatever they are doing; the
/// others go on to their ends. The same holds for the children of a process that is terminated.
///
/// **Dropped, a process goes on**, and the rules above still hold for it. What it returns is lost.
///
/// # What a process is like
/// It begins with clean memory, no threads, a standard input that is empty, and of all descriptors only standard output,
/// standard errors and those that are in its arguments. Its arguments and its result are limited to 64 MiB each. Its exit code
/// is 0, or 1 if its function has panicked.
///
/// It may move to another thread until it has been awaited for the first time.
pub struct Process<R> {
    child: Child,
    line: Packets,
    name: String,
    is_daemon: bool,
    /// Somebody has the result.
    is_taken: AtomicBool,
    result: PhantomData<fn() -> R>,
}

/// What a process is to be, until it is started; see [`Process::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is started until `spawn`"]
pub struct ProcessBuilder {
    name: Option<String>,
    is_daemon: Option<bool>,
}

impl ProcessBuilder {
    /// How the process is called, in here and by itself ([`current`]). `Process-1` and so on, unless it is said; a child of that
    /// is `Process-1:1`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether it ends with what has started it, or is waited for; see [`Process`]. Unless it is said, it is what this process
    /// is.
    pub fn daemon(mut self, is_daemon: bool) -> Self {
        self.is_daemon = Some(is_daemon);
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    /// As for [`Process::spawn`].
    pub fn spawn<F, A, K>(self, function: F, arguments: A) -> Result<Process<F::Output>, SpawnError>
    where
        F: Function<A, K>,
        A: Data,
        K: 'static,
    {
        let _ = function;
        let (lineage, default_name) = me::next_child();
        let name = self.name.unwrap_or(default_name);
        let is_daemon = self.is_daemon.unwrap_or(current().is_daemon());
        let order = Order { function: registry::id_of::<F, A, K>()?.number(), lineage };
        let order = luggage::encode_behind(word::bytes(&order), &arguments)
            .map_err(|error| SpawnError::Arguments(error.to_string()))?;
        if order.bytes.len() > DEFAULT_LIMIT_BYTES {
            let (bytes, most) = (order.bytes.len() as u64, DEFAULT_LIMIT_BYTES);
            return Err(SpawnError::Arguments(PacketError::TooLong { bytes, most }.to_string()));
        }
        let birth = Birth::new(Role::Process, name.clone());
        let birth = if is_daemon { birth } else { birth.outlives_parent() };
        let Newborn { child, line } = birth.start()?;
        // Before anything can go wrong: from now on there is a process.
        Family::take_in(&child.handle(), is_daemon);
        match line.try_send(order) {
            Ok(()) => {}
            // It has ended already, and how it did will be found by whoever joins it.
            Err(PacketError::Closed) => {}
            Err(error) => {
                // It waits for this, and can do nothing else.
                let _ = child.kill();
                return Err(SpawnError::Arguments(error.to_string()));
            }
        }
        // What they had of this process' descriptors, the child has now; here they close, so that it can see their ends.
        drop(arguments);
        Ok(Process { child, line, name, is_daemon, is_taken: AtomicBool::new(false), result: PhantomData })
    }
}

impl Process<()> {
    /// A process with a name, or one that is a daemon.
    ///
    /// ```
    /// use runtime::process::{self, Process};
    /// # #[runtime::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let me = || process::current().name().to_owned();
    /// let watchdog = Process::builder().name("watchdog").daemon(true).spawn(me, ())?;
    /// assert_eq!(watchdog.join().await?, "watchdog");
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::default()
    }
}

impl Process<()> {
    /// Calls a function in a process of its own, with the one argument, or a tuple of none or several.
    ///
    /// # Errors
    /// If the program does not begin with `#[runtime::main]`, `#[runtime::test]` or [`init`](super::init): nothing is started
    /// then. If there is no room for another process (`EAGAIN`, `ENOMEM`) or its descriptors (`EMFILE`); if the arguments
    /// cannot be written down, or are too long.
    pub fn spawn<F, A, K>(function: F, arguments: A) -> Result<Process<F::Output>, SpawnError>
    where
        F: Function<A, K>,
        A: Data,
        K: 'static,
    {
        Self::builder().spawn(function, arguments)
    }
}

impl<R> Process<R> {
    /// The number that the system has given to it. Until it has been joined, or has ended after it was dropped, no other has it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it ends with what has started it.
    pub fn is_daemon(&self) -> bool {
        self.is_daemon
    }

    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended; `None` if it has not, or nobody can know it.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Tells it to end, by SIGTERM; nothing if it has ended. That ends it at once, unless it listens to that signal
    /// ([`signal`](crate::signal)). It may have been started so recently that nothing of it has run.
    ///
    /// # Errors
    /// `EPERM` if it has become another user's.
    pub fn terminate(&self) -> io::Result<()> {
        match self.child.signal(SignalKind::terminate()) {
            Err(_) if !self.is_alive() => Ok(()),
            sent => sent,
        }
    }

    /// Ends it, by SIGKILL; nothing if it has ended.
    ///
    /// # Errors
    /// `EPERM` if it has become another user's.
    pub fn kill(&self) -> io::Result<()> {
        self.child.kill()
    }
}

impl<R: Data> Process<R> {
    /// Waits until it has ended, and gives what its function returned. To the first who asks; whoever asks again learns that it
    /// has ended, and [that the result is gone](ChildError::Taken).
    ///
    /// A pending wait counts as something that may still happen, so a runtime in which nothing else can sleeps and reports no
    /// deadlock; a paused clock does not move meanwhile.
    ///
    /// # Errors
    /// [`ChildError`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn join(&self) -> Result<R, ChildError> {
        let ended = self.child.ended().await;
        self.last_word(ended)
    }

    /// Waits, but for no longer than `limit`. The process goes on.
    ///
    /// # Errors
    /// [`Elapsed`] if it has not ended by then; inside, [`ChildError`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn join_timeout(&self, limit: Duration) -> Result<Result<R, ChildError>, Elapsed> {
        let ended = timeout(limit, self.child.ended()).await?;
        Ok(self.last_word(ended))
    }

    /// As [`join`](Self::join), for code that is not `async`: blocks the thread, and with it its runtime if there is one. In a
    /// greenlet it suspends that.
    ///
    /// # Errors
    /// [`ChildError`].
    pub fn blocking_join(&self) -> Result<R, ChildError> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(self.join());
        }
        let ended = self.child.handle().blocking_ended(None);
        self.last_word(ended.transpose().expect("a wait without limit ends by the end"))
    }

    /// As [`join_timeout`](Self::join_timeout), for code that is not `async`; `None`: the process goes on.
    ///
    /// # Errors
    /// [`ChildError`].
    pub fn blocking_join_timeout(&self, limit: Duration) -> Option<Result<R, ChildError>> {
        #[cfg(feature = "greenlet")]
        if crate::greenlet::is_inside() {
            return crate::greenlet::wait(self.join_timeout(limit)).ok();
        }
        let ended = self.child.handle().blocking_ended(Some(limit)).transpose()?;
        Some(self.last_word(ended))
    }

    /// What it has said, of a process that has ended.
    fn last_word(&self, ended: io::Result<ExitStatus>) -> Result<R, ChildError> {
        let ended = match ended {
            // It is not ours to wait for: another runtime's, or in a fork of its parent. Or the system could not wait.
            Err(error) if error.raw_os_error().is_none() || self.is_alive() => {
                return Err(ChildError::System(error));
            }
            ended => ended,
        };
        if self.is_taken.swap(true, Relaxed) {
            return Err(ChildError::Taken);
        }
        // If it has spoken, whatever became of it afterwards does not matter.
        match (self.line.try_recv(), ended) {
            (Ok(Some(packet)), _) => read(packet),
            (
                Err(error @ (PacketError::DescriptorsLost | PacketError::Malformed(_) | PacketError::Io(_))),
                _,
            ) => Err(ChildError::Result(error.to_string())),
            (_, Ok(status)) => Err(ChildError::Died(Death::new(self.pid(), status))),
            (_, Err(error)) => Err(ChildError::System(error)),
        }
    }
}

fn read<R: Data>(packet: Packet) -> Result<R, ChildError> {
    let (word, offset) = word::read::<Word>(&packet.bytes).map_err(ChildError::Result)?;
    match word {
        Word::Returned => {
            luggage::decode_behind(offset, packet).map_err(|error| ChildError::Result(error.to_string()))
        }
        Word::Panicked(panic) => Err(ChildError::Panicked(panic)),
        Word::Arguments(why) => Err(ChildError::Arguments(why)),
        Word::Result(why) => Err(ChildError::Result(why)),
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid())
            .field("name", &self.name)
            .field("is_daemon", &self.is_daemon)
            .finish_non_exhaustive()
    }
}
