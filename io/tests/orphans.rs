//! The story of a process that ends with its parent even if it hangs. Its alarm is the process's, so it is alone in that.
#![cfg(all(unix, not(miri)))]

mod support;

use runtime_io::{
    host::end_with_parent,
    signal::{SignalKind, signal},
};
use std::{io, os::unix::process::parent_id, time::Duration};
use support::{
    run,
    sys::{cancel_alarm, in_forked_child, raise},
};

/// Nobody's number.
const GONE: u32 = 1 << 30;
/// Long, so that nothing is measured.
const WITHIN: Duration = Duration::from_secs(1_000);

#[test]
fn only_the_first_sigterm_of_an_orphan_sets_the_alarm() {
    run(async {
        let mut listener = signal(SignalKind::terminate()).unwrap();
        let mut terminate = async || {
            raise(libc::SIGTERM);
            listener.recv().await.unwrap();
            cancel_alarm()
        };
        assert_eq!(terminate().await, 0, "nobody has asked for it");

        end_with_parent(parent_id(), WITHIN).unwrap();
        assert_eq!(terminate().await, 0, "the parent lives");
        let in_child = || {
            raise(libc::SIGTERM);
            i32::try_from(cancel_alarm()).unwrap()
        };
        assert_eq!(in_forked_child(in_child), 0, "a child has another parent, which lives");

        let refused: io::Error = end_with_parent(GONE, WITHIN).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ESRCH));
        let mut other = signal(SignalKind::user_defined1()).unwrap();
        raise(libc::SIGUSR1);
        other.recv().await.unwrap();
        assert_eq!(cancel_alarm(), 0, "it is not that signal");
        let seconds = terminate().await;
        assert!((900..=1_001).contains(&seconds), "{seconds}");
        assert_eq!(terminate().await, 0, "no signal puts it off");
    });
}
