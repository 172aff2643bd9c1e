//! Who among those that wait could never be polled again: the search behind an audit (see `audit.rs` for the proof).
//!
//! It begins with those who wait for locks, and climbs: to whoever awaits the end of such a task, to the task that polls such a
//! future in place, and on from there. So it never looks at the many who have nothing to do with a lock. A circle of
//! handles alone is not found here, but only when nothing at all can happen any more.

use super::{
    Report,
    audit::{holder_of, is_told},
    books::Books,
    waits,
};
use crate::{
    core::Core,
    inspect::circles,
    task::{
        TaskId,
        raw::TaskRef,
        slots::{Key, Occupant},
    },
};
use runtime_sync::{Board, Holder, Kind, Waiting};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Those who wait for themselves, and those who wait for each other.
#[derive(Default)]
pub(super) struct Stuck {
    /// To be woken, as they are to be told in their next poll.
    pub(super) hopeless: Vec<Key>,
    pub(super) circles: Vec<Vec<TaskId>>,
    pub(super) behind: BTreeSet<TaskId>,
}

/// What a key waits for that may be stuck: locks, each with its holder, and others.
#[derive(Default)]
struct Links {
    locks: Vec<Link>,
    /// Tasks whose end it awaits, and futures that it polls in place.
    others: Vec<Key>,
    /// Waits of ours that wake it on account of those.
    waiters: i32,
    has_way_out: bool,
}

struct Link {
    board: Arc<Board>,
    waiting: Waiting,
    holder: Holder,
    holder_key: Key,
}

/// If nobody but waits of ours could have that key polled again: how many of these are not in a queue.
pub(super) fn rests_but_for(core: &Core, key: Key) -> Option<i32> {
    let out = core.out(key.slot());
    let is_asleep = || core.task_above(key).is_some_and(|task| !task.is_queued());
    (out.clones == 0 && is_asleep()).then_some(out.waiters)
}

/// Who is polled when something becomes of a key.
enum Above {
    /// It awaits the end of this task.
    Joiner(Key),
    /// It polls this future in place, with others of that group.
    Parent(u32, Key),
}

impl Above {
    fn of(core: &Core, key: Key) -> Option<Self> {
        let above = match core.slots().find(key)? {
            Occupant::Task(task) => Self::Joiner(task.joiner()?),
            Occupant::Child { group, .. } => Self::Parent(group, core.parent_of(group)?),
            Occupant::Vacant { .. } => return None,
        };
        core.is_home_of(above.key()).then_some(above)
    }

    fn key(&self) -> Key {
        let (Self::Joiner(key) | Self::Parent(_, key)) = self;
        *key
    }
}

/// Groups that wait for their last children: whoever awaits one, and the children. Without those that wait for cleanups
/// alone.
fn draining(core: &Core) -> Vec<(Key, Vec<Key>)> {
    let mut found = Vec::new();
    core.draining().visit(&mut |waiter, children| {
        let alive = children.iter().filter_map(|child| child.find(core));
        let alive: Vec<Key> = alive.map(TaskRef::key).collect();
        if let Some(key) = waiter.key().filter(|key| core.is_home_of(*key))
            && !alive.is_empty()
        {
            found.push((key, alive));
        }
    });
    found
}

/// Whether one of `holders` waits, perhaps through others, for the end of somebody who waits in a queue.
pub(super) fn may_close_a_circle(core: &Core, books: &Books, holders: &BTreeSet<Key>) -> bool {
    let mut open = Vec::new();
    books.each_waiting(core, &mut |_, key, _| open.push(key));
    let mut groups = BTreeMap::<Key, Vec<Key>>::new();
    for (waiter, children) in draining(core) {
        children.into_iter().for_each(|child| groups.entry(child).or_default().push(waiter));
    }
    let mut seen = BTreeSet::new();
    while let Some(key) = open.pop() {
        let above = Above::of(core, key).map(|above| above.key());
        for above in above.into_iter().chain(groups.remove(&key).unwrap_or_default()) {
            if holders.contains(&above) {
                return true;
            }
            if seen.insert(above) {
                open.push(above);
            }
        }
    }
    false
}

/// Adds those who wait for somebody who is in there, so also for those who are added.
fn climb(core: &Core, stuck: &mut BTreeMap<Key, Links>) {
    for (waiter, children) in draining(core) {
        let links = stuck.entry(waiter).or_default();
        links.others.extend(children);
        links.waiters += 1;
    }
    let mut children: Option<BTreeMap<u32, Vec<Key>>> = None;
    let mut groups = BTreeSet::new();
    let mut open: Vec<Key> = stuck.keys().copied().collect();
    let mut seen: BTreeSet<Key> = open.iter().copied().collect();
    while let Some(key) = open.pop() {
        let Some(above) = Above::of(core, key) else { continue };
        let links = stuck.entry(above.key()).or_default();
        match above {
            Above::Joiner(_) => {
                links.others.push(key);
                links.waiters += 1;
            }
            Above::Parent(group, _) if groups.insert(group) => {
                let children = children.get_or_insert_with(|| core.children_by_group());
                links.others.extend(children.remove(&group).unwrap_or_default());
                links.waiters += 1;
            }
            Above::Parent(..) => {}
        }
        if seen.insert(above.key()) {
            open.push(above.key());
        }
    }
}

