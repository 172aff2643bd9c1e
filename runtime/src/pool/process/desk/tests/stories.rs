//! Single rules, told event by event.

use super::{Action, Desk, JobId, Office, Posts, Rules, Weight, WorkerId, ms};
use crate::pool::process::desk::{Event, Refused, Why};
use std::time::Duration;

const RULES: Rules = Rules { workers: 2, max_tasks: None, max_queued: 100 };

impl Office {
    fn open(rules: Rules) -> Self {
        Self { desk: Desk::new(Duration::ZERO, rules), posts: Posts::default(), now: Duration::ZERO }
    }

    /// With all workers launched and ready.
    fn ready(rules: Rules) -> Self {
        let mut office = Self::open(rules);
        office.told();
        for worker in 0..rules.workers as u64 {
            office.tell(Event::Ready(WorkerId(worker)));
        }
        office
    }

    /// What it says to do, in short.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(action) = self.desk.next_action() {
            if let Action::Send { worker, job } = action {
                self.posts.sent.insert((worker, job));
            }
            told.push(match action {
                Action::Launch(worker) => format!("launch {}", worker.0),
                Action::Send { worker, job } => format!("{} gets {}", worker.0, job.number),
                Action::Fail { job, why } => format!("{} fails: {why:?}", job.number),
                Action::Dismiss(worker) => format!("dismiss {}", worker.0),
                Action::Kill(worker) => format!("kill {}", worker.0),
                Action::Finish => "finish".to_owned(),
            });
        }
        told
    }

    fn tell(&mut self, event: Event) -> Vec<String> {
        self.desk.handle(self.now, event, &mut self.posts);
        self.told()
    }

    fn submit(&mut self, weight: Weight) -> (JobId, Vec<String>) {
        let job = self.desk.submit(self.now, weight, &mut self.posts).unwrap();
        (job, self.told())
    }

    fn begin(&mut self, worker: u64, job: JobId) {
        self.posts.begun.insert((WorkerId(worker), job));
    }

    /// A worker begins a job and answers it after a while.
    fn run(&mut self, worker: u64, job: JobId, takes: Duration) -> Vec<String> {
        self.begin(worker, job);
        self.now += takes;
        assert!(self.desk.done(WorkerId(worker), job));
        self.desk.settle(self.now, &mut self.posts);
        self.told()
    }

    fn wait_until_due(&mut self) -> Vec<String> {
        self.now = self.desk.next_deadline().unwrap();
        self.desk.settle(self.now, &mut self.posts);
        self.told()
    }
}

#[test]
fn jobs_go_to_the_idle_in_order_and_results_make_room() {
    let mut office = Office::ready(RULES);
    let (a, told) = office.submit(Weight::Light);
    assert_eq!(told, ["0 gets 0"]);
    assert_eq!(office.submit(Weight::Heavy).1, ["1 gets 1"]);
    assert_eq!(office.submit(Weight::Light).1, [""; 0]);
    assert_eq!(office.submit(Weight::Heavy).1, [""; 0]);
    assert_eq!(office.run(0, a, ms(50)), ["0 gets 2"]);
}

#[test]
fn light_jobs_lie_ready_where_jobs_are_short_and_heavy_ones_nowhere() {
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    let (first, _) = office.submit(Weight::Light);
    assert_eq!(office.run(0, first, ms(1) / 4), [""; 0]);
    let told: Vec<String> = (0..9).flat_map(|_| office.submit(Weight::Light).1).collect();
    assert_eq!(told, ["0 gets 1", "0 gets 2", "0 gets 3", "0 gets 4", "0 gets 5"], "a millisecond's worth");
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    let (first, _) = office.submit(Weight::Light);
    office.run(0, first, ms(1) / 4);
    assert_eq!(office.submit(Weight::Light).1, ["0 gets 1"]);
    assert_eq!(office.submit(Weight::Heavy).1, [""; 0]);
    assert_eq!(office.submit(Weight::Light).1, [""; 0], "the order is kept");
}

