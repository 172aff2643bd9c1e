//! Stories of programs whose standard streams are a terminal, a pipe, a socket, a file, or closed: each in a process of its own,
//! forked, in which the streams are replaced.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt, future::poll_once};
use runtime_executor::{
    Executor, spawn,
    task::yield_now,
    time::{Duration, timeout},
};
use runtime_io::{
    Reactor,
    io::{self, ErrorKind, PipeWriter, Stdin},
};
use std::{
    fs::{self, File},
    io::{Read, Seek, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    rc::Rc,
};
use support::{
    Folder, pattern, run, run_with,
    sys::{
        become_standard, blocks, close_standard, in_forked_child, limit_file_size, make_sigpipe_deadly,
        terminal,
    },
    until_waiting,
};

/// Tells a story in a process of its own, whose streams it may replace.
#[track_caller]
fn in_a_process(story: impl FnOnce()) {
    let status = in_forked_child(|| {
        story();
        0
    });
    assert_eq!(status, 0, "see what the child says");
}

/// Makes a pipe standard input; gives its other end.
fn piped_stdin() -> PipeWriter {
    let (reader, writer) = io::pipe().unwrap();
    become_standard(reader.into_blocking_fd().unwrap().as_fd(), 0);
    writer
}

async fn line(stdin: &Stdin) -> String {
    let mut line = String::new();
    stdin.read_line(&mut line).await.unwrap();
    line
}

#[test]
fn lines_are_typed_at_a_terminal_and_answered_there() {
    in_a_process(|| {
        let (mut keyboard, program) = terminal();
        become_standard(program.as_fd(), 0);
        become_standard(program.as_fd(), 1);
        run_with(|reactor| async move {
            let (stdin, stdout) = (io::stdin(), io::stdout());
            assert!(stdin.is_terminal() && stdout.is_terminal());
            let reading = spawn(async move { (line(&stdin).await, stdin) });
            until_waiting(&reactor, 1).await;
            // Nobody has pressed the key at the end of the line yet.
            keyboard.write_all(b"hel").unwrap();
            for _ in 0..10 {
                yield_now().await;
            }
            assert!(!reading.is_finished());
            keyboard.write_all(b"lo\n").unwrap();
            let (typed, stdin) = reading.await.unwrap();
            assert_eq!(typed, "hello\n");

            stdout.write_all(b"you said hello\n").await.unwrap();
            let mut seen = [0; 15];
            keyboard.read_exact(&mut seen).unwrap();
            assert_eq!(&seen, b"you said hello\n");

            // Ctrl-D is an end, after which more may come.
            keyboard.write_all(b"\x04").unwrap();
            assert_eq!(line(&stdin).await, "");
            keyboard.write_all(b"again\n").unwrap();
            assert_eq!(line(&stdin).await, "again\n");
            // Who hangs up leaves an end too.
            drop(keyboard);
            assert_eq!(line(&stdin).await, "");
        });
        assert!(blocks(0) && blocks(1), "the flag is the shell's, too");
    });
}

#[test]
fn whoever_waits_for_input_keeps_no_program_from_ending() {
    let terminal = || {
        let (keyboard, program) = terminal();
        (program, OwnedFd::from(keyboard))
    };
    let pipe = || {
        let (reader, writer) = io::pipe().unwrap();
        (reader.into_blocking_fd().unwrap(), OwnedFd::from(writer))
    };
    let socket = || {
        let (one, other) = UnixStream::pair().unwrap();
        (OwnedFd::from(one), OwnedFd::from(other))
    };
    let kinds: [&dyn Fn() -> (OwnedFd, OwnedFd); 3] = [&terminal, &pipe, &socket];
    for kind in kinds {
        in_a_process(|| {
            let (ours, _theirs) = kind();
            become_standard(ours.as_fd(), 0);
            run_with(|reactor| async move {
                spawn(async { line(&io::stdin()).await });
                until_waiting(&reactor, 1).await;
                // And nobody types anything.
            });
            assert!(blocks(0));
        });
    }
}

#[test]
fn what_one_handle_has_read_too_much_of_the_next_one_finds() {
    in_a_process(|| {
        let writer = piped_stdin();
        run(async {
            writer.write_all(b"one\ntwo\nthree\nand the rest").await.unwrap();
            drop(writer);
            assert_eq!(line(&io::stdin()).await, "one\n");
            assert_eq!(line(&io::stdin()).await, "two\n");
        });
        // Also in another runtime.
        run(async {
            assert_eq!(line(&io::stdin()).await, "three\n");
            let mut some = [0; 5];
            assert_eq!(io::stdin().read(&mut some).await.unwrap(), 5);
            assert_eq!(&some, b"and t");
            assert_eq!(line(&io::stdin()).await, "he rest");
            assert_eq!(line(&io::stdin()).await, "");
        });
    });
}

#[test]
fn who_waits_is_told_when_another_handle_has_read_for_him() {
    in_a_process(|| {
        let writer = piped_stdin();
        run_with(|reactor| async move {
            let waiting = spawn(async { line(&io::stdin()).await });
            until_waiting(&reactor, 1).await;
            writer.write_all(b"one\ntwo\n").await.unwrap();
            // It comes before the event, empties the pipe and takes one line.
            assert_eq!(line(&io::stdin()).await, "one\n");
            assert_eq!(waiting.await.unwrap(), "two\n");

            // Half a line is nothing for the one, and enough for the other.
            let mut bytes = [0; 8];
            let any = async { io::stdin().read(&mut bytes).await.unwrap() };
            let whole = spawn(async { line(&io::stdin()).await });
            until_waiting(&reactor, 1).await;
            writer.write_all(b"half").await.unwrap();
            assert_eq!(any.await, 4);
            writer.write_all(b"whole\n").await.unwrap();
            assert_eq!(whole.await.unwrap(), "whole\n");
        });
    });
}

#[test]
fn a_line_that_nobody_waits_for_any_more_is_kept_as_far_as_it_has_come() {
    in_a_process(|| {
        let writer = piped_stdin();
        run(async {
            let stdin = io::stdin();
            writer.write_all(b"par").await.unwrap();
            let mut given_up = String::new();
            assert!(poll_once(stdin.read_line(&mut given_up)).await.is_none());
            assert_eq!(given_up, "");
            writer.write_all(b"tial\nnext\n").await.unwrap();
            assert_eq!(line(&stdin).await, "partial\n");

            let given_up = timeout(Duration::ZERO, async {
                let mut buf = Vec::new();
                io::stdin().read_to_end(&mut buf).await
            });
            given_up.await.unwrap_err();
            writer.write_all(b"last").await.unwrap();
            drop(writer);
            assert_eq!(line(&stdin).await, "last");
        });
    });
}

#[test]
fn lines_come_without_their_ends_and_one_that_is_no_text_is_skipped() {
    in_a_process(|| {
        let writer = piped_stdin();
        run(async {
            writer.write_all(b"unix\ndos\r\n\nno \xff text\nl\xc3\xb6nger\nlast").await.unwrap();
            drop(writer);
            let mut lines = io::stdin().lines();
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("unix"));
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("dos"));
            assert_eq!(lines.next().await.unwrap().unwrap(), "");
            assert_eq!(lines.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
            assert_eq!(lines.next().await.unwrap().unwrap(), "l\u{f6}nger");
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("last"));
            assert_eq!(lines.next_line().await.unwrap(), None);
            assert!(lines.next().await.is_none());
        });
    });
}

