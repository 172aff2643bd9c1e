//! A program to be run as a child, in the manner of the standard library.

use super::{
    Child, ProgramFile, Stdio,
    life::Life,
    recipe::Recipe,
    stdio::{Ends, Kind},
};
use crate::{
    signal::SignalKind,
    sys::child::{Failure, Step},
};
use std::{
    error::Error,
    ffi::OsStr,
    fmt, io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    path::Path,
    process::{ExitStatus, Output},
};

/// Runs a program as a child process: [`std::process::Command`], awaited.
///
/// It can be run any number of times. What is not said otherwise is as this process has it: standard descriptors, environment,
/// directory, user, and which signals are ignored (SIGPIPE apart, which has its default meaning). Unlike in the standard
/// library, the child gets no other descriptors but those given to [`descriptor`](Self::descriptor), and blocks no signal.
///
/// ```
/// use runtime_io::process::Command;
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let output = Command::new("echo").arg("hello").output().await?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// A child to talk to:
///
/// ```
/// use runtime_io::{io::{AsyncBufReadExt, BufReader}, process::{Command, Stdio}};
/// # let reactor = runtime_io::Reactor::new()?;
/// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
/// # executor.block_on(async {
/// let mut child = Command::new("sed").args(["-u", "s/ping/pong/"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
/// let mut answers = BufReader::new(stdout);
/// for _ in 0..3 {
///     stdin.write_all(b"ping\n").await?;
///     let mut answer = String::new();
///     answers.read_line(&mut answer).await?;
///     assert_eq!(answer, "pong\n");
/// }
/// drop(stdin); // the end of its input
/// assert!(child.wait().await?.success());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is started until `spawn`, `status` or `output`"]
pub struct Command {
    recipe: Recipe,
    /// `None`: whatever the method that starts it finds best.
    stdio: [Option<Stdio>; 3],
    dies_when_dropped: bool,
}

impl Command {
    /// A program: a path, or a name that is looked for in the child's `PATH`, or an open [`ProgramFile`].
    pub fn new(program: impl Into<ProgramFile>) -> Self {
        let mut recipe = Recipe::new(program.into());
        recipe.is_searched = true;
        recipe.keeps_ignored = true;
        Self { recipe, stdio: [None, None, None], dies_when_dropped: false }
    }

