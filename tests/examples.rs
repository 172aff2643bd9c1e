//! The examples as a user meets them: programs of their own, with all kinds of strangers at the other end.
//!
//! Nothing here waits for time to pass: programs are followed by what they print and by how they end, each wait is
//! bounded, and whoever started a program ends it, also when a test fails.

#![expect(clippy::disallowed_methods, reason = "the strangers are ordinary threads, outside any runtime")]

use std::{
    collections::VecDeque,
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// The longest that anything may take on the slowest machine; only failures ever wait so long.
const LIMIT: Duration = Duration::from_secs(60);

/// A program under observation; dropped, it is killed.
struct Program {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// How a program ended.
#[derive(Debug)]
struct End {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Program {
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = lines_of(child.stdout.take().expect("it is piped"));
        let stderr = lines_of(child.stderr.take().expect("it is piped"));
        Ok(Self { child, stdout, stderr })
    }

    fn example(name: &str, arguments: &[&str]) -> Self {
        Self::start(Command::new(example(name)).args(arguments)).expect("the example starts")
    }

    /// An example that may have only so many descriptors.
    fn example_with_descriptors(descriptors: u32, name: &str, arguments: &[&str]) -> Self {
        let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
        Self::start(Command::new("sh").args(["-c", &script]).arg(example(name)).args(arguments))
            .expect("there is a shell")
    }

    /// The next line of its standard output.
    fn line(&self) -> String {
        self.stdout.recv_timeout(LIMIT).unwrap_or_else(|error| {
            panic!(
                "no line on standard output: {error}; on standard error: {:?}",
                self.stderr.try_iter().next()
            )
        })
    }

    /// Waits for its end.
    fn end(mut self) -> End {
        let stdout = rest_of(&self.stdout);
        let stderr = rest_of(&self.stderr);
        End { status: self.child.wait().expect("it is our child"), stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn rest_of(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(LIMIT) {
            Ok(line) => text += &(line + "\n"),
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("the program does not end; so far: {text}"),
        }
    }
}

/// Cargo builds the examples for `cargo test`, beside the folder in which this test lies.
fn example(name: &str) -> PathBuf {
    let this = env::current_exe().expect("this program has a path");
    let profile = this.parent().and_then(Path::parent).expect("it lies in target/<profile>/deps");
    let path = profile.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "there is no {}: `cargo build --examples` first", path.display());
    path
}

fn server(arguments: &[&str]) -> (Program, SocketAddr) {
    let arguments: Vec<_> = ["127.0.0.1:0"].iter().chain(arguments).copied().collect();
    let program = Program::example("echo_server", &arguments);
    let address = address_of(&program);
    (program, address)
}

fn address_of(server: &Program) -> SocketAddr {
    let line = server.line();
    let address = line.strip_prefix("listening on ").and_then(|address| address.parse().ok());
    address.unwrap_or_else(|| panic!("not an announcement: {line:?}"))
}

/// A load on the server at `address`.
fn client(address: SocketAddr, arguments: &[&str]) -> End {
    let address = address.to_string();
    let arguments: Vec<_> = arguments.iter().copied().chain([address.as_str()]).collect();
    Program::example("echo_client", &arguments).end()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Bytes without a short period, the same ones each time.
fn content(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[track_caller]
fn expect_echo(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("the server reads");
    let mut echo = vec![0; bytes.len()];
    stream.read_exact(&mut echo).expect("the server answers");
    assert!(echo == bytes, "{} bytes came back changed", bytes.len());
}

#[test]
fn hello_prints_its_transcript() {
    let end = Program::example("hello", &[]).end();
    let transcript = "\
Three guests set out.
Grace is here: 1 of 3.
Barbara is here: 2 of 3.
Ada is here: 3 of 3.
In the order of the invitations: Ada took 30 ms, Grace took 10 ms, Barbara took 20 ms.
";
    assert_eq!((end.stdout.as_str(), end.stderr.as_str()), (transcript, ""));
    assert!(end.status.success());
}

/// The transcript in the documentation of an example, without the line of the command.
fn documented_transcript(source: &str) -> String {
    let (_, block) = source.split_once("//! ```text\n").expect("there is a transcript");
    let (block, _) = block.split_once("//! ```\n").expect("it has an end");
    let lines = block.lines().map(|line| line.strip_prefix("//! ").expect("it is documentation"));
    lines.skip_while(|line| line.starts_with("$ ")).fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn lessons_print_the_transcripts_in_their_documentation() {
    let lessons = [
        ("counter", include_str!("../examples/counter.rs"), ""),
        // Its first dinner is a deadlock.
        ("dining", include_str!("../examples/dining.rs"), ""),
        ("semaphore_pool", include_str!("../examples/semaphore_pool.rs"), ""),
        ("event_gate", include_str!("../examples/event_gate.rs"), ""),
        ("condition_prompt", include_str!("../examples/condition_prompt.rs"), "2\n0\nsome\n4\nq\n"),
        ("producer_consumer", include_str!("../examples/producer_consumer.rs"), ""),
    ];
    for (name, source, input) in lessons {
        let mut lesson = Program::example(name, &[]);
        // Those that read nothing may have ended before they could be written to.
        let _ = lesson.child.stdin.take().expect("it is piped").write_all(input.as_bytes());
        let end = lesson.end();
        let transcript = documented_transcript(source);
        assert_eq!(end.stdout, transcript, "{name}");
        let report = if name == "dining" { "runtime: deadlock: these tasks wait for each other" } else { "" };
        assert!(
            end.stderr.starts_with(report) && end.stderr.is_empty() == report.is_empty(),
            "{name}: {end:?}"
        );
        assert!(end.status.success() && transcript.lines().count() >= 5, "{name}: {end:?}");
    }
}

#[test]
fn nobody_gets_through_the_door_before_a_key_is_typed_and_the_end_of_the_input_ends_it() {
    let mut prompt = Program::example("condition_prompt", &[]);
    let mut keys = prompt.child.stdin.take().expect("it is piped");
    assert_eq!(prompt.line(), "Ten are at the door. How many keys? (q: no more)");
    for typed in ["1\n", "3\n"] {
        keys.write_all(typed.as_bytes()).expect("it reads");
        assert_eq!(prompt.line(), "*****");
        for _ in 0..typed.trim().parse().unwrap() {
            assert!(prompt.line().starts_with("through the door: "));
        }
    }
    drop(keys);
    let end = prompt.end();
    assert_eq!((end.stdout.as_str(), end.stderr.as_str()), ("4 have gone through, 6 still wait\n", ""));
    assert!(end.status.success());
}

#[test]
fn clients_get_back_what_they_sent_each_its_own() {
    let (_server, address) = server(&[]);
    let clients: Vec<_> = (0..20).map(|_| connect(address)).collect();
    for round in 0..3 {
        for (number, client) in clients.iter().enumerate() {
            expect_echo(client, format!("client {number}, round {round}").as_bytes());
        }
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    expect_echo(&clients[0], &every_byte);
}

#[test]
fn pipelined_requests_come_back_in_order_however_they_were_cut() {
    let (_server, address) = server(&[]);
    let client = connect(address);
    let sent = content(500_000);
    let echo = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut echo = vec![0; sent.len()];
            (&client).read_exact(&mut echo).map(|()| echo)
        });
        let mut rest = sent.as_slice();
        for length in (1..).step_by(37) {
            let (part, next) = rest.split_at(rest.len().min(length));
            (&client).write_all(part).expect("the server reads");
            rest = next;
            if rest.is_empty() {
                break;
            }
        }
        reader.join().unwrap()
    });
    assert!(echo.expect("the server answers") == sent);
}

#[test]
fn a_client_that_ends_its_side_gets_the_rest_of_its_echo_and_then_the_end() {
    let (_server, address) = server(&[]);
    let client = connect(address);
    // No more than what both kernels' buffers hold, since nobody reads until all is sent.
    let sent = content(50_000);
    (&client).write_all(&sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut echo = Vec::new();
    (&client).read_to_end(&mut echo).expect("the server answers and closes");
    assert!(echo == sent);
}

/// A wait with a limit is not taken up again by the system when a signal has come.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[test]
fn a_client_that_resets_its_connection_harms_nobody_else() {
    let (mut server, address) = server(&[]);
    let bystander = connect(address);
    for _ in 0..20 {
        let rude = connect(address);
        (&rude).write_all(b"answer me").unwrap();
        // Closing while the answer lies unread is what makes TCP send a reset.
        assert_ne!(uninterrupted(|| rude.peek(&mut [0; 1])).expect("the server answers"), 0);
        drop(rude);
        expect_echo(&bystander, b"still there?");
    }
    expect_echo(&connect(address), b"and for newcomers?");
    assert!(server.child.try_wait().unwrap().is_none(), "the server has ended");
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody_else() {
    let (_server, address) = server(&[]);
    let slow = connect(address);
    let sent = content(32 << 20);
    thread::scope(|scope| {
        // Far more than all buffers on the way hold: it gets stuck until somebody reads.
        let writer = scope.spawn(|| (&slow).write_all(&sent));
        let quick = connect(address);
        for _ in 0..100 {
            expect_echo(&quick, b"quick");
        }
        let mut echo = vec![0; sent.len()];
        (&slow).read_exact(&mut echo).expect("the server goes on");
        assert!(echo == sent);
        writer.join().unwrap().expect("the server has read it all");
    });
}

#[test]
fn without_descriptors_clients_wait_and_the_operator_is_told() {
    let server = Program::example_with_descriptors(24, "echo_server", &["127.0.0.1:0"]);
    let address = address_of(&server);
    let mut clients: VecDeque<_> = (0..40).map(|_| connect(address)).collect();
    for mut client in &clients {
        client.write_all(b"?").unwrap();
    }
    let warning = server.stderr.recv_timeout(LIMIT).expect("a warning");
    assert!(warning.contains("no descriptor for another") && warning.contains("ulimit -n"), "{warning}");
    // The kernel keeps their order, so each is served once enough of those before it have left.
    while let Some(mut client) = clients.pop_front() {
        client.read_exact(&mut [0]).expect("a place has become free");
    }
    expect_echo(&connect(address), b"all is well again");
}

#[test]
fn statistics_count_connections_and_requests() {
    let (server, address) = server(&["--stats"]);
    let client = connect(address);
    expect_echo(&client, b"five!");
    let expect_line = |start: &str| {
        let found = (0..LIMIT.as_secs()).map(|_| server.line()).find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line begins with {start:?}"))
    };
    expect_line("open 1  total 1  requests 1  requests/s ");
    drop(client);
    let last = expect_line("open 0  total 1  requests 1  requests/s ");
    assert!(last.contains("  bytes/s "), "{last}");
}

#[test]
fn help_goes_to_standard_output_and_names_every_option() {
    let options: [(&str, &[&str]); 2] = [
        ("echo_server", &["--stats", "ADDRESS", "--help", "ulimit -n"]),
        ("echo_client", &["--connections", "--pipeline", "--size", "--duration", "ADDRESS", "--help"]),
    ];
    for (name, words) in options {
        for argument in ["--help", "-h"] {
            let end = Program::example(name, &[argument]).end();
            assert!(end.status.success() && end.stderr.is_empty(), "{end:?}");
            for word in words {
                assert!(
                    end.stdout.contains(word),
                    "{name} {argument} says nothing of {word}: {}",
                    end.stdout
                );
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_code_2() {
    let cases: [(&str, &[&str], &str); 14] = [
        ("echo_server", &["--frobnicate"], "no option `--frobnicate`"),
        ("echo_server", &["localhost"], "`localhost` is not an address"),
        ("echo_server", &[":7000"], "`:7000` is not an address"),
        ("echo_server", &["127.0.0.1:65536"], "`127.0.0.1:65536` is not an address"),
        ("echo_server", &["127.0.0.1:0", "127.0.0.1:0"], "one address is enough"),
        ("echo_client", &["-x"], "no option `-x`"),
        ("echo_client", &["localhost"], "`localhost` is not an address"),
        ("echo_client", &["127.0.0.1:1", "127.0.0.1:1"], "one address is enough"),
        ("echo_client", &["--connections"], "`--connections` needs a number"),
        ("echo_client", &["--connections", "0"], "`--connections 0`"),
        ("echo_client", &["--pipeline", "many"], "`--pipeline many`"),
        ("echo_client", &["--size", "-1"], "`--size -1`"),
        ("echo_client", &["--duration", "nan"], "`--duration nan`"),
        ("echo_client", &["--duration", "1e30"], "`--duration "),
    ];
    for (name, arguments, complaint) in cases {
        let end = Program::example(name, arguments).end();
        assert_eq!(end.status.code(), Some(2), "{name} {arguments:?}: {end:?}");
        assert!(end.stderr.contains(complaint) && end.stderr.contains("--help"), "{arguments:?}: {end:?}");
        assert_eq!(end.stdout, "", "{name} {arguments:?}");
    }
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let end = Program::example("echo_server", &[&address]).end();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    assert!(end.stderr.contains(&format!("cannot listen on {address}")), "{end:?}");
    assert_eq!(end.stdout, "", "it has announced nothing");
}

#[test]
fn the_client_is_content_with_the_server() {
    let (_server, address) = server(&[]);
    for (size, pipeline) in [(64, 4), (1, 1), (100_001, 2)] {
        let (size_text, pipeline_text) = (size.to_string(), pipeline.to_string());
        let end = client(address, &["-c", "100", "-p", &pipeline_text, "-s", &size_text, "-d", "0.2"]);
        assert!(end.status.success(), "{end:?}");
        let lines: Vec<_> = end.stdout.lines().collect();
        let [title, throughput, latency, verified] = lines[..] else { panic!("{end:?}") };
        let load = format!("{address}: 100 connections, {pipeline} in flight on each, {size} bytes, 0.2 s");
        assert_eq!(title, load);
        assert!(throughput.starts_with("throughput  ") && throughput.contains(" requests/s "), "{end:?}");
        for word in [" p50 ", " p90 ", " p99 ", " p99.9 ", " max "] {
            assert!(latency.contains(word), "{latency}");
        }
        let words: Vec<_> = verified.split_whitespace().collect();
        let [_, requests, _, bytes, _] = words[..] else { panic!("{verified}") };
        let (requests, bytes): (u64, u64) = (requests.parse().unwrap(), bytes.parse().unwrap());
        assert!(requests >= 100 * pipeline, "every connection has sent: {verified}");
        assert_eq!(bytes, requests * size);
    }
}

/// A client, one connection, at a server of our own making.
fn client_at(arguments: &[&str], serve: fn(TcpStream) -> io::Result<()>) -> End {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        // The client may leave in the middle of it.
        let _ = serve(listener.accept().expect("the client comes").0);
    });
    let arguments: Vec<_> = ["-c", "1", "-s", "64", "-d", "0.2"].iter().chain(arguments).copied().collect();
    client(address, &arguments)
}

#[track_caller]
fn expect_failure(end: &End, words: &str) {
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    assert!(end.stderr.contains(words), "{end:?}");
    assert_eq!(end.stdout, "", "there is nothing to report");
}

#[test]
fn the_client_finds_one_wrong_byte() {
    let end = client_at(&["-p", "4"], |mut stream| {
        let mut request = [0; 64];
        for message in 0.. {
            stream.read_exact(&mut request)?;
            if message == 2 {
                request[5] ^= 0x10;
            }
            stream.write_all(&request)?;
        }
        Ok(())
    });
    expect_failure(&end, "connection 0, message 2, byte 5: sent 0x");
}

#[test]
fn the_client_finds_an_answer_in_the_wrong_place() {
    let end = client_at(&["-p", "2"], |mut stream| {
        let mut requests = [[0; 64]; 2];
        for request in &mut requests {
            stream.read_exact(request)?;
        }
        stream.write_all(&requests[1])?;
        stream.write_all(&requests[0])?;
        stream.read_to_end(&mut Vec::new()).map(|_| ())
    });
    expect_failure(&end, "connection 0, message 0, byte ");
}

#[test]
fn the_client_finds_bytes_that_it_never_sent() {
    let end = client_at(&[], |mut stream| {
        let mut request = [0; 64];
        while uninterrupted(|| stream.read(&mut request[..1]))? == 1 {
            stream.read_exact(&mut request[1..])?;
            stream.write_all(&request)?;
        }
        // At the very end, when nothing is in flight any more.
        stream.write_all(b"P.S.")
    });
    expect_failure(&end, "connection 0: all had come back, and then 4 bytes more");
}

#[test]
fn the_client_finds_a_connection_that_ends_early() {
    let end = client_at(&[], |mut stream| stream.read_exact(&mut [0; 64]));
    expect_failure(&end, "connection 0: the server closed it while 64 bytes were to come back");
}

#[test]
fn the_client_says_that_a_server_is_not_there() {
    // The port of a connection, on which nobody listens, and which nobody else gets while the connection lives.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let address = stream.local_addr().unwrap();
    let end = client(address, &["-c", "3"]);
    expect_failure(&end, &format!("cannot connect to {address}: "));
}

#[test]
fn the_client_says_that_it_needs_more_descriptors() {
    let (_server, address) = server(&[]);
    let arguments = ["-c", "100", &address.to_string()];
    let end = Program::example_with_descriptors(24, "echo_client", &arguments).end();
    expect_failure(&end, "`ulimit -n` before the start raises the limit");
}

/// Starts somebody else's program, if this machine has it.
fn stranger(command: &mut Command) -> Option<Program> {
    match Program::start(command) {
        Ok(program) => Some(program),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Not `eprintln!`, which the harness hides when a test passes.
            let program = command.get_program().display().to_string();
            let _ = writeln!(io::stderr(), "SKIPPED: there is no {program} on this machine");
            None
        }
        Err(error) => panic!("{command:?}: {error}"),
    }
}

#[test]
fn fifty_asyncio_connections_get_their_echo() {
    const SCRIPT: &str = r#"
import asyncio, sys

async def client(number):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    for length in (1, 1000, 100000):
        sent = bytes((i * i + number) % 251 for i in range(length))
        writer.write(sent)
        await writer.drain()
        assert await reader.readexactly(length) == sent
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()

async def main():
    await asyncio.wait_for(asyncio.gather(*map(client, range(50))), 50)
    print("all came back")

asyncio.run(main())
"#;
    let (_server, address) = server(&[]);
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT, &address.port().to_string()]);
    let Some(python) = stranger(&mut python) else { return };
    let end = python.end();
    assert!(end.status.success() && end.stdout == "all came back\n", "{end:?}");
}

#[test]
fn netcat_gets_its_echo() {
    let (_server, address) = server(&[]);
    let mut netcat = Command::new("nc");
    netcat.args(["127.0.0.1", &address.port().to_string()]);
    let Some(mut netcat) = stranger(&mut netcat) else { return };
    for line in ["hello from nc", "", "and once more"] {
        let stdin = netcat.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").unwrap();
        assert_eq!(netcat.line(), line);
    }
}

/// A client of the chat, by name, and the worker that it got.
fn chatter(address: SocketAddr, name: &str) -> (BufReader<TcpStream>, String) {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut welcome = String::new();
    stream.read_line(&mut welcome).unwrap();
    writeln!(stream.get_mut(), "{name}").unwrap();
    let worker = welcome.split(':').next().unwrap_or_default().to_owned();
    (stream, worker)
}

/// Reads until that line comes.
#[track_caller]
fn hear(client: &mut BufReader<TcpStream>, expected: &str) {
    let mut line = String::new();
    while client.read_line(&mut line).expect("the line comes in time") > 0 {
        if line.trim_end() == expected {
            return;
        }
        line.clear();
    }
    panic!("the conversation is over before anybody says {expected:?}");
}

#[test]
fn who_chats_hears_the_clients_of_all_workers() {
    let mut program = Program::example("cluster_chat", &["--workers", "2", "127.0.0.1:0"]);
    let address = address_of(&program);
    assert_eq!(address_of(&program), address, "all workers listen at the same place");

    let (mut ann, home) = chatter(address, "ann");
    hear(&mut ann, "* ann is here");
    // Both workers have clients soon; the kernel decides who gets whom.
    let mut others = Vec::new();
    let mut bob = loop {
        assert!(others.len() < 1000, "all clients are {home}'s");
        let (bob, worker) = chatter(address, "bob");
        if worker != home {
            break bob;
        }
        others.push(bob);
    };
    hear(&mut bob, "* bob is here");
    writeln!(ann.get_mut(), "hello over there").unwrap();
    hear(&mut bob, "ann: hello over there");
    writeln!(bob.get_mut(), "hello back").unwrap();
    hear(&mut ann, "bob: hello back");
    for other in &mut others {
        hear(other, "bob: hello back");
    }

    program.child.kill().expect("it runs");
    hear(&mut ann, "* this worker stops; come back");
    hear(&mut bob, "* this worker stops; come back");
}

#[test]
fn a_cluster_echoes_with_every_kind_of_worker() {
    for arguments in [&["--workers", "2"][..], &["--threads", "--workers", "2"], &["--reuseport", "--pin"]] {
        let arguments: Vec<_> = ["127.0.0.1:0"].iter().chain(arguments).copied().collect();
        let program = Program::example("cluster_echo", &arguments);
        let line = program.line();
        let address = line.rsplit(' ').next().and_then(|address| address.parse().ok());
        let end = client(address.expect("it says where it listens"), &["-c", "20", "-d", "0.2"]);
        assert!(end.status.success(), "{arguments:?}: {end:?}");
    }
}

/// A client's question, by the time of the question.
fn time_question(asked: [u8; 8]) -> [u8; 48] {
    let mut packet = [0; 48];
    packet[0] = 4 << 3 | 3;
    packet[40..].copy_from_slice(&asked);
    packet
}

/// The next datagram, and who has sent it; the standard library does not repeat a call that a signal has interrupted.
fn receive(socket: &UdpSocket, packet: &mut [u8]) -> (usize, SocketAddr) {
    loop {
        match socket.recv_from(packet) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            received => return received.expect("a datagram"),
        }
    }
}

fn udp_socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

#[test]
fn who_asks_for_the_time_is_answered_and_what_is_no_question_is_not() {
    let server = Program::example("udp_time", &["serve", "127.0.0.1:0"]);
    let line = server.line();
    let address = line.strip_prefix("serving the time on ").expect("an announcement");
    let client = udp_socket();
    client.connect(address).expect("an address");
    let mut from_a_server = time_question([1; 8]);
    from_a_server[0] = 4 << 3 | 4;
    for garbage in [&b""[..], b"time, please", &time_question([2; 8])[..47], &from_a_server] {
        client.send(garbage).expect("it is sent");
    }
    client.send(&time_question([9; 8])).expect("it is sent");
    let mut answer = [0; 1024];
    // The first answer that comes is that to the last question: the others got none.
    assert_eq!(receive(&client, &mut answer).0, 48);
    assert_eq!((answer[0] & 7, &answer[24..32]), (4, &[9; 8][..]));
    assert!(answer[32..40] <= answer[40..48], "received after it was sent: {answer:?}");
}

#[test]
fn the_time_is_asked_for_again_and_an_answer_to_nobody_is_not_believed() {
    let server = udp_socket();
    let client = Program::example("udp_time", &["ask", &server.local_addr().unwrap().to_string()]);
    let mut packet = [0; 1024];
    // The first question, or its answer, is lost.
    uninterrupted(|| server.recv_from(&mut packet)).expect("a question");
    let (length, from) = uninterrupted(|| server.recv_from(&mut packet)).expect("the same again");
    assert_eq!((length, packet[0] & 7), (48, 3));
    let asked = u64::from_be_bytes(packet[40..48].try_into().unwrap());
    let hour = 3_600_u64 << 32;
    let answer = |originate: u64, at: u64| {
        let mut packet = time_question(at.to_be_bytes());
        packet[0] = 4 << 3 | 4;
        packet[24..32].copy_from_slice(&originate.to_be_bytes());
        packet[32..40].copy_from_slice(&at.to_be_bytes());
        packet
    };
    server.send_to(&answer(asked ^ 1, asked + 5 * hour), from).expect("it is sent");
    server.send_to(&answer(asked, asked + hour), from).expect("it is sent");
    let end = client.end();
    assert_eq!(end.stderr, "question 1: no answer\n");
    // An hour, less half of what the answer took.
    assert!(
        end.stdout.starts_with("their clock is 3599.") || end.stdout.starts_with("their clock is 3600."),
        "{end:?}"
    );
    assert!(end.status.success());
}

#[test]
fn where_nobody_tells_the_time_the_client_says_so() {
    let nobody = udp_socket().local_addr().unwrap().to_string();
    let end = Program::example("udp_time", &["ask", &nobody]).end();
    assert_eq!(end.status.code(), Some(1));
    assert!(end.stderr.contains("refused"), "{end:?}");
    assert!(end.stderr.ends_with(&format!("nobody tells the time at {nobody}\n")), "{end:?}");
}

#[test]
fn processes_count_the_primes_that_one_counts() {
    let end = Program::example("primes", &["10000", "3"]).end();
    assert!(end.status.success(), "{end:?}");
    assert_eq!(end.stderr, "");
    let lines: Vec<_> = end.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{end:?}");
    assert!(lines[0].starts_with("alone: 1229 primes below 10000, in "), "{end:?}");
    let found = |line: &str| line.split(' ').nth(3).unwrap().parse::<u32>().unwrap();
    assert_eq!(lines[1..4].iter().map(|line| found(line)).sum::<u32>(), 1229);
    assert!(lines[4].starts_with("3 processes: 1229 primes below 10000, in "), "{end:?}");
    assert_eq!(Program::example("primes", &["many"]).end().status.code(), Some(1));
}

#[test]
fn processes_tell_who_they_are_and_how_they_fail() {
    let program = Program::example("processes", &[]);
    let main = program.child.id();
    let end = program.end();
    assert!(end.status.success(), "{end:?}");
    let lines: Vec<_> = end.stdout.lines().collect();
    assert_eq!(lines[0], format!("MainProcess ({main}) counts to 101"));
    assert!(lines[1].starts_with("Process-1 ("), "{end:?}");
    assert!(lines[1].ends_with(&format!(", child of {main}) counts to 101")), "{end:?}");
    assert_eq!(lines[2], format!("MainProcess ({main}) still has 101"));
    assert_eq!(lines[3..5], ["Process-2 has heard: how are you?", "MainProcess has heard: fine"]);
    assert!(lines[5].starts_with("no result: the process panicked at examples/processes.rs:"), "{end:?}");
    assert!(lines[5].ends_with(": there is no number 7"), "{end:?}");
    assert!(lines[6].ends_with(" was killed by signal 15 (SIGTERM): somebody wanted it to end"), "{end:?}");
    assert_eq!(lines[7..], ["main has ended", "nobody has joined Process-6, and it is waited for"]);
}

#[test]
fn commands_run_at_once_and_their_lines_say_whose_they_are() {
    let commands = ["echo one; echo two >&2", "printf 'no end of line'; exit 3", "kill -KILL $$"];
    let end = Program::example("subprocess", &commands).end();
    let mut lines: Vec<_> = end.stdout.lines().collect();
    lines.sort_unstable();
    let expected = [
        "1 has ended: exit status: 0",
        "1: one",
        "1: two",
        "2 has ended: exit status: 3",
        "2: no end of line",
        "3 has ended: signal: 9 (SIGKILL)",
    ];
    assert_eq!(lines, expected, "{}", end.stderr);
    assert_eq!(end.status.code(), Some(1));
    assert_eq!(Program::example("subprocess", &["true", "exit 0"]).end().status.code(), Some(0));
    assert_eq!(Program::example("subprocess", &[]).end().status.code(), Some(2));
}

#[test]
fn commands_are_asked_to_end_and_killed_with_all_they_have_started_if_they_do_not() {
    // A deaf one with a child that holds its pipe, one that says goodbye, and one that is simply ended.
    let commands = [
        "trap '' TERM; echo ready; sleep 600 & wait; sleep 600",
        // Shells say `Terminated` of a `sleep` that the signal finds.
        "exec 2>/dev/null; trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done",
        "echo ready; exec sleep 600",
    ];
    let program = Program::example("subprocess", &[&["--grace-ms", "300"], &commands[..]].concat());
    let mut ready: Vec<_> = (0..3).map(|_| program.line()).collect();
    ready.sort_unstable();
    assert_eq!(ready, ["1: ready", "2: ready", "3: ready"]);
    let pid = program.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("there is `kill`").success());
    let end = program.end();
    let mut lines: Vec<_> = end.stdout.lines().collect();
    assert_eq!(
        lines.pop(),
        Some("1 has ended: signal: 9 (SIGKILL)"),
        "it was given the time: {}",
        end.stdout
    );
    lines.sort_unstable();
    assert_eq!(lines, ["2 has ended: exit status: 5", "2: bye", "3 has ended: signal: 15 (SIGTERM)"]);
    assert_eq!(end.status.code(), Some(1));
}

/// A folder of a story's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("examples-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("there is room for temporary files");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn checksums_come_in_the_order_of_the_arguments() {
    let folder = Folder::new("cksum");
    let (empty, hello, missing) = (folder.path("empty"), folder.path("hello"), folder.path("missing"));
    std::fs::write(&empty, "").unwrap();
    std::fs::write(&hello, "hello\n").unwrap();
    let path = |path: &Path| path.to_str().expect("our names are UTF-8").to_owned();
    let [empty, hello, missing] = [empty, hello, missing].map(|file| path(&file));
    // What POSIX's `cksum` says of them.
    let lines = [format!("4294967295 0 {empty}"), format!("3015617425 6 {hello}")];

    let twenty: Vec<&str> = [&*empty, &*hello].into_iter().cycle().take(20).collect();
    let arguments = [&["--threads", "2"], twenty.as_slice()].concat();
    let end = Program::example("progress", &arguments).end();
    assert!(end.status.success(), "{end:?}");
    assert!(end.stdout.lines().eq(lines.iter().cycle().take(20)), "{end:?}");
    assert_eq!(end.stderr, "", "no bar where nobody sees it");

    let end = Program::example("progress", &[&empty, &missing, &hello]).end();
    assert_eq!(end.status.code(), Some(1));
    assert!(end.stdout.lines().eq(&lines), "{end:?}");
    assert!(end.stderr.starts_with(&format!("progress: {missing}: ")), "{end:?}");

    for wrong in [&[] as &[&str], &["--threads", "0", &empty], &["--threads"], &["--verbose"]] {
        let end = Program::example("progress", wrong).end();
        assert_eq!((end.status.code(), end.stderr.lines().count()), (Some(2), 1), "{end:?}");
    }
}

fn file_copy(from: &Path, to: &Path) -> Program {
    let command = |path: &Path| path.to_str().expect("our names are UTF-8").to_owned();
    Program::example("file_copy", &[&command(from), &command(to)])
}

#[test]
fn a_folder_is_copied_with_everything_in_it() {
    let folder = Folder::new("copy");
    let (from, to) = (folder.path("from"), folder.path("to"));
    std::fs::create_dir_all(from.join("a/b")).unwrap();
    let large = content(1_000_000);
    for number in 0..20 {
        std::fs::write(from.join(format!("a/{number}")), &large[..number * 10]).unwrap();
    }
    std::fs::write(from.join("a/b/large"), &large).unwrap();
    std::os::unix::fs::symlink("large", from.join("a/b/link")).unwrap();
    let end = file_copy(&from, &to).end();
    assert!(end.status.success(), "{end:?}");
    assert_eq!(end.stdout.lines().last(), Some("21 files, 3 folders, 1001900 bytes"), "{end:?}");
    for number in 0..20 {
        assert_eq!(std::fs::read(to.join(format!("a/{number}"))).unwrap(), large[..number * 10]);
    }
    assert!(std::fs::read(to.join("a/b/link")).unwrap() == large, "the link leads to the copy");
    assert_eq!(std::fs::read_dir(to.join("a/b")).unwrap().count(), 2, "and nothing half done is left");
}

#[test]
fn what_cannot_be_copied_is_named() {
    let folder = Folder::new("copy-errors");
    let end = file_copy(&folder.path("missing"), &folder.path("to")).end();
    assert_eq!(end.status.code(), Some(1));
    assert!(end.stderr.contains("missing: No such file or directory"), "{end:?}");

    std::fs::create_dir(folder.path("sub")).unwrap();
    std::fs::write(folder.path("sub/file"), "x").unwrap();
    let end = file_copy(&folder.path("sub"), &folder.path("sub/copy")).end();
    assert_eq!(end.status.code(), Some(1));
    assert!(end.stderr.contains(" lies in "), "{end:?}");
}

/// What Ctrl-C does.
fn interrupt(program: &Program) {
    let kill = format!("kill -INT {}", program.child.id());
    let status = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
    assert!(status.success());
}

/// A file with a hole of some seconds is being copied when Ctrl-C comes.
#[test]
fn a_copy_that_is_interrupted_leaves_nothing_half_done() {
    let folder = Folder::new("copy-interrupted");
    let from = folder.path("from");
    std::fs::File::create(&from).unwrap().set_len(8 << 30).unwrap();
    let program = file_copy(&from, &folder.path("to"));
    assert_eq!(program.line(), format!("copying {}", from.display()));
    interrupt(&program);
    let end = program.end();
    assert_eq!(end.status.code(), Some(130), "{end:?}");
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 1, "only what was there before");
}

