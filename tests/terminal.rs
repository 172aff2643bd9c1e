//! Examples that are used at a terminal, used at one: somebody types, and looks at what appears.
//!
//! As in `examples.rs`, nothing here waits for time to pass, and whoever started a program ends it.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "who types and looks is an ordinary thread, outside any runtime"
)]

use nix::{
    pty::openpty,
    sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr},
};
use std::{
    cell::RefCell,
    env,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// The longest that anything may take on the slowest machine; only failures ever wait so long.
const LIMIT: Duration = Duration::from_secs(60);

/// A program at a terminal, and who sits there; dropped, it is killed.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    /// What has appeared, and nobody has looked for yet.
    unseen: RefCell<String>,
}

impl Terminal {
    fn start(example: &str, arguments: &[&str]) -> Self {
        let this = env::current_exe().expect("this program has a path");
        let profile = this.parent().and_then(Path::parent).expect("it lies in target/<profile>/deps");
        let program = profile.join("examples").join(example);
        assert!(program.is_file(), "there is no {}: `cargo build --examples` first", program.display());

        let ends = openpty(None, None).expect("a terminal");
        // What is typed does not appear, and what appears is what was written.
        let mut settings = tcgetattr(&ends.slave).unwrap();
        settings.local_flags.remove(LocalFlags::ECHO);
        settings.output_flags.remove(OutputFlags::OPOST);
        tcsetattr(&ends.slave, SetArg::TCSANOW, &settings).unwrap();
        let side = || ends.slave.try_clone().unwrap();
        let child = Command::new(program)
            .args(arguments)
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("the example starts");

        let keyboard = File::from(ends.master);
        let mut looking = keyboard.try_clone().unwrap();
        let (appears, screen) = channel();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // It fails when nobody has the other side any more.
            loop {
                match looking.read(&mut piece) {
                    Ok(n @ 1..) if appears.send(piece[..n].to_vec()).is_ok() => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    _ => return,
                }
            }
        });
        Self { child, keyboard, screen, unseen: RefCell::default() }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until that appears; gives what appeared before it.
    #[track_caller]
    fn sees(&self, expected: &str) -> String {
        let mut unseen = self.unseen.borrow_mut();
        loop {
            if let Some(place) = unseen.find(expected) {
                let before = unseen[..place].to_owned();
                *unseen = unseen.split_off(place + expected.len());
                return before;
            }
            match self.screen.recv_timeout(LIMIT) {
                Ok(piece) => unseen.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("{expected:?} does not appear ({error}), but {unseen:?}"),
            }
        }
    }

    /// Waits for its end; gives what appeared last.
    fn end(&mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end; unseen: {:?}", self.unseen);
            while let Ok(piece) = self.screen.recv_timeout(Duration::from_millis(1)) {
                self.unseen.borrow_mut().push_str(&String::from_utf8_lossy(&piece));
            }
        };
        while let Ok(piece) = self.screen.recv_timeout(LIMIT) {
            self.unseen.borrow_mut().push_str(&String::from_utf8_lossy(&piece));
        }
        (status, self.unseen.take())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("runtime-terminal-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn editor(file: &Path) -> Terminal {
    Terminal::start("editor", &["--autosave", "1", file.to_str().unwrap()])
}

#[test]
fn the_editor_saves_while_a_line_is_being_typed() {
    let folder = Folder::new("saves");
    let file = folder.0.join("notes");
    let mut editor = editor(&file);
    editor.sees("0 lines, saved\n> ");
    editor.types("hello\nwor");
    editor.sees("  1  hello\n> ");
    // Saved in the middle of the second line, and only the first row says so.
    let before = editor.sees("1 line, saved\x1b8");
    assert!(before.ends_with("notes: ") && !before.contains("\x1b[2J"), "{before:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "hello\n");
    editor.types("ld\n");
    editor.sees("  1  hello\n  2  world\n> ");
    editor.sees("2 lines, saved\x1b8");
    assert_eq!(fs::read_to_string(&file).unwrap(), "hello\nworld\n");

    editor.types(".d 1\n.i 1 cruel\n..q\n");
    editor.sees("  1  cruel\n  2  world\n  3  .q\n");
    editor.types(".frob\n");
    editor.sees("(`.frob` is no command");
    editor.types(".d 7\n");
    editor.sees("(there is no line `7`)");
    editor.types("last\n.q\n");
    let (status, _) = editor.end();
    assert!(status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "cruel\nworld\n.q\nlast\n");
}

#[test]
fn the_editor_goes_on_with_what_was_there_and_saves_what_was_typed_when_the_terminal_is_gone() {
    let folder = Folder::new("hangup");
    let file = folder.0.join("notes");
    fs::write(&file, "first\n").unwrap();
    // So late that only the end saves it.
    let arguments = ["--autosave", "1000000", file.to_str().unwrap()];
    let mut editor = Terminal::start("editor", &arguments);
    editor.sees("1 line, saved\n  1  first\n> ");
    editor.types("second\n");
    editor.sees("  2  second\n");
    // Ctrl-D.
    editor.types("\x04");
    let (status, _) = editor.end();
    assert!(status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), "first\nsecond\n");
}

