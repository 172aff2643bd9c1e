//! One story each.

use super::{House, LOCK, RLOCK, acquire, parcel};
use crate::process::manager::{
    keeper::{Action, Keeper, LineId},
    wire::{Ask, Kind, Owner},
};

/// Each ask, and what is said to whom because of it.
fn tell(house: &mut House, story: &[(char, Ask, &[&str], &str)]) {
    for (at, (line, ask, items, expected)) in story.iter().enumerate() {
        assert_eq!(house.ask(*line, *ask, items), *expected, "step {at}: {line} asks {ask:?}");
    }
}

#[test]
fn a_list() {
    let mut house = House::of(Kind::List, &["x", "y"], "a");
    tell(
        &mut house,
        &[
            ('a', Ask::Len, &[], "a: 2"),
            ('a', Ask::All, &[], "a: 0 x y"),
            ('a', Ask::Extend, &["z", "x"], "a: done"),
            ('a', Ask::Item { at: 2 }, &[], "a: done z"),
            ('a', Ask::Item { at: 4 }, &[], "a: no"),
            ('a', Ask::SetItem { at: 1 }, &["Y"], "a: done y"),
            ('a', Ask::SetItem { at: 4 }, &["!"], "a: OutOfRange { len: 4 }"),
            ('a', Ask::Insert { at: 4 }, &["end"], "a: done"),
            ('a', Ask::Insert { at: 0 }, &["begin"], "a: done"),
            ('a', Ask::Insert { at: 7 }, &["!"], "a: OutOfRange { len: 6 }"),
            ('a', Ask::Find, &["x"], "a: 1"),
            ('a', Ask::Find, &["?"], "a: no"),
            ('a', Ask::Count, &["x"], "a: 2"),
            ('a', Ask::Remove { at: 0 }, &[], "a: done begin"),
            ('a', Ask::Remove { at: 5 }, &[], "a: OutOfRange { len: 5 }"),
            ('a', Ask::Pop, &[], "a: done end"),
            ('a', Ask::All, &[], "a: 6 x Y z x"),
            ('a', Ask::Replace { changes: 5 }, &["late"], "a: no"),
            ('a', Ask::Replace { changes: 6 }, &["in", "time"], "a: done"),
            ('a', Ask::All, &[], "a: 7 in time"),
            ('a', Ask::Clear, &[], "a: done"),
            ('a', Ask::Pop, &[], "a: no"),
            ('a', Ask::Look, &["x"], "a: Nonsense; close a"),
        ],
    );
}

#[test]
fn a_dict_keeps_the_order_of_its_keys() {
    let mut house = House::of(Kind::Dict, &["k", "1", "l", "2"], "a");
    tell(
        &mut house,
        &[
            ('a', Ask::Look, &["k"], "a: done 1"),
            ('a', Ask::Look, &["?"], "a: no"),
            ('a', Ask::Update, &["k", "3"], "a: done 1"),
            ('a', Ask::Update, &["m", "4", "n", "5"], "a: no"),
            ('a', Ask::All, &[], "a: done k 3 l 2 m 4 n 5"),
            ('a', Ask::Take, &["k"], "a: done 3"),
            ('a', Ask::Take, &["k"], "a: no"),
            ('a', Ask::SetDefault, &["k", "6"], "a: done 6"),
            ('a', Ask::SetDefault, &["k", "7"], "a: done 6"),
            ('a', Ask::Keys, &[], "a: done l m n k"),
            ('a', Ask::Values, &[], "a: done 2 4 5 6"),
            ('a', Ask::TakeLast, &[], "a: done k 6"),
            ('a', Ask::Has, &["k"], "a: false"),
            ('a', Ask::Has, &["l"], "a: true"),
            ('a', Ask::Len, &[], "a: 3"),
            ('a', Ask::Clear, &[], "a: done"),
            ('a', Ask::TakeLast, &[], "a: no"),
            ('a', Ask::Update, &["half"], "a: Nonsense; close a"),
        ],
    );
}