#[test]
fn what_lies_behind_a_long_job_is_taken_back_for_others() {
    let mut office = Office::ready(RULES);
    let (a, _) = office.submit(Weight::Light);
    let (b, _) = office.submit(Weight::Light);
    office.run(0, a, ms(1) / 8);
    office.run(1, b, ms(1) / 8);
    let jobs: Vec<JobId> = (0..12).map(|_| office.submit(Weight::Light).0).collect();
    // Both begin. One of them goes on and on.
    office.begin(0, jobs[0]);
    office.begin(1, jobs[1]);
    let told = office.wait_until_due();
    assert!(told.is_empty(), "both are slow, so it waits: {told:?}");
    let waiting: Vec<u64> = office.desk.jobs.waiting().map(|job| job.number).collect();
    assert_eq!(waiting, (4..14).collect::<Vec<_>>(), "in the order of old");
    assert_eq!(office.run(1, jobs[1], ms(1)), ["1 gets 4"]);
}

#[test]
fn the_idle_have_what_others_have_too_much_of() {
    let mut office = Office::ready(RULES);
    let (a, _) = office.submit(Weight::Light);
    let (b, _) = office.submit(Weight::Light);
    office.run(0, a, ms(1) / 8);
    office.run(1, b, ms(1) / 8);
    let jobs: Vec<JobId> = (0..4).map(|_| office.submit(Weight::Light).0).collect(); // 2, 4 at 0; 3, 5 at 1
    office.begin(0, jobs[0]);
    assert_eq!(office.run(1, jobs[1], ms(1) / 8), [""; 0]);
    assert_eq!(office.run(1, jobs[3], ms(1) / 8), ["1 gets 4"]);
    office.begin(1, jobs[2]);
    assert_eq!(office.run(0, jobs[0], ms(1) / 8), [""; 0], "what was begun stays");
}

#[test]
fn a_worker_that_dies_takes_along_what_it_had_begun_and_nothing_else() {
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    let (first, _) = office.submit(Weight::Light);
    office.run(0, first, ms(1) / 4);
    let jobs: Vec<JobId> = (0..3).map(|_| office.submit(Weight::Light).0).collect();
    office.begin(0, jobs[0]);
    let told = office.tell(Event::Exited(WorkerId(0)));
    assert_eq!(told, ["1 fails: Died(WorkerId(0))", "launch 1"]);
    assert_eq!(office.tell(Event::Ready(WorkerId(1))), ["1 gets 2"]);
    assert_eq!(office.tell(Event::Exited(WorkerId(0))), [""; 0], "nobody dies twice");
}

#[test]
fn a_job_before_which_workers_die_is_tried_three_times() {
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    assert_eq!(office.submit(Weight::Heavy).1, ["0 gets 0"]);
    assert_eq!(office.tell(Event::Exited(WorkerId(0))), [""; 0]);
    assert_eq!(office.wait_until_due(), ["launch 1"]);
    assert_eq!(office.tell(Event::Ready(WorkerId(1))), ["1 gets 0"]);
    office.tell(Event::Exited(WorkerId(1)));
    assert_eq!(office.wait_until_due(), ["launch 2"]);
    assert_eq!(office.tell(Event::Ready(WorkerId(2))), ["2 gets 0"]);
    assert_eq!(office.tell(Event::Exited(WorkerId(2))), ["0 fails: Died(WorkerId(2))"]);
}

#[test]
fn a_job_that_lies_behind_deadly_ones_is_blamed_for_no_death() {
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    for life in 0..5 {
        let (quick, _) = office.submit(Weight::Light);
        office.run(life, quick, ms(1) / 4);
        let (deadly, _) = office.submit(Weight::Light);
        let (behind, told) = office.submit(Weight::Light);
        assert_eq!(told, [format!("{life} gets {}", behind.number)]);
        office.begin(life, deadly);
        let told = office.tell(Event::Exited(WorkerId(life)));
        assert_eq!(told[0], format!("{} fails: Died(WorkerId({life}))", deadly.number));
        assert_eq!(office.desk.jobs.get(behind).unwrap().attempts, 0);
        assert_eq!(
            office.tell(Event::Ready(WorkerId(life + 1))),
            [format!("{} gets {}", life + 1, behind.number)]
        );
        office.run(life + 1, behind, ms(1) / 4);
    }
}

