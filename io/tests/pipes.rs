//! Stories of pipes and FIFOs, and of who is still at their other end.
#![cfg(all(target_os = "linux", not(miri)))]

mod support;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future::poll_once};
use runtime_executor::{
    Executor, spawn,
    time::{Clock, Duration, Instant, sleep},
};
use runtime_io::{
    HandleError, Reactor,
    io::{self, ErrorKind, IoSlice, IoSliceMut, PipeReader, PipeWriter, fifo},
};
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    process::{Command, Stdio},
    rc::Rc,
};
use support::{
    Folder, pattern, run, run_with,
    sys::{in_forked_child, is_held_off, make_sigpipe_deadly},
    until_waiting,
};

async fn rest_of(mut reader: PipeReader) -> Vec<u8> {
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    rest
}

fn handle_error(error: io::Error) -> HandleError {
    error.downcast().expect("an error of ours")
}

#[test]
fn a_writer_waits_for_room_a_reader_for_bytes_and_nothing_is_lost() {
    run_with(|reactor| async move {
        let (reader, writer) = io::pipe().unwrap();
        let reading = spawn(rest_of(reader));
        until_waiting(&reactor, 1).await;
        let sent = pattern(1 << 20);
        // More than the pipe holds, in pieces that never fit its pages.
        for piece in sent.chunks(77_777) {
            writer.write_all(piece).await.unwrap();
        }
        drop(writer);
        assert!(reading.await.unwrap() == sent, "bytes were lost, doubled or moved");
    });
}

#[test]
fn it_ends_with_the_last_writer() {
    run_with(|reactor| async move {
        let (reader, writer) = io::pipe().unwrap();
        let other = PipeWriter::from_fd(writer.as_fd().try_clone_to_owned().unwrap()).unwrap();
        writer.write_all(b"one, ").await.unwrap();
        drop(writer);
        let reading = spawn(rest_of(reader));
        until_waiting(&reactor, 1).await;
        other.write_all(b"two").await.unwrap();
        drop(other);
        assert_eq!(reading.await.unwrap(), b"one, two");
    });
}

#[test]
fn closing_a_writer_ends_it_like_dropping_it_and_it_cannot_be_used_any_more() {
    run(async {
        let (reader, mut writer) = io::pipe().unwrap();
        AsyncWriteExt::write_all(&mut writer, b"last words").await.unwrap();
        writer.flush().await.unwrap();
        writer.close().await.unwrap();
        assert_eq!(rest_of(reader).await, b"last words");

        assert_eq!(handle_error(writer.write(b"x").await.unwrap_err()), HandleError::Closed);
        assert_eq!(handle_error(writer.try_write(b"x").unwrap_err()), HandleError::Closed);
        assert_eq!(handle_error(writer.writable().await.unwrap_err()), HandleError::Closed);
        let traits = AsyncWriteExt::write(&mut writer, b"x").await;
        assert_eq!(handle_error(traits.unwrap_err()), HandleError::Closed);
        writer.close().await.expect("once more does no harm");
    });
}

#[test]
#[should_panic(expected = "this end of the pipe was closed")]
fn a_closed_writer_has_no_descriptor() {
    run(async {
        let (_reader, mut writer) = io::pipe().unwrap();
        writer.close().await.unwrap();
        drop(writer.into_owned_fd());
    });
}

