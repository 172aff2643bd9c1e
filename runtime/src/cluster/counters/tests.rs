//! Stories of counters in shared memory.

use super::{Counters, Early, Fact, Layout, MAX_NAMES, NotOurs, Stats, counter, stats};
use crate::Runtime;
use runtime_executor::{Executor, inspect::Exposition};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

const SEATS: usize = 3;

/// Cells of its own for each story, zeroed.
macro_rules! cells {
    () => {{
        static CELLS: [AtomicU64; Layout::cells(SEATS)] = [const { AtomicU64::new(0) }; Layout::cells(SEATS)];
        &CELLS
    }};
}

fn relaxed(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}

#[test]
fn memory_that_is_no_clusters_or_too_small_for_its_claims_is_refused() {
    static SHORT: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    let cells = cells!();
    assert_eq!(Layout::open(&SHORT).unwrap_err(), NotOurs);
    assert_eq!(Layout::open(cells).unwrap_err(), NotOurs, "all zero");
    Layout::create(cells, SEATS);
    assert_eq!(Layout::open(cells).unwrap().seats(), SEATS);
    assert_eq!(Layout::open(&cells[..cells.len() - 1]).unwrap_err(), NotOurs);
    for lie in [SEATS as u64 + 1, 1 << 40, u64::MAX] {
        cells[1].store(lie, Ordering::Relaxed);
        assert_eq!(Layout::open(cells).unwrap_err(), NotOurs, "{lie} seats");
    }
}

#[test]
fn all_cells_are_different_ones() {
    let layout = Layout::create(cells!(), SEATS);
    let seats = (0..SEATS).map(|seat| layout.seat(seat)).chain([layout.departed()]);
    let mut cells: Vec<*const AtomicU64> = seats
        .flat_map(|seat| {
            let named = (0..MAX_NAMES).map(move |name| seat.named(name));
            named.chain([seat.beats(), seat.accepted(), seat.closed()])
        })
        .map(std::ptr::from_ref)
        .collect();
    let facts = [Fact::Started, Fact::Died, Fact::Hung, Fact::Forced, Fact::Reloads];
    cells.extend(facts.map(|fact| std::ptr::from_ref(layout.fact(fact))));
    let all = cells.len();
    cells.sort();
    cells.dedup();
    assert_eq!(cells.len(), all);
    let line =
        |pointer: *const AtomicU64| (pointer.addr() - layout.seat(0).beats() as *const _ as usize) / 64;
    assert!(line(layout.seat(1).beats()) > line(layout.seat(0).named(MAX_NAMES - 1)), "no line is shared");
}

#[test]
fn who_is_gone_stays_in_the_sums_and_whoever_takes_his_seat_begins_at_nothing() {
    let layout = Layout::create(cells!(), SEATS);
    layout.take_seat(0, 0, 0);
    layout.take_seat(1, 1, 1);
    layout.set_name(0, "hits");
    for (seat, accepted, closed, hits) in [(0, 10, 4, 100), (1, 30, 30, 7)] {
        layout.seat(seat).accepted().fetch_add(accepted, Ordering::Relaxed);
        layout.seat(seat).closed().fetch_add(closed, Ordering::Relaxed);
        layout.seat(seat).named(0).fetch_add(hits, Ordering::Relaxed);
    }
    let stats = Stats::read(&layout);
    assert_eq!((stats.accepted(), stats.open(), stats.counter("hits")), (40, 6, 107));
    assert_eq!(stats.imbalance(), Some(1.5));
    let workers: Vec<_> =
        stats.workers().iter().map(|w| (w.slot(), w.life(), w.accepted(), w.open())).collect();
    assert_eq!(workers, [(0, 0, 10, 6), (1, 1, 30, 0)]);

    layout.leave_seat(0);
    let stats = Stats::read(&layout);
    assert_eq!((stats.accepted(), stats.counter("hits"), stats.workers().len()), (40, 107, 1));
    layout.leave_seat(0);
    assert_eq!(Stats::read(&layout).accepted(), 40, "nobody has left it twice");
    layout.take_seat(0, 2, 0);
    let stats = Stats::read(&layout);
    assert_eq!((stats.accepted(), stats.open(), stats.counter("hits")), (40, 0, 107));
    assert_eq!(stats.workers()[0].life(), 2);
    assert_eq!((stats.workers()[0].accepted(), stats.workers()[0].counter("hits")), (0, 0));
    assert_eq!(relaxed(layout.seat(0).beats()), 0);
    assert_eq!(stats.counter("misses"), 0);
    assert_eq!(stats.counters().collect::<Vec<_>>(), [("hits", 107)]);
}

