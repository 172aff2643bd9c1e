//! Runs a scenario with one fault after the other, and judges each run.

use super::{
    calls::{Call, Fault},
    plan::{self, Each, Plan, Seen},
    scenarios::Scenario,
};
use nix::{
    libc,
    sys::wait::{Id, WaitPidFlag, WaitStatus, waitid},
    time::{ClockId, clock_gettime},
};
use std::{
    any::Any,
    collections::BTreeMap,
    env,
    error::Error,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind, set_hook},
    path::PathBuf,
    process::{self, ExitCode},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// A run that has not ended by then hangs. Most take a millisecond; the machine may be busy.
const TOO_LONG: Duration = Duration::from_secs(20);
/// What has been let go is gone by then: threads that end, children that are reaped.
const SETTLED: Duration = Duration::from_secs(2);
/// Failures that are printed. More of them are of the same kind.
const MAX_PRINTED: usize = 12;

/// No scenario needs as many calls.
const MAX_CALLS: u32 = 1_000;

/// What one run came to.
struct Run {
    plan: Plan,
    result: io::Result<()>,
    panics: Vec<String>,
    seen: Seen,
}

/// Runs the scenario with every fault. Fails if any run did not end as it should.
pub(crate) fn torment(scenario: &Scenario) -> ExitCode {
    set_hook(Box::new(|panic| {
        let text = text_of(panic.payload());
        let place = panic.location().map_or(String::new(), ToString::to_string);
        lock(&PANICS).push(format!("{text} ({place})"));
    }));
    start_watchdog(scenario.name);
    let mut torment = Torment::begin(scenario);
    // What fails or spins by itself would take for ever to go through.
    if torment.failures.is_empty() {
        torment.each_call();
        torment.all_calls();
        torment.chance(times("FAULTS_SEEDS", scenario.seeds));
    }
    torment.report()
}

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// The number of the run; 0 between runs.
static RUNNING: AtomicU64 = AtomicU64::new(0);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The monotonic clock.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).expect("there is a monotonic clock").into()
}

/// How often the long form wants it, or as often as fits into everyday's tests.
fn times(variable: &str, short: u32) -> u32 {
    env::var(variable).ok().and_then(|times| times.parse().ok()).unwrap_or(short)
}

#[expect(clippy::disallowed_methods, reason = "it watches the runtime from outside")]
fn start_watchdog(name: &'static str) {
    let watch = move || {
        let mut last = (0, now());
        loop {
            thread::sleep(Duration::from_millis(100));
            let run = RUNNING.load(SeqCst);
            if run != last.0 {
                last = (run, now());
            } else if run != 0 && now() - last.1 > TOO_LONG {
                let seen = plan::end();
                println!("{name}: HANGS at run {run}: {seen}");
                println!("  {}", plan::trace().join("\n  "));
                println!("  panics: {:?}", lock(&PANICS));
                process::exit(2);
            }
        }
    };
    thread::Builder::new().name("watchdog".to_owned()).spawn(watch).expect("a thread");
}

struct Torment<'a> {
    scenario: &'a Scenario,
    /// Calls of a run without faults.
    usual: u32,
    descriptors: BTreeMap<i32, PathBuf>,
    threads: usize,
    /// One that was left behind already.
    child: Option<WaitStatus>,
    runs: u64,
    injections: u32,
    errors: u32,
    failures: Vec<String>,
}

impl<'a> Torment<'a> {
    /// Two runs without faults: the first warms up what lasts as long as the process.
    fn begin(scenario: &'a Scenario) -> Self {
        let mut torment = Self {
            scenario,
            usual: 0,
            descriptors: BTreeMap::new(),
            threads: 0,
            child: None,
            runs: 0,
            injections: 0,
            errors: 0,
            failures: Vec::new(),
        };
        for _ in 0..2 {
            let run = torment.run(Plan::Count);
            torment.usual = run.seen.calls;
            if let Err(error) = run.result {
                torment.failures.push(format!("without a fault: {error}"));
            }
            if torment.usual > MAX_CALLS {
                torment.failures.push(format!("it spins: {} calls without a fault", torment.usual));
            }
            torment.failures.extend(run.panics);
            torment.settle();
            torment.descriptors = descriptors();
            torment.threads = threads();
        }
        torment
    }