#[test]
fn an_entry_is_revised_if_it_is_still_what_was_seen() {
    let mut house = House::of(Kind::Dict, &["k", "1"], "ab");
    tell(
        &mut house,
        &[
            ('a', Ask::Inspect, &["k"], "a: 1 1"),
            ('b', Ask::Update, &["k", "2"], "b: done 1"),
            ('a', Ask::Revise { changes: 1 }, &["k", "late"], "a: no"),
            ('a', Ask::Inspect, &["k"], "a: 2 2"),
            ('b', Ask::Update, &["l", "x"], "b: no"), // another key is another matter
            ('a', Ask::Revise { changes: 2 }, &["k", "3"], "a: done"),
            ('a', Ask::Inspect, &["k"], "a: 4 3"),
            ('a', Ask::Revise { changes: 4 }, &["k"], "a: done"),
            ('a', Ask::Inspect, &["k"], "a: 0"),
            ('b', Ask::Update, &["k", "4"], "b: no"),
            ('a', Ask::Revise { changes: 0 }, &["k", "late"], "a: no"),
            ('a', Ask::Revise { changes: 0 }, &["m", "5"], "a: done"),
            ('a', Ask::All, &[], "a: done l x k 4 m 5"),
            ('a', Ask::Revise { changes: 0 }, &[], "a: Nonsense; close a"),
        ],
    );
}

#[test]
fn a_lock_goes_to_who_asked_first() {
    let mut house = House::of(LOCK, &[], "abc");
    let at_once = Ask::Acquire { many: 1, by: Owner { pid: 2, task: 0 }, wait: false };
    tell(
        &mut house,
        &[
            ('a', acquire(1), &[], "a: granted"),
            ('a', Ask::Permits, &[], "a: 0"),
            ('b', acquire(2), &[], ""),
            ('c', at_once, &[], "c: no"),
            ('c', acquire(1), &[], ""), // the same task: it is no RLock
            ('a', Ask::LetGo, &[], "b: granted"),
            ('b', Ask::Release, &[], "b: done; c: granted"),
            ('c', Ask::Release, &[], "c: done"),
            ('c', Ask::Release, &[], "c: Nonsense; close c"),
        ],
    );
}

#[test]
fn the_next_is_told_that_a_holder_died() {
    let mut house = House::of(LOCK, &[], "abcde");
    tell(
        &mut house,
        &[('a', acquire(1), &[], "a: granted"), ('b', acquire(2), &[], ""), ('c', acquire(3), &[], "")],
    );
    assert_eq!(house.end('a'), "b: granted, abandoned");
    tell(
        &mut house,
        &[
            ('b', Ask::LetGo, &[], "c: granted, abandoned"),
            ('d', Ask::Mend, &[], "d: Nonsense; close d"),
            ('c', Ask::Mend, &[], ""),
            ('e', acquire(4), &[], ""),
            ('c', Ask::Release, &[], "c: done; e: granted"),
            ('c', acquire(3), &[], ""),
            // Who gives up has not held it.
            ('e', Ask::Withdraw, &[], "c: granted; close e"),
        ],
    );
}

#[test]
fn who_waits_for_a_lock_and_dies_is_forgotten() {
    let mut house = House::of(LOCK, &[], "abc");
    tell(
        &mut house,
        &[('a', acquire(1), &[], "a: granted"), ('b', acquire(2), &[], ""), ('c', acquire(3), &[], "")],
    );
    assert_eq!(house.end('b'), "");
    tell(&mut house, &[('a', Ask::LetGo, &[], "c: granted")]);
}

#[test]
fn a_task_gets_its_rlock_again() {
    let mut house = House::of(RLOCK, &[], "abcde");
    tell(
        &mut house,
        &[
            ('a', acquire(1), &[], "a: granted"),
            ('b', acquire(2), &[], ""),
            ('c', acquire(2), &[], ""),
            ('d', acquire(1), &[], "d: granted"),
            ('a', Ask::LetGo, &[], ""),
            ('d', Ask::LetGo, &[], "b: granted; c: granted"),
            ('b', Ask::LetGo, &[], ""),
            ('a', acquire(1), &[], ""),
            ('c', Ask::LetGo, &[], "a: granted"),
        ],
    );
    // A task of that number in another process is another one.
    let elsewhere = Ask::Acquire { many: 1, by: Owner { pid: 2, task: 1 }, wait: false };
    tell(
        &mut house,
        &[('e', elsewhere, &[], "e: no"), ('e', Ask::AddPermits { many: 1 }, &[], "e: OverRelease")],
    );
}

