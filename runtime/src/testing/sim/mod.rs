//! Running a program under many seeds.

mod failure;
mod stuck;
mod transcript;
mod world;

pub use failure::{Cause, Failure};
pub use transcript::Transcript;
pub use world::note;

use crate::{OnExit, testing::net::Network};
use std::{
    collections::HashSet,
    env, fmt,
    ops::Range,
    process::{ExitCode, Termination},
};
use world::Settings;

/// Replays one seed, whatever [`Sim::seeds`] says.
pub(super) const VARIABLE: &str = "RUNTIME_SIM_SEED";
/// Runs other seeds than [`Sim::seeds`] says: how many, or `from..to`.
const RANGE_VARIABLE: &str = "RUNTIME_SIM_SEEDS";
/// Enough to find what two tasks can do to each other, and over before anybody notices.
const DEFAULT_SEEDS: u64 = 100;
/// Turns of one run: a program that is still busy after these spins, or is no short one.
const DEFAULT_MAX_TURNS: u64 = 1_000_000;

/// A simulation: runs a program again and again, each time with another seed that decides about everything that may
/// happen in one order or another. See [the module](crate::testing) for what that is good for.
///
/// ```
/// use runtime::{spawn, sync::Lock, testing::Sim, time::sleep};
/// use std::{rc::Rc, time::Duration};
///
/// Sim::new().seeds(50).run(|| async {
///     let account = Rc::new(Lock::new(100));
///     let withdraw = |amount| {
///         let account = account.clone();
///         spawn(async move {
///             let mut account = account.acquire().await;
///             let before = *account;
///             sleep(Duration::from_secs(1)).await; // takes no time
///             *account = before - amount;
///         })
///     };
///     let (one, other) = (withdraw(10), withdraw(20));
///     one.await.unwrap();
///     other.await.unwrap();
///     assert_eq!(*account.acquire().await, 70);
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is simulated until `run`"]
pub struct Sim {
    seeds: Range<u64>,
    /// The seed was chosen by value: then the environment does not change it.
    is_pinned: bool,
    twice: bool,
    settings: Settings,
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl Sim {
    /// The seeds 0 to 99, no more than a million turns each.
    pub fn new() -> Self {
        let settings = Settings {
            max_turns: DEFAULT_MAX_TURNS,
            on_exit: OnExit::Cancel,
            allow_reports: false,
            network: Network::new(),
        };
        Self { seeds: 0..DEFAULT_SEEDS, is_pinned: false, twice: false, settings }
    }

    /// So many seeds, from 0. The environment variable `RUNTIME_SIM_SEED=17` has only that one run instead, and
    /// `RUNTIME_SIM_SEEDS=1000000` (or `=5000..6000`) others.
    ///
    /// # Panics
    /// On 0: a test that runs nothing proves nothing.
    #[track_caller]
    pub fn seeds(mut self, seeds: u64) -> Self {
        assert!(seeds > 0, "a simulation of 0 seeds proves nothing: use at least 1");
        self.seeds = 0..seeds;
        self.is_pinned = false;
        self
    }

    /// This seed alone, whatever the environment says: to see a failure again, and to keep it from coming back.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seeds = seed..seed.saturating_add(1);
        self.is_pinned = true;
        self
    }

    /// Runs every seed twice and compares the transcripts, not only the first seed and one that fails.
    pub fn every_seed_twice(mut self) -> Self {
        self.twice = true;
        self
    }

    /// The turns of the loop that a run may take, 1,000,000 unless said otherwise; after them it counts as one that never
    /// ends. In a turn everybody who is ready runs once.
    ///
    /// # Panics
    /// On 0.
    #[track_caller]
    pub fn max_turns(mut self, turns: u64) -> Self {
        assert!(turns > 0, "a simulation of 0 turns never begins: use at least 1");
        self.settings.max_turns = turns;
        self
    }

    /// What becomes of tasks that outlive the program's main future; see [`OnExit`].
    pub fn on_exit(mut self, on_exit: OnExit) -> Self {
        self.settings.on_exit = on_exit;
        self
    }

    /// What may happen on the [network](crate::testing::net); [`Network::new`] unless said otherwise.
    pub fn network(mut self, network: Network) -> Self {
        self.settings.network = network;
        self
    }

    /// Lets a run pass in which the runtime had something to [report](crate::Report). In a simulation a report is a
    /// failure unless this is called.
    pub fn allow_reports(mut self) -> Self {
        self.settings.allow_reports = true;
        self
    }

    /// Runs `program` with each seed, until one fails. The closure is called once for each run and must make everything
    /// anew: what it captures, like a static, keeps its value from run to run.
    ///
    /// # Panics
    /// If the program fails with a seed, with the [`Failure`] as text: if it panics, returns an error, gets stuck, is
    /// never done, or is not the same when run again. If a runtime runs on this thread.
    #[track_caller]
    pub fn run<F>(&self, program: impl Fn() -> F)
    where
        F: Future<Output: Termination>,
    {
        if let Err(failure) = self.try_run(program) {
            panic!("{failure}");
        }
    }