#[test]
fn a_job_that_was_to_be_sent_to_a_worker_that_has_died_meanwhile_is_not_lost() {
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    let (last, _) = office.submit(Weight::Light);
    let (_, told) = office.submit(Weight::Light);
    assert_eq!(told, [""; 0], "it waits until the first is done");
    // The last answer and the death are heard together: what the desk says after the one is not done before the other.
    office.begin(0, last);
    assert!(office.desk.done(WorkerId(0), last));
    office.desk.settle(office.now, &mut office.posts);
    assert_eq!(office.tell(Event::Exited(WorkerId(0))), ["launch 1"]);
    assert_eq!(office.tell(Event::Ready(WorkerId(1))), ["1 gets 1"]);
}

#[test]
fn workers_that_die_at_once_are_launched_ever_later_and_then_no_more_until_there_is_work() {
    let mut office = Office::open(Rules { workers: 1, ..RULES });
    assert_eq!(office.submit(Weight::Light).1, ["launch 0"]);
    let mut waits = Vec::new();
    for life in 0..4 {
        assert_eq!(office.tell(Event::Exited(WorkerId(life))), [""; 0]);
        let before = office.now;
        assert_eq!(office.wait_until_due(), [format!("launch {}", life + 1)]);
        waits.push((office.now - before).as_millis());
    }
    assert_eq!(waits, [10, 40, 160, 640]);
    assert_eq!(office.tell(Event::Exited(WorkerId(4))), ["0 fails: NotStarted(WorkerId(4))"]);
    assert_eq!(office.desk.next_deadline(), None);
    assert_eq!(office.submit(Weight::Light).1, ["launch 5"]);
    assert_eq!(office.tell(Event::Ready(WorkerId(5))), ["5 gets 1"]);
}

#[test]
fn a_worker_that_has_done_something_makes_good_for_those_before() {
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    office.tell(Event::Exited(WorkerId(0)));
    assert_eq!(office.wait_until_due(), ["launch 1"]);
    office.tell(Event::Ready(WorkerId(1)));
    let (job, _) = office.submit(Weight::Light);
    office.run(1, job, ms(1));
    assert_eq!(office.tell(Event::Exited(WorkerId(1))), ["launch 2"]);
    office.tell(Event::Exited(WorkerId(2)));
    assert_eq!(office.desk.next_deadline(), Some(office.now + ms(10)), "as if it were the first");
}

#[test]
fn when_all_initializers_fail_so_does_what_waits_and_a_single_worker_tries_again() {
    let mut office = Office::open(RULES);
    assert_eq!(office.submit(Weight::Light).1, ["launch 0", "launch 1"]);
    assert_eq!(office.tell(Event::InitializerFailed(WorkerId(0))), [""; 0]);
    assert_eq!(office.tell(Event::InitializerFailed(WorkerId(1))), ["0 fails: Initializer(WorkerId(1))"]);
    assert_eq!(office.tell(Event::Exited(WorkerId(0))), [""; 0]);
    assert_eq!(office.tell(Event::Exited(WorkerId(1))), [""; 0]);
    assert_eq!(office.submit(Weight::Light).1, ["launch 2"]);
    assert_eq!(office.tell(Event::Ready(WorkerId(2))), ["launch 3", "2 gets 1"]);
}

#[test]
fn one_task_per_child_and_closed_early() {
    let mut office = Office::ready(Rules { max_tasks: Some(1), ..RULES });
    let jobs: Vec<JobId> = (0..4).map(|_| office.submit(Weight::Light).0).collect();
    assert_eq!(office.told(), [""; 0]);
    assert_eq!(office.tell(Event::Shutdown { fail_pending: None }), [""; 0]);
    assert_eq!(office.desk.submit(office.now, Weight::Light, &mut office.posts), Err(Refused::Closed));
    assert_eq!(office.run(0, jobs[0], ms(1)), ["dismiss 0", "launch 2"]);
    assert_eq!(office.run(1, jobs[1], ms(1)), ["dismiss 1", "launch 3"]);
    assert_eq!(office.tell(Event::Ready(WorkerId(2))), ["2 gets 2"]);
    assert_eq!(office.tell(Event::Ready(WorkerId(3))), ["3 gets 3"]);
    assert_eq!(office.run(2, jobs[2], ms(1)), ["dismiss 2"]);
    assert_eq!(office.run(3, jobs[3], ms(1)), ["dismiss 3"]);
    for worker in 0..3 {
        assert_eq!(office.tell(Event::Exited(WorkerId(worker))), [""; 0]);
    }
    assert_eq!(office.tell(Event::Exited(WorkerId(3))), ["finish"]);
}

