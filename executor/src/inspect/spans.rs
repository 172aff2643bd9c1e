//! A `tracing` span per task, entered for each of its turns: what a task logs carries its number, name and spawn site.

use super::hooks::isolate;
use crate::task::{TaskId, TaskInfo};
use std::{cell::RefCell, collections::HashMap, rc::Rc};
use tracing::{Span, field, info_span};

/// The spans of the tasks that live. Subscribers are anybody's code: they are called while nothing is borrowed.
#[derive(Default)]
pub(super) struct Spans(RefCell<HashMap<TaskId, Rc<Span>>>);

impl Spans {
    /// A task begins. Its span is a child of the one in which it was spawned.
    pub(super) fn begin(&self, task: &TaskInfo) {
        isolate(|| {
            let span = info_span!(
                "task",
                id = task.id().get(),
                name = field::Empty,
                spawned_at = task.spawned_at().map(field::display),
            );
            if let Some(name) = task.name() {
                span.record("name", name);
            }
            if !span.is_disabled() {
                self.0.borrow_mut().insert(task.id(), Rc::new(span));
            }
        });
    }

    /// A turn of a task, inside its span.
    pub(super) fn around(&self, task: TaskId, turn: impl FnOnce()) {
        let span = self.0.borrow().get(&task).cloned();
        let Some(span) = span else { return turn() };
        isolate(|| {
            span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
        });
        turn();
        isolate(|| {
            span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
        });
    }

    pub(super) fn end(&self, task: TaskId) {
        let span = self.0.borrow_mut().remove(&task);
        isolate(|| drop(span));
    }
}
