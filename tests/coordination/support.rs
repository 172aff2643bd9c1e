//! What the stories share: a transcript with times, a count of those inside, and ways to start and to join.

use runtime::{
    Builder, JoinHandle, Report, join_all, task,
    time::{Instant, timeout},
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

/// After an hour in which nothing can happen but timers, nothing will: what stands still then stands still for ever.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What the tasks of a story print, each line with the virtual second in which it was printed.
#[derive(Clone)]
pub(crate) struct Transcript {
    start: Instant,
    lines: Rc<RefCell<Vec<(Duration, String)>>>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), lines: Rc::default() }
    }

    pub(crate) fn say(&self, line: impl Into<String>) {
        self.lines.borrow_mut().push((self.start.elapsed(), line.into()));
    }

    /// Takes the lines so far and compares them; each reads `<second> <line>`.
    #[track_caller]
    pub(crate) fn expect<S: AsRef<str>>(&self, lines: impl IntoIterator<Item = S>) {
        let said = self.lines.take();
        let said: Vec<_> = said.iter().map(|(at, line)| format!("{} {line}", at.as_secs_f64())).collect();
        let expected: Vec<_> = lines.into_iter().map(|line| line.as_ref().to_owned()).collect();
        assert!(said == expected, "\n    said: {said:#?}\nexpected: {expected:#?}");
    }

    /// The same without the seconds.
    #[track_caller]
    pub(crate) fn expect_lines(&self, lines: impl IntoIterator<Item = String>) {
        assert!(self.lines.take().into_iter().map(|(_, line)| line).eq(lines));
    }

    /// What the virtual clock must show.
    #[track_caller]
    pub(crate) fn expect_time(&self, elapsed: Duration) {
        assert_eq!(self.start.elapsed(), elapsed);
    }
}

/// Runs a story on a paused clock; what the runtime reports meanwhile.
pub(crate) fn reports_of(story: impl Future<Output = ()>) -> Vec<Report> {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let on_report = {
        let reports = Rc::clone(&reports);
        move |report: &Report| reports.borrow_mut().push(report.clone())
    };
    let runtime =
        Builder::new().start_paused(true).on_report(on_report).build().expect("there are descriptors");
    runtime.block_on(story);
    drop(runtime);
    reports.take()
}

/// How many are inside, and how many have been at most.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Rc<(Cell<usize>, Cell<usize>)>);

impl Crowd {
    /// Somebody is inside while what this returns lives.
    pub(crate) fn enter(&self) -> Inside {
        let (inside, most) = &*self.0;
        inside.set(inside.get() + 1);
        most.set(most.get().max(inside.get()));
        Inside(self.clone())
    }

    pub(crate) fn most(&self) -> usize {
        self.0.1.get()
    }
}

pub(crate) struct Inside(Crowd);

impl Drop for Inside {
    fn drop(&mut self) {
        let (inside, _) = &*self.0.0;
        inside.set(inside.get() - 1);
    }
}

/// A task with a name, as threads have them.
pub(crate) fn spawn_named<T: 'static>(
    name: impl Into<String>,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    task::Builder::new().name(name).spawn(future)
}

/// Waits for all of them; their outputs, in the order of the handles. A story that stands still fails.
pub(crate) async fn finish<T: 'static>(tasks: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let ended = timeout(LONG, join_all(tasks)).await.expect("some have not ended, and nothing goes on");
    ended.into_iter().map(|task| task.unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// Cancels those that stand still, and waits until all have let go of what they held.
pub(crate) async fn give_up<T: 'static>(tasks: impl IntoIterator<Item = JoinHandle<T>>) {
    let cancelled: Vec<_> = tasks.into_iter().map(JoinHandle::cancel_and_wait).collect();
    join_all(cancelled).await;
}

/// How many of them have not ended.
pub(crate) fn unfinished<T>(tasks: &[JoinHandle<T>]) -> usize {
    tasks.iter().filter(|task| !task.is_finished()).count()
}
