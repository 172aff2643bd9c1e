//! The classic lessons in pools: submit and collect, map, callbacks, and what `shutdown` is for.
//!
//! They are the programs by which pools are taught. Their jobs wait for gates where the originals sleep, so each story knows
//! what is going on when, and none takes longer than it must. (The pool that is made at home, of a queue with permits, is among
//! the stories about coordination.)

mod callbacks;
mod crawling;
mod fetching;
mod ordering;
mod support;
