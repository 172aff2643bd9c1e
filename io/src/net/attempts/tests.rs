//! Stories of hosts with several addresses, in virtual time and without any socket.

use super::{Attempts, CONNECT_STAGGER, MAX_CONNECT_ATTEMPTS, interleaved};
use runtime_executor::{
    Executor,
    time::{Clock, Instant, sleep, timeout},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn v4(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 80).into()
}

fn v6(number: u16) -> SocketAddr {
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, number], 80).into()
}

/// What an address does: answers, or fails, after so many milliseconds.
#[derive(Clone, Copy)]
enum Host {
    Answers(u64),
    Refuses(u64),
    Silent,
}

/// Which hosts were tried, and at which millisecond; and how many attempts still exist.
#[derive(Default)]
struct Log {
    begun: RefCell<Vec<(SocketAddr, u128)>>,
    alive: Cell<usize>,
}

struct Alive<'a>(&'a Cell<usize>);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Tries the hosts in their order; gives who has answered, what was tried, and how long all of it took.
fn attempt(hosts: &[(SocketAddr, Host)]) -> (io::Result<SocketAddr>, Vec<(SocketAddr, u128)>, u128) {
    let log = Log::default();
    let executor = Executor::builder().clock(Clock::paused()).build();
    let (done, took) = executor.block_on(async {
        let began = Instant::now();
        let start = |address| {
            log.begun.borrow_mut().push((address, began.elapsed().as_millis()));
            log.alive.set(log.alive.get() + 1);
            let alive = Alive(&log.alive);
            let host = hosts.iter().find(|(known, _)| *known == address).unwrap().1;
            async move {
                let _alive = alive;
                match host {
                    Host::Answers(after) => {
                        sleep(Duration::from_millis(after)).await;
                        Ok(address)
                    }
                    Host::Refuses(after) => {
                        sleep(Duration::from_millis(after)).await;
                        Err(io::Error::from(ErrorKind::ConnectionRefused))
                    }
                    Host::Silent => std::future::pending().await,
                }
            }
        };
        let addresses = hosts.iter().map(|(address, _)| *address).collect::<VecDeque<_>>();
        let done = timeout(10 * SECOND, Attempts::new(addresses, start)).await;
        let done = done.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        (done, began.elapsed().as_millis())
    });
    assert_eq!(log.alive.get(), 0, "every attempt has ended");
    (done, log.begun.into_inner(), took)
}

#[test]
fn families_take_turns_and_the_system_chooses_the_first() {
    let order = |addresses: &[SocketAddr]| Vec::from(interleaved(addresses.iter().copied()));
    assert_eq!(order(&[v6(1), v6(2), v6(3), v4(1), v4(2)]), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
    assert_eq!(order(&[v4(1), v6(1), v6(2), v6(3)]), [v4(1), v6(1), v6(2), v6(3)]);
    assert_eq!(order(&[v4(2), v4(1)]), [v4(2), v4(1)]);
    assert_eq!(order(&[]), []);
}

#[test]
fn an_address_that_answers_in_time_is_the_only_one_tried() {
    let (done, begun, took) = attempt(&[(v6(1), Host::Answers(249)), (v4(1), Host::Answers(0))]);
    assert_eq!((done.unwrap(), begun, took), (v6(1), vec![(v6(1), 0)], 249));
}

#[test]
fn while_an_address_is_silent_the_next_is_tried_beside_it_and_may_win() {
    let hosts = [(v6(1), Host::Silent), (v4(1), Host::Answers(100)), (v6(2), Host::Answers(0))];
    let (done, begun, took) = attempt(&hosts);
    assert_eq!((done.unwrap(), begun, took), (v4(1), vec![(v6(1), 0), (v4(1), 250)], 350));
}

#[test]
fn a_slow_address_goes_on_and_may_win_still() {
    let hosts = [(v6(1), Host::Answers(600)), (v4(1), Host::Silent), (v6(2), Host::Silent)];
    let (done, begun, took) = attempt(&hosts);
    let expected = vec![(v6(1), 0), (v4(1), 250), (v6(2), 500)];
    assert_eq!((done.unwrap(), begun, took), (v6(1), expected, 600));
}

#[test]
fn after_a_failure_the_next_is_tried_at_once_and_given_its_whole_time() {
    let hosts = [
        (v6(1), Host::Refuses(0)),
        (v4(1), Host::Refuses(100)),
        (v6(2), Host::Silent),
        (v4(2), Host::Answers(0)),
    ];
    let (done, begun, took) = attempt(&hosts);
    let expected = vec![(v6(1), 0), (v4(1), 0), (v6(2), 100), (v4(2), 350)];
    assert_eq!((done.unwrap(), begun, took), (v4(2), expected, 350));

    // Though another goes on.
    let hosts = [(v6(1), Host::Silent), (v4(1), Host::Refuses(100)), (v6(2), Host::Answers(0))];
    let (done, begun, took) = attempt(&hosts);
    assert_eq!((done.unwrap(), begun.len(), took), (v6(2), 3, 350));
}

#[test]
fn when_all_have_failed_each_is_named() {
    let hosts = [(v6(1), Host::Refuses(400)), (v4(1), Host::Refuses(10))];
    let (done, begun, took) = attempt(&hosts);
    let error = done.unwrap_err();
    assert_eq!((error.kind(), begun.len(), took), (ErrorKind::ConnectionRefused, 2, 400));
    assert_eq!(
        error.to_string(),
        "cannot connect to any of 2 addresses: 10.0.0.1:80: connection refused; [2001:db8::1]:80: connection refused"
    );
    assert!(error.get_ref().unwrap().source().unwrap().to_string().contains("[2001:db8::1]:80"));
}

#[test]
fn one_address_that_fails_is_named_and_none_is_a_mistake() {
    let error = attempt(&[(v4(1), Host::Refuses(0))]).0.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to 10.0.0.1:80: connection refused");
    assert_eq!(attempt(&[]).0.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn no_more_than_so_many_are_tried_at_once_and_the_next_waits_until_one_has_failed() {
    let mut hosts: Vec<_> = (1..=20).map(|number| (v4(number), Host::Silent)).collect();
    hosts[2].1 = Host::Refuses(5_000);
    hosts[8].1 = Host::Refuses(1_000);
    hosts[9].1 = Host::Answers(30);
    let (done, begun, took) = attempt(&hosts);
    assert_eq!((done.unwrap(), begun.len()), (v4(10), 10));
    assert_eq!(begun[MAX_CONNECT_ATTEMPTS - 1], (v4(8), 1_750));
    // The third fails 5 s after 500 ms, the ninth has its place for a second.
    assert_eq!((begun[8], begun[9], took), ((v4(9), 5_500), (v4(10), 6_500), 6_530));
}

#[test]
fn given_up_it_gives_up_all_that_were_begun() {
    let silent: Vec<_> = (1..=5).map(|number| (v4(number), Host::Silent)).collect();
    let (done, begun, took) = attempt(&silent);
    assert_eq!((done.unwrap_err().kind(), begun.len(), took), (ErrorKind::TimedOut, 5, 10_000));
    assert_eq!(begun[4].1, 4 * CONNECT_STAGGER.as_millis());
}