#[test]
fn a_line_may_be_longer_than_any_buffer() {
    in_a_process(|| {
        let writer = piped_stdin();
        run(async {
            let long: String = (0..100_000).map(|number| format!("{number} ")).collect();
            let sent = format!("{long}\nshort\n{long}");
            let writing = spawn(async move { writer.write_all(sent.as_bytes()).await });
            let mut lines = io::stdin().lines();
            assert!(lines.next_line().await.unwrap().unwrap() == long);
            assert_eq!(lines.next_line().await.unwrap().unwrap(), "short");
            assert!(lines.next_line().await.unwrap().unwrap() == long);
            assert_eq!(lines.next_line().await.unwrap(), None);
            writing.await.unwrap().unwrap();
        });
    });
}

/// A file of that content as standard input, read from the start.
fn stdin_from(folder: &Folder, content: &[u8]) {
    let path = folder.path("input");
    fs::write(&path, content).unwrap();
    become_standard(File::open(&path).unwrap().as_fd(), 0);
}

#[test]
fn a_file_is_read_to_its_end_and_nothing_is_lost_on_the_way() {
    in_a_process(|| {
        let folder = Folder::new();
        let content: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
        stdin_from(&folder, format!("{content}last").as_bytes());
        run(async {
            let mut all = String::new();
            // Every other one gives up once the file is being read.
            for round in 0.. {
                let stdin = io::stdin();
                if round % 2 == 0 {
                    let mut buf = [0; 10];
                    if let Some(read) = poll_once(stdin.read(&mut buf)).await {
                        all.push_str(str::from_utf8(&buf[..read.unwrap()]).unwrap());
                    }
                } else if stdin.read_line(&mut all).await.unwrap() == 0 {
                    break;
                }
            }
            assert!(all == format!("{content}last"), "lines were lost, doubled or moved");
            // What is appended later is found later.
            let mut file = File::options().append(true).open(folder.path("input")).unwrap();
            file.write_all(b"\nmore\n").unwrap();
            let mut more = String::new();
            io::stdin().read_to_string(&mut more).await.unwrap();
            assert_eq!(more, "\nmore\n");
        });
    });
}