/// Finds those who wait for each other or for themselves.
pub(super) fn find(core: &Core, books: &mut Books) -> Stuck {
    let stuck = never_polled_again(core, books);
    let hopeless = tell_who_waits_for_itself(core, books, &stuck);
    let mut found = Stuck { hopeless, ..Stuck::default() };
    let links = stuck.iter().map(|(key, links)| {
        let holders = links.locks.iter().map(|link| link.holder_key);
        (*key, holders.chain(links.others.iter().copied()).collect())
    });
    let all_links: BTreeMap<Key, Vec<Key>> = links.collect();
    let mut circles = circles(&all_links);
    // Told once: somebody in the circle is new.
    let is_told = |key: &Key| stuck[key].locks.iter().all(|link| link.waiting.is_told);
    circles.retain(|circle| circle.len() > 1 && !circle.iter().all(is_told));
    if circles.is_empty() {
        return found;
    }
    for link in stuck.values().flat_map(|links| &links.locks) {
        link.board.mark_told(link.waiting.seat);
    }
    let task = |key: &Key| super::task_id(core, *key);
    let tasks = |circle: &Vec<Key>| {
        let mut tasks: Vec<TaskId> = circle.iter().filter_map(task).collect();
        tasks.dedup(); // a task, and a future that it polls in place
        tasks
    };
    found.circles = circles.iter().map(tasks).collect();
    found.behind = stuck.keys().filter_map(task).collect();
    found
}

/// Those of whom it can be proved, and what they wait for.
fn never_polled_again(core: &Core, books: &Books) -> BTreeMap<Key, Links> {
    let mut stuck = BTreeMap::<Key, Links>::new();
    books.each_waiting(core, &mut |board, key, waiting| {
        let links = stuck.entry(key).or_default();
        match holder_of(core, board).filter(|_| !waiting.is_granted && waiting.kind.has_holder()) {
            Some((holder, holder_key)) => {
                links.locks.push(Link { board: board.clone(), waiting: *waiting, holder, holder_key });
            }
            None => links.has_way_out = true,
        }
    });
    for (_, alone) in &books.alone {
        stuck.entry(alone.key).or_default().has_way_out = true;
    }
    climb(core, &mut stuck);
    stuck.retain(|key, links| !links.has_way_out && rests_but_for(core, *key) == Some(links.waiters));
    // After the counts: see `Remote::count_clones`.
    if core.remote().doorbell().has_rung() {
        return BTreeMap::new();
    }
    // A guard that may be on another thread is no reason to accuse somebody who just awaits a task.
    let joining: BTreeSet<Key> =
        stuck.iter().filter(|(_, links)| !links.others.is_empty()).map(|(key, _)| *key).collect();
    let may_be_elsewhere =
        |link: &Link| link.holder.owner.may_have_passed_it_on() && joining.contains(&link.holder_key);
    stuck.retain(|_, links| !links.locks.iter().any(may_be_elsewhere));
    loop {
        let keys: BTreeSet<Key> = stuck.keys().copied().collect();
        let before = stuck.len();
        stuck.retain(|_, links| {
            let holders = links.locks.iter().map(|link| &link.holder_key);
            holders.chain(&links.others).all(|key| keys.contains(key))
        });
        if stuck.len() == before {
            return stuck;
        }
    }
}

/// Queues the reports of those who wait for themselves, or notes that they are hopeless and gives them.
fn tell_who_waits_for_itself(core: &Core, books: &mut Books, stuck: &BTreeMap<Key, Links>) -> Vec<Key> {
    // Those that were told of another way, or gave up.
    books.hopeless.retain(|(board, seat)| is_told(board, *seat));
    let mut wake = Vec::new();
    for (key, links) in stuck.iter().filter(|(_, links)| links.others.is_empty()) {
        for Link { board, waiting, holder, holder_key } in &links.locks {
            if holder_key != key || waiting.is_told {
                continue;
            }
            board.mark_told(waiting.seat);
            let stays =
                waiting.kind == Kind::Lock && !holder.owner.may_have_passed_it_on() && !key.is_child();
            if stays && waiting.is_known {
                books.hopeless.push((board.clone(), waiting.seat));
                wake.push(*key);
            } else {
                books.reports.push(Report::SelfWait {
                    task: waits::info(core, super::task_id(core, *key)),
                    kind: waiting.kind,
                    created: board.created(),
                    since: holder.since,
                    asked: waiting.asked,
                });
            }
        }
    }
    wake
}
