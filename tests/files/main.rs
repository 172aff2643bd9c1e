//! Lessons with files, as stories: `with open(…)` in all its forms, results that callbacks append to a file, and why waiting
//! for a disk suits tasks as well as waiting for a peer.

mod contexts;
mod results;
mod support;
mod waiting;
