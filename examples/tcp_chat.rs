//! Clients at a counter, and an operator who answers them at the keyboard, while every one of them is served.
//!
//! ```text
//! $ cargo run --example tcp_chat                    $ cargo run --example tcp_chat -- --connect
//! listening on 127.0.0.1:7000
//! * client 1 is here
//! * client 2 is here                                hello, you are client 2
//! client 2: what time is it?                        >>: what time is it?
//! noon
//!                                                   noon
//!                                                   >>:
//! ```
//!
//! With a thread for each client that asks the operator itself, each `input()` keeps all others from the keyboard. Here the
//! keyboard is an activity of its own: what is typed goes to the client who has waited longest for an answer, or, as in
//! `2 noon`, to the one of that number, whether or not he has asked. Who says nothing holds up nobody.

use runtime::{
    io::{self, AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader},
    net::{Server, TcpStream},
    sync::{Sender, channel},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    env,
    io::Write as _,
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

const HELP: &str = "\
A chat between one operator and many clients.

usage: tcp_chat [--connect] [ADDRESS]

  ADDRESS      host:port to listen on, or to connect to; port 0 means any that is free [127.0.0.1:7000]
  --connect    be a client
  -h, --help   print this

The operator types answers. One that begins with the number of a client goes to that client, any other to the client who has
waited longest. Ctrl-D ends it.";

/// Who says more without a line break says nothing.
const MAX_LINE: u64 = 1024;
/// Answers that wait for a client who does not read.
const UNREAD_ANSWERS: usize = 16;
/// What clients get to see the goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

#[runtime::main]
async fn main() -> ExitCode {
    let mut connects = false;
    let mut address = "127.0.0.1:7000".to_owned();
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "-h" | "--help" => {
                let _ = writeln!(std::io::stdout(), "{HELP}");
                return ExitCode::SUCCESS;
            }
            "--connect" => connects = true,
            option if option.starts_with('-') => {
                let _ = writeln!(std::io::stderr(), "tcp_chat: there is no option `{option}`");
                return ExitCode::from(2);
            }
            _ => address = argument,
        }
    }
    match if connects { chat(&address).await } else { serve(&address).await } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tcp_chat: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The operator's side.
async fn serve(address: &str) -> io::Result<()> {
    let server = Server::bind(address).await?;
    say(&format!("listening on {}", server.local_addr()?)).await?;
    let counter = Rc::new(Counter::default());
    let serving = server.serve({
        let (counter, server) = (Rc::clone(&counter), server.clone());
        async move |stream, _peer| counter.attend(stream, &server).await
    });
    let operating = async {
        let typed = counter.operate().await;
        server.drain(GOODBYE).await;
        typed
    };
    runtime::try_join!(serving, operating)?;
    Ok(())
}

/// Who is here, and who waits for an answer.
#[derive(Default)]
struct Counter {
    last: Cell<u64>,
    clients: RefCell<BTreeMap<u64, Sender<String>>>,
    asking: RefCell<VecDeque<u64>>,
}

impl Counter {
    /// One client, from hello to goodbye.
    async fn attend(&self, stream: TcpStream, server: &Server) -> io::Result<()> {
        let number = self.last.get() + 1;
        self.last.set(number);
        let (answers, mut for_him) = channel(UNREAD_ANSWERS);
        self.clients.borrow_mut().insert(number, answers);
        let _leave = Leave(self, number);

        let (reader, writer) = stream.into_split();
        let mut lines = BufReader::new(reader);
        say(&format!("* client {number} is here")).await?;
        writer.write_all(format!("hello, you are client {number}\n").as_bytes()).await?;
        let listen = async {
            while let Some(line) = line_of(&mut lines).await? {
                say(&format!("client {number}: {line}")).await?;
                self.asking.borrow_mut().push_back(number);
            }
            say(&format!("* client {number} has left")).await
        };
        let answer = async {
            while let Some(line) = for_him.recv().await {
                writer.write_all(line.as_bytes()).await?;
            }
            io::Result::Ok(())
        };
        runtime::select! {
            ended = listen => ended,
            ended = answer => ended,
            () = server.draining() => writer.write_all(b"goodbye\n").await,
        }
    }

    /// The operator's keyboard, until nothing more is typed.
    async fn operate(&self) -> io::Result<()> {
        let mut typed = io::stdin().lines();
        while let Some(line) = typed.next_line().await? {
            if line.is_empty() {
                continue;
            }
            if let Err(complaint) = self.answer(&line) {
                say(&complaint).await?;
            }
        }
        Ok(())
    }

    fn answer(&self, line: &str) -> Result<(), String> {
        let clients = self.clients.borrow();
        let mut asking = self.asking.borrow_mut();
        let named = line.split_once(' ').and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        let (number, answer) = match named {
            Some(named) => named,
            None => (*asking.front().ok_or("* nobody waits for an answer")?, line),
        };
        let client = clients.get(&number).ok_or_else(|| format!("* there is no client {number}"))?;
        client.try_send(format!("{answer}\n")).map_err(|_| format!("* client {number} does not read"))?;
        if let Some(place) = asking.iter().position(|asks| *asks == number) {
            asking.remove(place);
        }
        Ok(())
    }
}

/// Takes a client off the list, however he leaves.
struct Leave<'a>(&'a Counter, u64);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.clients.borrow_mut().remove(&self.1);
        self.0.asking.borrow_mut().retain(|asks| *asks != self.1);
    }
}

/// The client's side: receives while it types.
async fn chat(address: &str) -> io::Result<()> {
    let (reader, writer) = TcpStream::connect(address).await?.into_split();
    let mut lines = BufReader::new(reader);
    let hear = async {
        while let Some(line) = line_of(&mut lines).await? {
            io::stdout().write_all(format!("{line}\n>>: ").as_bytes()).await?;
        }
        say("\n* the operator has gone").await
    };
    let speak = async {
        let mut typed = io::stdin().lines();
        while let Some(line) = typed.next_line().await? {
            if line.is_empty() {
                io::stdout().write_all(b">>: ").await?;
            } else {
                writer.write_all(format!("{line}\n").as_bytes()).await?;
            }
        }
        io::Result::Ok(())
    };
    runtime::select! {
        ended = hear => ended,
        ended = speak => ended,
    }
}

/// The next line, without its end; `None` if there are no more, or it is no line of a conversation.
async fn line_of(lines: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = AsyncReadExt::take(lines, MAX_LINE).read_until(b'\n', &mut line).await?;
    if read == 0 || line.pop() != Some(b'\n') {
        return Ok(None);
    }
    Ok(String::from_utf8(line).ok().map(|line| line.trim_end().to_owned()))
}

async fn say(line: &str) -> io::Result<()> {
    io::stdout().write_all(format!("{line}\n").as_bytes()).await
}