/// A client of `graceful_shutdown` whose order is being carried out.
fn order(address: SocketAddr, seconds: u8) -> BufReader<TcpStream> {
    let mut client = BufReader::new(connect(address));
    client.get_mut().write_all(&[b'0' + seconds]).expect("the server reads");
    let mut line = String::new();
    client.read_line(&mut line).expect("the server answers");
    assert_eq!(line, format!("working for {seconds} s\n"));
    client
}

fn send_signal(program: &Program, name: &str) {
    let status = Command::new("kill").args([name, &program.child.id().to_string()]).status();
    assert!(status.expect("there is a kill").success());
}

fn rest_of_stream(mut client: impl Read) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).expect("it is closed in order");
    text
}

#[test]
fn a_server_that_is_told_to_stop_lets_who_is_served_finish_and_names_who_is_cut() {
    let server = Program::example("graceful_shutdown", &["127.0.0.1:0", "600"]);
    let address = address_of(&server);
    let (idle, busy, stuck) = (connect(address), order(address, 1), order(address, 9));
    let name = stuck.get_ref().local_addr().unwrap();
    send_signal(&server, "-TERM");
    assert!(server.line().ends_with("with 600 s to finish"));
    // Who waits for nothing is let go at once, who waits for an answer when he has it.
    assert_eq!(rest_of_stream(idle), "");
    assert_eq!(rest_of_stream(busy), "done\n");
    // Ten minutes are too long for somebody at the keyboard.
    send_signal(&server, "-INT");
    assert_eq!(rest_of_stream(stuck), "");
    let end = server.end();
    assert!(end.stdout.starts_with("2 connections finished, 1 were cut\n  client "), "{end:?}");
    assert!(end.stdout.contains(&format!("  client {name}, connected for ")), "{end:?}");
    assert_eq!((end.status.code(), end.stderr.as_str()), (Some(1), ""));
}

