//! Standard input to standard output, both pipes: line by line with somebody who waits for each, and as much as goes.

use std::io::{BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout};
use std::thread;

use blocking::Unblock;
use futures_lite::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::serving::{Client, Serving, announce};
use super::{Row, STD, Work};
use crate::peers::ours::Ours;
use crate::peers::smol::Smol;
use crate::peers::tokio_local_runtime::TokioLocalRuntime;
use crate::peers::{ECHO_BUFFER_BYTES, Peer};

/// Bytes of a line, and of what is written at once in bulk.
const LINE_BYTES: usize = 64;
const BULK_BYTES: usize = 16 * 1024;

const CONTENDERS: &[(&str, fn())] =
    &[(Ours::NAME, ours), (TokioLocalRuntime::NAME, tokio), (Smol::NAME, smol), (STD, std_filter)];

pub(super) const LINES: Row = Row {
    name: "filter_lines",
    title: "stdin to stdout, 64 B, each awaited (µs)",
    what: "64 B from stdin to stdout",
    operations: 30_000,
    window: 1,
    work: Work::Served { contenders: CONTENDERS, connect: |serving| Feeding::connect(serving, LINE_BYTES) },
};
pub(super) const BULK: Row = Row {
    name: "filter_bulk",
    title: "stdin to stdout, as much as goes (µs per 16 KiB)",
    what: "16 KiB from stdin to stdout",
    operations: 30_000,
    window: 100,
    work: Work::Served { contenders: CONTENDERS, connect: |serving| Feeding::connect(serving, BULK_BYTES) },
};

fn ours() {
    announce("-");
    Ours::run(async {
        let (stdin, mut stdout) = (runtime::io::stdin(), runtime::io::stdout());
        let mut buffer = vec![0; ECHO_BUFFER_BYTES];
        while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
            stdout.write_all(&buffer[..read]).await.expect("write");
            stdout.flush().await.expect("flush");
        }
    });
}

fn tokio() {
    announce("-");
    TokioLocalRuntime::run(async {
        let (mut stdin, mut stdout) = (tokio::io::stdin(), tokio::io::stdout());
        let mut buffer = vec![0; ECHO_BUFFER_BYTES];
        while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
            stdout.write_all(&buffer[..read]).await.expect("write");
            stdout.flush().await.expect("flush");
        }
    });
}

fn smol() {
    announce("-");
    Smol::run(async {
        let (mut stdin, mut stdout) = (Unblock::new(std::io::stdin()), Unblock::new(std::io::stdout()));
        let mut buffer = vec![0; ECHO_BUFFER_BYTES];
        while let Ok(read @ 1..) = stdin.read(&mut buffer).await {
            stdout.write_all(&buffer[..read]).await.expect("write");
            stdout.flush().await.expect("flush");
        }
    });
}

fn std_filter() {
    announce("-");
    let (mut stdin, mut stdout) = (std::io::stdin(), std::io::stdout());
    let mut buffer = vec![0; ECHO_BUFFER_BYTES];
    while let Ok(read @ 1..) = stdin.read(&mut buffer) {
        stdout.write_all(&buffer[..read]).expect("write");
        stdout.flush().expect("flush");
    }
}

/// Writes to its standard input, and reads and checks its standard output.
struct Feeding {
    /// Bytes of an operation.
    size: usize,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Feeding {
    fn connect(serving: &mut Serving, size: usize) -> Box<dyn Client> {
        let stdin = serving.stdin.take().expect("piped");
        let stdout = serving.stdout.take().expect("piped");
        Box::new(Feeding { size, stdin, stdout })
    }

    fn one_by_one(&mut self, operations: u64) {
        let mut answer = vec![0; self.size];
        for round in 0..operations {
            let mut message = vec![b'.'; self.size];
            message[..8].copy_from_slice(&round.to_le_bytes());
            self.stdin.write_all(&message).expect("write");
            self.stdout.read_exact(&mut answer).expect("an answer");
            assert!(answer == message, "what comes out differs");
        }
    }

    fn as_much_as_goes(&mut self, operations: u64) {
        let (stdin, stdout) = (&mut self.stdin, &mut self.stdout);
        let message = vec![b'.'; self.size];
        thread::scope(|scope| {
            scope.spawn(|| (0..operations).for_each(|_| stdin.write_all(&message).expect("write")));
            let mut answer = vec![0; message.len()];
            for _ in 0..operations {
                stdout.read_exact(&mut answer).expect("an answer");
                assert!(answer == message, "what comes out differs");
            }
        });
    }
}

impl Client for Feeding {
    fn exchange(&mut self, operations: u64) {
        if self.size == LINE_BYTES { self.one_by_one(operations) } else { self.as_much_as_goes(operations) }
    }
}
