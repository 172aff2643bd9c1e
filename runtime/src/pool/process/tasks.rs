//! The tasks of a pool: one listens to each worker, one waits for its end, and a clerk looks at the time. They belong to the
//! first runtime in which the pool is used; when that ends, the pool does.

use super::{
    crew::{Member, Pushed},
    desk::{Event, WorkerId},
    office::{Heard, Home, Office, State},
};
use crate::process::packet::{PacketError, Packets};
use runtime_executor::{
    RuntimeId, current,
    task::{self, CancelHandle},
    time::sleep_until,
};
use runtime_io::process::Child;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    thread,
};

/// So much is read from a worker before anybody else gets a turn.
const MAX_WORDS: usize = 128;

impl Office {
    /// Makes the runtime of this thread, if there is one, the pool's, if it has none.
    pub(super) fn settle_here(self: &Arc<Self>) {
        if !current::is_entered() {
            return;
        }
        let is_new = self.look(|state| {
            let is_new = matches!(state.home, Home::Nowhere);
            if is_new && let Some(here) = RuntimeId::current() {
                state.home = Home::At(here, thread::current().id());
            }
            is_new
        });
        if is_new {
            let work = clerk(Resident(Arc::clone(self)));
            task::Builder::new()
                .name(format!("pool {}", self.settings.name))
                .daemon(true)
                .spawn(work)
                .detach();
        }
    }

    /// Gives each worker that is new its tasks.
    fn listen_to_newborns(self: &Arc<Self>) {
        let newborns = self.look(|state| {
            let newborns = std::mem::take(&mut state.newborns);
            let there = |id| {
                state
                    .crew
                    .members
                    .get(&id)
                    .map(|member: &Member| (id, Arc::clone(&member.child), Arc::clone(&member.line)))
            };
            newborns.into_iter().filter_map(there).collect::<Vec<_>>()
        });
        for (id, child, line) in newborns {
            let name = |what: &str| format!("{what} {}-{}", self.settings.name, id.0 + 1);
            let listening = task::Builder::new().name(name("listen to")).daemon(true);
            let listening = listening.spawn(listen(Arc::clone(self), id, line));
            let waiting = task::Builder::new().name(name("wait for")).daemon(true);
            waiting.spawn(wait_for(Arc::clone(self), id, child, listening.cancel_handle())).detach();
            listening.detach();
        }
    }

    fn unclog(self: &Arc<Self>) {
        for id in self.look(|state| std::mem::take(&mut state.clogged)) {
            let name = format!("write to {}-{}", self.settings.name, id.0 + 1);
            task::Builder::new().name(name).daemon(true).spawn(write(Arc::clone(self), id)).detach();
        }
    }
}

/// The pool lives in a runtime as long as this is not dropped.
struct Resident(Arc<Office>);

impl Drop for Resident {
    fn drop(&mut self) {
        let is_over = self.0.is_over.is_set();
        if !is_over {
            self.0.handle(Event::Abandon);
        }
    }
}

/// Does what is due, and what only a task can do.
async fn clerk(resident: Resident) {
    let office = &resident.0;
    while !office.is_over.is_set() {
        office.look(State::look_round);
        office.listen_to_newborns();
        office.unclog();
        office.tick();
        let deadline = office.look(|state| state.next_deadline().map(|due| (due, state.instant(due))));
        let mut sleep = pin!(deadline.map(|(_, instant)| sleep_until(instant)));
        poll_fn(|context| {
            if !office.look(|state| state.sleep_until(deadline.map(|(due, _)| due), context.waker())) {
                return Poll::Ready(());
            }
            sleep.as_mut().as_pin_mut().map_or(Poll::Pending, |sleep| sleep.poll(context).map(drop))
        })
        .await;
    }
}

/// Passes on what a worker says, many words at a time.
async fn listen(office: Arc<Office>, id: WorkerId, line: Arc<Packets>) {
    let mut words: Vec<Heard> = Vec::new();
    loop {
        let mut next = pin!(line.recv());
        let word = poll_fn(|context| match next.as_mut().poll(context) {
            Poll::Ready(word) => Poll::Ready(word),
            // Nothing more for now, so what there is goes out.
            Poll::Pending => {
                if !words.is_empty() {
                    office.hear(id, &mut words);
                }
                Poll::Pending
            }
        })
        .await;
        let is_last = matches!(word, Ok(None) | Err(_));
        words.push(word);
        if is_last || words.len() >= MAX_WORDS {
            office.hear(id, &mut words);
        }
        if is_last {
            return;
        }
    }
}

/// Waits until a worker is dead.
async fn wait_for(office: Arc<Office>, id: WorkerId, child: Arc<Child>, listening: CancelHandle) {
    // Somebody else may have waited for it; then nobody knows how it ended.
    let status = child.ended().await.unwrap_or_default();
    listening.cancel();
    office.ended(id, status);
}

/// Sends what a worker's socket had no room for.
async fn write(office: Arc<Office>, id: WorkerId) {
    while let Pushed::UpTo { line, packet, number, job } = office.act(|state, now| state.push(now, id)) {
        match line.send(packet).await {
            Ok(()) => office.look(|state| state.crew.pushed(id, number)),
            Err(PacketError::Closed) => return,
            Err(error) => office.act(|state, now| {
                state.give_back(now, job, &error);
                state.crew.pushed(id, number);
            }),
        }
    }
}