#[test]
fn a_server_whose_clients_are_all_done_stops_without_waiting() {
    let server = Program::example("graceful_shutdown", &["127.0.0.1:0", "600"]);
    let address = address_of(&server);
    let mut client = order(address, 0);
    let mut line = String::new();
    client.read_line(&mut line).expect("the server answers");
    assert_eq!(line, "done\n");
    drop(client);
    send_signal(&server, "-TERM");
    let end = server.end();
    assert!(end.stdout.ends_with(" connections finished, 0 were cut\n"), "{end:?}");
    assert!(end.status.success());
    assert!(TcpStream::connect(address).is_err(), "nobody gets in");
}

#[test]
fn an_echo_server_for_std_with_other_use_lines_serves_all_its_clients_at_once() {
    let server = Program::example("green_echo", &["127.0.0.1:0"]);
    let address = address_of(&server);
    let clients: Vec<_> = (0..50).map(|_| connect(address)).collect();
    // Each has its greenlet before the first says anything.
    for client in clients.iter().rev() {
        expect_echo(client, &content(1000));
    }
    for client in &clients {
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!((&mut &*client).read(&mut [0]).unwrap(), 0, "its end is answered with ours");
    }
}

/// A page's request, which ends with an empty line.
fn request(stream: TcpStream) -> (BufReader<TcpStream>, String) {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).expect("there is a request");
    let mut line = String::new();
    while line.trim_end() != "" || line.is_empty() {
        line.clear();
        stream.read_line(&mut line).expect("it has an end");
    }
    (stream, first)
}

