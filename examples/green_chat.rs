//! Clients at a counter, and an operator who answers them at the keyboard: `tcp_chat` in blocking style, with a greenlet where
//! other programs have a thread.
//!
//! ```text
//! $ cargo run --example green_chat                  $ cargo run --example green_chat -- --connect
//! listening on 127.0.0.1:7000
//! * client 1 is here
//! * client 2 is here                                hello, you are client 2
//! client 2: what time is it?                        >>: what time is it?
//! noon
//!                                                   noon
//!                                                   >>:
//! ```
//!
//! Each client has a greenlet that reads, and so has the keyboard: who says nothing holds up nobody. What is typed goes to the
//! client who has waited longest for an answer, or, as in `2 noon`, to the one of that number. Since greenlets take turns on one
//! thread, and only where they wait, the list of clients needs a lock no more than it would in a program without threads.

use runtime::green::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    env,
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

const HELP: &str = "\
usage: green_chat [--connect] [ADDRESS]    a counter for many clients, or with --connect a client [127.0.0.1:7000]

The operator types answers. One that begins with the number of a client goes to that client, any other to the client who has
waited longest. Ctrl-D ends it.";

/// Who says more without a line break says nothing.
const MAX_LINE: u64 = 1024;
/// How long somebody who does not read keeps the operator from the next answer.
const PATIENCE: Duration = Duration::from_secs(1);

#[runtime::main]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve("127.0.0.1:7000"),
        ["--connect"] => chat("127.0.0.1:7000"),
        ["--connect", address] => chat(address),
        [address] if !address.starts_with('-') => serve(address),
        _ => {
            let _ = writeln!(io::stderr(), "{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "green_chat: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The operator's side, until nothing more is typed.
fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    say(&format!("listening on {}", listener.local_addr()?))?;
    let counter = Rc::new(Counter::default());
    thread::spawn({
        let counter = Rc::clone(&counter);
        move || {
            for stream in listener.incoming() {
                let (counter, stream) = (Rc::clone(&counter), stream?);
                thread::spawn(move || counter.attend(&stream));
            }
            io::Result::Ok(())
        }
    });
    for line in io::stdin().lines() {
        let line = line?;
        if !line.is_empty()
            && let Err(complaint) = counter.answer(&line)
        {
            say(&complaint)?;
        }
    }
    counter.say_goodbye();
    Ok(())
}

/// Who is here, and who waits for an answer.
#[derive(Default)]
struct Counter {
    last: Cell<u64>,
    clients: RefCell<BTreeMap<u64, TcpStream>>,
    asking: RefCell<VecDeque<u64>>,
}

impl Counter {
    /// One client, from hello to goodbye.
    fn attend(&self, stream: &TcpStream) -> io::Result<()> {
        let number = self.last.get() + 1;
        self.last.set(number);
        stream.set_write_timeout(Some(PATIENCE))?;
        self.clients.borrow_mut().insert(number, stream.try_clone()?);
        let _leave = Leave(self, number);

        say(&format!("* client {number} is here"))?;
        (&*stream).write_all(format!("hello, you are client {number}\n").as_bytes())?;
        let mut lines = BufReader::new(stream);
        while let Some(line) = line_of(&mut lines)? {
            say(&format!("client {number}: {line}"))?;
            self.asking.borrow_mut().push_back(number);
        }
        say(&format!("* client {number} has left"))
    }

    fn answer(&self, line: &str) -> Result<(), String> {
        let named = line.split_once(' ').and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        let (number, answer) = match named {
            Some(named) => named,
            None => (*self.asking.borrow().front().ok_or("* nobody waits for an answer")?, line),
        };
        // A clone, since nothing that is borrowed may be held while somebody reads slowly: the others go on meanwhile.
        let client = self.clients.borrow().get(&number).map(TcpStream::try_clone);
        let client = client.ok_or_else(|| format!("* there is no client {number}"))?;
        let told = client.and_then(|mut client| client.write_all(format!("{answer}\n").as_bytes()));
        told.map_err(|error| format!("* client {number} does not hear: {error}"))?;
        let mut asking = self.asking.borrow_mut();
        if let Some(place) = asking.iter().position(|asks| *asks == number) {
            asking.remove(place);
        }
        Ok(())
    }

    fn say_goodbye(&self) {
        for (_, mut client) in self.clients.take() {
            let _ = client.write_all(b"goodbye\n");
            let _ = client.shutdown(Shutdown::Both);
        }
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
fn chat(address: &str) -> io::Result<()> {
    let stream = TcpStream::connect(address)?;
    let hearing = stream.try_clone()?;
    let hear = thread::spawn(move || {
        let mut lines = BufReader::new(&hearing);
        while let Some(line) = line_of(&mut lines)? {
            io::stdout().write_all(format!("{line}\n>>: ").as_bytes())?;
        }
        say("\n* the operator has gone")
    });
    // Whoever types nothing does not keep the program from its end: the main greenlet waits for what is heard.
    thread::spawn(move || {
        for line in io::stdin().lines() {
            let line = line?;
            if line.is_empty() {
                io::stdout().write_all(b">>: ")?;
            } else {
                (&stream).write_all(format!("{line}\n").as_bytes())?;
            }
        }
        stream.shutdown(Shutdown::Write)
    });
    hear.join().unwrap_or_else(|_| Err(io::Error::other("what was heard could not be shown")))
}

/// The next line, without its end; `None` if there are no more, or it is no line of a conversation.
fn line_of(lines: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = lines.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if read == 0 || line.pop() != Some(b'\n') {
        return Ok(None);
    }
    Ok(String::from_utf8(line).ok().map(|line| line.trim_end().to_owned()))
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
