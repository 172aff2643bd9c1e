//! The loop: run what is ready, ask the outside, read the mail, fire the timers; or sleep until one of them.
//!
//! ```text
//! loop { run the batch that is ready now (what it wakes runs next turn)
//!        -> nothing ready: park until an event or the next deadline
//!        -> drain the inbox -> fire due timers }
//! ```
//!
//! Two guarantees, both tested: a woken task is polled once before any task is polled twice (a batch is a
//! snapshot, the queue is first in, first out); and however busy the tasks are, the outside is asked, and due
//! timers fire, at least every 60 polls, and after a millisecond of run time at the next 15th poll. With no source
//! armed and no timer set there is no system call at all, and the clock is not read.

use crate::{
    core::Core,
    inspect,
    observe::{self, Rest},
    task::waker,
};
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Strides between two questions to the outside: at 100 ns a poll a question (half a microsecond) costs less than
/// a tenth.
const MAX_STRIDES: u32 = 4;
/// Run time between two questions, in nanoseconds: the granularity of timers.
const MAX_BUSY: u64 = 1_000_000;
/// Questions without a look at the clock after which it is read only to be known: dumps say since when a task waits.
/// A look per 960 polls costs a few thousandths of the cheapest poll.
const UNREAD: u8 = 16;
/// Quiet after which those who wait are looked at, if there are so many that it was put off: long beside what a look at a
/// million of them takes.
const AUDIT_DELAY: Duration = Duration::from_millis(50);

/// One `block_on`: drives the tasks of `core` until the root future is done.
pub(crate) struct EventLoop<'a> {
    core: &'a Core,
    wakes: Vec<u32>,
    /// Strides since the outside was asked.
    strides: u32,
    /// When the first of them ended.
    busy_since: Option<u64>,
    /// Questions since the clock was read.
    unread: u8,
    /// The future of `block_on` is still being driven.
    has_root: bool,
    /// The last sleep took so long that a look at all who wait costs little beside it.
    has_slept_long: bool,
}

impl Drop for EventLoop<'_> {
    /// Also when the root future panics.
    fn drop(&mut self) {
        self.core.set_running(None);
        self.core.forget_stops();
        observe::audit(self.core);
    }
}

