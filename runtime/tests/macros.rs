//! `#[runtime::main]` and `#[runtime::test]` from outside: what they accept runs and does what its options say, what
//! they refuse is refused under the right token.
//!
//! The programs in `ui/pass` must compile and exit with success; those in `ui/fail` must not compile, with the exact
//! messages beside them. Those in `ui/greenlets` are accepted with the feature `greenlet`, and what is in `ui/no_greenlets` is
//! refused without it. After a change of wording: `TRYBUILD=overwrite cargo test -p runtime --test macros`, and read
//! the difference, above all the `^^^`.
#![cfg(feature = "macros")]

use std::error::Error;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use runtime::{task, time};

/// Half of the recorded messages are rustc's own, which change with every version.
const RECORDED_WITH: &str = "rustc 1.95.";

#[test]
#[cfg_attr(miri, ignore = "starts compilers")]
fn accepted_programs_run_and_refused_ones_say_why() {
    let programs = trybuild::TestCases::new();
    programs.pass("tests/ui/pass/*.rs");
    if cfg!(feature = "greenlet") {
        programs.pass("tests/ui/greenlets/*.rs");
    }

    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if version.starts_with(RECORDED_WITH) {
        programs.compile_fail("tests/ui/fail/*.rs");
        if cfg!(not(feature = "greenlet")) {
            programs.compile_fail("tests/ui/no_greenlets/*.rs");
        }
    } else {
        eprintln!("ui/fail is not compared: recorded with {RECORDED_WITH}x, this is {version}");
    }
}

#[runtime::test]
async fn a_test_runs_inside_a_runtime() {
    let answer = runtime::spawn(async { 6 * 7 });
    assert_eq!(answer.await.unwrap(), 42);
}

#[runtime::test]
async fn a_test_may_use_the_question_mark() -> Result<(), Box<dyn Error>> {
    let number: u32 = "7".parse()?;
    assert_eq!(number, 7);
    Ok(())
}

#[runtime::test]
async fn a_test_may_return_an_exit_code() -> ExitCode {
    ExitCode::SUCCESS
}

#[runtime::test]
#[should_panic(expected = "port out of range")]
async fn a_panic_reaches_the_harness() {
    task::yield_now().await;
    panic!("port out of range");
}

#[runtime::test]
#[ignore = "fails on purpose, see an_err_fails_the_test"]
async fn returns_an_err() -> Result<(), String> {
    Err("the disk is full".to_owned())
}

/// A test of the harness: the `Err` of one of our own tests must count as a failure, and be shown.
#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn an_err_fails_the_test() {
    let this_program = std::env::current_exe().expect("the test knows its own path");
    let run = Command::new(this_program)
        .args(["--ignored", "--exact", "returns_an_err", "--test-threads", "1"])
        .output()
        .expect("the test program starts");

    let output = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(!run.status.success(), "{output}");
    assert!(output.contains("the disk is full"), "{output}");
    assert!(output.contains("1 failed"), "{output}");
}

#[runtime::test(start_paused = true)]
async fn start_paused_makes_a_second_pass_at_once() {
    let start = time::Instant::now();
    time::sleep(Duration::from_secs(1)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(1), "the clock is not virtual");
}

/// The first number that SplitMix64 draws from this seed.
#[runtime::test(seed = 1_234_567)]
async fn seed_decides_about_random_numbers() {
    assert_eq!(runtime::random_u64(), 6_457_827_717_110_365_317);
}

#[runtime::test(seed = 0x7, start_paused = false, on_exit = "cancel", crate = ::runtime)]
async fn all_options_go_together() {
    task::yield_now().await;
}

/// On which threads it ran: the harness may run it too, meanwhile.
static SIMULATED: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());

mod simulated {
    /// An ordinary function afterwards, which may be called.
    #[runtime::test(seeds = 0x10, on_exit = "wait", crate = ::runtime)]
    pub(super) async fn runs_many_times() -> Result<(), String> {
        super::SIMULATED.lock().unwrap().push(std::thread::current().id());
        runtime::task::yield_now().await;
        Ok(())
    }
}

#[test]
fn seeds_run_the_test_once_for_each_and_the_first_twice() {
    simulated::runs_many_times();
    let here = thread::current().id();
    assert_eq!(SIMULATED.lock().unwrap().iter().filter(|&&thread| thread == here).count(), 17);
}

#[runtime::test(seeds = 100)]
#[should_panic(expected = "fails in turn")]
async fn an_error_of_one_seed_fails_the_test() -> Result<(), String> {
    if runtime::random_u64() < u64::MAX / 16 { Err("the die has fallen".to_owned()) } else { Ok(()) }
}

/// Whatever is annotated is an ordinary function afterwards, which gives back what the `async fn` returned.
#[test]
fn main_gives_back_the_value() {
    #[runtime::main]
    async fn seven() -> u32 {
        runtime::spawn(async { 7 }).await.unwrap()
    }

    assert_eq!(seven(), 7);
}

#[test]
fn the_name_inside_the_body_is_the_async_fn() {
    #[runtime::main]
    async fn countdown() -> u32 {
        static STARTED: AtomicBool = AtomicBool::new(false);
        if STARTED.swap(true, Ordering::Relaxed) {
            return 0;
        }
        Box::pin(countdown()).await + 1
    }

    assert_eq!(countdown(), 1);
}

#[test]
fn on_exit_decides_about_tasks_that_are_left() {
    static WAITED: AtomicBool = AtomicBool::new(false);
    static CANCELLED: AtomicBool = AtomicBool::new(false);
    static BY_DEFAULT: AtomicBool = AtomicBool::new(false);

    async fn take_some_turns(finished: &'static AtomicBool) {
        for _ in 0..10 {
            task::yield_now().await;
        }
        finished.store(true, Ordering::Relaxed);
    }

    #[runtime::main(on_exit = "wait")]
    async fn waits() {
        runtime::spawn(take_some_turns(&WAITED)).detach();
    }

    #[runtime::main(on_exit = "cancel")]
    async fn cancels() {
        runtime::spawn(take_some_turns(&CANCELLED)).detach();
    }

    #[runtime::main]
    async fn neither() {
        runtime::spawn(take_some_turns(&BY_DEFAULT)).detach();
    }

    waits();
    assert!(WAITED.load(Ordering::Relaxed), "`wait` ended before its task");
    cancels();
    assert!(!CANCELLED.load(Ordering::Relaxed), "`cancel` waited for its task");
    neither();
    assert!(!BY_DEFAULT.load(Ordering::Relaxed), "the default waited for the task");
}

static WAITED_IN_TEST: AtomicBool = AtomicBool::new(false);

#[runtime::test(on_exit = "wait")]
async fn a_test_leaves_a_task_behind() {
    runtime::spawn(async {
        task::yield_now().await;
        WAITED_IN_TEST.store(true, Ordering::Relaxed);
    })
    .detach();
}

#[test]
fn on_exit_holds_for_tests_too() {
    a_test_leaves_a_task_behind();
    assert!(WAITED_IN_TEST.load(Ordering::Relaxed), "`wait` ended before its task");
}