fn answer(mut stream: BufReader<TcpStream>, page: &str) {
    let stream = stream.get_mut();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}", page.len())
        .expect("the client reads");
}

#[test]
fn pages_are_fetched_at_once_by_a_client_that_knows_nothing_of_greenlets() {
    const PAGES: usize = 5;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let urls: Vec<_> = (0..PAGES).map(|page| format!("http://{address}/{page}")).collect();
    let program = Program::example("green_fetch", &urls.iter().map(String::as_str).collect::<Vec<_>>());
    // Nobody gets anything before all have asked, and the last one who has asked gets it first.
    let mut asked: Vec<_> = listener.incoming().take(PAGES).map(|stream| request(stream.unwrap())).collect();
    let mut expected = Vec::new();
    while let Some((stream, line)) = asked.pop() {
        let path = line.split(' ').nth(1).unwrap().to_owned();
        answer(stream, &path);
        let line = program.line();
        assert_eq!(line, format!("http://{address}{path}: 200, {} bytes", path.len()));
        expected.push(path);
    }
    expected.sort();
    assert_eq!(expected, ["/0", "/1", "/2", "/3", "/4"]);
    let end = program.end();
    assert!(end.stdout.starts_with("5 pages in ") && end.status.success(), "{end:?}");
}

#[test]
fn pages_are_fetched_one_by_one_if_asked_to_or_with_sockets_that_block() {
    for option in ["--serial", "--unpatched"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let urls = ["one", "two", "six"].map(|page| format!("http://{address}/{page}"));
        let program = Program::example("green_fetch", &[option, &urls[0], &urls[1], &urls[2]]);
        for url in &urls {
            let (stream, line) = request(listener.accept().unwrap().0);
            assert!(line.starts_with(&format!("GET /{}", &url[url.len() - 3..])), "{option}: {line}");
            listener.set_nonblocking(true).unwrap();
            assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "{option}");
            listener.set_nonblocking(false).unwrap();
            answer(stream, "page");
            assert_eq!(program.line(), format!("{url}: 200, 4 bytes"));
        }
        assert!(program.end().status.success());
    }
}

