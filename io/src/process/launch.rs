//! What a child is to be, until it is started.

use super::{
    Child, ProgramFile, Stdio,
    life::Life,
    recipe::Recipe,
    stdio::{Ends, Kind},
};
use crate::signal::SignalKind;
use std::{
    ffi::OsStr,
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

/// Starts a program as a child process, which gets nothing but what it is given: the standard descriptors, those passed to
/// [`descriptor`](Self::descriptor), no ignored and no blocked signal, and this process' environment as it is changed here.
///
/// ```
/// use runtime_io::process::Launch;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let mut child = Launch::new("/bin/sh").args(["-c", "exit $ANSWER"]).env("ANSWER", "42").spawn()?;
/// assert_eq!(child.wait().await?.code(), Some(42));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is started until `spawn`"]
pub struct Launch {
    recipe: Recipe,
    stdin: Kind,
    stdout: Kind,
}

impl Launch {
    /// A program: a path that is used as it is, not searched for, or an open [`ProgramFile`].
    pub fn new(program: impl Into<ProgramFile>) -> Self {
        Self { recipe: Recipe::new(program.into()), stdin: Kind::Inherit, stdout: Kind::Inherit }
    }

    /// What the program finds as its own name, the argument before the first; its path unless said otherwise.
    pub fn arg0(mut self, name: impl AsRef<OsStr>) -> Self {
        self.recipe.name = Some(name.as_ref().into());
        self
    }

    /// One argument more.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.recipe.arguments.push(argument.as_ref().into());
        self
    }

    /// More arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.recipe.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().into()));
        self
    }

    /// Sets a variable of the environment. Everybody who runs as the same user can read it, so it is no place for secrets:
    /// pass those through a [`descriptor`](Self::descriptor).
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.recipe.environment.insert(name.as_ref().into(), Some(value.as_ref().into()));
        self
    }

    /// Leaves a variable out.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.recipe.environment.insert(name.as_ref().into(), None);
        self
    }

    /// Leaves out all that this process has; what is set by [`env`](Self::env) stays.
    pub fn env_clear(mut self) -> Self {
        self.recipe.is_bare = true;
        self
    }

    /// What its standard input is: this process' own unless said otherwise.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = stdin.into().0;
        self
    }

    /// What its standard output is: this process' own unless said otherwise.
    ///
    /// ```
    /// use runtime_io::process::{Launch, Stdio};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let child = Launch::new("/bin/echo").arg("hello").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_output().await?.stdout, b"hello\n");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = stdout.into().0;
        self
    }

    /// Passes a descriptor on, and gives its number in the child, which is the one that it has here. It is closed here once
    /// the child has been started.
    ///
    /// ```
    /// # use runtime_io::process::Launch;
    /// # use std::io::Read;
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let (mut ours, theirs) = std::io::pipe()?;
    /// let mut launch = Launch::new("/bin/sh");
    /// let number = launch.descriptor(theirs.into());
    /// let mut child = launch.args(["-c".into(), format!("echo hello >/dev/fd/{number}")]).spawn()?;
    /// let mut said = String::new();
    /// ours.read_to_string(&mut said)?; // blocks, as the child is quick
    /// assert_eq!(said, "hello\n");
    /// # child.wait().await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn descriptor(&mut self, descriptor: OwnedFd) -> RawFd {
        let number = descriptor.as_raw_fd();
        self.recipe.descriptors.push(descriptor);
        number
    }

    /// Has the system send the child a signal when the **thread** that starts it ends, and so when this process dies
    /// (`PR_SET_PDEATHSIG`). So start it from a thread that lasts. It is void after a change of user, and does not exist
    /// elsewhere than on Linux: a second line behind a pipe that closes when this process dies.
    pub fn parent_death_signal(mut self, signal: SignalKind) -> Self {
        self.recipe.death_signal = Some(signal);
        self
    }

    /// Starts it. Returns when the program runs, or could not be run.
    ///
    /// # Errors
    /// If the system has no room for another process (`EAGAIN`, `ENOMEM`), if there is no such program (`ENOENT`), or it is
    /// not one (`EACCES`, `ENOEXEC`), or an argument contains a zero byte.
    pub fn spawn(self) -> io::Result<Child> {
        let stdin = Ends::to_write(&self.stdin)?;
        let stdout = Ends::to_read(&self.stdout)?;
        let plan = self.recipe.plan([stdin.number(), stdout.number(), None])?;
        let life = Life::begin(false, |nursery| plan.start(nursery))?;
        let mut child = Child::new(life);
        (child.stdin, child.stdout) = (stdin.ours, stdout.ours);
        Ok(child)
    }

    #[cfg(all(test, target_os = "linux", not(miri)))]
    pub(super) fn recipe(&self) -> &Recipe {
        &self.recipe
    }
}
