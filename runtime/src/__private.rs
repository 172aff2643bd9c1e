//! What the macros expand to. Not part of the API.

use crate::{
    Builder, OnExit,
    cluster::{self, Cluster},
    testing::Sim,
};
use std::process::{ExitCode, Termination};

#[cfg(feature = "macros")]
pub use runtime_executor::future::select_start;
#[cfg(feature = "macros")]
pub use runtime_macros::select;

/// No branch of a `select!` can become ready any more.
#[cfg(feature = "macros")]
#[cold]
#[track_caller]
pub fn select_has_no_else() -> ! {
    panic!(
        "every branch of this `select!` is disabled, by its guard or because its pattern did not match: add an \
         `else => …` branch that says what to do then"
    )
}

#[derive(Debug, Clone, Copy)]
pub struct MainOptions {
    pub on_exit: OnExit,
}

#[derive(Debug, Clone, Copy)]
pub struct ClusterOptions {
    pub on_exit: OnExit,
    /// `None`: one per core.
    pub workers: Option<usize>,
    pub mode: cluster::Mode,
}

#[derive(Debug, Clone, Copy)]
pub struct TestOptions {
    /// The test's, with its package before it.
    pub path: &'static str,
    pub start_paused: bool,
    pub seed: Option<u64>,
    pub on_exit: OnExit,
}

#[derive(Debug, Clone, Copy)]
pub struct SimOptions {
    pub seeds: u64,
    pub on_exit: OnExit,
}

#[track_caller]
fn run<F: Future>(builder: Builder, future: F) -> F::Output {
    builder.build().unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(future)
}

/// What an entry without `async` is: the greenlet that its body runs in. It has as much room as the standard library gives a
/// thread, of which what is never used costs nothing.
#[cfg(feature = "greenlet")]
pub fn green<T: 'static>(entry: impl FnOnce() -> T + 'static) -> impl Future<Output = T> {
    crate::greenlet::Run::new(entry, Some(2 << 20))
}

#[track_caller]
pub fn main<F: Future>(options: MainOptions, future: F) -> F::Output {
    // A process that was started to call a function of this program does that, and does not come back.
    #[cfg(feature = "process-pool")]
    let _program = crate::process::enter_main();
    run(Builder::new().on_exit(options.on_exit), future)
}

#[track_caller]
pub fn cluster<F, M>(options: ClusterOptions, main: F) -> ExitCode
where
    F: Fn() -> M + Send + Sync + 'static,
    M: Future<Output: Termination> + 'static,
{
    // A process that was started to call a function of this program does that, and does not come back.
    #[cfg(feature = "process-pool")]
    let _program = crate::process::enter_main();
    let cluster = Cluster::new().mode(options.mode).on_exit(options.on_exit);
    let cluster = if let Some(workers) = options.workers { cluster.workers(workers) } else { cluster };
    cluster.run(main).exit_code()
}

#[track_caller]
pub fn test<F: Future>(options: TestOptions, future: F) -> F::Output {
    #[cfg(feature = "process-pool")]
    crate::process::enter_test(options.path);
    let builder = Builder::new().on_exit(options.on_exit).start_paused(options.start_paused);
    run(if let Some(seed) = options.seed { builder.seed(seed) } else { builder }, future)
}

#[track_caller]
pub fn simulate<F>(options: SimOptions, program: impl Fn() -> F)
where
    F: Future<Output: Termination>,
{
    Sim::new().seeds(options.seeds).on_exit(options.on_exit).run(program);
}

/// All of the `rt` command.
pub fn rt() -> ExitCode {
    crate::inspector::client::main()
}