#[test]
fn a_page_that_does_not_come_is_an_error_and_the_others_come() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = format!("http://{}/page", listener.local_addr().unwrap());
    let program = Program::example("green_fetch", &[&format!("http://{nobody}/gone"), &there]);
    answer(request(listener.accept().unwrap().0).0, "page");
    let end = program.end();
    assert!(end.stdout.starts_with(&format!("{there}: 200, 4 bytes\n2 pages in ")), "{end:?}");
    assert!(end.stderr.starts_with(&format!("http://{nobody}/gone: ")), "{end:?}");
    assert_eq!(end.status.code(), Some(1));
}

/// A site on which each page says which one it is, and one is missing.
fn site() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // All of it is read: what is left when this is closed would destroy the answer.
            let (mut stream, line) = request(stream.unwrap());
            let path = line.split(' ').nth(1).unwrap();
            let status = if path == "/missing" { "404 Not Found" } else { "200 OK" };
            let _ = write!(stream.get_mut(), "HTTP/1.0 {status}\r\nServer: a test\r\n\r\nthis is {path}");
        }
    });
    address
}

/// The crawler in each of its ways, with the file that it writes and pages of a site.
const WAYS: [&[&str]; 4] = [&["--processes", "3"], &["--threads", "3"], &["--tasks", "3"], &["--serial"]];

