//! All runs to a depth, and long ones at random; a failure is shortened before it is shown.
//!
//! `EXPLORE_DEPTH`, `EXPLORE_PLACES`, `EXPLORE_WALKS`, `EXPLORE_LENGTH` and `EXPLORE_SEED` ask for more than the ordinary
//! test run does.

use crate::{
    engine::{Action, Offer, Run},
    spec::{SLOTS, Spec},
};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    env,
    fmt::Write as _,
    panic::{self, AssertUnwindSafe, catch_unwind},
    str::FromStr,
    sync::Once,
};

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    static COMPLAINT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs are expected to panic where something is wrong: not each on its own on stderr.
fn catch_quietly<R>(run: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_QUIET.get() {
                COMPLAINT.set(info.to_string());
            } else {
                usual(info);
            }
        }));
    });
    let was_quiet = IS_QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IS_QUIET.set(was_quiet);
    result
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// The exhaustive search and the walks of one primitive.
pub(crate) fn explore<S: Spec>() {
    let depth = setting("EXPLORE_DEPTH").unwrap_or(if cfg!(miri) { 1 } else { S::DEPTH });
    let mut runs = 0;
    for depth in 1..=depth {
        // Panicking wakers multiply the runs, so they come in one level later.
        let places = setting("EXPLORE_PLACES").unwrap_or(S::PLACES);
        let offer = Offer { idle: true, panics: false, rare: depth > S::DEPTH, places };
        runs += exhaust::<S>(depth, offer);
        runs += exhaust::<S>(depth - 1, Offer { panics: true, ..offer });
    }
    let walks: u64 = setting("EXPLORE_WALKS").unwrap_or(if cfg!(miri) { 3 } else { 1_000 });
    let length = setting("EXPLORE_LENGTH").unwrap_or(24);
    let seed = setting("EXPLORE_SEED").unwrap_or(1);
    for walk in 0..walks {
        walk_at_random::<S>(seed + walk, length);
    }
    println!("{}: {runs} runs to depth {depth}, {walks} walks of {length} from seed {seed}", S::NAME);
}

/// A step of the exhaustive search: how many choices there are, and which is taken.
struct Fork<A> {
    choices: usize,
    taken: usize,
    /// `None`: to be looked up when the run gets there.
    action: Option<Action<A>>,
}

/// All runs of exactly that many actions, each from the beginning: futures cannot be cloned.
fn exhaust<S: Spec>(depth: usize, offer: Offer) -> u64 {
    let mut path: Vec<Fork<S::Act>> = Vec::new();
    let mut taken = Vec::new();
    let mut actions = Vec::new();
    let mut runs = 0;
    loop {
        taken.clear();
        let known = path.len().saturating_sub(1);
        let result = catch_quietly(|| {
            let mut run = Run::<S>::new();
            let mut idle = S::IDLE;
            for at in 0..depth {
                let known_action = path.get(at).and_then(|fork| fork.action);
                let action = match known_action {
                    Some(action) => action,
                    None => {
                        actions.clear();
                        run.enabled(Offer { idle: idle > 0, ..offer }, &mut actions);
                        if actions.is_empty() {
                            break;
                        }
                        let choice = path.get(at).map_or(0, |fork| fork.taken);
                        path.truncate(at);
                        path.push(Fork {
                            choices: actions.len(),
                            taken: choice,
                            action: Some(actions[choice]),
                        });
                        actions[choice]
                    }
                };
                idle -= u8::from(run.is_idle(action));
                run.check(at >= known);
                taken.push(action);
                run.step(action);
            }
            run.drain();
        });
        if result.is_err() {
            fail::<S>(&taken, "");
        }
        runs += 1;
        while path.pop_if(|fork| fork.taken + 1 == fork.choices).is_some() {}
        let Some(fork) = path.last_mut() else { return runs };
        fork.taken += 1;
        fork.action = None;
    }
}

/// One long run; the seed decides every step.
fn walk_at_random<S: Spec>(seed: u64, length: usize) {
    let mut random = Random(seed);
    let mut taken = Vec::new();
    let mut actions = Vec::new();
    let result = catch_quietly(|| {
        let mut run = Run::<S>::new();
        for _ in 0..length {
            actions.clear();
            // Walks that are mostly busy go far, and a few idle steps make them odd.
            let idle = random.below(3) == 0;
            run.enabled(Offer { idle, panics: idle, rare: true, places: SLOTS }, &mut actions);
            if !actions.is_empty() {
                let action = actions[random.below(actions.len())];
                taken.push(action);
                run.step(action);
            }
        }
        run.drain();
    });
    if result.is_err() {
        fail::<S>(
            &taken,
            &format!("\nagain: EXPLORE_DEPTH=1 EXPLORE_WALKS=1 EXPLORE_LENGTH={length} EXPLORE_SEED={seed}"),
        );
    }
}

/// Whether these actions, as far as they make sense, go wrong; `Some` has the complaint.
fn goes_wrong<S: Spec>(actions: &[Action<S::Act>]) -> Option<String> {
    let result = catch_quietly(|| {
        let mut run = Run::<S>::new();
        for action in actions {
            if run.is_enabled(*action) {
                run.step(*action);
            }
        }
        run.drain();
    });
    result.err().map(|_| COMPLAINT.take())
}

/// Leaves out what is not needed for the failure, and panics with the rest.
fn fail<S: Spec>(taken: &[Action<S::Act>], again: &str) -> ! {
    let first = COMPLAINT.take();
    let mut actions = taken.to_vec();
    let mut complaint = goes_wrong::<S>(&actions).unwrap_or(first);
    let mut at = 0;
    while at < actions.len() {
        let mut fewer = actions.clone();
        fewer.remove(at);
        match goes_wrong::<S>(&fewer) {
            Some(other) => (actions, complaint, at) = (fewer, other, 0),
            None => at += 1,
        }
    }
    let mut list = String::new();
    for action in &actions {
        let _ = write!(list, "\n    {action:?}");
    }
    panic!("{}: {complaint}\nafter{list}\n(and the drain){again}", S::NAME);
}

/// SplitMix64 (Steele, Lea, Flood 2014): every seed is as good as any other.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % end as u64).expect("less than a usize")
    }
}