#[test]
fn without_readers_there_is_an_error_also_for_who_waits_already() {
    run_with(|reactor| async move {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let bufs = [IoSlice::new(b"x")];
        assert_eq!(writer.write_vectored(&bufs).await.unwrap_err().kind(), ErrorKind::BrokenPipe);

        let (reader, writer) = io::pipe().unwrap();
        let writing = spawn(async move { writer.write_all(&pattern(1 << 20)).await });
        until_waiting(&reactor, 1).await;
        drop(reader);
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn where_sigpipe_is_deadly_it_is_an_error_all_the_same() {
    let status = in_forked_child(|| {
        make_sigpipe_deadly();
        run(async {
            let (reader, writer) = io::pipe().unwrap();
            writer.write_all(b"heard").await.unwrap();
            let bufs = [IoSlice::new(b" and "), IoSlice::new(b"seen")];
            assert_eq!(writer.write_vectored(&bufs).await.unwrap(), 9);
            let mut heard = [0; 14];
            reader.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"heard and seen");
            drop(reader);
            for _ in 0..3 {
                assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
                assert_eq!(writer.write_vectored(&bufs).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            }
        });
        // Neither held off nor waiting: it kills again.
        i32::from(is_held_off(libc::SIGPIPE)) + 7
    });
    assert_eq!(status, 7);
}

#[test]
fn ends_and_what_they_wait_with_go_anywhere() {
    fn goes_anywhere<T: Send + Unpin>(_: &T) {}
    fn is_shared<T: Send + Sync + Unpin>(handle: T) -> T {
        handle
    }
    let (reader, writer) = io::pipe().unwrap();
    let (reader, writer) = (is_shared(reader), is_shared(writer));
    let mut buf = [0];
    goes_anywhere(&reader.read(&mut buf));
    goes_anywhere(&reader.read_exact(&mut buf));
    goes_anywhere(&reader.readable());
    goes_anywhere(&writer.write(b""));
    goes_anywhere(&writer.write_all(b""));
    goes_anywhere(&writer.writable());
}

#[test]
fn packets_stay_apart_and_all_of_them_arrive() {
    run_with(|reactor| async move {
        let (reader, writer) = io::packet_pipe().unwrap();
        let reading = spawn(async move {
            let mut packets = Vec::new();
            let mut buf = [0; 4096];
            loop {
                match reader.read(&mut buf).await.unwrap() {
                    0 => return packets,
                    n => packets.push(buf[..n].to_vec()),
                }
            }
        });
        until_waiting(&reactor, 1).await;
        // Several before the reactor's next turn: a read gives one, and no edge tells of the others.
        for packet in [&b"one"[..], b"and another", b"3"] {
            writer.try_write(packet).unwrap();
        }
        until_waiting(&reactor, 1).await;
        writer.write_all(b"later").await.unwrap();
        drop(writer);
        assert_eq!(reading.await.unwrap(), [&b"one"[..], b"and another", b"3", b"later"]);
    });
}

#[test]
fn a_read_that_is_dropped_takes_nothing() {
    run(async {
        let (reader, writer) = io::pipe().unwrap();
        let mut buf = [0; 8];
        assert!(poll_once(reader.read(&mut buf)).await.is_none());
        assert!(poll_once(reader.readable()).await.is_none());
        assert_eq!(reader.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        writer.write_all(b"all here").await.unwrap();
        reader.readable().await.unwrap();
        let (mut one, mut two) = ([0; 3], [0; 5]);
        let mut bufs = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(reader.read_vectored(&mut bufs).await.unwrap(), 8);
        assert_eq!((&one, &two), (b"all", b" here"));
    });
}

#[test]
fn two_tasks_read_one_pipe_and_each_byte_goes_to_one_of_them() {
    run_with(|reactor| async move {
        let (reader, writer) = io::pipe().unwrap();
        let reader = Rc::new(reader);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let reader = Rc::clone(&reader);
                spawn(async move {
                    let mut mine = Vec::new();
                    let mut buf = [0; 3];
                    while reader.read(&mut buf).await.unwrap() > 0 {
                        mine.push(buf);
                    }
                    mine
                })
            })
            .collect();
        until_waiting(&reactor, 2).await;
        for number in 0..100 {
            writer.write_all(format!("{number:03}").as_bytes()).await.unwrap();
            until_waiting(&reactor, 2).await;
        }
        drop(writer);
        let mut all = Vec::new();
        for reader in readers {
            all.extend(reader.await.unwrap());
        }
        all.sort_unstable();
        let expected: Vec<[u8; 3]> =
            (0..100).map(|number| format!("{number:03}").into_bytes().try_into().unwrap()).collect();
        assert_eq!(all, expected);
    });
}

#[test]
fn a_child_has_both_ends_and_they_block_as_it_expects() {
    run(async {
        let (input, to_child) = io::pipe().unwrap();
        let (from_child, output) = io::pipe().unwrap();
        let mut child = Command::new("cat")
            .stdin(input.into_blocking_fd().unwrap())
            .stdout(output.into_blocking_fd().unwrap())
            .spawn()
            .unwrap();
        let sent = pattern(300_000);
        let expected = sent.clone();
        let writing = spawn(async move { to_child.write_all(&sent).await });
        assert!(rest_of(from_child).await == expected);
        writing.await.unwrap().unwrap();
        // `cat` fails if its input would block.
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn a_pipe_of_the_standard_library_is_taken_and_given_back() {
    run(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let writer = PipeWriter::from_fd(child.stdin.take().unwrap()).unwrap();
        let reader = PipeReader::try_from(OwnedFd::from(child.stdout.take().unwrap())).unwrap();
        writer.write_all(b"there and back").await.unwrap();
        let mut there = [0; 5];
        reader.read_exact(&mut there).await.unwrap();

        // Taken out, it blocks, which here it must: the child may be slow.
        let mut reader = File::from(reader.into_blocking_fd().unwrap());
        drop(File::from(OwnedFd::from(writer)));
        let mut back = String::new();
        reader.read_to_string(&mut back).unwrap();
        assert_eq!(back, " and back");
        child.wait().unwrap();
    });
}

#[test]
fn what_is_no_such_end_of_a_pipe_is_refused() {
    let refusals = [
        PipeReader::from_fd(File::open("Cargo.toml").unwrap()).unwrap_err(),
        PipeWriter::from_fd(File::options().write(true).open("/dev/null").unwrap()).unwrap_err(),
        PipeReader::from_fd(io::pipe().unwrap().1).unwrap_err(),
        PipeWriter::from_fd(io::pipe().unwrap().0).unwrap_err(),
    ];
    let sentences = ["is no pipe", "is no pipe", "cannot be read from", "cannot be written to"];
    for (error, sentence) in refusals.iter().zip(sentences) {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(sentence), "{error}");
    }
}

#[test]
fn the_reader_of_a_fifo_waits_for_the_first_writer_and_reads_an_end_after_the_last() {
    run_with(|reactor| async move {
        let folder = Folder::new();
        let path = folder.path("fifo");
        fifo::create(&path, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let reader = Rc::new(fifo::open_reader(&path).unwrap());
        let first_end = {
            let reader = Rc::clone(&reader);
            spawn(async move {
                let mut all = Vec::new();
                (&*reader).read_to_end(&mut all).await.map(|_| all)
            })
        };
        // Nobody has come yet: no end.
        until_waiting(&reactor, 1).await;
        let writer = fifo::try_open_writer(&path).unwrap();
        writer.write_all(b"first").await.unwrap();
        drop(writer);
        assert_eq!(first_end.await.unwrap().unwrap(), b"first");

        // It stays at its end until somebody comes again.
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
        let writer = fifo::open_writer(&path).await.unwrap();
        writer.write_all(b"second").await.unwrap();
        let mut second = [0; 6];
        reader.read_exact(&mut second).await.unwrap();
        assert_eq!(&second, b"second");
        assert!(poll_once(reader.read(&mut [0; 8])).await.is_none(), "somebody may write still");
        // Whoever comes and goes without a word leaves an end too.
        drop(writer);
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn the_writer_of_a_fifo_waits_for_a_reader_or_is_told_that_there_is_none() {
    let reactor = Reactor::new().unwrap();
    let executor =
        Executor::builder().park(reactor.clone()).extension(reactor).clock(Clock::paused()).build();
    executor.block_on(async {
        let folder = Folder::new();
        let path = folder.path("fifo");
        fifo::create(&path, 0o600).unwrap();
        let error = fifo::try_open_writer(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().ends_with("fifo: nobody has it open to read"), "{error}");

        let start = Instant::now();
        let opening = spawn({
            let path = path.clone();
            async move { fifo::open_writer(path).await.map(|writer| (writer, start.elapsed())) }
        });
        sleep(Duration::from_millis(500)).await;
        let reader = fifo::open_reader(&path).unwrap();
        let (writer, waited) = opening.await.unwrap().unwrap();
        assert!(waited >= Duration::from_millis(500) && waited < Duration::from_millis(551), "{waited:?}");
        writer.write_all(b"x").await.unwrap();
        drop(writer);
        assert_eq!(rest_of(reader).await, b"x");
    });
}

#[test]
fn errors_of_opening_name_the_path_and_nothing_but_a_fifo_is_opened() {
    run(async {
        let folder = Folder::new();
        let (file, socket) = (folder.path("file"), folder.path("socket"));
        File::create(&file).unwrap().write_all(b"precious").unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        for path in [&file, &socket] {
            let errors = [
                fifo::open_reader(path).unwrap_err(),
                fifo::try_open_writer(path).unwrap_err(),
                fifo::open_writer(path).await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                assert_eq!(
                    error.to_string(),
                    format!("cannot open the FIFO {}: it is no FIFO", path.display())
                );
            }
        }
        assert_eq!(fs::read(&file).unwrap(), b"precious");

        let missing = fifo::open_writer(folder.path("missing")).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().contains("missing"), "{missing}");
        let taken = fifo::create(&file, 0o600).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fifo::create("a\0b", 0o600).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}