fn crawler(options: &[&str], output: &Path, urls: &[String]) -> Program {
    let mut arguments = options.to_vec();
    arguments.extend(["--output", output.to_str().unwrap()]);
    arguments.extend(urls.iter().map(String::as_str));
    Program::example("crawler", &arguments)
}

#[test]
fn crawler_writes_down_in_the_parent_what_others_fetch() {
    let (folder, site) = (Folder::new("crawler"), site());
    let output = folder.path("db.txt");
    let paths = ["/python", "/openstack", "/rust", "/missing", "/baidu"];
    let urls = paths.map(|path| format!("http://{site}{path}"));
    for way in WAYS {
        let program = crawler(way, &output, &urls);
        let parent = format!("process {}", program.child.id());
        let end = program.end();
        assert!(end.status.success(), "{end:?}");
        let mut lines: Vec<_> = end.stdout.lines().collect();
        let last = lines.pop().unwrap();
        assert!(last.starts_with("5 pages in "), "{end:?}");
        assert!(last.ends_with(&format!(" ms, written down by {parent} (main)")), "{end:?}");
        for line in &lines {
            let (who, what) = line.split_once("): ").unwrap();
            let (process, thread) = who.split_once(" (").unwrap();
            assert_eq!(process != parent, way[0] == "--processes", "{end:?}");
            assert_eq!(thread.starts_with("crawler"), way[0] == "--threads", "{end:?}");
            let status = if what.ends_with("/missing") { "404 " } else { "200 " };
            assert!(what.starts_with(status), "{end:?}");
        }
        let mut fetched: Vec<_> = lines.iter().map(|line| line.rsplit('/').next().unwrap()).collect();
        let written = std::fs::read_to_string(&output).unwrap();
        let in_this_order = written.lines().map(|line| line.split(['/', '>']).nth(3).unwrap());
        assert!(in_this_order.eq(fetched.iter().copied()), "{end:?}, {written}");
        fetched.sort_unstable();
        assert_eq!(fetched, ["baidu", "missing", "openstack", "python", "rust"]);
        let size = |path: &str| "this is ".len() + path.len();
        for (url, path) in urls.iter().zip(paths) {
            assert!(written.contains(&format!("url:<{url}> size:[{}]\n", size(path))), "{written}");
        }
    }
}