#[test]
fn the_editor_says_that_it_cannot_save_and_goes_on() {
    let folder = Folder::new("refused");
    let mut editor = editor(&folder.0.join("missing").join("notes"));
    editor.types("precious\n");
    editor.sees("  1  precious\n");
    editor.sees("No such file or directory");
    fs::create_dir(folder.0.join("missing")).unwrap();
    // It tries again.
    editor.sees("1 line, saved\x1b8");
    fs::remove_dir_all(folder.0.join("missing")).unwrap();
    editor.types("more\n.q\n");
    let (status, last_words) = editor.end();
    assert_eq!(status.code(), Some(1));
    assert!(last_words.contains("editor: ") && last_words.contains("missing"), "{last_words:?}");
}

#[test]
fn the_operator_answers_one_client_while_another_says_nothing() {
    answers_one_client_while_another_says_nothing("tcp_chat");
    answers_one_client_while_another_says_nothing("green_chat");
}

fn answers_one_client_while_another_says_nothing(chat: &str) {
    let mut operator = Terminal::start(chat, &["127.0.0.1:0"]);
    operator.sees("listening on ");
    let address = operator.sees("\n");
    let client = || Terminal::start(chat, &["--connect", &address]);
    let mut first = client();
    operator.sees("* client 1 is here\n");
    first.sees("hello, you are client 1\n>>: ");
    let mut second = client();
    operator.sees("* client 2 is here\n");
    second.sees("hello, you are client 2\n>>: ");

    // The first one idles; an empty line is no message.
    second.types("\n");
    second.sees(">>: ");
    second.types("what time is it?\n");
    operator.sees("client 2: what time is it?\n");
    operator.types("noon\n");
    second.sees("noon\n>>: ");

    // Two ask, one again before he is answered: each gets his own, in the order of the questions or by number.
    first.types("who is there?\n");
    operator.sees("client 1: who is there?\n");
    second.types("are you sure?\n");
    operator.sees("client 2: are you sure?\n");
    operator.types("2 quite\n");
    assert_eq!(second.sees("quite\n>>: "), "");
    operator.types("\nonly me\nsomebody?\n7 hello\n");
    assert_eq!(first.sees("only me\n>>: "), "");
    operator.sees("* nobody waits for an answer\n* there is no client 7\n");

    // One leaves in the middle of a line (the first two Ctrl-D end that), and the other is served on.
    first.types("wait, I");
    first.types("\x04\x04\x04");
    assert!(first.end().0.success());
    operator.sees("client 1: wait, I\n* client 1 has left\n");
    second.types("still here\n");
    operator.sees("client 2: still here\n");
    operator.types("1 bye\n2 good\n");
    operator.sees("* there is no client 1\n");
    second.sees("good\n>>: ");

    // The operator goes home.
    operator.types("\x04");
    assert!(operator.end().0.success());
    let (status, last_words) = second.end();
    assert_eq!(last_words, "goodbye\n>>: \n* the operator has gone\n");
    assert!(status.success());
}

#[test]
fn a_client_that_is_killed_or_floods_harms_nobody() {
    nobody_is_harmed_by_a_client_that_is_killed_or_floods("tcp_chat");
    nobody_is_harmed_by_a_client_that_is_killed_or_floods("green_chat");
}

fn nobody_is_harmed_by_a_client_that_is_killed_or_floods(chat: &str) {
    let mut operator = Terminal::start(chat, &["127.0.0.1:0"]);
    operator.sees("listening on ");
    let address = operator.sees("\n");
    let mut killed = Terminal::start(chat, &["--connect", &address]);
    killed.sees("client 1\n");
    killed.types("I ask\n");
    operator.sees("client 1: I ask\n");
    killed.child.kill().unwrap();
    operator.sees("* client 1 has left\n");

    let mut flooding = std::net::TcpStream::connect(&address).unwrap();
    operator.sees("* client 2 is here\n");
    // No end of line: that is no conversation, and it is cut.
    while flooding.write_all(&[b'x'; 4096]).is_ok() {}
    operator.sees("* client 2 has left\n");

    let mut polite = Terminal::start(chat, &["--connect", &address]);
    polite.sees("client 3\n");
    polite.types("and I?\n");
    operator.sees("client 3: and I?\n");
    // Whose question it was has gone with him.
    operator.types("you too\n");
    polite.sees("you too\n");
}

#[test]
fn the_crawler_shows_how_far_it_is() {
    let folder = Folder::new("crawler");
    let site = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = site.local_addr().unwrap();
    let urls = ["a", "b"].map(|page| format!("http://{address}/{page}"));
    let output = folder.0.join("db.txt");
    let options = ["--serial", "--progress", "--output", output.to_str().unwrap(), &urls[0], &urls[1]];
    let mut crawler = Terminal::start("crawler", &options);
    let serve_one = || {
        let mut stream = site.accept().unwrap().0;
        let head = BufReader::new(&stream).lines().map_while(Result::ok);
        assert_eq!(head.take_while(|line| !line.is_empty()).count(), 2, "request and host");
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\npage").unwrap();
    };
    serve_one();
    crawler.sees(&format!("(main): 200 {}", urls[0]));
    crawler.sees("1/2 pages");
    serve_one();
    crawler.sees(&format!("(main): 200 {}", urls[1]));
    let (status, rest) = crawler.end();
    assert!(status.success());
    assert!(rest.contains("2 pages in "), "{rest:?}");
}