#[test]
fn many_tasks_read_one_file_and_each_line_goes_to_one_of_them() {
    in_a_process(|| {
        let folder = Folder::new();
        let content: Vec<String> = (0..200_000).map(|number| format!("{number:08}")).collect();
        stdin_from(&folder, (content.join("\n") + "\n").as_bytes());
        run(async {
            let reader = || {
                spawn(async {
                    let mut mine = Vec::new();
                    let mut lines = io::stdin().lines();
                    while let Some(line) = lines.next_line().await.unwrap() {
                        mine.push(line);
                    }
                    mine
                })
            };
            let readers: Vec<_> = (0..8).map(|_| reader()).collect();
            let mut all = Vec::new();
            for reader in readers {
                let lines = reader.await.unwrap();
                assert!(!lines.is_empty(), "somebody goes away empty-handed");
                all.extend(lines);
            }
            all.sort_unstable();
            assert!(all == content);
        });
    });
}

#[test]
fn what_cannot_be_read_or_written_says_so() {
    in_a_process(|| {
        run(async {
            become_standard(File::open("/dev/null").unwrap().as_fd(), 0);
            assert_eq!(line(&io::stdin()).await, "");
            assert_eq!(line(&io::stdin()).await, "");

            become_standard(File::open(".").unwrap().as_fd(), 0);
            let folder = io::stdin().read(&mut [0]).await.unwrap_err();
            assert_eq!(folder.kind(), ErrorKind::IsADirectory);

            become_standard(File::options().write(true).open("/dev/null").unwrap().as_fd(), 0);
            let other_way = io::stdin().read(&mut [0]).await.unwrap_err();
            assert_eq!(other_way.to_string(), "standard input is open for the other direction only");

            become_standard(File::options().write(true).open("/dev/full").unwrap().as_fd(), 1);
            let full = io::stdout().write_all(b"x").await.unwrap_err();
            assert_eq!(full.kind(), ErrorKind::StorageFull);

            close_standard(0);
            let closed = io::stdin().read(&mut [0]).await.unwrap_err();
            assert_eq!(closed.kind(), ErrorKind::NotConnected);
            assert_eq!(closed.to_string(), "standard input is closed");
            close_standard(1);
            let closed = io::stdout().write_all(b"x").await.unwrap_err();
            assert_eq!(closed.to_string(), "standard output is closed");
            let closed = AsyncWriteExt::write(&mut io::stdout(), b"x").await.unwrap_err();
            assert_eq!(closed.to_string(), "standard output is closed");
        });
    });
}