#[test]
fn crawler_goes_on_after_a_page_that_does_not_come() {
    let (folder, site) = (Folder::new("crawler-gone"), site());
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [format!("http://{gone}/"), format!("http://{site}/page"), "gopher://hole".to_owned()];
    for way in WAYS {
        let end = crawler(way, &folder.path("db.txt"), &urls).end();
        assert_eq!(end.status.code(), Some(1), "{end:?}");
        assert_eq!(end.stdout.lines().count(), 2, "the other is fetched: {end:?}");
        assert!(end.stderr.contains(&format!("crawler: {}: ", urls[0])), "{end:?}");
        assert!(end.stderr.contains("crawler: gopher://hole: it does not begin with http://\n"), "{end:?}");
    }
    for wrong in [&["--threads", "0"] as &[&str], &["--tasks"], &["--serial", "--verbose"]] {
        let end = Program::example("crawler", wrong).end();
        assert_eq!((end.status.code(), end.stderr.lines().count()), (Some(2), 2), "{end:?}");
    }
}

#[test]
fn crawler_fetches_three_pages_at_once_and_no_more() {
    let folder = Folder::new("crawler-at-once");
    for (way, in_order) in WAYS[..3].iter().flat_map(|way| [(way, false), (way, true)]) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let urls: Vec<_> = (0..4).map(|page| format!("http://{address}/{page}")).collect();
        let mut options = way.to_vec();
        options.extend(in_order.then_some("--in-order"));
        let program = crawler(&options, &folder.path("db.txt"), &urls);
        // Nobody gets a page before three have asked, and who asked last gets it first: then the fourth asks.
        let mut asked: Vec<_> = listener.incoming().take(3).map(|stream| request(stream.unwrap())).collect();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "{options:?}");
        listener.set_nonblocking(false).unwrap();
        let mut answered = Vec::new();
        let mut answer_one = |(stream, line): (BufReader<TcpStream>, String)| {
            let path = line.split(' ').nth(1).unwrap().to_owned();
            answer(stream, &path);
            answered.push(path);
            if !in_order {
                let line = program.line();
                assert!(line.ends_with(&format!(": 200 http://{address}{}", answered.last().unwrap())));
            }
        };
        answer_one(asked.pop().unwrap());
        asked.push(request(listener.accept().unwrap().0));
        while let Some(one) = asked.pop() {
            answer_one(one);
        }
        let end = program.end();
        assert!(end.status.success(), "{end:?}");
        if in_order {
            let pages = end.stdout.lines().take(4).map(|line| line.rsplit(' ').next().unwrap());
            assert!(pages.eq(&urls), "{end:?}");
        }
    }
}