impl<'a> EventLoop<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        core.begin_stride();
        Self {
            core,
            wakes: Vec::new(),
            strides: 0,
            busy_since: None,
            unread: 0,
            has_root: false,
            has_slept_long: false,
        }
    }

    /// Runs until `root` is ready; `None` if the runtime was stopped first.
    pub(crate) fn run_root<F: Future>(&mut self, mut root: Pin<&mut F>) -> Option<F::Output> {
        let core = self.core;
        let key = core.root().key();
        waker::wake_key(key);
        // After it: as with other tasks, the first turn is nobody's wake.
        #[cfg(feature = "tracing")]
        let _span = core.hooks_at_spawn().map(|hooks| hooks.main_begins(core));
        let poll_root = || {
            core.refill_budget();
            core.set_running(Some(core.root()));
            let mut poll = || root.as_mut().poll(&mut Context::from_waker(&waker::waker(key)));
            let polled = match core.hooks() {
                None => poll(),
                Some(hooks) => hooks.around_main(core, poll),
            };
            core.set_running(None);
            polled
        };
        self.has_root = true;
        let output = self.run(poll_root, || None);
        self.has_root = false;
        output
    }

    /// Runs until no task but daemons is left; `None` if the runtime was stopped first.
    pub(crate) fn run_tasks(&mut self) -> Option<()> {
        let core = self.core;
        self.run(|| Poll::Pending, || (core.alive() == 0).then_some(()))
    }

    /// Runs until no cleanup is left; `None` if the runtime was stopped first.
    pub(crate) fn run_cleanups(&mut self) -> Option<()> {
        let core = self.core;
        self.run(|| Poll::Pending, || (!core.cleanups().is_running()).then_some(()))
    }

    /// Runs turns until `poll_root` is ready or, before a turn, `done` gives something; `None`: stopped.
    fn run<T>(
        &mut self,
        mut poll_root: impl FnMut() -> Poll<T>,
        mut done: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let core = self.core;
        loop {
            if core.remote().doorbell().take() {
                core.read_mail(&mut self.wakes);
            }
            if core.take_stop() {
                return None;
            }
            if let Some(output) = done() {
                return Some(output);
            }
            // The batch ends with who is last now: what it wakes comes behind.
            let Some(last) = core.ready().last() else {
                self.idle();
                continue;
            };
            if inspect::IS_KEPT {
                core.counters().turns.add(1);
            }
            while let Some(queued) = core.ready().pop() {
                let is_last = queued.is_for(last);
                if queued.is_for(core.root()) {
                    queued.unqueue(core);
                    if let Poll::Ready(output) = poll_root() {
                        return Some(output);
                    }
                } else {
                    queued.run(core);
                }
                if core.counters().polls.count_down() {
                    self.consider_asking();
                }
                if is_last {
                    break;
                }
            }
        }
    }

    /// A stride of polls is over: asks the outside if it is time.
    #[cold]
    fn consider_asking(&mut self) {
        let core = self.core;
        core.begin_stride();
        self.strides += 1;
        if core.observed().stride() {
            core.call_observer();
        }
        let armed = core.park().waiters() > 0;
        if self.strides < MAX_STRIDES {
            if !armed && core.timers().is_empty() {
                return;
            }
            let now = core.timers().read_clock();
            let since = *self.busy_since.get_or_insert(now);
            if now - since < MAX_BUSY {
                return;
            }
        }
        if armed {
            self.park(Some(Duration::ZERO));
        }
        self.asked();
    }

    /// The outside was asked just now: reads the mail and fires the timers that its answer made due.
    fn asked(&mut self) {
        self.core.begin_stride();
        self.strides = 0;
        self.busy_since = None;
        if self.core.remote().doorbell().take() {
            self.core.read_mail(&mut self.wakes);
        }
        if !self.core.timers().is_empty() {
            self.core.timers().turn();
        } else if inspect::IS_KEPT {
            self.unread += 1;
            if self.unread == UNREAD {
                self.unread = 0;
                self.core.timers().read_clock();
            }
        }
    }

    /// Nothing is ready: one step towards something that is.
    fn idle(&mut self) {
        let core = self.core;
        let timers = core.timers();
        if !timers.is_empty() {
            timers.turn();
            if !core.ready().is_empty() {
                return;
            }
        }
        let is_virtual = timers.clock().is_paused();
        let rest = core.rest(is_virtual || mem::take(&mut self.has_slept_long));
        if !core.ready().is_empty() {
            return;
        }
        if !core.settlers().is_empty() {
            return self.settle();
        }
        if is_virtual {
            self.idle_in_virtual_time();
        } else if rest == Rest::Later {
            let next = timers.until_next().map_or(AUDIT_DELAY, |next| next.min(AUDIT_DELAY));
            self.sleep(Some(next));
        } else if let Some(next) = timers.until_next() {
            self.sleep(Some(next));
        } else {
            self.sleep_for_ever();
        }
        self.asked();
    }

    /// Somebody waits for the moment in which nothing else can happen: it is this one, if the outside agrees.
    #[cold]
    fn settle(&mut self) {
        self.park(Some(Duration::ZERO));
        self.asked();
        if self.core.ready().is_empty() {
            self.core.settlers().wake_all();
        }
    }

    /// Virtual time passes only here: when nothing real could still happen first, or when told to.
    fn idle_in_virtual_time(&mut self) {
        let core = self.core;
        self.park(Some(Duration::ZERO));
        // In this order: a job leaves its mail before it counts as ended, so no end is missed in between.
        let idle_outside = core.park().waiters() == 0 && !core.is_outside_at_work();
        if !core.ready().is_empty() || core.remote().doorbell().has_rung() {
            return;
        }
        if !(core.timers().may_advance(idle_outside) && core.timers().jump_to_next()) {
            self.sleep_for_ever();
        }
    }

    /// Only the outside can wake a task now. If it cannot either, this is the end.
    fn sleep_for_ever(&mut self) {
        if !self.core.is_at_an_end() {
            self.sleep(None);
        } else if let Some(deadlock) = observe::end(self.core, self.has_root) {
            panic!("{deadlock}");
        }
    }

    fn sleep(&mut self, timeout: Option<Duration>) {
        let doorbell = self.core.remote().doorbell();
        if !doorbell.begin_park() {
            self.core.read_mail(&mut self.wakes);
            return;
        }
        let (pulse, hooks) = (self.core.remote().pulse(), self.core.hooks());
        hooks.inspect(|hooks| hooks.parks());
        pulse.note_sleep();
        self.park(timeout);
        pulse.note_waking();
        hooks.inspect(|hooks| hooks.unparked());
        if inspect::IS_KEPT {
            let timers = self.core.timers();
            let before = timers.last_reading();
            self.has_slept_long = timers.read_clock().saturating_sub(before) >= AUDIT_DELAY.as_nanos() as u64;
        }
        if doorbell.end_park() {
            self.core.read_mail(&mut self.wakes);
        }
    }

    fn park(&self, timeout: Option<Duration>) {
        if let Err(error) = self.core.park().park(timeout) {
            panic!("the runtime can no longer learn of any event, so its tasks would hang: {error}");
        }
    }
}
