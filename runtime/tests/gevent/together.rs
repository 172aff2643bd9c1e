//! Several greenlets at once.

use crate::support::{Log, SECOND, inside, wait_for_ever};
use runtime::{
    greenlet::{self, JoinHandle},
    task::Until,
    time::Instant,
};
use std::{cell::OnceCell, rc::Rc, time::Duration};

/// Ends after so many seconds, with their number.
fn sleeper(seconds: u32) -> JoinHandle<u32> {
    greenlet::spawn(move || {
        greenlet::sleep(seconds * SECOND);
        seconds
    })
}

/// `gevent.joinall([gevent.spawn(…), …])`: side by side, and listed as they were spawned.
#[test]
fn joinall_lists_them_as_they_were_spawned() {
    inside(|| {
        let start = Instant::now();
        let mut joined =
            greenlet::join_all([sleeper(2), sleeper(1), greenlet::spawn(|| panic!("out of tea"))]);
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert!(joined.pop().unwrap().unwrap_err().is_panic());
        assert_eq!(joined.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 1]);
    });
}

#[test]
fn joined_until_so_many_have_ended() {
    inside(|| {
        let greenlets = [3, 1, 2].map(sleeper);
        let start = Instant::now();
        assert_eq!(greenlet::join_until(&greenlets, Until::Count(0)).len(), 0);
        assert_eq!(start.elapsed(), Duration::ZERO);
        let [first] = greenlet::join_until(&greenlets, Until::First)[..] else { panic!("one") };
        assert_eq!((first.id(), start.elapsed()), (greenlets[1].id(), SECOND));
        let late = greenlet::join_until_timeout(&greenlets, Until::All, SECOND * 3 / 2);
        assert_eq!(
            late.iter().map(|one| one.id()).collect::<Vec<_>>(),
            [greenlets[1].id(), greenlets[2].id()]
        );
        assert_eq!(start.elapsed(), SECOND * 5 / 2);
        let two = greenlet::join_until(&greenlets, Until::Count(2));
        assert_eq!((two.len(), start.elapsed()), (2, SECOND * 5 / 2), "they have ended already");
        let all = greenlet::join_until(&greenlets, Until::All);
        assert_eq!((all.len(), start.elapsed()), (3, 3 * SECOND));
        let values = greenlet::join_all(greenlets);
        assert_eq!(values.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [3, 1, 2]);
    });
}

#[test]
fn joined_until_the_first_failure() {
    inside(|| {
        let fails = greenlet::spawn(|| {
            greenlet::sleep(2 * SECOND);
            panic!("out of tea");
        });
        let greenlets = [sleeper(3), fails, sleeper(1)];
        let ended = greenlet::join_until(&greenlets, Until::FirstError);
        assert_eq!(ended.iter().map(|one| one.is_successful()).collect::<Vec<_>>(), [true, false]);
        assert!(!greenlets[0].is_dead());
        greenlet::kill_all(&greenlets);
        assert!(greenlets[1].is_dead());
    });
}

#[test]
fn iwait_gives_them_as_they_end() {
    inside(|| {
        let mut outputs = greenlet::iwait([3, 1, 2].map(sleeper));
        assert_eq!(outputs.len(), 3);
        let (index, value) = outputs.next().unwrap();
        assert_eq!((index, value.unwrap(), outputs.len()), (1, 1, 2));
        let rest: Vec<_> = outputs.map(|(index, value)| (index, value.unwrap())).collect();
        assert_eq!(rest, [(2, 2), (0, 3)]);
    });
}

#[test]
fn all_are_killed_at_once_and_waited_for() {
    inside(|| {
        let log = Log::default();
        let greenlets = ["a", "b", "c"].map(|name| {
            let log = log.clone();
            greenlet::spawn(move || {
                let _slow = Slow(name, log);
                wait_for_ever();
            })
        });
        greenlet::yield_now();
        let start = Instant::now();
        assert!(greenlet::kill_all_timeout(&greenlets, SECOND / 2).is_err());
        assert_eq!(start.elapsed(), SECOND / 2);
        greenlet::kill_all(&greenlets);
        assert_eq!(start.elapsed(), SECOND, "their destructors wait side by side");
        assert_eq!(log.take(), ["a", "b", "c"]);
    });
}

/// Takes a second to drop.
struct Slow(&'static str, Log);

impl Drop for Slow {
    fn drop(&mut self) {
        greenlet::sleep(SECOND);
        self.1.say(self.0);
    }
}

#[test]
fn who_kills_all_and_itself_goes_last() {
    inside(|| {
        let log = Log::default();
        let all = Rc::new(OnceCell::new());
        let (others, said) = (all.clone(), log.clone());
        let killer = greenlet::spawn(move || {
            let _last = said.at_drop("killer");
            greenlet::yield_now();
            greenlet::kill_all(others.get().into_iter().flatten());
            said.say("not reached");
        });
        let said = log.clone();
        let other = greenlet::spawn(move || {
            let _slow = Slow("other", said);
            wait_for_ever();
        });
        let all = all.get_or_init(|| vec![killer, other]);
        greenlet::join_until(all, Until::All);
        assert_eq!(log.take(), ["other", "killer"]);
    });
}
