//! A chat of hundreds: a few worker processes, each with hundreds of clients, and what one says everybody hears.
//!
//! ```text
//! $ cargo run --release --example cluster_chat -- --workers 2
//! $ nc 127.0.0.1 7000
//! worker 0: welcome; what is your name?
//! ```
//!
//! A process per client would be a waste of processes, and one reactor for all of them a waste of cores. So each worker has the
//! clients that it accepted, as tasks that share an `Rc`, and sends what they say to the other workers by a channel, over the
//! supervisor. Kill a worker: its clients are gone, the others go on talking, and with the next one too.

use runtime::{
    cluster::{self, Channel, Cluster, RecvError},
    io::{AsyncBufReadExt, BufReader},
    net::{Server, TcpStream},
    spawn,
    sync::{Sender, channel},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    env,
    io::{self, Write},
    process::ExitCode,
    rc::Rc,
};

const HELP: &str = "\
Passes on to all what one of them says.

usage: cluster_chat [--workers N] [ADDRESS]

  ADDRESS        host:port to listen on; port 0 means any that is free [127.0.0.1:7000]
  --workers N    so many worker processes [one per core]
  -h, --help     print this

A client's first line is its name. `/who` tells how many are there, and from which worker.";

/// Lines that wait for a client. One who reads more slowly than the others talk misses some, and is told how many.
const UNREAD_LINES: usize = 256;
/// Who says more without a line break says nothing.
const MAX_LINE: u64 = 1024;

fn main() -> ExitCode {
    let mut cluster = Cluster::new();
    let mut address = "127.0.0.1:7000".to_owned();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), argument == "--workers") {
            ("-h" | "--help", _) => {
                let _ = writeln!(io::stdout(), "{HELP}");
                return ExitCode::SUCCESS;
            }
            (_, true) => match arguments.next().and_then(|number| number.parse().ok()) {
                Some(number @ 1..) => cluster = cluster.workers(number),
                _ => return complain("`--workers` needs a number from 1"),
            },
            (option, _) if option.starts_with('-') => {
                return complain(&format!("there is no option `{option}`"));
            }
            _ => address = argument,
        }
    }
    cluster.run(move || serve(address.clone())).exit_code()
}

fn complain(complaint: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "cluster_chat: {complaint}\nTry `cluster_chat --help`.");
    ExitCode::from(2)
}

/// What each worker does.
async fn serve(address: String) -> io::Result<()> {
    let server = Server::bind(&address).await?;
    let _ = writeln!(io::stdout(), "listening on {}", server.local_addr()?);
    let room = Rc::new(Room::default());
    spawn(overhear(Rc::clone(&room), cluster::channel("said"))).detach();
    let serving = server.serve(async move |stream, _peer| talk(&room, stream).await);
    serving.await?;
    Ok(())
}

/// Everybody whom this worker has.
#[derive(Default)]
struct Room {
    clients: RefCell<BTreeMap<u64, Sender<Rc<str>>>>,
    next: Cell<u64>,
}

impl Room {
    /// To everybody here. Who has no room for it misses it.
    fn tell(&self, line: &str) {
        let line: Rc<str> = line.into();
        for client in self.clients.borrow().values() {
            let _ = client.try_send(Rc::clone(&line));
        }
    }
}

/// What is said to the other workers is said here too.
async fn overhear(room: Rc<Room>, mut said: Channel<String>) {
    loop {
        match said.recv().await {
            Ok((_, line)) => room.tell(&line),
            Err(RecvError::Closed) => return,
            Err(error) => room.tell(&format!("* {error}\n")),
        }
    }
}

/// One client, from its name to its goodbye.
async fn talk(room: &Rc<Room>, stream: TcpStream) -> io::Result<()> {
    let slot = cluster::me().map_or(0, |me| me.slot);
    let (reader, writer) = stream.into_split();
    let mut lines = BufReader::new(reader);
    writer.write_all(format!("worker {slot}: welcome; what is your name?\n").as_bytes()).await?;
    let Some(name) = line_of(&mut lines).await? else { return Ok(()) };

    let (inbox, mut outbox) = channel(UNREAD_LINES);
    let number = room.next.replace(room.next.get() + 1);
    room.clients.borrow_mut().insert(number, inbox);
    let _leave = Leave(room, number);
    let said = cluster::channel::<String>("said");
    say(room, &said, format!("* {name} is here\n")).await;

    let hear = async {
        while let Some(line) = outbox.recv().await {
            writer.write_all(line.as_bytes()).await?;
        }
        io::Result::Ok(())
    };
    let speak = async {
        while let Some(line) = line_of(&mut lines).await? {
            if line == "/who" {
                let stats = cluster::stats();
                let here = room.clients.borrow().len();
                let answer = format!("* {} are here, {here} of them at worker {slot}\n", stats.open());
                if let Some(client) = room.clients.borrow().get(&number) {
                    let _ = client.try_send(answer.into());
                }
            } else {
                say(room, &said, format!("{name}: {line}\n")).await;
            }
        }
        io::Result::Ok(())
    };
    let ended = runtime::select! {
        ended = speak => ended,
        ended = hear => ended,
        // Who is in a conversation has no last request: it is interrupted.
        () = cluster::stopping() => writer.write_all(b"* this worker stops; come back\n").await,
    };
    say(room, &said, format!("* {name} has left\n")).await;
    ended
}

/// Says it to everybody: here, and at the other workers.
async fn say(room: &Room, said: &Channel<String>, line: String) {
    room.tell(&line);
    // Refused only while the cluster ends.
    let _ = said.broadcast(&line).await;
}

/// The next line, without its end; `None` if there are no more, or it is no line of a conversation.
async fn line_of(lines: &mut (impl runtime::io::AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = runtime::io::AsyncReadExt::take(lines, MAX_LINE).read_until(b'\n', &mut line).await?;
    if read == 0 || line.pop() != Some(b'\n') {
        return Ok(None);
    }
    Ok(String::from_utf8(line).ok().map(|line| line.trim_end().to_owned()))
}

/// Takes a client out of the room, however it leaves.
struct Leave<'a>(&'a Room, u64);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.clients.borrow_mut().remove(&self.1);
    }
}
