//! One run of a program: what it has said, and how it ended.

use runtime::{
    join,
    process::{ChildStdout, Command, ExitStatus, Stdio},
    time::timeout,
};
use runtime_io::blocking::hung_up;
use std::{env, os::fd::AsFd, path::PathBuf, time::Duration};

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
    /// Nobody was left who could have said anything when the program had ended.
    pub(crate) is_alone: bool,
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
            let mut child = command.kill_on_drop(true).spawn().expect("this program can be started");
            let [stdout, stderr] = [child.stdout.take(), child.stderr.take()].map(Option::unwrap);
            let end = async {
                let status = child.ended().await.unwrap();
                (status, hung_up(stdout.as_fd(), Some(Duration::ZERO)).unwrap())
            };
            let all = async { join!(read(&stdout), read(&stderr), end) };
            let ended = timeout(LIMIT, all).await;
            let (output, errors, (status, is_alone)) =
                ended.expect("the program, or one of its children, does not end");
            let lines = output.lines().map(str::to_owned).collect();
            Self { pid: child.id(), lines, errors, status, is_alone }
        })
    }

    /// Of a program that has to succeed, and has nothing to complain about.
    #[track_caller]
    pub(crate) fn of_success(program: &str) -> Self {
        let transcript = Self::of(program);
        assert!(transcript.status.success(), "{transcript:#?}");
        assert_eq!(transcript.errors, "", "{transcript:#?}");
        assert!(transcript.is_alone, "the program has ended before its children: {transcript:#?}");
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

/// Reads to the end, at which nobody is left who could write.
async fn read(pipe: &ChildStdout) -> String {
    let (mut text, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match pipe.read(&mut bytes).await.expect("a pipe can be read") {
            0 => return String::from_utf8(text).expect("programs write text"),
            n => text.extend_from_slice(&bytes[..n]),
        }
    }
}

fn this() -> PathBuf {
    env::current_exe().expect("this program has a path")
}