#[test]
fn a_service_talks_over_the_socket_that_is_both_its_streams() {
    in_a_process(|| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        become_standard(ours.as_fd(), 0);
        become_standard(ours.as_fd(), 1);
        run_with(|reactor| async move {
            let serving = spawn(async {
                let (mut lines, stdout) = (io::stdin().lines(), io::stdout());
                while let Some(line) = lines.next_line().await.unwrap() {
                    stdout.write_all(format!("{line}!\n").as_bytes()).await.unwrap();
                }
            });
            until_waiting(&reactor, 1).await;
            theirs.write_all(b"hello\nworld\n").unwrap();
            theirs.shutdown(std::net::Shutdown::Write).unwrap();
            serving.await.unwrap();
            let mut answer = [0; 14];
            theirs.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"hello!\nworld!\n");
        });
        assert!(blocks(0) && blocks(1));
    });
}

#[test]
fn a_slow_reader_holds_up_the_writer_and_nobody_else() {
    in_a_process(|| {
        let (reader, writer) = io::pipe().unwrap();
        become_standard(writer.into_blocking_fd().unwrap().as_fd(), 1);
        run_with(|reactor| async move {
            let sent = Rc::new(pattern(1 << 20));
            let writing = spawn({
                let sent = Rc::clone(&sent);
                async move { io::stdout().write_all(&sent).await }
            });
            until_waiting(&reactor, 1).await;
            assert!(!writing.is_finished());
            let mut received = vec![0; sent.len()];
            reader.read_exact(&mut received).await.unwrap();
            assert!(received == *sent);
            writing.await.unwrap().unwrap();

            drop(reader);
            let error = io::stdout().write_all(b"x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
        assert!(blocks(1));
    });
}

#[test]
fn nobody_reads_what_is_written_and_where_sigpipe_is_deadly_the_program_lives_on() {
    in_a_process(|| {
        make_sigpipe_deadly();
        let (reader, writer) = io::pipe().unwrap();
        become_standard(writer.into_blocking_fd().unwrap().as_fd(), 1);
        let (ours, theirs) = UnixStream::pair().unwrap();
        become_standard(ours.as_fd(), 2);
        drop((reader, theirs, ours));
        run(async {
            for _ in 0..2 {
                let pipe = io::stdout().write(b"x").await.unwrap_err();
                let socket = io::stderr().write(b"x").await.unwrap_err();
                assert_eq!((pipe.kind(), socket.kind()), (ErrorKind::BrokenPipe, ErrorKind::BrokenPipe));
            }
        });
    });
}

/// A file as standard output; gives it again, to be looked at.
fn stdout_to(folder: &Folder) -> File {
    let file = File::options().read(true).append(true).create(true).open(folder.path("output")).unwrap();
    become_standard(file.as_fd(), 1);
    file
}

fn content(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_is_written_to_a_file_arrives_in_order_also_if_nobody_waits_for_it() {
    in_a_process(|| {
        let folder = Folder::new();
        let mut file = stdout_to(&folder);
        run(async {
            let long = String::from_utf8(vec![b'x'; 700_000]).unwrap();
            io::stdout().write_all(long.as_bytes()).await.unwrap();
            assert!(content(&mut file) == long, "it is written when the future is ready");
            file.set_len(0).unwrap();

            let (one, two) = (io::stdout(), io::stdout());
            one.write_all(b"one ").await.unwrap();
            // On its way, and with some luck there.
            let _ = poll_once(two.write_all(b"two ")).await;
            one.write_all(b"three ").await.unwrap();
            assert_eq!(content(&mut file), "one two three ");

            let mut three = io::stdout();
            assert_eq!(AsyncWriteExt::write(&mut three, b"four ").await.unwrap(), 5);
            AsyncWriteExt::write_all(&mut three, b"five ").await.unwrap();
            three.flush().await.unwrap();
            assert_eq!(content(&mut file), "one two three four five ");
            // Nobody flushes this, and the runtime ends.
            AsyncWriteExt::write_all(&mut three, b"six").await.unwrap();
        });
        assert_eq!(content(&mut file), "one two three four five six");
    });
}

#[test]
fn a_runtime_that_ends_before_the_job_could_begin_writes_what_was_handed_in() {
    in_a_process(|| {
        let folder = Folder::new();
        let mut file = stdout_to(&folder);
        let reactor = Reactor::new().unwrap();
        let executor =
            Executor::builder().park(reactor.clone()).extension(reactor).blocking_threads(1).build();
        executor.block_on(async {
            let (release, gate) = std::sync::mpsc::channel::<()>();
            let busy = runtime_executor::spawn_blocking(move || gate.recv().is_err());
            AsyncWriteExt::write_all(&mut io::stdout(), b"at the last moment").await.unwrap();
            drop(release);
            drop(busy);
        });
        drop(executor);
        assert_eq!(content(&mut file), "at the last moment");
    });
}

#[test]
fn a_runtime_without_threads_reads_and_writes_files_in_place() {
    in_a_process(|| {
        let folder = Folder::new();
        let text: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
        stdin_from(&folder, text.as_bytes());
        let mut file = stdout_to(&folder);
        let reactor = Reactor::new().unwrap();
        let executor = Executor::builder().park(reactor.clone()).extension(reactor).without_threads().build();
        executor.block_on(async {
            let (stdin, stdout) = (io::stdin(), io::stdout());
            let mut buf = vec![0; 10_000];
            while let n @ 1.. = stdin.read(&mut buf).await.unwrap() {
                stdout.write_all(&buf[..n]).await.unwrap();
            }
        });
        assert!(content(&mut file) == text);
    });
}

#[test]
fn handles_and_what_they_wait_with_go_anywhere() {
    fn goes_anywhere<T: Send + Unpin>(_: &T) {}
    fn is_shared<T: Send + Sync + Unpin>(handle: T) -> T {
        handle
    }
    let (stdin, stdout) = (is_shared(io::stdin()), is_shared(io::stdout()));
    let (mut line, mut buf) = (String::new(), [0]);
    goes_anywhere(&stdin.read_line(&mut line));
    goes_anywhere(&stdin.read(&mut buf));
    goes_anywhere(&stdout.write(b""));
    goes_anywhere(&is_shared(io::stderr()).write_all(b""));
    is_shared(stdin.lines());
}

#[test]
fn a_write_to_a_file_that_goes_wrong_behind_somebodys_back_is_told_to_the_next_one() {
    in_a_process(|| {
        let folder = Folder::new();
        let mut file = stdout_to(&folder);
        limit_file_size(6);
        run(async {
            let stdout = io::stdout();
            stdout.write_all(b"fits").await.unwrap();
            let error = stdout.write_all(b"too long").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::FileTooLarge);
            assert_eq!(content(&mut file), "fitsto", "as far as there was room");

            AsyncWriteExt::write(&mut io::stdout(), b"handed in").await.unwrap();
            assert_eq!(stdout.write_all(b"x").await.unwrap_err().kind(), ErrorKind::FileTooLarge);
            AsyncWriteExt::write(&mut io::stdout(), b"handed in").await.unwrap();
            assert_eq!(io::stdout().flush().await.unwrap_err().kind(), ErrorKind::FileTooLarge);
            // Once is enough.
            io::stdout().flush().await.unwrap();
        });
    });
}