    fn run(&mut self, plan: Plan) -> Run {
        self.runs += 1;
        RUNNING.store(self.runs, SeqCst);
        plan::begin(plan);
        let ended = catch_unwind(AssertUnwindSafe(self.scenario.story));
        let seen = plan::end();
        RUNNING.store(0, SeqCst);
        let panics = std::mem::take(&mut *lock(&PANICS));
        let result = ended.unwrap_or_else(|panic| Err(io::Error::other(text_of(&*panic))));
        Run { plan, result, panics, seen }
    }

    /// The n-th call fails in each of its ways.
    fn each_call(&mut self) {
        let mut beyond = 0;
        let mut n = 1;
        // A run is not as long as the other to a call.
        while beyond < 3 && self.failures.len() < MAX_PRINTED {
            let mut was_reached = false;
            for way in 0.. {
                let run = self.run(Plan::Nth { n, way });
                if run.seen.calls < n {
                    break;
                }
                was_reached = true;
                let is_over = run.seen.is_out_of_ways;
                self.judge(&run);
                if is_over {
                    break;
                }
            }
            beyond = if was_reached { 0 } else { beyond + 1 };
            n += 1;
        }
    }

    /// What a caller need not notice happens at every second call that knows it.
    fn all_calls(&mut self) {
        for each in Each::ALL {
            let run = self.run(Plan::Each(each));
            self.judge(&run);
        }
    }

    /// Anything, anywhere, several times in a run.
    fn chance(&mut self, seeds: u32) {
        for seed in 0..seeds {
            if self.failures.len() >= MAX_PRINTED {
                break;
            }
            let one_of = [3, 10, 30][seed as usize % 3];
            let run = self.run(Plan::Random { seed: u64::from(seed), one_of });
            self.judge(&run);
        }
    }

    fn judge(&mut self, run: &Run) {
        self.injections += run.seen.injected;
        self.errors += u32::from(run.result.is_err());
        let mut complaints =
            run.panics.iter().filter(|panic| !is_the_only_way_out(run, panic)).cloned().collect::<Vec<_>>();
        match (&run.result, run.plan) {
            (Ok(()), _) => {}
            (Err(error), _)
                if self.scenario.sentences.iter().any(|sentence| error.to_string().contains(sentence)) => {}
            (Err(error), Plan::Each(_)) => complaints.push(format!("it should have succeeded: {error}")),
            (Err(error), Plan::Random { .. }) if run.seen.injected == 0 => {
                complaints.push(format!("nothing was injected: {error}"));
            }
            (Err(_), Plan::Random { .. }) => {}
            (Err(error), _) => complaints.extend(judge_error(self.scenario, run, error)),
        }
        // Whatever was cut or interrupted at every second call was called twice as often, or a byte at a time.
        let is_single = matches!(run.plan, Plan::Nth { .. });
        if is_single && run.seen.calls > 4 * self.usual + 500 {
            complaints.push(format!("it spins: {} calls, usually {}", run.seen.calls, self.usual));
        }
        complaints.extend(self.left_behind());
        for complaint in complaints {
            let (plan, seen) = (run.plan, &run.seen);
            self.failures.push(format!("{plan:?} ({seen}): {complaint}"));
            if self.failures.len() == 1 {
                self.failures.push(format!("its last calls:\n    {}", plan::trace().join("\n    ")));
            }
        }
    }