#[test]
fn closed_with_jobs_pending_it_ends_what_runs() {
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    let (a, _) = office.submit(Weight::Light);
    office.run(0, a, ms(1) / 4);
    let jobs: Vec<JobId> = (0..3).map(|_| office.submit(Weight::Light).0).collect();
    office.begin(0, jobs[0]);
    let told = office.tell(Event::Shutdown { fail_pending: Some(Why::Cancelled) });
    assert_eq!(told, ["2 fails: Cancelled", "3 fails: Cancelled"], "also what lay at the worker");
    assert_eq!(office.run(0, jobs[0], ms(1)), ["dismiss 0"]);
    assert_eq!(office.wait_until_due(), ["kill 0"], "it does not go");
    assert_eq!(office.tell(Event::Exited(WorkerId(0))), ["finish"]);
}

#[test]
fn a_pending_job_is_cancelled_wherever_it_is() {
    let mut office = Office::ready(Rules { workers: 1, ..RULES });
    let (a, _) = office.submit(Weight::Light);
    let (b, _) = office.submit(Weight::Light);
    let (c, _) = office.submit(Weight::Light);
    assert!(office.desk.cancel(office.now, b, &mut office.posts), "queued");
    assert!(office.desk.cancel(office.now, a, &mut office.posts), "sent, and not begun");
    assert_eq!(office.told(), ["0 gets 2"]);
    office.begin(0, c);
    assert!(!office.desk.cancel(office.now, c, &mut office.posts), "begun");
    assert!(!office.desk.cancel(office.now, a, &mut office.posts), "twice");
    for _ in 0..10_000 {
        let (job, _) = office.submit(Weight::Light);
        assert!(office.desk.cancel(office.now, job, &mut office.posts));
    }
    assert!(office.desk.jobs.capacity() < 1_000, "cancelled jobs leave no gaps behind");
}

#[test]
fn terminated_it_cancels_what_waits_and_kills_all() {
    let mut office = Office::ready(RULES);
    let jobs: Vec<JobId> = (0..3).map(|_| office.submit(Weight::Heavy).0).collect();
    office.begin(0, jobs[0]);
    let told = office.tell(Event::Terminate);
    assert_eq!(told, ["1 fails: Cancelled", "2 fails: Cancelled", "kill 0", "kill 1"]);
    assert_eq!(office.tell(Event::Exited(WorkerId(0))), ["0 fails: Died(WorkerId(0))"]);
    assert_eq!(office.tell(Event::Exited(WorkerId(1))), ["finish"]);
}

#[test]
fn abandoned_it_fails_all_and_kills_all() {
    let mut office = Office::ready(RULES);
    let jobs: Vec<JobId> = (0..3).map(|_| office.submit(Weight::Heavy).0).collect();
    office.begin(0, jobs[0]);
    let told = office.tell(Event::Abandon);
    let expected = ["2 fails: Closed", "0 fails: Closed", "1 fails: Closed", "kill 0", "kill 1", "finish"];
    assert_eq!(told, expected);
    assert!(!office.desk.done(WorkerId(0), jobs[0]), "an answer on the way comes too late");
}

#[test]
fn a_queue_that_is_full_refuses() {
    let mut office = Office::open(Rules { max_queued: 2, ..RULES });
    office.submit(Weight::Light);
    office.submit(Weight::Light);
    assert_eq!(office.desk.submit(office.now, Weight::Light, &mut office.posts), Err(Refused::Full(2)));
}
