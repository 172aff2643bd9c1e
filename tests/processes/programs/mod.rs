//! The programs. Their seconds are tenths: what lasts one there lasts a tenth of one here.

#![expect(clippy::needless_pass_by_value, reason = "what comes to another process is owned there")]

mod ending;
mod entering;
mod managing;
mod pooling;
mod sharing;
mod starting;
mod talking;

use std::{process::ExitCode, time::Duration};

type Program = (&'static str, fn() -> ExitCode);

/// Programs by their names; they return what a `main` may return.
macro_rules! programs {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), || std::process::Termination::report($name()))),*]
    };
}
use programs;

/// A second of a lesson.
const SECOND: Duration = Duration::from_millis(100);

/// Runs the program of that name.
pub(crate) fn run(name: &str) -> ExitCode {
    let programs = starting::ALL
        .iter()
        .chain(ending::ALL)
        .chain(entering::ALL)
        .chain(pooling::ALL)
        .chain(managing::ALL)
        .chain(talking::ALL)
        .chain(sharing::ALL);
    let found = programs.copied().find(|(its, _)| *its == name);
    found.unwrap_or_else(|| panic!("there is no program {name}")).1()
}

/// Waits with the thread, as the functions of the lessons do.
#[expect(clippy::disallowed_methods, reason = "whoever calls it is a process of its own, without tasks")]
fn sleep_seconds(seconds: f64) {
    std::thread::sleep(SECOND.mul_f64(seconds));
}
