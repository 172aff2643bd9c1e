//! Spans of tasks, as a subscriber sees them.
#![cfg(feature = "tracing")]

use runtime_executor::{
    Executor, spawn,
    task::{self, yield_now},
};
use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Writes down what happens to spans.
#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<Vec<String>>>);

impl Transcript {
    fn add(&self, line: String) -> usize {
        let mut lines = self.0.lock().unwrap();
        lines.push(line);
        lines.iter().filter(|line| line.starts_with("new")).count()
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        // Lines and columns change too often.
        let value = value.split(".rs").next().unwrap_or(&value);
        write!(self.0, " {field}={value}").unwrap();
    }
}

impl Subscriber for Transcript {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("runtime_executor")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        let number = self.add(format!("new {}{}", span.metadata().name(), fields.0));
        Id::from_u64(number as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.add(format!("record {}{}", span.into_u64(), fields.0));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.add(format!("enter {}", span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.add(format!("exit {}", span.into_u64()));
    }

    fn try_close(&self, span: Id) -> bool {
        self.add(format!("close {}", span.into_u64()));
        true
    }
}

#[test]
fn each_task_has_a_span_that_its_turns_are_inside_and_that_ends_with_it() {
    let transcript = Transcript::default();
    let executor = Executor::builder().build();
    tracing::subscriber::with_default(transcript.clone(), || {
        executor.block_on(async {
            let worker = task::Builder::new().name("worker").spawn(async {
                yield_now().await;
                spawn(async {}).await.unwrap();
            });
            worker.await.unwrap();
        });
    });
    let lines = transcript.0.lock().unwrap().clone();
    let expected = [
        "new task id=1 spawned_at=executor/tests/spans",
        "record 1 name=\"worker\"",
        "enter 1",
        "exit 1",
        "enter 1",
        "new task id=2 spawned_at=executor/tests/spans",
        "exit 1",
        "enter 2",
        "exit 2",
        "close 2",
        "enter 1",
        "exit 1",
        "close 1",
    ];
    assert_eq!(lines, expected);
}
