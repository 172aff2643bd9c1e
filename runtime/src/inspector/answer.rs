//! What is answered: each runtime's own view, or, if its thread does not come to give one, a look from outside.

use runtime_executor::{
    RuntimeGone, RuntimeId,
    inspect::{self, Dump, Probe, Stats},
    task::{TaskId, TaskStatus, WaitInfo, WaitsFor},
};
use runtime_io::ThreadProbe;
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{Arc, mpsc},
    time::Duration,
};

/// How long a loop may take to answer before it counts as stuck: ten times the poll that a watchdog tells of.
const PATIENCE: Duration = Duration::from_millis(250);

/// What can be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    /// A line per task.
    Ps,
    /// Who spawned whom, and what each waits for.
    Tree,
    /// What is held, by whom, and who waits for it.
    Locks,
    /// Numbers.
    Stats,
}

impl Question {
    pub(crate) const ALL: [(&'static str, Self); 4] =
        [("ps", Self::Ps), ("tree", Self::Tree), ("locks", Self::Locks), ("stats", Self::Stats)];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, question)| *question)
    }
}

/// A runtime that may be asked.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(super) id: RuntimeId,
    pub(super) thread: String,
    pub(super) probe: Arc<ThreadProbe>,
}

/// Asks each runtime, one after the other.
pub(crate) fn answer(question: Question, subjects: &[Subject]) -> String {
    let mut answer = String::new();
    for subject in subjects {
        let _ = writeln!(answer, "runtime on thread '{}'", subject.thread);
        let text = subject.ask().map_or_else(|silence| silence.to_string(), |view| view.tell(question));
        let _ = writeln!(answer, "{text}");
    }
    if subjects.is_empty() {
        answer.push_str("no runtime is left in this process\n");
    }
    answer
}

/// What a loop says of itself.
struct View {
    dump: Dump,
    stats: Stats,
}

/// What is seen of a loop that says nothing.
enum Silence {
    Gone,
    /// No `block_on` runs.
    Idle,
    Stuck(String),
}

impl Subject {
    fn ask(&self) -> Result<View, Silence> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let look = move || {
            // Too late: nobody listens any more.
            let _ = sender.send(View { dump: inspect::dump(), stats: inspect::stats() });
        };
        self.id.post(look).map_err(|RuntimeGone| Silence::Gone)?;
        match receiver.recv_timeout(PATIENCE) {
            Ok(view) => Ok(view),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Silence::Gone),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(self.look_from_outside()),
        }
    }

    fn look_from_outside(&self) -> Silence {
        let mut text = format!("does not answer: for {} ms its thread has been ", PATIENCE.as_millis());
        let Some(sight) = self.probe.look() else {
            text.push_str("busy, and it does not take signals either");
            return Silence::Stuck(text);
        };
        let Some(glance) = sight.glance else { return Silence::Idle };
        let _ = match glance.task() {
            Some(task) => write!(text, "in the poll of {task}"),
            None => write!(text, "busy outside of any task"),
        };
        for frame in &sight.stack {
            let _ = write!(text, "\n    in {frame}");
        }
        Silence::Stuck(text)
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("has just ended"),
            Self::Idle => f.write_str("rests: no block_on runs"),
            Self::Stuck(text) => f.write_str(text),
        }
    }
}

impl View {
    fn tell(&self, question: Question) -> String {
        match question {
            Question::Ps => ps(&self.dump),
            Question::Tree => self.dump.to_string(),
            Question::Locks => locks(&self.dump),
            Question::Stats => self.stats.to_string(),
        }
    }
}

/// A line per task, the columns as wide as they need to be.
fn ps(dump: &Dump) -> String {
    let mut rows = vec![["TASK", "STATE", "FOR", "NAME", "WAITS FOR"].map(str::to_owned)];
    rows.extend(dump.tasks.iter().map(row));
    let widths =
        [0, 1, 2, 3].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; 5]| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        line + &row[4]
    };
    rows.iter().map(line).map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn row(status: &TaskStatus) -> [String; 5] {
    let TaskStatus { task, state, since_poll, waits, .. } = status;
    let since = since_poll.map_or_else(String::new, |since| format!("{} ms", since.as_millis()));
    let name = if task.id() == TaskId::MAIN { "(main)" } else { task.name().unwrap_or("") };
    let waits = match &waits[..] {
        _ if since_poll.is_none() => String::new(),
        [] => "?".to_owned(),
        [wait] => wait.to_string(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
    };
    [task.id().get().to_string(), format!("{state:?}").to_lowercase(), since, name.to_owned(), waits]
}

/// Every primitive that somebody waits for: who has it, and who wants it.
fn locks(dump: &Dump) -> String {
    let mut primitives: BTreeMap<_, Vec<(&TaskStatus, &WaitInfo)>> = BTreeMap::new();
    for status in &dump.tasks {
        for wait in &status.waits {
            if let WaitsFor::Primitive(info) = wait {
                let created = info.created;
                let name = (created.file(), created.line(), created.column(), info.address);
                primitives.entry(name).or_default().push((status, info));
            }
        }
    }
    let mut text = String::new();
    for waiting in primitives.values() {
        let Some((_, WaitInfo { kind, created, holder, .. })) = waiting.first() else { continue };
        let _ = write!(text, "{kind} created at {created}");
        if let Some(holder) = holder {
            let _ = write!(text, "\n    {holder}");
        }
        for (status, info) in waiting {
            let what = if info.is_granted { "granted to" } else { "waited for by" };
            let since = status.since_poll.unwrap_or_default().as_millis();
            let _ = write!(text, "\n    {what} {} at {}, for {since} ms", status.task.id(), info.asked);
        }
        text.push('\n');
    }
    if primitives.is_empty() {
        "nobody waits for a lock or the like".to_owned()
    } else {
        text.trim_end().to_owned()
    }
}
