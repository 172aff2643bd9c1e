//! `Cluster`: everything that can be said about a cluster before it runs.

use super::{
    ended::Ended,
    exit_reason::ExitReason,
    hooks::{Hooks, Worker},
    settings::{BackOff, Heartbeat, Intensity, Listeners, MaxRequests, Mode, Restart, Settings, Workers},
    supervisor,
    wire::control::Place,
    worker::{self, Main, Plan, Seat},
};
use crate::{Builder, OnExit};
use runtime_io::host::Identity;
use std::{fmt, net::SocketAddr, path::Path, process::Termination, sync::Arc, time::Duration};

/// A program that runs once per core, or as often as you say, behind listeners that outlive every one of its workers.
///
/// ```no_run
/// use runtime::{cluster::{Cluster, Ended}, net::{Server, TcpStream}};
/// use std::io;
///
/// async fn echo(stream: TcpStream) -> io::Result<()> {
///     let mut buf = [0; 1024];
///     loop {
///         match stream.read(&mut buf).await? {
///             0 => return Ok(()),
///             n => stream.write_all(&buf[..n]).await?,
///         }
///     }
/// }
///
/// fn main() -> Ended {
///     Cluster::new().run(|| async {
///         let server = Server::bind("127.0.0.1:7000").await?; // the same listener in all workers
///         server.serve(async |stream, _peer| echo(stream).await).await?;
///         io::Result::Ok(())
///     })
/// }
/// ```
///
/// [`#[runtime::main(workers = "per-core")]`](macro@crate::main) is the short form. What is said here is said again in each
/// worker, which runs the same program from its beginning: what comes before [`run`](Cluster::run) runs in the supervisor and
/// in every worker.
#[must_use = "a cluster does nothing until `run`"]
pub struct Cluster {
    pub(super) settings: Settings,
    pub(super) plan: Plan,
    pub(super) places: Vec<Place>,
    pub(super) hooks: Hooks,
    pub(super) adopts_orphans: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// One worker process per core that this process may use, behind shared listeners.
    pub fn new() -> Self {
        let plan =
            Plan { mode: Mode::Processes, on_exit: OnExit::Cancel, make_runtime: None, identity: None };
        Self {
            settings: Settings::default(),
            plan,
            places: Vec::new(),
            hooks: Hooks::default(),
            adopts_orphans: false,
        }
    }

    /// So many workers.
    ///
    /// # Panics
    /// On 0, and on more than 1,024.
    #[track_caller]
    pub fn workers(mut self, workers: usize) -> Self {
        assert!(workers > 0, "a cluster of 0 workers serves nobody: use at least 1");
        let most = self.settings.max_workers;
        assert!(workers <= most, "{workers} workers are more than any machine has cores: at most {most}");
        self.settings.workers = Workers::Exactly(workers);
        self
    }