    /// As [`run`](Self::run), for those who want to look at the failure.
    ///
    /// ```
    /// use runtime::{sync::Event, testing::{Cause, Sim}};
    /// let failure = Sim::new().try_run(|| async { Event::new().wait().await }).unwrap_err();
    /// assert!(matches!(failure.cause(), Cause::Stuck(list) if list.contains("main task has waited")));
    /// ```
    ///
    /// # Errors
    /// The first seed that fails.
    ///
    /// # Panics
    /// If a runtime runs on this thread.
    #[track_caller]
    pub fn try_run<F>(&self, program: impl Fn() -> F) -> Result<Summary, Failure>
    where
        F: Future<Output: Termination>,
    {
        refuse_nesting();
        let mut orders = HashSet::new();
        let seeds = self.chosen_seeds();
        let first = seeds.start;
        for seed in seeds {
            let compared = self.twice || seed == first;
            let failure = |cause, transcript, replay| {
                Err(Failure { seed, seeds_before: seed - first, cause, transcript, replay })
            };
            let (fails, transcript) = self.once(seed, compared, &program);
            if let Some(cause) = fails {
                let replay = self.replay(seed, &cause, &transcript, &program);
                return failure(cause, transcript, replay);
            }
            orders.insert(transcript.hash());
            if compared {
                let (_, again) = self.once(seed, true, &program);
                if let Some(how) = difference(&transcript, &again) {
                    return failure(Cause::Differs(how), transcript, None);
                }
            }
        }
        Ok(Summary { orders })
    }

    /// Runs `program` with the first seed alone, and gives what it returned with a transcript that can be read.
    ///
    /// ```
    /// use runtime::testing::Sim;
    /// let (answer, transcript) = Sim::new().seed(7).record(|| async { 42 }).unwrap();
    /// assert_eq!((answer, transcript.turns()), (42, 1));
    /// ```
    ///
    /// # Errors
    /// If it fails; not if it merely returns an error.
    ///
    /// # Panics
    /// If a runtime runs on this thread.
    #[track_caller]
    pub fn record<F: Future>(&self, program: impl FnOnce() -> F) -> Result<(F::Output, Transcript), Failure> {
        refuse_nesting();
        let seed = self.chosen_seeds().start;
        match world::run(&self.settings, seed, true, program()) {
            (Ok(output), transcript) => Ok((output, transcript)),
            (Err(cause), transcript) => {
                Err(Failure { seed, seeds_before: 0, cause, transcript, replay: None })
            }
        }
    }

    /// One run; why it fails, if it does.
    fn once<F>(&self, seed: u64, recording: bool, program: &impl Fn() -> F) -> (Option<Cause>, Transcript)
    where
        F: Future<Output: Termination>,
    {
        let (outcome, transcript) = world::run(&self.settings, seed, recording, program());
        let fails = match outcome.map(Termination::report) {
            Ok(code) => (code != ExitCode::SUCCESS).then_some(Cause::Failed),
            Err(cause) => Some(cause),
        };
        (fails, transcript)
    }

    /// Runs a seed that has failed once more. What was not the same, if something was not.
    fn replay<F>(
        &self,
        seed: u64,
        cause: &Cause,
        transcript: &Transcript,
        program: &impl Fn() -> F,
    ) -> Option<String>
    where
        F: Future<Output: Termination>,
    {
        // Whoever reads what a panic prints should know why it prints it twice.
        eprintln!("simulation: seed {seed} has failed and runs once more, to see whether it does so again");
        let (fails, again) = self.once(seed, true, program);
        let how = match (difference(transcript, &again), fails) {
            (Some(how), _) => how,
            (None, Some(other)) if other == *cause => return None,
            (None, Some(other)) => format!("when run again, {other}"),
            (None, None) => "the second run did not fail".to_owned(),
        };
        Some(Cause::Differs(how).to_string())
    }

    /// What the environment says, or the program.
    fn chosen_seeds(&self) -> Range<u64> {
        if self.is_pinned {
            return self.seeds.clone();
        }
        if let Ok(seed) = env::var(VARIABLE) {
            return parse_range(&seed).filter(|seeds| seeds.start == 0).map_or_else(
                || panic!("{VARIABLE}={seed} is not a seed: use a number, as in {VARIABLE}=17"),
                |seeds| seeds.end..seeds.end.saturating_add(1),
            );
        }
        match env::var(RANGE_VARIABLE) {
            Ok(range) => parse_range(&range).filter(|seeds| !seeds.is_empty()).unwrap_or_else(|| {
                panic!("{RANGE_VARIABLE}={range} are no seeds: use a number of seeds, or a range as in 5000..6000")
            }),
            Err(_) => self.seeds.clone(),
        }
    }
}

/// `n` is `0..n`.
fn parse_range(text: &str) -> Option<Range<u64>> {
    match text.split_once("..") {
        Some((from, to)) => Some(from.trim().parse().ok()?..to.trim().parse().ok()?),
        None => Some(0..text.trim().parse().ok()?),
    }
}

/// How two transcripts differ, if they do.
fn difference(one: &Transcript, other: &Transcript) -> Option<String> {
    if one.hash() == other.hash() {
        return None;
    }
    Some(one.first_difference(other).unwrap_or_else(|| "they took different turns".to_owned()))
}

#[track_caller]
fn refuse_nesting() {
    assert!(
        !runtime_executor::current::is_entered(),
        "a runtime runs on this thread already, and a simulation is a runtime of its own: call `Sim::run` from an \
         ordinary `#[test]` function"
    );
}

/// What a simulation that did not fail has seen.
#[derive(Clone)]
pub struct Summary {
    orders: HashSet<u64>,
}

impl Summary {
    /// How many different transcripts there were, that is orders in which things happened: if the number stays far below
    /// that of the seeds, more seeds will find nothing new.
    pub fn orders(&self) -> usize {
        self.orders.len()
    }
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summary").field("orders", &self.orders.len()).finish()
    }
}
