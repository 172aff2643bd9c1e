//! An executor on the virtual clock that keeps its reports for the story to read.

use super::Log;
use runtime_executor::{Executor, Report, task::TaskStatus, time::Clock};

/// Reports as one word each, with the lines they name: `Futurelock task 2: created 10, asked 14`.
pub(crate) fn reporting() -> (Executor, Log) {
    let log = Log::default();
    let reports = log.clone();
    let executor = Executor::builder()
        .clock(Clock::paused())
        .on_report(move |report| {
            assert!(report.to_string().contains(".rs:"), "it names lines: {report}");
            reports.add(brief(report));
        })
        .build();
    (executor, log)
}

fn brief(report: &Report) -> String {
    let id = |task: &Option<runtime_executor::task::TaskInfo>| {
        task.as_ref().map_or_else(|| "unknown".into(), |task| task.id().to_string())
    };
    match report {
        Report::Futurelock { task, kind, created, asked, .. } => {
            format!("futurelock: {}, {kind} of {}, asked at {}", task.id(), created.line(), asked.line())
        }
        Report::HolderEnded { holder, kind, created, since, waiting, asked, .. } => {
            let (holder, waiting) = (id(holder), id(waiting));
            let (created, since, asked) = (created.line(), since.line(), asked.line());
            format!("ended: {holder} has {kind} of {created} since {since}, {waiting} asked at {asked}")
        }
        Report::EndedHolding { task, kind, created, count, .. } => {
            format!("ended holding: {}, {kind} of {}, {count} times", task.id(), created.line())
        }
        Report::SelfWait { task, kind, created, since, asked, .. } => {
            let (created, since, asked) = (created.line(), since.line(), asked.line());
            format!("self-wait: {}, {kind} of {created} since {since}, asked at {asked}", id(task))
        }
        Report::Deadlock(deadlock) => {
            let ids = |tasks: &[TaskStatus]| match tasks {
                [] => "none".into(),
                _ => tasks
                    .iter()
                    .map(|status| status.task.id().get().to_string())
                    .collect::<Vec<_>>()
                    .join(" "),
            };
            let circles: Vec<_> = deadlock.cycles.iter().map(|circle| ids(circle)).collect();
            format!("deadlock: {}, behind: {}", circles.join(" and "), ids(&deadlock.behind))
        }
        other => format!("{other:?}"),
    }
}
