//! The classic lessons in starting many things and waiting for them, as stories on a virtual clock: start and join,
//! gather, the first of several, results as they come, giving way; and what `with`, daemons and nurseries are for.
//!
//! They are the programs by which threads are taught, with tasks in the place of threads. Each is held to the exact
//! time it takes and to the exact lines it prints.

mod chatting;
mod contexts;
mod families;
mod gathering;
mod joining;
mod selecting;
#[path = "../coordination/support.rs"]
#[allow(dead_code, reason = "shared with the stories about coordination; these use a part of it")]
mod support;
mod yielding;
