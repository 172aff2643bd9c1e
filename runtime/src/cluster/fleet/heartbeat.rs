//! Who hangs.

use super::{Action, Fleet, Level, LifeId, Phase, Verdict, What};
use std::time::Duration;

/// When hearts are listened to, and whether that was in time.
#[derive(Default, Debug)]
pub(super) struct Watch {
    /// The next look; None while nobody serves.
    pub(super) due: Option<Duration>,
    /// When the last look was asked for.
    asked: Duration,
    /// It was asked for late: the supervisor had not been given the processor, so neither, perhaps, had the workers.
    was_late: bool,
}

impl Fleet {
    pub(super) fn look_if_due(&mut self) {
        let now = self.now;
        let Some(due) = self.watch.due.take_if(|due| *due <= now) else { return };
        if !self.lives.values().any(|life| life.phase.is_serving()) {
            return;
        }
        let interval = self.settings.heartbeat.interval;
        self.watch =
            Watch { due: Some(now.saturating_add(interval)), asked: now, was_late: now - due > interval / 2 };
        self.actions.push(Action::ReadBeats);
    }

    /// Compares all counters with what they were.
    ///
    /// A machine that starves its processes starves all of them, the supervisor too: if its own look came late, nobody is
    /// blamed, and silence counts from now. And if it is a worker's fault, it is one worker's: of several that are silent
    /// one is aborted per look, the longest silent first. That leaves the others time to be found alive. Only if every
    /// single one is silent nothing can be lost by aborting them all.
    pub(super) fn beats(&mut self, counts: &[(LifeId, u64)]) {
        let (now, heartbeat) = (self.now, self.settings.heartbeat);
        let is_late = self.watch.was_late || now.saturating_sub(self.watch.asked) > heartbeat.interval / 2;
        for (id, count) in counts {
            let Some(life) = self.lives.get_mut(id).filter(|life| life.phase.is_serving()) else { continue };
            let pulse = &mut life.pulse;
            if pulse.count != *count || is_late {
                (pulse.count, pulse.since, pulse.misses) = (*count, now, 0);
            } else {
                pulse.misses = pulse.misses.saturating_add(1);
            }
        }
        let serving = self.lives.iter().filter(|(_, life)| life.phase.is_serving());
        let mut silent: Vec<_> = serving
            .clone()
            .filter(|(_, life)| life.pulse.misses >= heartbeat.misses)
            .filter(|(_, life)| now.saturating_sub(life.pulse.since) >= heartbeat.timeout)
            .map(|(&id, life)| (life.pulse.since, id))
            .collect();
        if silent.len() < serving.count() {
            silent.sort_unstable();
            silent.truncate(1);
        }
        for (since, id) in silent {
            self.abort(id, now.saturating_sub(since));
        }
    }

    fn abort(&mut self, id: LifeId, silent_for: Duration) {
        let until = self.now.saturating_add(self.settings.heartbeat.abort_grace);
        let Some(life) = self.lives.get_mut(&id) else { return };
        life.phase = Phase::Aborting { until };
        life.verdict = Some(Verdict::Hung);
        let slot = life.slot;
        self.actions.push(Action::Abort { life: id });
        self.tell(Some(slot), Level::Error, What::Hangs { slot, life: id, silent_for });
    }
}
