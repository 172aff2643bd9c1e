//! The `rt` command: asks a process what its runtimes are doing.

use super::{answer::Question, place};
use runtime_io::owner::{own_user, user_of};
use std::{
    env,
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

/// A process that is stopped keeps its socket, and says nothing.
const PATIENCE: Duration = Duration::from_secs(5);

const USAGE: &str = "\
usage: rt ps | tree | locks | stats PID
       rt list

  ps     a line per task: what it does, for how long, and what it waits for
  tree   the same as a tree of who spawned whom
  locks  every lock, channel or event that somebody waits for: who has it, and who wants it
  stats  how busy the loop is, and how late
  list   the processes that can be asked

A process can be asked if it was started with RUNTIME_INSPECT=1, or built its runtime with Builder::inspect(true), by the
same user.";

/// All of the command.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let directory = place::directory();
    let answer = match arguments[..] {
        ["list"] => Ok(list(&directory)),
        [question, process] if Question::parse(question).is_some() => match process.parse() {
            Ok(process) => ask(&directory, question, process),
            Err(_) => Err(format!("{process} is not the number of a process")),
        },
        _ => Err(USAGE.to_owned()),
    };
    // Whoever reads may have gone, as `head` does.
    match answer {
        Ok(answer) => {
            let _ = io::stdout().write_all(answer.as_bytes());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            let _ = writeln!(io::stderr(), "{problem}");
            ExitCode::FAILURE
        }
    }
}

/// A directory that is not there has nobody in it.
fn list(directory: &Path) -> String {
    let processes = place::processes(directory).unwrap_or_default();
    let live =
        processes.iter().filter(|process| place::connect(&place::socket(directory, **process)).is_ok());
    live.map(|process| format!("{process}\n")).collect()
}

fn ask(directory: &Path, question: &str, process: u32) -> Result<String, String> {
    let path = place::socket(directory, process);
    let mut socket = place::connect(&path).map_err(|error| {
        format!("process {process} cannot be asked ({error}): was it started with RUNTIME_INSPECT=1, by this user?")
    })?;
    let mut converse = || {
        if ![own_user(), 0].contains(&user_of(&socket)?) {
            return Err(io::Error::other("its socket is somebody else's"));
        }
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut answer = String::new();
        // Whoever is not to be answered is hung up on, perhaps before the question is out.
        let heard = writeln!(socket, "{question}").and_then(|()| socket.read_to_string(&mut answer));
        match heard.map_err(|error| error.kind()) {
            Ok(0) | Err(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                Err(io::Error::other("it answers nobody but its own user, or is about to end"))
            }
            Ok(_) => Ok(answer),
            Err(kind) => Err(kind.into()),
        }
    };
    converse().map_err(|error| format!("process {process} does not answer: {error}"))
}
