//! Every number that a cluster goes by, with its unit, its default and the reason for that.

use std::time::Duration;

/// What a worker is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// A process: what one does wrong, even to its memory, ends with it.
    #[default]
    Processes,
    /// A thread with a runtime of its own. Cheaper, and memory may be shared; a panic ends one worker, but a segmentation
    /// fault all of them, and a worker that hangs cannot be killed: it is left behind, and another takes its place.
    Threads,
}

/// How the workers come by their connections. The supervisor holds every listener either way, so no connection that the
/// kernel has queued is lost with a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Listeners {
    /// One socket per address for all: whoever is free accepts.
    #[default]
    Shared,
    /// One socket per address and worker slot, with `SO_REUSEPORT`: the kernel deals connections out by a hash of their
    /// addresses. A replacement inherits the slot's socket; while the slot is empty another worker serves it as well.
    ReusePort,
}

/// After which ends of a worker another is started in its place.
///
/// A worker that was asked to end, to be recycled, reloaded or scaled down, is not meant here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Restart {
    /// After every one, also if `main` returned: a server is to be there.
    #[default]
    Always,
    /// Unless it ended with exit code 0. When all have, the cluster is done, and ends with 0 too.
    OnFailure,
    /// After none. When all have ended, so does the cluster: with 0 if none of them failed.
    Never,
}

/// How many workers there are at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Workers {
    /// As many as the cores that this process may use.
    #[default]
    PerCore,
    Exactly(usize),
}

impl Workers {
    /// At least one.
    pub(crate) fn count(self, cores: usize) -> usize {
        match self {
            Self::PerCore => cores.max(1),
            Self::Exactly(n) => n.max(1),
        }
    }
}

/// How many restarts of one slot are too many, as of Erlang's supervisors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Intensity {
    /// One end more than this within [`within`](Self::within) has the slot quarantined. So have that many ends in a row
    /// without the worker once having been ready, however long they took.
    pub(crate) restarts: usize,
    pub(crate) within: Duration,
}

/// How long a slot stays empty before its next restart: nothing, then `first`, and twice as long each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BackOff {
    pub(crate) first: Duration,
    /// What it never exceeds, but for the jitter.
    pub(crate) cap: Duration,
    /// Each wait is longer or shorter by up to this many hundredths, so that slots which failed together do not come
    /// back together.
    pub(crate) jitter_percent: u32,
    /// A worker that served this long has shown that the trouble is over: the next restart is immediate again.
    pub(crate) healthy_after: Duration,
}

/// How it is noticed that a worker hangs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Heartbeat {
    /// A worker's timer beats that often, and the supervisor looks that often: the only wake-ups of an idle cluster.
    pub(crate) interval: Duration,
    /// A worker whose counter has not moved for this long hangs …
    pub(crate) timeout: Duration,
    /// … if as many looks in a row, each of them in time, have found it still.
    pub(crate) misses: u32,
    /// From SIGABRT, which may leave a core or a stack on record, to SIGKILL.
    pub(crate) abort_grace: Duration,
}

/// When a worker is replaced although nothing is wrong: whatever it leaks, it does not leak for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MaxRequests {
    pub(crate) limit: u64,
    /// Each worker serves up to this many more, so that not all are replaced at once.
    pub(crate) jitter: u64,
}

