//! A thread that sleeps until it is woken: what blocks where there is no task to suspend.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::Wake,
    time::Duration,
};

/// Whether the thread was woken since it last looked. Not `thread::park`, whose token may be meant for somebody else.
#[derive(Debug, Default)]
pub(crate) struct Doze {
    is_woken: Mutex<bool>,
    bell: Condvar,
}

impl Doze {
    /// Sleeps until it is woken, for at most `limit`; whether it was woken in time.
    pub(crate) fn sleep(&self, limit: Option<Duration>) -> bool {
        let woken = self.is_woken.lock().unwrap_or_else(PoisonError::into_inner);
        let sleeps = |is_woken: &mut bool| !*is_woken;
        let mut woken = match limit {
            None => self.bell.wait_while(woken, sleeps).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                self.bell.wait_timeout_while(woken, limit, sleeps).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        std::mem::take(&mut *woken)
    }
}

impl Wake for Doze {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.is_woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }
}
