//! A worker's place, and when the next one may take it.

use super::{line, name::LifeId};
use crate::{
    cluster::settings::{BackOff, Settings},
    testing::random::Random,
};
use std::{collections::VecDeque, time::Duration};

/// A worker's place.
///
/// ```text
///              launch, by fire_due                   current_ended
/// waiting ----------------------------> occupied -------------------+
///    ^                                   |    ^                      |
///    |                                   +----+                      |
///    |               hand_over, to a replacement that is ready       |
///    |                                                               |
///    +---- restart_at: the back-off --------------------------------+
///                                                                    |
/// occupied <------------- Quarantined <-- too many; set-up failed ---+
///           absolve, when a                                          |
/// occupied <------------- Done <-------- the Restart policy ---------+
///           reload commits
///
/// any -- shrink: SIGTTOU --> Retired -- grow: SIGTTIN --> occupied
/// ```
#[derive(Debug)]
pub(super) struct Slot {
    /// Whose place it is. Who drains has left it.
    pub(super) current: Option<LifeId>,
    /// A replacement, while the current one is still needed: of the same generation if the current one is recycled, of
    /// the next one during a reload.
    pub(super) next: Option<LifeId>,
    /// One of a generation that has failed to come, kept as long as nobody of the old one serves anywhere.
    pub(super) stand_in: Option<LifeId>,
    pub(super) standing: Standing,
    /// When the next life begins; never with `current`.
    pub(super) restart_at: Option<Duration>,
    /// Not before this is a replacement of one that wants to be recycled tried again.
    pub(super) recycle_at: Option<Duration>,
    pub(super) record: Record,
    /// Who serves the slot's sockets because nobody in the slot does.
    pub(super) adopter: Option<LifeId>,
    pub(super) told: line::Told,
}

/// What is expected of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It is to be served.
    Active,
    /// It was given up.
    Quarantined { set_up: bool },
    /// Its worker ended and is not to be restarted.
    Done { failed: bool },
    /// There are fewer slots now.
    Retired,
}

impl Slot {
    /// Whoever serves its sockets if it serves at all.
    pub(super) fn lives(&self) -> impl Iterator<Item = LifeId> {
        [self.current, self.next, self.stand_in].into_iter().flatten()
    }

    pub(super) fn starting_at(now: Duration) -> Self {
        Self {
            current: None,
            next: None,
            stand_in: None,
            standing: Standing::Active,
            restart_at: Some(now),
            recycle_at: None,
            record: Record::default(),
            adopter: None,
            told: line::Told::default(),
        }
    }

    /// Begins anew: whatever was before does not count.
    pub(super) fn absolve(&mut self) {
        self.standing = Standing::Active;
        self.restart_at = None;
        self.recycle_at = None;
        self.record = Record::default();
    }

    /// Nothing will start here any more.
    pub(super) fn give_up(&mut self, standing: Standing) {
        self.standing = standing;
        self.restart_at = None;
        self.recycle_at = None;
    }
}

/// What happened to a slot's workers.
#[derive(Default, Debug)]
pub(super) struct Record {
    /// When they ended, as far back as the intensity looks, and no more than it allows.
    ends: VecDeque<Duration>,
    /// Ends since one was healthy.
    streak: u32,
    /// Ends in a row before READY.
    boot_failures: usize,
}

impl Record {
    /// One has ended that was not to; `served` is since when it was ready, None if it never was. Whether it may be
    /// restarted.
    ///
    /// The rule is that of Erlang's supervisors: restarts, not ends, are counted, so with `restarts: 5` the sixth end
    /// within the time is one too many.
    pub(super) fn end(&mut self, now: Duration, served: Option<Duration>, settings: &Settings) -> bool {
        let intensity = settings.intensity;
        if served.is_some_and(|served| served >= settings.back_off.healthy_after) {
            self.streak = 0;
        }
        self.streak = self.streak.saturating_add(1);
        self.boot_failures = if served.is_some() { 0 } else { self.boot_failures + 1 };
        self.ends.retain(|&at| now.saturating_sub(at) < intensity.within);
        self.ends.push_back(now);
        let is_too_many = self.ends.len() > intensity.restarts || self.boot_failures > intensity.restarts;
        if self.ends.len() > intensity.restarts {
            self.ends.pop_front();
        }
        !is_too_many
    }

    /// One could not be started, for want of something. That is not the program's fault, so the slot waits and is not
    /// given up.
    pub(super) fn launch_failed(&mut self) {
        self.streak = self.streak.saturating_add(1);
    }

    /// How long to wait before the next.
    pub(super) fn delay(&self, back_off: &BackOff, random: &Random) -> Duration {
        let nominal = match self.streak {
            0 | 1 => return Duration::ZERO,
            // 2^32 times the first is beyond any cap.
            n => {
                back_off.first.saturating_mul(1_u32.checked_shl(n - 2).unwrap_or(u32::MAX)).min(back_off.cap)
            }
        };
        let jitter = nominal.saturating_mul(back_off.jitter_percent) / 100;
        random.duration(&(nominal.saturating_sub(jitter)..=nominal.saturating_add(jitter)))
    }
}
