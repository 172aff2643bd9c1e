//! `#[runtime::main]` and `#[runtime::test]`, an `async fn` as the entry of a program or of a test; and `select!`.
//!
//! Use them through the `runtime` crate, whose default feature `macros` re-exports them.
//!
//! The crate depends on nothing, because everybody who writes `#[runtime::main]` would have to compile what it
//! depends on: a full Rust parser takes longer than the runtime. `parse` knows the few landmarks of a function
//! signature, `options` what stands in the parentheses, `expand` puts the result together, `error` places
//! messages under the tokens that caused them; `select` is the third macro. What the expansions call is
//! `runtime::__private`, which belongs to these macros alone.
//!
//! `proc_macro` types exist only inside a running compiler, so the tests are programs: see `runtime/tests/macros.rs`.

mod error;
mod expand;
mod options;
mod parse;
mod select;

use std::fmt;

use proc_macro::TokenStream;

/// Runs an `async fn` as the program: builds a runtime, runs the function on this thread until it returns, shuts the
/// runtime down, and returns what the function returned.
///
/// ```
/// #[runtime::main]
/// async fn main() {
///     let answer = runtime::spawn(async { 6 * 7 });
///     assert_eq!(answer.await.unwrap(), 42);
/// }
/// ```
///
/// The function may return whatever a `main` may return: `()`, a `Result` whose error is printed and makes the program
/// fail, a [`std::process::ExitCode`], or `!` if it never does.
///
/// ```
/// use std::process::ExitCode;
///
/// #[runtime::main]
/// async fn main() -> Result<ExitCode, std::num::ParseIntError> {
///     let port: u16 = "8080".parse()?;
///     Ok(if port > 1024 { ExitCode::SUCCESS } else { ExitCode::from(2) })
/// }
/// ```
///
/// With the feature `greenlet` it may also be a `fn` without `async`, a program in blocking style: it runs as a greenlet, which
/// is parked when it waits for something. Its stack may grow to 2 MiB, as that of a thread.
///
/// It need not be called `main`: any free function without parameters becomes an ordinary function that blocks its
/// caller for as long as the `async fn` runs.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `workers = "per-core"` | the function runs in a worker per core, behind one listener: see the module `cluster` | no cluster |
/// | `workers = 4` | in so many | |
/// | `mode = "processes"` | a worker is a process of its own | yes |
/// | `mode = "threads"` | a worker is a thread of this process, with a runtime of its own | |
/// | `on_exit = "cancel"` | tasks that are left when the function returns are cancelled, inside the runtime | yes |
/// | `on_exit = "wait"` | the program goes on until every task that is not a daemon has ended | |
/// | `crate = path` | where the `runtime` crate is found, if it is renamed or re-exported | `::runtime` |
///
/// ```
/// mod vendored {
///     pub use runtime as rt;
/// }
///
/// #[runtime::main(on_exit = "wait", crate = vendored::rt)]
/// async fn main() {
///     // Nobody awaits this task, and yet the program does not end before it.
///     vendored::rt::spawn(async { println!("done") }).detach();
/// }
/// ```
///
/// ```no_run
/// use runtime::net::{Server, TcpStream};
///
/// // The program supervises; each of its workers, one per core, runs this, and `bind` gives all of them the same listener.
/// #[runtime::main(workers = "per-core")]
/// async fn main() -> std::io::Result<()> {
///     let server = Server::bind("127.0.0.1:7000").await?;
///     server.serve(async |stream: TcpStream, _peer| stream.write_all(b"hello\n").await).await?;
///     Ok(())
/// }
/// ```
///
/// Everything else that can be chosen is on `runtime::Builder`, and for clusters on `runtime::cluster::Cluster`.
///
/// # Expansion
///
/// The function is kept as it was written, inside one that is not `async`. Attributes, documentation and visibility
/// move to the outer one. Errors in the body or the return type are therefore reported where they are, and the body may
/// call the `async fn` by its name.
///
/// ```text
/// fn main() -> R {
///     async fn main() -> R { … }
///     /* build a runtime with the options and run */ main()
/// }
/// ```
///
/// With `workers` the outer function returns an [`ExitCode`](std::process::ExitCode), in the supervisor that of the cluster, and
/// in a worker that of what the function returned.
///
/// # Errors
///
/// These are compile errors, each under the token that causes it: a function that is not `async` (without the feature
/// `greenlet`), that has parameters
/// or generics or a qualifier (`unsafe`, `const`, `extern`), that is a method or carries another `main` or `test`
/// attribute; an option that is unknown, given twice, or has a value it does not take; an item that is no function.
///
/// # Panics
///
/// The function panics if the `async fn` does, or if it is called on a thread on which a runtime is already running.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Main, options, item)
}