    /// One argument more.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.recipe.arguments.push(argument.as_ref().into());
        self
    }

    /// More arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.recipe.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().into()));
        self
    }

    /// What the program finds as its own name, the argument before the first; that given to [`new`](Self::new) unless said
    /// otherwise.
    pub fn arg0(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.recipe.name = Some(name.as_ref().into());
        self
    }

    /// Sets a variable of the environment. Everybody who runs as the same user can read it, so it is no place for secrets.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.recipe.environment.insert(name.as_ref().into(), Some(value.as_ref().into()));
        self
    }

    /// Sets variables of the environment.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Leaves a variable out.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.recipe.environment.insert(name.as_ref().into(), None);
        self
    }

    /// Leaves out all that this process has, and what was set before; what [`env`](Self::env) sets from now on stays.
    pub fn env_clear(&mut self) -> &mut Self {
        self.recipe.is_bare = true;
        self.recipe.environment.clear();
        self
    }

    /// Where it runs. A program given as a relative path is looked for there.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.recipe.directory = Some(directory.as_ref().into());
        self
    }

    /// Its standard input: inherited unless said otherwise, but [`output`](Self::output) gives it none.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdio[0] = Some(stdin.into());
        self
    }

    /// Its standard output: inherited unless said otherwise, but [`output`](Self::output) reads it.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdio[1] = Some(stdout.into());
        self
    }

    /// Its standard errors: inherited unless said otherwise, but [`output`](Self::output) reads them.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stdio[2] = Some(stderr.into());
        self
    }

    /// Passes another descriptor on, and gives its number in the child, which is the one that it has here. It stays open here as
    /// long as this `Command`.
    pub fn descriptor(&mut self, descriptor: OwnedFd) -> RawFd {
        let number = descriptor.as_raw_fd();
        self.recipe.descriptors.push(descriptor);
        number
    }

    /// The user that it runs as. Where this process has the right to choose, supplementary groups are given up too unless
    /// [`groups`](Self::groups) names some.
    pub fn uid(&mut self, user: u32) -> &mut Self {
        self.recipe.identity.user = Some(user);
        self
    }

    /// The group that it runs as.
    pub fn gid(&mut self, group: u32) -> &mut Self {
        self.recipe.identity.group = Some(group);
        self
    }

    /// The supplementary groups that it has.
    pub fn groups(&mut self, groups: &[u32]) -> &mut Self {
        self.recipe.identity.groups = Some(groups.to_vec());
        self
    }

    /// The process group that it joins: 0 for one of its own, to which [`Child::signal_group`] and [`Child::terminate`] reach.
    /// The terminal's ^C reaches only the group in the foreground, which that of this process may be.
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.recipe.process_group = Some(group);
        self
    }

    /// Has the system send the child a signal when the **thread** that starts it ends, and so when this process dies; see
    /// [`Launch::parent_death_signal`](super::Launch::parent_death_signal).
    pub fn parent_death_signal(&mut self, signal: SignalKind) -> &mut Self {
        self.recipe.death_signal = Some(signal);
        self
    }

    /// Whether a [`Child`] that is dropped before it has ended is killed (SIGKILL), with its group if it leads one. Otherwise it
    /// goes on. In both cases it is reaped when it ends.
    ///
    /// ```
    /// # use runtime_io::process::Command;
    /// use runtime_executor::time::{Duration, timeout};
    /// # let reactor = runtime_io::Reactor::new()?;
    /// # let executor = runtime_executor::Executor::builder().park(reactor.clone()).extension(reactor).build();
    /// # executor.block_on(async {
    /// let sleep = Command::new("sleep").arg("60").kill_on_drop(true).status();
    /// timeout(Duration::from_millis(10), sleep).await.unwrap_err(); // and it is gone
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn kill_on_drop(&mut self, dies: bool) -> &mut Self {
        self.dies_when_dropped = dies;
        self
    }

    /// Starts it. Returns when the program runs, or could not be run; that blocks the thread, for about as long as the system
    /// takes to load a program.
    ///
    /// # Errors
    /// If there is no such program or directory (`NotFound`), or it may not be run (`PermissionDenied`), if an argument has a
    /// zero byte (`InvalidInput`), or the system has no room for another process or descriptor. The message names the
    /// program, and what was tried; the system's own error is the [source](Error::source).
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.start(|_| &Kind::Inherit)
    }

    /// Starts it **now**, and waits until it has ended.
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Cancel safety
    /// Dropped, it drops the child, which goes on unless [`kill_on_drop`](Self::kill_on_drop) says otherwise.
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async move { child?.wait().await }
    }

    /// Starts it **now**, with pipes for its output and errors, and nothing to read, unless said otherwise; reads both to their
    /// ends, and waits until it has ended. See [`Child::wait_with_output`].
    ///
    /// # Errors
    /// As for [`spawn`](Self::spawn) and [`Child::wait_with_output`]. That the program ends with a failure is none.
    ///
    /// # Cancel safety
    /// Dropped, it drops the child, as [`status`](Self::status) does, and what it has read.
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        let child = self.start(|descriptor| if descriptor == 0 { &Kind::Null } else { &Kind::Piped });
        async move { child?.wait_with_output().await }
    }

    fn start(&self, default: impl Fn(usize) -> &'static Kind) -> io::Result<Child> {
        let kind = |at: usize| self.stdio[at].as_ref().map_or_else(|| default(at), |stdio| &stdio.0);
        let refuse = |error| self.refuse("its standard descriptors cannot be opened", error);
        let stdin = Ends::to_write(kind(0)).map_err(refuse)?;
        let stdout = Ends::to_read(kind(1)).map_err(refuse)?;
        let stderr = Ends::to_read(kind(2)).map_err(refuse)?;
        let plan = self.recipe.plan([stdin.number(), stdout.number(), stderr.number()])?;
        let leads = self.recipe.process_group == Some(0);
        let life =
            Life::begin(leads, |nursery| plan.start(nursery)).map_err(|failure| self.explain(failure))?;
        let mut child = Child::new(life);
        (child.stdin, child.stdout, child.stderr) = (stdin.ours, stdout.ours, stderr.ours);
        child.kill_on_drop(self.dies_when_dropped);
        Ok(child)
    }

    fn explain(&self, failure: Failure) -> io::Error {
        let what = match (failure.step, &self.recipe.directory) {
            (Step::Fork, _) => "there is no room for another process",
            (Step::Directory, Some(directory)) => &format!("it cannot run in `{}`", directory.display()),
            (Step::ProcessGroup, _) => "it cannot join the process group",
            (Step::Identity, _) => "it cannot be run as that user or group",
            (Step::Prepare | Step::Directory, _) => "it cannot be prepared",
            (Step::Execute, _) => "it cannot be executed",
        };
        self.refuse(what, failure.into())
    }

    fn refuse(&self, what: &str, source: io::Error) -> io::Error {
        let what = format!("cannot start `{}`: {what}", self.recipe.program.path().display());
        io::Error::new(source.kind(), Refusal { what, source })
    }
}

/// Why a program could not be started.
#[derive(Debug)]
struct Refusal {
    what: String,
    source: io::Error,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
