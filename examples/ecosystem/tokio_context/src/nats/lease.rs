//! Until when a lease lasts, by our own clock, and the receipt in which that is written.

use runtime::time::Instant;
use std::{cell::RefCell, collections::HashMap, fmt, sync::OnceLock, time::Duration};

/// A moment, as the time since this process asked for one first: unlike an `Instant` it can be written down.
pub(super) type Moment = Duration;

pub(super) fn now() -> Moment {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// What is in a delivery's receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt<'a> {
    /// The end of the lease, as it was when the job came.
    pub(super) until: Moment,
    /// Whether there may be a note on how often it came too early.
    pub(super) is_delayed: bool,
    /// Whom to answer.
    pub(super) reply: &'a str,
}

impl<'a> Receipt<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let until = Moment::from_nanos(parts.next()?.parse().ok()?);
        let is_delayed = parts.next()? == "delayed";
        Some(Self { until, is_delayed, reply: parts.next()? })
    }
}

impl fmt::Display for Receipt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_delayed { "delayed" } else { "ordinary" };
        write!(f, "{} {kind} {}", self.until.as_nanos(), self.reply)
    }
}

/// The leases that last longer than their receipts say, as they were extended, or shorter, as the jobs were given back.
#[derive(Debug, Default)]
pub(super) struct Leases(RefCell<HashMap<Box<str>, Changed>>);

#[derive(Debug)]
struct Changed {
    until: Moment,
    /// When the receipt alone says that it is over, and nothing has to be known of an earlier end any more.
    by_receipt: Moment,
}

impl Leases {
    /// Whether the lease still lasts.
    pub(super) fn lasts(&self, receipt: &Receipt<'_>) -> bool {
        now() < self.0.borrow().get(receipt.reply).map_or(receipt.until, |changed| changed.until)
    }

    /// It lasts until then, and no longer.
    pub(super) fn change(&self, receipt: &Receipt<'_>, until: Moment) {
        let mut all = self.0.borrow_mut();
        let now = now();
        // Of jobs that nobody has answered for: or these would be kept for ever.
        all.retain(|_, changed| changed.until.max(changed.by_receipt) > now);
        all.insert(receipt.reply.into(), Changed { until, by_receipt: receipt.until });
    }

    /// The job is done.
    pub(super) fn forget(&self, receipt: &Receipt<'_>) {
        self.0.borrow_mut().remove(receipt.reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(until: Moment) -> Receipt<'static> {
        Receipt { until, is_delayed: false, reply: "$JS.ACK.jobs.workers.1.2.3.4.0" }
    }

    #[test]
    fn a_receipt_says_what_was_written() {
        for is_delayed in [false, true] {
            let receipt = Receipt { is_delayed, ..receipt(Moment::from_nanos(12_345_678_901)) };
            assert_eq!(Receipt::parse(&receipt.to_string()), Some(receipt));
        }
        assert_eq!(Receipt::parse("1700-0"), None);
    }

    #[runtime::test(start_paused = true)]
    async fn a_lease_ends_when_it_was_said_last() {
        const SECOND: Duration = Duration::from_secs(1);
        let (leases, receipt) = (Leases::default(), receipt(now() + 2 * SECOND));
        assert!(leases.lasts(&receipt));
        leases.change(&receipt, now()); // given back
        assert!(!leases.lasts(&receipt));
        leases.change(&receipt, now() + 3 * SECOND); // extended
        runtime::time::advance(2 * SECOND).await;
        assert!(leases.lasts(&receipt));
        runtime::time::advance(SECOND).await;
        assert!(!leases.lasts(&receipt));
        // Nothing is remembered of it once another is changed.
        let other = Receipt { reply: "$JS.ACK.jobs.workers.1.3.4.5.0", ..receipt };
        leases.change(&other, now() + SECOND);
        assert_eq!(leases.0.borrow().len(), 1);
        leases.forget(&other);
        assert!(leases.0.borrow().is_empty() && !leases.lasts(&receipt));
    }
}