/// Makes a test of an `async fn`: each test gets a runtime of its own, on the thread of the test.
///
/// ```
/// # fn main() {}
/// use std::time::Duration;
/// use runtime::time;
///
/// // Takes no time: the clock is virtual and jumps to the next deadline when there is nothing else to do.
/// #[runtime::test(start_paused = true)]
/// async fn an_hour_passes() {
///     let start = time::Instant::now();
///     time::sleep(Duration::from_secs(3600)).await;
///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// }
///
/// #[runtime::test]
/// async fn question_mark() -> Result<(), std::num::ParseIntError> {
///     let port: u16 = "8080".parse()?;
///     assert_eq!(port, 8080);
///     Ok(())
/// }
///
/// #[runtime::test]
/// #[should_panic(expected = "out of range")]
/// async fn refuses_nonsense() {
///     panic!("port out of range");
/// }
/// ```
///
/// With the feature `greenlet` it may also be a `fn` without `async`, which runs as a greenlet.
///
/// The function may return whatever a test may return, and `#[ignore]`, `#[should_panic]`, `#[cfg]` and the like work as
/// on a `#[test]`. That attribute itself is added by the macro.
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `start_paused = true` | the test starts with a virtual clock that is paused, as after `time::pause()` | `false` |
/// | `seed = 7` | what all random choices are drawn from (`random_u64()`), so that a run can be repeated; fits `u64` | arbitrary |
/// | `seeds = 1000` | the test runs in as many simulations, `runtime::testing::Sim`, each with another order of its tasks | one run, no simulation |
/// | `on_exit = "cancel"` | tasks that are left when the test returns are cancelled | yes |
/// | `on_exit = "wait"` | the test goes on until every task that is not a daemon has ended | |
/// | `crate = path` | where the `runtime` crate is found, if it is renamed or re-exported | `::runtime` |
///
/// ```
/// # fn main() {}
/// #[runtime::test(seed = 0xC0FFEE, on_exit = "wait")]
/// async fn every_task_ends() {
///     runtime::spawn(async { /* … */ }).detach();
/// }
/// ```
///
/// With `seeds` a failure names its seed, and the line that replays it. The clock is virtual then, and sockets and threads
/// are out of reach.
///
/// ```
/// # fn main() {}
/// #[runtime::test(seeds = 1000)]
/// async fn in_whatever_order() {
///     let task = runtime::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// }
/// ```
///
/// # Errors
///
/// The compile errors are those of [`macro@main`].
///
/// # Panics
///
/// The test fails if the `async fn` panics.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Test, options, item)
}

/// What `runtime::select!` is made of: that passes the path to its crate, in parentheses, before the branches.
#[doc(hidden)]
#[proc_macro]
pub fn select(input: TokenStream) -> TokenStream {
    select::expand(input)
}

/// Which of the two attributes is at work.
#[derive(Clone, Copy)]
enum Kind {
    Main,
    Test,
}

/// As it is called in messages.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Main => "`#[runtime::main]`",
            Kind::Test => "`#[runtime::test]`",
        })
    }
}