/// What a cluster is asked for, and how patient it is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Settings {
    pub(crate) workers: Workers,
    /// More than this SIGTTIN does not get.
    pub(crate) max_workers: usize,
    pub(crate) mode: Mode,
    pub(crate) listeners: Listeners,
    /// Each slot's worker runs on one core only, slots taking the cores in turn.
    pub(crate) is_pinned: bool,
    pub(crate) restart: Restart,
    pub(crate) intensity: Intensity,
    pub(crate) back_off: BackOff,
    pub(crate) heartbeat: Heartbeat,
    /// From the launch until READY.
    pub(crate) boot_timeout: Duration,
    /// What a worker has for its connections when it is asked to stop. Then it cuts them and counts them.
    pub(crate) grace: Duration,
    /// What a worker has to end, cutting its connections, if the stop is a fast one.
    pub(crate) fast_grace: Duration,
    /// From the end of the grace period, when the worker should end by itself, to SIGKILL.
    pub(crate) kill_margin: Duration,
    /// From SIGKILL until it is believed that this one does not die: the kernel has it in an uninterruptible wait, or it is
    /// a thread. Then it is left behind.
    pub(crate) reap_timeout: Duration,
    pub(crate) max_requests: Option<MaxRequests>,
    /// So many predecessors of a slot may drain at once, and so many generations. When there is one more the oldest is
    /// hurried.
    pub(crate) max_draining: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: Workers::PerCore,
            // More than any machine of today has cores; each costs the supervisor six descriptors.
            max_workers: 1024,
            mode: Mode::Processes,
            listeners: Listeners::Shared,
            is_pinned: false,
            restart: Restart::Always,
            // A crash by one bad request now and then is far below it, a crash loop reaches it within two seconds.
            intensity: Intensity { restarts: 5, within: Duration::from_secs(10) },
            // The first restart is immediate: most crashes are single. The cap keeps an outage that has ended from
            // lasting noticeably longer, and costs a process start in half a minute.
            back_off: BackOff {
                first: Duration::from_millis(100),
                cap: Duration::from_secs(30),
                jitter_percent: 20,
                healthy_after: Duration::from_secs(60),
            },
            // Longer than any pause that a loaded machine or a page of swap is good for; shorter than the patience of
            // the clients' side, which is 30 s or more.
            heartbeat: Heartbeat {
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(10),
                misses: 3,
                abort_grace: Duration::from_secs(2),
            },
            // Time to read a model or to fill a cache. gunicorn and systemd allow 30 s and 90 s.
            boot_timeout: Duration::from_secs(30),
            // gunicorn's, and that of Kubernetes before it kills.
            grace: Duration::from_secs(30),
            // nginx's.
            fast_grace: Duration::from_secs(1),
            // The worker counts, gives its `main` 50 ms to log whom it cuts, and exits, which takes some milliseconds more.
            kill_margin: Duration::from_millis(200),
            // A killed process is gone within milliseconds; unmapping a hundred gigabytes takes a second.
            reap_timeout: Duration::from_secs(5),
            max_requests: None,
            // With a reload an hour that is a working day of clients that will not go.
            max_draining: 8,
        }
    }
}

impl Settings {
    /// The first thing that makes no sense, as a sentence for whoever set it.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let zero = Duration::ZERO;
        let checks = [
            (self.workers == Workers::Exactly(0), "a cluster needs at least one worker"),
            (self.max_workers == 0, "a cluster needs at least one worker, so `max_workers` cannot be 0"),
            (self.boot_timeout == zero, "with a boot timeout of 0 no worker is ever ready"),
            (self.heartbeat.interval == zero, "a heartbeat needs an interval of more than 0"),
            (
                self.heartbeat.timeout < self.heartbeat.interval,
                "the heartbeat's timeout is shorter than its interval: every worker would seem to hang",
            ),
            (self.heartbeat.misses == 0, "a worker hangs after 1 missed heartbeat at the earliest"),
            (self.intensity.within == zero, "a restart intensity counts within a time of more than 0"),
            (self.back_off.jitter_percent > 100, "a back-off cannot be jittered by more than 100 %"),
            (self.back_off.first > self.back_off.cap, "the first back-off is longer than the longest"),
            (self.max_requests.is_some_and(|max| max.limit == 0), "a worker serves at least 1 request"),
        ];
        checks.into_iter().find_map(|(is_wrong, sentence)| is_wrong.then_some(sentence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_and_what_does_not_is_named() {
        let sound = Settings::default();
        assert_eq!(sound.problem(), None);
        let mut never_ready = sound.clone();
        never_ready.boot_timeout = Duration::ZERO;
        assert!(never_ready.problem().unwrap().contains("boot timeout"));
        let mut hasty = sound.clone();
        hasty.heartbeat.timeout = hasty.heartbeat.interval / 2;
        assert!(hasty.problem().unwrap().contains("shorter than its interval"));
        let mut upside_down = sound;
        upside_down.back_off.cap = upside_down.back_off.first / 2;
        assert!(upside_down.problem().unwrap().contains("longer than the longest"));
    }

    #[test]
    fn there_is_at_least_one_worker() {
        assert_eq!(
            [Workers::PerCore.count(0), Workers::PerCore.count(8), Workers::Exactly(3).count(8)],
            [1, 8, 3]
        );
    }
}
