//! The example `redis_chat` as a program, in two hands.

use super::{Outcome, Server, by_tcp};
use runtime::{
    io::{AsyncBufReadExt, BufReader, PipeReader},
    process::{Child, Command, Stdio},
    time::{Duration, timeout},
};
use std::env;

/// Somebody at a terminal.
struct Guest {
    program: Child,
    screen: BufReader<PipeReader>,
}

impl Guest {
    fn new(server: &Server, name: &str) -> Self {
        // Cargo builds the examples for `cargo test`, beside the folder in which this test lies.
        let this = env::current_exe().unwrap();
        let path = this.ancestors().nth(2).unwrap().join("examples/redis_chat");
        let mut command = Command::new(path);
        command.args([&by_tcp(server), "kitchen", name]).kill_on_drop(true);
        let mut program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let screen = BufReader::new(program.stdout.take().unwrap());
        Self { program, screen }
    }

    async fn reads(&mut self, line: &str) {
        let mut read = String::new();
        self.screen.read_line(&mut read).await.unwrap();
        assert_eq!(read.trim_end(), line);
    }

    async fn types(&mut self, line: &str) {
        self.program.stdin.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
    }
}

#[runtime::test]
async fn guests_of_a_room_read_each_other_until_the_server_goes() -> Outcome {
    let Some(mut server) = Server::start() else { return Ok(()) };
    let mut anna = Guest::new(&server, "anna");
    anna.reads("anna has come").await;
    let mut bert = Guest::new(&server, "bert");
    bert.reads("bert has come").await;
    anna.reads("bert has come").await;
    bert.types("is there any coffee left?\n").await;
    anna.reads("bert: is there any coffee left?").await;
    drop(bert.program.stdin.take());
    anna.reads("bert has gone").await;
    assert!(bert.program.wait().await?.success());
    // Who hears nothing any more is told so.
    server.kill();
    let end = timeout(Duration::from_secs(60), anna.program.wait()).await;
    assert!(!end.expect("she ends")?.success());
    Ok(())
}