#[test]
fn on_a_page_for_prometheus_are_the_sums_and_each_worker() {
    let layout = Layout::create(cells!(), SEATS);
    layout.take_seat(0, 7, 1);
    layout.take_seat(1, 4, 0);
    layout.set_name(0, "hits");
    layout.set_name(1, "hits"); // as a worker may do that writes where it should not
    layout.seat(0).accepted().store(5, Ordering::Relaxed);
    layout.seat(0).closed().store(3, Ordering::Relaxed);
    layout.seat(1).named(0).store(9, Ordering::Relaxed);
    layout.fact(Fact::Started).store(2, Ordering::Relaxed);
    let mut page = Exposition::new();
    Stats::read(&layout).expose(&mut page);
    let page = page.to_string();
    let samples: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [
        "runtime_cluster_workers 2",
        "runtime_cluster_workers_started_total 2",
        "runtime_cluster_workers_died_total 0",
        "runtime_cluster_workers_hung_total 0",
        "runtime_cluster_reloads_total 0",
        "runtime_cluster_connections_accepted_total 5",
        "runtime_cluster_connections_open 2",
        "runtime_cluster_connections_forced_total 0",
        "runtime_cluster_counted_total{name=\"hits\"} 9",
        "runtime_worker_connections_accepted_total{life=\"4\",worker=\"0\"} 0",
        "runtime_worker_connections_accepted_total{life=\"7\",worker=\"1\"} 5",
        "runtime_worker_connections_open{life=\"4\",worker=\"0\"} 0",
        "runtime_worker_connections_open{life=\"7\",worker=\"1\"} 2",
        "runtime_worker_counted_total{life=\"4\",name=\"hits\",worker=\"0\"} 9",
        "runtime_worker_counted_total{life=\"7\",name=\"hits\",worker=\"1\"} 0",
    ];
    assert_eq!(samples, expected);
}

#[test]
fn the_share_of_each_worker_is_told() {
    let layout = Layout::create(cells!(), SEATS);
    assert_eq!(Stats::read(&layout).imbalance(), None, "nobody is there");
    for seat in 0..3 {
        layout.take_seat(seat, seat as u64, seat as u32);
    }
    assert_eq!(Stats::read(&layout).imbalance(), None, "nobody has any");
    layout.seat(2).accepted().store(9, Ordering::Relaxed);
    assert_eq!(Stats::read(&layout).imbalance(), Some(3.0));
    for seat in 0..3 {
        layout.seat(seat).accepted().store(9, Ordering::Relaxed);
    }
    assert_eq!(Stats::read(&layout).imbalance(), Some(1.0));
}

#[test]
fn a_counter_counts_before_it_has_a_cell_and_nothing_is_lost() {
    let cells = cells!();
    let supervisor = Counters::of_supervisor(Layout::create(cells, SEATS));
    let asked = Rc::new(RefCell::new(Vec::new()));
    let asks = asked.clone();
    let layout = Layout::open(cells).unwrap();
    layout.take_seat(1, 5, 0);
    let counters = Counters::of_worker(layout, 1, move |name| asks.borrow_mut().push(name.to_owned()));
    let early = counters.counter("hits");
    early.add(3);
    assert!(Arc::ptr_eq(&counters.counter("hits"), &early), "one for each name");
    assert_eq!(*asked.borrow(), ["hits"], "asked once");
    assert_eq!(relaxed(layout.seat(1).named(0)), 0);

    counters.assign("hits", supervisor.register("hits"));
    counters.assign("hits", Some(9)); // a second answer changes nothing
    counters.assign("nobody asked", Some(2));
    counters.assign("hits", Some(u32::MAX));
    early.add(4);
    early.cell.get().unwrap().fetch_add(1, Ordering::Relaxed);
    assert_eq!(relaxed(layout.seat(1).named(0)), 8);
    assert_eq!(relaxed(layout.seat(1).named(9)), 0);

    let other = Counters::of_worker(layout, 0, |name| panic!("{name} is public, and need not be asked for"));
    other.counter("hits").cell.get().unwrap().fetch_add(1, Ordering::Relaxed);
    supervisor.counter("hits").cell.get().unwrap().fetch_add(1, Ordering::Relaxed);
    layout.take_seat(2, 6, 1);
    assert_eq!(Stats::read(&layout).counter("hits"), 9, "seat 0 is nobody's");
}

#[test]
fn names_are_numbered_once_and_bounded() {
    let layout = Layout::create(cells!(), SEATS);
    let supervisor = Counters::of_supervisor(layout);
    assert_eq!(supervisor.register(""), None);
    assert_eq!(supervisor.register(&"x".repeat(65)), None);
    let longest = "é".repeat(32);
    assert_eq!(supervisor.register(&longest), Some(0));
    for number in 1..64 {
        assert_eq!(supervisor.register(&format!("name {number}")), Some(number));
    }
    assert_eq!(supervisor.register("one more"), None);
    assert_eq!(supervisor.register("name 7"), Some(7));
    let names = layout.names();
    assert_eq!((names.len(), &names[0], &*names[63]), (64, &longest, "name 63"));
    let early = supervisor.counter("one more");
    early.add(1);
    assert_eq!(relaxed(&early.count), 1, "it counts, for itself");
}