#[test]
fn crawler_fetches_one_page_after_the_other_if_asked_to() {
    let folder = Folder::new("crawler-serial");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let urls: Vec<_> = (0..4).map(|page| format!("http://{address}/{page}")).collect();
    let program = crawler(&["--serial"], &folder.path("db.txt"), &urls);
    for url in &urls {
        let (stream, line) = request(listener.accept().unwrap().0);
        assert!(line.starts_with(&format!("GET /{} ", &url[url.len() - 1..])), "{line}");
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        answer(stream, "page");
        assert!(program.line().ends_with(&format!(": 200 {url}")));
    }
    assert!(program.end().status.success());
}

/// Its own pages come late: as late as all of them together, or as the last one.
#[test]
fn crawler_has_pages_of_its_own() {
    let folder = Folder::new("crawler-fixture");
    let millis = |options: &[&str], in_order: bool| {
        let end = crawler(options, &folder.path("db.txt"), &[]).end();
        assert!(end.status.success() && end.stderr.is_empty(), "no bar where nobody sees it: {end:?}");
        let came: Vec<_> = end.stdout.lines().take(3).map(|line| line.rsplit('/').next().unwrap()).collect();
        assert!(!in_order || came == ["300ms", "200ms", "100ms"], "{end:?}");
        let last = end.stdout.lines().last().unwrap();
        last.split(' ').nth(3).and_then(|millis| millis.parse::<u32>().ok()).unwrap()
    };
    assert!(millis(&["--serial"], true) >= 600);
    assert!(millis(&["--threads", "3", "--in-order"], true) >= 300);
    // And not much more, which on a loaded machine nobody can promise.
    assert!(millis(&["--tasks", "3", "--progress"], false) >= 300);
}