    /// Descriptors, threads, children that a run has left.
    fn left_behind(&mut self) -> Vec<String> {
        self.settle();
        let mut left = Vec::new();
        for (fd, target) in descriptors() {
            if self.descriptors.get(&fd) != Some(&target) {
                left.push(format!("descriptor {fd} is left open: {}", target.display()));
            }
        }
        if !left.is_empty() {
            // Told once.
            self.descriptors = descriptors();
        }
        let threads = threads();
        if threads > self.threads {
            left.push(format!("{} threads are left, {} are usual", threads, self.threads));
            self.threads = threads;
        }
        let child = child();
        if child.is_some() && child != self.child {
            left.push(format!("a child is left: {child:?}"));
        }
        self.child = child;
        left
    }

    /// Waits until nothing more goes away, by itself or when it is looked for again.
    fn settle(&self) {
        let start = now();
        loop {
            (self.scenario.clean_up)();
            let is_left = child().is_some_and(|child| Some(child) != self.child);
            let is_busy = self.threads > 0 && threads() > self.threads;
            if !is_left && !is_busy || now() - start > SETTLED {
                return;
            }
            thread::yield_now();
        }
    }

    fn report(&self) -> ExitCode {
        let Self { scenario, usual, runs, injections, errors, failures, .. } = self;
        let name = scenario.name;
        println!(
            "{name}: {usual} calls, {runs} runs, {injections} faults, {errors} errors, {} failures",
            failures.len()
        );
        for failure in failures {
            println!("  {failure}");
        }
        if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn text_of(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// Without its selector a runtime cannot go on, and `block_on` has no error to give.
fn is_the_only_way_out(run: &Run, panic: &str) -> bool {
    let is_selector = matches!(run.seen.fault, Some((Call::EpollWait | Call::Poll, Fault::Refused(_))));
    let is_random = matches!(run.plan, Plan::Random { .. });
    (is_selector || is_random) && panic.starts_with("the runtime can no longer learn of any event")
}

fn judge_error(scenario: &Scenario, run: &Run, error: &io::Error) -> Option<String> {
    let Some((call, fault)) = run.seen.fault else { return Some(format!("nothing was injected: {error}")) };
    if must_succeed(scenario, call, fault) {
        return Some(format!("it should have succeeded: {error}"));
    }
    let errno = fault.errno()?;
    (!tells_of(error, errno) && !is_the_only_way_out(run, &error.to_string()))
        .then(|| format!("the error tells of something else: {error} ({error:?})"))
}

/// Whether an error, or what it was caused by, is the one with this number.
fn tells_of(error: &io::Error, errno: i32) -> bool {
    let injected = io::Error::from_raw_os_error(errno);
    let text = injected.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let is_it =
            error.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error() == Some(errno));
        if is_it || error.to_string().contains(text) {
            return true;
        }
        next = error.downcast_ref::<io::Error>().map_or(error.source(), |error| {
            error.get_ref().map(|inner| inner as &(dyn Error + 'static)).or(error.source())
        });
    }
    false
}

/// What is no trouble of the caller's.
fn must_succeed(scenario: &Scenario, call: Call, fault: Fault) -> bool {
    let Some(errno) = fault.errno() else { return true };
    if fault == Fault::Again || errno == libc::EINTR {
        return true;
    }
    match call {
        // The next connection may be fine, and descriptors come back.
        Call::Accept => {
            !matches!(errno, libc::EBADF | libc::EFAULT | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP)
        }
        // That is how it begins.
        Call::Connect => errno == libc::EINPROGRESS,
        _ => scenario.survives.contains(&(call, errno)),
    }
}

fn descriptors() -> BTreeMap<i32, PathBuf> {
    let list = fs::read_dir("/proc/self/fd").expect("proc(5) is mounted");
    let numbers = list.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // The list itself is gone by now.
    let numbers: Vec<i32> = numbers.collect();
    numbers
        .into_iter()
        .filter_map(|fd| Some((fd, fs::read_link(format!("/proc/self/fd/{fd}")).ok()?)))
        .collect()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("proc(5) is mounted").count()
}

/// A child of this process; whatever has ended unnoticed is a zombie.
fn child() -> Option<WaitStatus> {
    let looked = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
    looked.ok()
}