#[test]
fn a_task_that_asked_several_times_gets_its_rlock_as_often() {
    let mut house = House::of(RLOCK, &[], "abcd");
    tell(
        &mut house,
        &[
            ('a', acquire(1), &[], "a: granted"),
            ('b', acquire(2), &[], ""),
            ('c', acquire(3), &[], ""),
            ('d', acquire(2), &[], ""),
            // The third would wait for the second, and the second task for both.
            ('a', Ask::LetGo, &[], "b: granted; d: granted"),
            ('b', Ask::LetGo, &[], ""),
            ('d', Ask::LetGo, &[], "c: granted"),
        ],
    );
}

#[test]
fn a_semaphore_lets_nobody_pass_who_wants_less() {
    let many = |many| Ask::Acquire { many, by: Owner { pid: 1, task: 1 }, wait: true };
    let mut house = House::of(Kind::Permits { many: 3, most: None, reentrant: false }, &[], "abcd");
    tell(
        &mut house,
        &[
            ('a', many(2), &[], "a: granted"),
            ('b', many(2), &[], ""),
            ('c', many(1), &[], ""),
            ('d', Ask::AddPermits { many: 1 }, &[], "d: done; b: granted"),
            ('a', Ask::Forget, &[], "a: done"),
            ('a', Ask::AddPermits { many: u64::MAX }, &[], "a: OverRelease"),
            ('b', Ask::LetGo, &[], "c: granted"),
            ('d', Ask::Permits, &[], "d: 1"),
        ],
    );
    // Those that somebody has died with come back.
    assert_eq!(house.end('c'), "");
    tell(&mut house, &[('d', Ask::Permits, &[], "d: 2")]);
}

#[test]
fn a_bounded_semaphore_has_no_more_than_it_began_with() {
    let mut house = House::of(Kind::Permits { many: 2, most: Some(2), reentrant: false }, &[], "ab");
    tell(
        &mut house,
        &[
            ('a', acquire(1), &[], "a: granted"),
            ('b', Ask::AddPermits { many: 1 }, &[], "b: OverRelease"),
            ('a', Ask::Forget, &[], "a: done"),
            ('b', Ask::AddPermits { many: 1 }, &[], "b: done"),
            (
                'b',
                Ask::Acquire { many: 3, by: Owner { pid: 1, task: 1 }, wait: true },
                &[],
                "b: Nonsense; close b",
            ),
        ],
    );
}

#[test]
fn a_condition_wakes_those_who_wait_longest() {
    let mut house = House::of(LOCK, &[], "abcd");
    tell(
        &mut house,
        &[
            ('a', acquire(1), &[], "a: granted"),
            ('b', acquire(2), &[], ""),
            ('a', Ask::Wait, &[], "b: granted"),
            ('b', Ask::Wait, &[], ""),
            ('c', acquire(3), &[], "c: granted"),
            ('c', Ask::Wait, &[], ""),
            ('d', acquire(4), &[], "d: granted"),
            ('d', Ask::Notify { many: 2 }, &[], "d: done"),
            ('d', Ask::LetGo, &[], "a: granted, notified"),
            ('a', Ask::LetGo, &[], "b: granted, notified"),
            // A time that was up too late.
            ('b', Ask::TimeIsUp, &[], ""),
            ('c', Ask::TimeIsUp, &[], ""),
            ('b', Ask::LetGo, &[], "c: granted"),
        ],
    );
}

