//! One run of a program: what it has said, and how it ended.

use runtime::{
    process::{Command, ExitStatus, Stdio},
    time::timeout,
};
use std::{env, path::PathBuf, time::Duration};

/// Which program this one is to be.
pub(crate) const PROGRAM: &str = "PROGRAM";

/// The longest that a program may take on the slowest machine; only failures ever wait so long.
const LIMIT: Duration = Duration::from_secs(120);

/// What a program has said on its standard output, with all processes that it has started, and how it ended.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) pid: u32,
    pub(crate) lines: Vec<String>,
    pub(crate) errors: String,
    pub(crate) status: ExitStatus,
}

impl Transcript {
    /// Runs a program until it has ended, and nobody is left who could say anything.
    pub(crate) fn of(program: &str) -> Self {
        Self::of_command(Command::new(this()).env(PROGRAM, program))
    }

    /// Runs it under a shell that limits it first: `ulimit -n 10`.
    pub(crate) fn of_limited(program: &str, limit: &str) -> Self {
        let script = format!("{limit} && exec \"$0\"");
        Self::of_command(Command::new("sh").args(["-c", &script]).arg(this()).env(PROGRAM, program))
    }

    fn of_command(command: &mut Command) -> Self {
        // Symbols take so long that daemons would say more.
        let command = command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        runtime::run(async {
            let child = command.kill_on_drop(true).spawn().expect("this program can be started");
            let pid = child.id();
            let ended = timeout(LIMIT, child.wait_with_output()).await;
            let output = ended.expect("the program, or one of its children, does not end").unwrap();
            let text = |bytes| String::from_utf8(bytes).expect("programs write text");
            let lines = text(output.stdout).lines().map(str::to_owned).collect();
            Self { pid, lines, errors: text(output.stderr), status: output.status }
        })
    }

    /// Of a program that has to succeed, and has nothing to complain about.
    #[track_caller]
    pub(crate) fn of_success(program: &str) -> Self {
        let transcript = Self::of(program);
        assert!(transcript.status.success(), "{transcript:#?}");
        assert_eq!(transcript.errors, "", "{transcript:#?}");
        transcript
    }

    /// The lines as if they had come in this order.
    pub(crate) fn sorted(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        lines.sort_unstable();
        lines
    }

    /// Where a line is.
    #[track_caller]
    pub(crate) fn place_of(&self, line: &str) -> usize {
        let place = self.lines.iter().position(|said| said == line);
        place.unwrap_or_else(|| panic!("nobody has said {line:?}: {self:#?}"))
    }

    /// How often something is said in the lines from there on.
    pub(crate) fn count_since(&self, place: usize, line: &str) -> usize {
        self.lines[place..].iter().filter(|said| *said == line).count()
    }

    /// What stands behind a word at the beginning of a line, if one begins like that.
    #[track_caller]
    pub(crate) fn after(&self, word: &str) -> &str {
        let found = self.lines.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no line begins with {word:?}: {self:#?}"))
    }

    #[track_caller]
    pub(crate) fn number_after(&self, word: &str) -> u64 {
        self.after(word).parse().unwrap_or_else(|_| panic!("no number after {word:?}: {self:#?}"))
    }
}

fn this() -> PathBuf {
    env::current_exe().expect("this program has a path")
}