/// A worker can write everywhere in the memory that it shares.
#[test]
fn scribbles_of_a_worker_give_wrong_figures_and_nothing_worse() {
    let cells = cells!();
    let layout = Layout::create(cells, SEATS);
    for (round, scribble) in [u64::MAX, 1, 0, 1 << 63].into_iter().enumerate() {
        for cell in cells.iter().skip(2) {
            cell.store(scribble.wrapping_add(round as u64), Ordering::Relaxed);
        }
        let stats = Stats::read(&layout);
        let _ = (
            stats.accepted(),
            stats.open(),
            stats.imbalance(),
            stats.counters().count(),
            format!("{stats:?}"),
        );
        layout.take_seat(0, u64::MAX, u32::MAX);
        layout.leave_seat(0);
    }
}

#[test]
fn figures_are_read_again_if_a_seat_changes_hands_meanwhile() {
    let cells = cells!();
    let layout = Layout::create(cells, SEATS);
    let reads = Cell::new(0);
    let epoch = &cells[3];
    let end = |read: u64, at: u64| {
        if read == at {
            epoch.fetch_add(1, Ordering::Relaxed);
        }
    };
    epoch.store(1, Ordering::Relaxed); // somebody is changing seats, until the second time; again during the third
    layout.snapshot(|| {
        reads.set(reads.get() + 1);
        end(reads.get(), 2);
        end(reads.get(), 3);
        end(reads.get(), 4);
    });
    assert_eq!(reads.get(), 5);
    epoch.store(1, Ordering::Relaxed); // and whoever does so was stopped
    reads.set(0);
    layout.snapshot(|| reads.set(reads.get() + 1));
    assert_eq!(reads.get(), 1_001, "not for ever");
}

#[test]
fn a_figure_that_is_read_while_a_seat_changes_hands_is_one_of_before_or_after() {
    let layout = Layout::create(cells!(), SEATS);
    layout.take_seat(0, 0, 0);
    layout.seat(0).accepted().store(100, Ordering::Relaxed);
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    thread::scope(|scope| {
        scope.spawn(|| {
            for life in 1..rounds {
                layout.leave_seat(0);
                layout.take_seat(0, life, 0);
            }
        });
        for _ in 0..rounds {
            assert_eq!(Stats::read(&layout).accepted(), 100);
        }
    });
}

#[test]
fn what_is_added_while_the_cell_becomes_known_is_counted_once() {
    static CELL: AtomicU64 = AtomicU64::new(0);
    let rounds = if cfg!(miri) { 10 } else { 2_000 };
    for round in 0..rounds {
        let early = Early::default();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        match early.cell.get() {
                            Some(cell) => drop(cell.fetch_add(1, Ordering::Relaxed)),
                            None => early.add(1),
                        }
                    }
                });
            }
            early.assign(&CELL);
        });
        assert_eq!(relaxed(&CELL), 20 * (round + 1));
    }
}

#[test]
fn counters_are_found_on_the_shelf_and_outside_a_cluster_count_for_themselves() {
    Runtime::new().unwrap().block_on(async {
        let alone = counter("hits");
        alone.add(2);
        let clone = alone.clone();
        clone.add(1);
        assert_eq!((alone.get(), alone.name()), (3, "hits"));
        assert_eq!(format!("{alone:?}"), r#"Counter { name: "hits", count: 3 }"#);
        assert!(stats().workers().is_empty());
    });
    let layout = Layout::create(cells!(), SEATS);
    layout.fact(Fact::Started).store(7, Ordering::Relaxed);
    let executor = Executor::builder().extension(Counters::of_supervisor(layout)).build();
    executor.block_on(async {
        counter("hits").add(2);
        counter("hits").add(1);
        assert_eq!((counter("hits").get(), stats().counter("hits")), (3, 3));
        assert_eq!(stats().workers_started(), 7);
    });
}

#[test]
#[should_panic(expected = "a counter needs a name of 1 to 64 bytes, and \"\" has 0")]
fn a_counter_without_a_name_is_a_mistake() {
    counter("");
}

#[test]
fn the_size_of_it_is_known() {
    // 64 names of 72 bytes, two lines for the head, and 576 bytes for each seat and for those who are gone.
    assert_eq!(Layout::cells(0) * 8, 128 + 64 * 72 + 576);
    assert_eq!(Layout::cells(16) * 8, 128 + 64 * 72 + 17 * 576);
}