#[test]
fn a_notification_is_not_lost_with_who_got_it() {
    for how in ["asleep", "queueing", "granted"] {
        let mut house = House::of(LOCK, &[], "abcd");
        tell(
            &mut house,
            &[
                ('a', acquire(1), &[], "a: granted"),
                ('a', Ask::Wait, &[], ""),
                ('b', acquire(2), &[], "b: granted"),
                ('b', Ask::Wait, &[], ""),
                ('c', acquire(3), &[], "c: granted"),
            ],
        );
        if how == "asleep" {
            assert_eq!(house.end('a'), "");
            tell(&mut house, &[('c', Ask::Notify { many: 1 }, &[], "c: done")]);
            tell(&mut house, &[('c', Ask::LetGo, &[], "b: granted, notified")]);
            continue;
        }
        tell(&mut house, &[('c', Ask::Notify { many: 1 }, &[], "c: done")]);
        if how == "queueing" {
            assert_eq!(house.end('a'), "");
            tell(&mut house, &[('c', Ask::LetGo, &[], "b: granted, notified")]);
            continue;
        }
        tell(&mut house, &[('c', Ask::LetGo, &[], "a: granted, notified")]);
        tell(&mut house, &[('a', Ask::Withdraw, &[], "b: granted, notified; close a")]);
        // Who has gone on has taken notice.
        tell(&mut house, &[('c', acquire(3), &[], ""), ('b', Ask::Wait, &[], "c: granted")]);
        tell(
            &mut house,
            &[('c', Ask::Notify { many: 1 }, &[], "c: done"), ('c', Ask::LetGo, &[], "b: granted, notified")],
        );
    }
}

#[test]
fn an_event() {
    let mut house = House::of(Kind::Event, &[], "abc");
    tell(
        &mut house,
        &[('a', Ask::WaitSet, &[], ""), ('b', Ask::WaitSet, &[], ""), ('c', Ask::IsSet, &[], "c: false")],
    );
    assert_eq!(house.end('b'), "");
    tell(
        &mut house,
        &[
            ('c', Ask::Set, &[], "c: done; a: done"),
            ('a', Ask::WaitSet, &[], "a: done"),
            ('c', Ask::IsSet, &[], "c: true"),
            ('c', Ask::Unset, &[], "c: done"),
            ('a', Ask::WaitSet, &[], ""),
            ('a', Ask::TimeIsUp, &[], "a: Nonsense; close a"),
        ],
    );
}

#[test]
fn a_barrier_lets_all_go_together() {
    let mut house = House::of(Kind::Barrier { parties: 2 }, &[], "abc");
    tell(
        &mut house,
        &[
            ('a', Ask::Arrive, &[], ""),
            ('c', Ask::Waiting, &[], "c: 1"),
            ('b', Ask::Arrive, &[], "a: 0; b: 1"),
            ('c', Ask::Arrive, &[], ""),
            ('a', Ask::Arrive, &[], "c: 0; a: 1"),
            ('a', Ask::Arrive, &[], ""),
            ('b', Ask::Reset, &[], "b: done; a: broken"),
            ('a', Ask::Arrive, &[], ""),
            ('a', Ask::TimeIsUp, &[], "a: broken"),
            ('b', Ask::Arrive, &[], "b: broken"),
            ('b', Ask::Waiting, &[], "b: broken"),
            ('b', Ask::Reset, &[], "b: done"),
            ('a', Ask::Arrive, &[], ""),
            ('b', Ask::Abort, &[], "b: done; a: broken"),
        ],
    );
}

#[test]
fn a_barrier_breaks_with_a_death_and_not_with_a_cancelled_wait() {
    let mut house = House::of(Kind::Barrier { parties: 3 }, &[], "abcde");
    tell(
        &mut house,
        &[
            ('a', Ask::Arrive, &[], ""),
            ('b', Ask::Arrive, &[], ""),
            ('a', Ask::Withdraw, &[], "close a"),
            ('c', Ask::Arrive, &[], ""),
            ('d', Ask::Arrive, &[], "b: 0; c: 1; d: 2"),
            ('c', Ask::Arrive, &[], ""),
            ('d', Ask::Arrive, &[], ""),
        ],
    );
    assert_eq!(house.end('c'), "d: broken");
    assert_eq!(house.end('d'), "");
    tell(&mut house, &[('e', Ask::Waiting, &[], "e: broken")]);
}

