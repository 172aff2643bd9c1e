//! Stories of the fleet against literal transcripts, and walks at random that look for what no story tells.

mod adoption;
mod heartbeat;
mod reasons;
mod replace;
mod restart;
mod stop;
mod walk;

use super::{Action, Ended, Event, Fleet, LifeId, State};
use crate::cluster::settings::Settings;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A fleet, the clock, and what it did.
///
/// Hearts beat by themselves and deadlines are kept, unless the story says otherwise.
struct Story {
    fleet: Fleet,
    now: Duration,
    beats: BTreeMap<LifeId, u64>,
    silent: BTreeSet<LifeId>,
    tells_log: bool,
    transcript: Vec<String>,
}

/// Without jitter, and with times that are easily followed.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.back_off.jitter_percent = 0;
    settings
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

impl Story {
    fn new(workers: usize, settings: Settings) -> Self {
        let mut story = Self {
            fleet: Fleet::new(Duration::ZERO, settings, workers, 1),
            now: Duration::ZERO,
            beats: BTreeMap::new(),
            silent: BTreeSet::new(),
            tells_log: false,
            transcript: Vec::new(),
        };
        story.write();
        story
    }

    /// One whose workers are all ready, at 0 s, and whose beginning is not told.
    fn of_ready(workers: usize, settings: Settings) -> Self {
        let mut story = Self::new(workers, settings);
        for life in 0..workers as u64 {
            story.ready(life);
        }
        story.transcript.clear();
        story
    }

    fn with_log(mut self) -> Self {
        self.tells_log = true;
        self
    }

    /// Lets time pass, in milliseconds since the start, with every deadline kept.
    fn at(&mut self, until: u64) -> &mut Self {
        let until = ms(until);
        assert!(until >= self.now, "stories go forward");
        let mut ticks = 0;
        while let Some(due) = self.fleet.next_deadline().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.fleet.tick(self.now);
            self.write();
            ticks += 1;
            assert!(ticks < 100_000, "the fleet does not get past {due:?}");
        }
        self.now = until;
        self
    }

    /// Lets time pass without the fleet being asked, as on a machine that does not give it the processor.
    fn asleep_until(&mut self, until: u64) -> &mut Self {
        self.now = ms(until);
        self.fleet.tick(self.now);
        self.write();
        self
    }

    fn event(&mut self, event: Event) -> &mut Self {
        self.fleet.handle(self.now, event);
        self.write();
        self
    }

    fn ready(&mut self, life: u64) -> &mut Self {
        self.event(Event::Ready(LifeId(life)))
    }

    fn exits(&mut self, life: u64, code: i32) -> &mut Self {
        self.event(Event::Exited { life: LifeId(life), how: Ended::Code(code), open: 0 })
    }

    fn dies_of(&mut self, life: u64, signal: i32) -> &mut Self {
        let how = Ended::Signal { signal, core_dumped: false };
        self.event(Event::Exited { life: LifeId(life), how, open: 0 })
    }

    fn falls_silent(&mut self, life: u64) -> &mut Self {
        self.silent.insert(LifeId(life));
        self
    }

    /// What happened since it was asked last; a line is `seconds what`.
    #[track_caller]
    fn expect(&mut self, expected: &str) -> &mut Self {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let found = std::mem::take(&mut self.transcript);
        assert!(found == expected, "expected\n  {}\nfound\n  {}", expected.join("\n  "), found.join("\n  "));
        self
    }

    fn write(&mut self) {
        for action in self.fleet.take_actions() {
            if action == Action::ReadBeats {
                self.beat();
            } else if self.tells_log || !matches!(action, Action::Log(_)) {
                self.transcript.push(format!("{:.3} {}", self.now.as_secs_f64(), in_short(&action)));
            }
        }
    }

    fn beat(&mut self) {
        let lives: Vec<LifeId> = self.fleet.lives().map(|(life, ..)| life).collect();
        let mut counts = Vec::new();
        for life in lives {
            let count = self.beats.entry(life).or_default();
            *count += u64::from(!self.silent.contains(&life));
            counts.push((life, *count));
        }
        self.fleet.handle(self.now, Event::Beats(counts));
        self.write();
    }

    fn states(&self) -> Vec<(u64, State)> {
        self.fleet.lives().map(|(life, _, _, state)| (life.0, state)).collect()
    }
}

fn in_short(action: &Action) -> String {
    match action {
        Action::Launch { life, slot, generation, max_requests: None } => {
            format!("launch {life} in slot {slot}, generation {generation}")
        }
        Action::Launch { life, slot, generation, max_requests: Some(max) } => {
            format!("launch {life} in slot {slot}, generation {generation}, for {max} requests")
        }
        Action::StopWorker { life, grace, last } => {
            format!("stop {life} within {} s{}", grace.as_secs_f64(), if *last { ", all stop" } else { "" })
        }
        Action::Hurry { life } => format!("hurry {life}"),
        Action::Abort { life } => format!("abort {life}"),
        Action::Kill { life } => format!("kill {life}"),
        Action::Ended { life, reason, .. } => format!("{life} {reason}"),
        Action::Adopt { slot, by } => format!("slot {slot} to {by}"),
        Action::Release { slot, by } => format!("slot {slot} from {by}"),
        Action::OpenProgram { generation } => format!("open {generation}"),
        Action::CloseProgram { generation } => format!("close {generation}"),
        Action::ReadBeats => "read beats".to_owned(),
        Action::Log(line) => format!("{:?}: {line}", line.level),
        Action::Finish(outcome) => format!(
            "finish {:?}, forced {}, killed {}, abandoned {}: exit code {}",
            outcome.end,
            outcome.forced,
            outcome.killed,
            outcome.abandoned,
            outcome.exit_code()
        ),
    }
}