    /// What a worker is: a process, unless said otherwise.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.settings.mode = mode;
        self.plan.mode = mode;
        self
    }

    /// Whether each worker keeps to one core, slots taking the cores in turn. Not unless said otherwise.
    pub fn pin(mut self, is_pinned: bool) -> Self {
        self.settings.is_pinned = is_pinned;
        self
    }

    /// How the workers come by their connections: by one shared listener per address, unless said otherwise.
    pub fn listeners(mut self, listeners: Listeners) -> Self {
        self.settings.listeners = listeners;
        self
    }

    /// Listens on `address` from the beginning, before there are workers; a worker gets this listener when it binds that
    /// address. So an address that cannot be had ends the program at once. Needed only if workers
    /// [give up privileges](Self::run_as), which may listen on nothing else.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.places.push(Place::Tcp { address });
        self
    }

    /// [`listen`](Self::listen) on a Unix socket.
    pub fn listen_unix(mut self, path: impl AsRef<Path>) -> Self {
        self.places.push(Place::Unix { path: path.as_ref().into() });
        self
    }

    /// Has worker processes give up the supervisor's privileges, for good, before `main` runs in them. If that fails the
    /// worker is not started, and not tried again.
    pub fn run_as(mut self, identity: Identity) -> Self {
        self.plan.identity = Some(identity);
        self
    }

    /// Replaces each worker after so many requests, so that what leaks does not leak for ever; each serves up to a tenth
    /// more, lest all be replaced at once. A request is what [`served`](super::served) counts, and a connection if nobody
    /// counts.
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn max_requests(mut self, requests: u64) -> Self {
        assert!(requests > 0, "a worker serves at least 1 request");
        self.settings.max_requests = Some(MaxRequests { limit: requests, jitter: requests / 10 });
        self
    }

    /// Makes the supervisor the parent of processes that workers have started and left behind, and has it reap them when they end
    /// (Linux; elsewhere, and unless said otherwise, they are the system's). As process 1, in a container say, it does that
    /// anyway. Children that hooks have started are theirs: they should be waited for in the hook.
    pub fn adopt_orphans(mut self, adopts: bool) -> Self {
        self.adopts_orphans = adopts;
        self
    }

    /// How long a worker that is to stop may take to finish with its connections; 30 seconds unless said otherwise. What is
    /// left is cut, and counted.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// How long a worker may take from its start until it is ready; 30 seconds unless said otherwise.
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn boot_timeout(mut self, timeout: Duration) -> Self {
        assert!(!timeout.is_zero(), "with a boot timeout of 0 no worker is ever ready");
        self.settings.boot_timeout = timeout;
        self
    }

    /// How often a worker's heart beats, and after how long a silence it is killed: every second and after 10 seconds,
    /// unless said otherwise. A worker beats if its reactor turns, so code that blocks the thread for longer kills it.
    ///
    /// # Panics
    /// If the interval is 0, or the timeout is shorter.
    #[track_caller]
    pub fn heartbeat(mut self, interval: Duration, timeout: Duration) -> Self {
        assert!(!interval.is_zero(), "a heartbeat needs an interval of more than 0");
        assert!(
            timeout >= interval,
            "a timeout that is shorter than the interval: every worker would seem to hang"
        );
        self.settings.heartbeat = Heartbeat { interval, timeout, ..self.settings.heartbeat };
        self
    }

    /// After which ends of a worker another one takes its place: after every one, unless said otherwise.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.settings.restart = restart;
        self
    }

    /// A worker slot that needs more restarts than this within that time is given up until a reload, while the others
    /// serve; 5 in 10 seconds unless said otherwise. Restarts after the first wait, twice as long each time.
    ///
    /// # Panics
    /// On a time of 0.
    #[track_caller]
    pub fn restart_intensity(mut self, restarts: usize, within: Duration) -> Self {
        assert!(!within.is_zero(), "a restart intensity counts within a time of more than 0");
        self.settings.intensity = Intensity { restarts, within };
        self
    }

    /// How long a worker slot stays empty before its second restart in a row: 100 milliseconds, then twice as
    /// long each time, and at most 30 seconds, unless said otherwise. The first restart is immediate, as is the first
    /// one after a minute of health. Zero is no wait at all.
    ///
    /// # Panics
    /// If the first wait is longer than the longest.
    #[track_caller]
    pub fn back_off(mut self, first: Duration, longest: Duration) -> Self {
        assert!(first <= longest, "the first back-off is longer than the longest");
        self.settings.back_off = BackOff { first, cap: longest, ..self.settings.back_off };
        self
    }

    /// What a worker does, when `main` has returned, with tasks that are left: it cancels them, unless said otherwise.
    pub fn on_exit(mut self, on_exit: OnExit) -> Self {
        self.plan.on_exit = on_exit;
        self
    }

    /// How the runtime of each worker is made; as [`Builder::new`] makes it, unless said otherwise.
    pub fn runtime(mut self, make: impl Fn() -> Builder + Send + Sync + 'static) -> Self {
        self.plan.make_runtime = Some(Arc::new(make));
        self
    }

    /// Has the supervisor call `hook` before it starts a worker.
    pub fn before_start(mut self, hook: impl Fn(Worker) + 'static) -> Self {
        self.hooks.before_start.push(Box::new(hook));
        self
    }

    /// Has the supervisor call `hook` when a worker is ready.
    pub fn on_ready(mut self, hook: impl Fn(Worker) + 'static) -> Self {
        self.hooks.ready.push(Box::new(hook));
        self
    }

    /// Has the supervisor call `hook` when it asks a worker to stop.
    pub fn on_stopping(mut self, hook: impl Fn(Worker) + 'static) -> Self {
        self.hooks.stopping.push(Box::new(hook));
        self
    }

    /// Has the supervisor call `hook` when a worker has ended, asked or not.
    pub fn on_exited(mut self, hook: impl Fn(Worker, &ExitReason) + 'static) -> Self {
        self.hooks.exited.push(Box::new(hook));
        self
    }

    /// Runs the cluster to its end, or, in a process that is one of its workers, that worker.
    ///
    /// `main` is called once in each worker, on the worker's own runtime; what it gives is that worker's exit code. See the
    /// [module](super) for how a cluster lives, and which signals it obeys.
    ///
    /// # Panics
    /// If a runtime runs on this thread already.
    #[track_caller]
    pub fn run<F, M>(self, main: F) -> Ended
    where
        F: Fn() -> M + Send + Sync + 'static,
        M: Future<Output: Termination> + 'static,
    {
        if let Some(problem) = self.settings.problem() {
            panic!("{problem}");
        }
        let main: Main = Arc::new(move || {
            let main = main();
            Box::pin(async { main.await.report() })
        });
        match Seat::of_this_process() {
            Ok(Some(seat)) => Ended::of_worker(worker::run(seat, &self.plan, &main, |_| {})),
            Ok(None) => supervisor::run(self, main),
            Err(error) => Ended::failed(&error),
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("settings", &self.settings)
            .field("places", &self.places)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}