#[test]
fn a_queue_of_two() {
    let mut house = House::of(Kind::Queue { most: Some(2) }, &[], "abcd");
    let (put, get) = (Ask::Put { wait: true }, Ask::Get { wait: true });
    tell(
        &mut house,
        &[
            ('a', Ask::Get { wait: false }, &[], "a: no"),
            ('a', put, &["1"], "a: done"),
            ('a', put, &["2"], "a: done"),
            ('a', Ask::Put { wait: false }, &["!"], "a: no"),
            ('a', Ask::IsFull, &[], "a: true"),
            ('a', put, &["3"], ""),
            ('b', get, &[], "b: done 1; a: done"),
            ('b', Ask::Took, &[], ""),
            ('b', get, &[], "b: done 2"),
            ('b', get, &[], "b: done 3"), // an ask that follows says that it has arrived, too
            ('c', Ask::Join, &[], ""),
            ('b', get, &[], ""),
            ('d', get, &[], ""),
            ('a', put, &["4"], "a: done; b: done 4"),
            ('a', Ask::TaskDone, &[], "a: done"),
            ('a', Ask::TaskDone, &[], "a: done"),
            ('a', Ask::TaskDone, &[], "a: done"),
            ('a', Ask::TaskDone, &[], "a: done; c: done"),
            ('a', Ask::TaskDone, &[], "a: no"),
            ('a', Ask::Join, &[], "a: done"),
            ('a', Ask::Close, &[], "a: done; d: closed"),
            ('a', put, &["!"], "a: closed"),
            ('a', get, &[], "a: closed"),
        ],
    );
}

#[test]
fn an_item_whose_receiver_dies_goes_to_the_next() {
    let mut house = House::of(Kind::Queue { most: None }, &[], "abcde");
    let (put, get) = (Ask::Put { wait: true }, Ask::Get { wait: true });
    tell(
        &mut house,
        &[
            ('a', put, &["1"], "a: done"),
            ('a', put, &["2"], "a: done"),
            ('b', get, &[], "b: done 1"),
            ('c', get, &[], "c: done 2"),
            ('d', get, &[], ""),
        ],
    );
    assert_eq!(house.end('b'), "d: done 1");
    tell(&mut house, &[('d', Ask::Took, &[], "")]);
    assert_eq!(house.end('d'), "");
    tell(&mut house, &[('c', Ask::Withdraw, &[], "close c"), ('a', Ask::Len, &[], "a: 1")]);
    tell(&mut house, &[('e', get, &[], "e: done 2")]);
}

#[test]
fn a_closed_queue_gives_what_it_has() {
    let mut house = House::of(Kind::Queue { most: Some(1) }, &[], "abc");
    let (put, get) = (Ask::Put { wait: true }, Ask::Get { wait: true });
    tell(
        &mut house,
        &[
            ('a', put, &["1"], "a: done"),
            ('b', put, &["2"], ""),
            ('c', Ask::Close, &[], "c: done; b: closed"),
            ('c', get, &[], "c: done 1"),
            ('c', get, &[], "c: closed"),
        ],
    );
}

#[test]
fn who_waits_to_put_and_gives_up_has_put_nothing() {
    let mut house = House::of(Kind::Queue { most: Some(1) }, &[], "abc");
    tell(
        &mut house,
        &[
            ('a', Ask::Put { wait: true }, &["1"], "a: done"),
            ('b', Ask::Put { wait: true }, &["2"], ""),
            ('b', Ask::Withdraw, &[], "close b"),
            ('c', Ask::Get { wait: true }, &[], "c: done 1"),
            ('c', Ask::Get { wait: false }, &[], "c: no"),
        ],
    );
}

#[test]
fn an_object_lives_as_long_as_it_has_lines() {
    let mut house = House::of(Kind::List, &["x"], "ab");
    assert_eq!(house.keeper.objects(), 1);
    // The proxy is gone, the calls are still under way.
    assert_eq!(house.end('/'), "");
    assert_eq!(house.end('a'), "");
    assert_eq!(house.keeper.objects(), 1);
    assert_eq!(house.ask('b', Ask::Len, &[]), "b: 1");
    assert_eq!(house.end('b'), "");
    assert_eq!(house.keeper.objects(), 0);
}

