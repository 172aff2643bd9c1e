//! Runs several commands at once, and says who says what: a small `foreman`.
//!
//! Each argument is a command line for the shell. What the commands write, to standard output or errors, comes line by line with
//! the number of who wrote it. ^C, or a SIGTERM, asks all that still run to end, with everybody whom they have started, and after
//! a grace (`--grace-ms`, 2000 unless said otherwise) kills whoever has not.
//!
//! ```text
//! $ cargo run --quiet --example subprocess -- 'echo building; sleep 1; echo built' 'echo checking; exit 3'
//! 1: building
//! 2: checking
//! 2 has ended: exit status: 3
//! 1: built
//! 1 has ended: exit status: 0
//! ```
//!
//! It ends with 0 if all of them do, and otherwise with 1.

use runtime::{
    io::{AsyncBufReadExt, BufReader},
    join, join_all,
    process::{ChildStdout, Command, ExitStatus, Stdio},
    select,
    signal::{SignalKind, signal},
    spawn,
    sync::Event,
    task,
};
use std::{
    env, io,
    process::{self, ExitCode},
    rc::Rc,
    time::Duration,
};

const USAGE: &str = "usage: subprocess [--grace-ms MILLISECONDS] COMMAND...";

#[runtime::main]
async fn main() -> ExitCode {
    let (grace, commands) = arguments().unwrap_or_else(|| {
        eprintln!("{USAGE}");
        process::exit(2);
    });
    let stop = Rc::new(Event::new());
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let stop = Rc::clone(&stop);
        let mut signals = signal(kind).expect("it can be listened to");
        // A daemon: nobody waits for a signal that does not come.
        let listen = async move {
            signals.recv().await;
            stop.set();
        };
        task::Builder::new().daemon(true).spawn(listen).detach();
    }
    let running = (1..).zip(commands).map(|(number, command)| {
        let stop = Rc::clone(&stop);
        spawn(async move {
            let ended = run(number, &command, &stop, grace).await;
            match &ended {
                Ok(status) => println!("{number} has ended: {status}"),
                Err(error) => println!("{number} has failed: {error}"),
            }
            ended.is_ok_and(|status| status.success())
        })
    });
    let all = join_all(running).await;
    ExitCode::from(u8::from(!all.into_iter().all(|fine| fine.expect("it does not panic"))))
}

fn arguments() -> Option<(Duration, Vec<String>)> {
    let mut arguments: Vec<_> = env::args().skip(1).collect();
    let mut grace = 2000;
    if arguments.first().is_some_and(|first| first == "--grace-ms") {
        grace = arguments.get(1)?.parse().ok()?;
        arguments.drain(..2);
    }
    (!arguments.is_empty()).then_some((Duration::from_millis(grace), arguments))
}

async fn run(number: usize, command: &str, stop: &Event, grace: Duration) -> io::Result<ExitStatus> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that ^C reaches it by us alone, and `terminate` everybody in it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let telling = spawn(async move { join!(tell(number, stdout), tell(number, stderr)) });
    let ended = select! {
        ended = child.wait() => ended,
        () = stop.wait() => child.terminate(grace).await,
    };
    // The pipes end when nobody has them open any more.
    telling.await.expect("it does not panic");
    ended
}

async fn tell(number: usize, pipe: ChildStdout) {
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    // What cannot be read is over, whatever the reason.
    while lines.read_until(b'\n', &mut line).await.is_ok_and(|n| n > 0) {
        print!("{number}: {}", String::from_utf8_lossy(&line));
        if line.last() != Some(&b'\n') {
            println!();
        }
        line.clear();
    }
}