#[test]
fn the_manager_ends_with_its_last_line_whoever_has_proxies() {
    let mut house = House::of(Kind::List, &[], "a");
    house.lines.insert('m', house.manager);
    house.open(house.manager, 'n');
    assert_eq!(house.end('m'), "");
    assert_eq!(house.end('n'), "finish");

    let mut house = House::of(Kind::List, &[], "a");
    house.open(house.manager, 'n');
    assert_eq!(house.ask('a', Ask::Shutdown, &[]), "a: Nonsense; close a");
    assert_eq!(house.ask('n', Ask::Shutdown, &[]), "n: done; finish");
}

#[test]
fn nonsense_costs_its_line_and_nothing_else() {
    let mut house = House::of(LOCK, &[], "abc");
    tell(
        &mut house,
        &[
            ('/', acquire(1), &[], ""), // a root answers nothing
            ('/', Ask::Withdraw, &[], ""),
            ('a', acquire(1), &[], "a: granted"),
            ('b', acquire(2), &[], ""),
            ('b', Ask::Permits, &[], "b: Nonsense; close b"), // while it waits
            ('a', acquire(1), &[], "a: Nonsense; close a"),   // while it holds
            ('a', acquire(1), &[], ""),
            ('c', Ask::Open, &[], "c: Nonsense; close c"), // without a descriptor
        ],
    );
    let root = house.lines[&'/'];
    house.open(root, 'd');
    tell(&mut house, &[('d', acquire(1), &[], "d: granted, abandoned")]);
    house.keeper.cut(root);
    assert_eq!(house.said(), "");
    house.open(root, 'e');

    let refused = [
        (Kind::Barrier { parties: 0 }, &[][..]),
        (Kind::Permits { many: 2, most: Some(1), reentrant: false }, &[]),
        (Kind::Permits { many: 1, most: None, reentrant: true }, &[]),
        (Kind::Dict, &["half"]),
        (Kind::Event, &["x"]),
    ];
    for (kind, items) in refused {
        assert_eq!(House::new().make(kind, items), None, "{kind:?}");
    }
}

#[test]
fn there_are_so_many_lines_and_no_more() {
    let (mut keeper, manager) = Keeper::new(3);
    let mut ask = |line, ask| {
        keeper.ask(line, ask, vec![], true);
        keeper.take_actions()
    };
    let Action::Attach(desk) = ask(manager, Ask::Open)[0] else { panic!() };
    let Action::Attach(root) = ask(desk, Ask::New { kind: Kind::List })[0] else { panic!() };
    let declined = "[Decline(Lines { most: 3 })]";
    assert_eq!(format!("{:?}", ask(root, Ask::Open)), declined);
    let refused = ask(desk, Ask::New { kind: Kind::Event });
    assert!(format!("{refused:?}").contains("Lines { most: 3 }"), "{refused:?}");
    keeper.ended(desk);
    keeper.ask(root, Ask::Open, vec![], true);
    assert!(matches!(keeper.take_actions()[..], [Action::Attach(LineId(_))]));
}

#[test]
#[cfg_attr(miri, ignore = "it opens a file")]
fn what_has_a_descriptor_equals_nothing_and_is_no_key() {
    let mut with_file = parcel("x");
    with_file.descriptors = [std::fs::File::open("/dev/null").unwrap().into()].into();
    assert_ne!(with_file, with_file.clone());
    let mut house = House::of(Kind::Dict, &["x", "1"], "a");
    let line = house.lines[&'a'];
    house.keeper.ask(line, Ask::Look, vec![with_file.clone()], false);
    assert_eq!(house.said(), "a: no");
    house.keeper.ask(
        line,
        Ask::Update,
        vec![parcel("y"), parcel("2"), with_file.clone(), parcel("3")],
        false,
    );
    assert_eq!(house.said(), "a: KeyWithDescriptor");
    house.keeper.ask(line, Ask::Update, vec![parcel("y"), with_file], false);
    assert_eq!(house.said(), "a: no");
    assert_eq!(house.ask('a', Ask::Len, &[]), "a: 2");
}
