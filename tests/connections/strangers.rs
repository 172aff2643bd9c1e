//! Those who have no right to a connection: they get none, learn nothing, and keep nobody waiting.

use crate::support::{Place, key, loopback, pair, port, tcp_listener};
use runtime::{
    net::{TcpListener, TcpStream, UnixSeqpacket},
    process::{Client, Command, ConnectError, Connection, Listener, Refusal, Stdio},
    spawn,
    testing::settle,
    time::{self, Duration, timeout},
};
use std::{fs, io::Write as _, net, os::unix::fs::PermissionsExt, path::Path, thread};

/// Listens until it is told otherwise, and gives the listener back.
async fn deaf_to(mut listener: Listener, strangers: impl Future<Output = ()>) -> Listener {
    runtime::select! {
        connection = listener.accept::<(), ()>() => panic!("{connection:?}"),
        () = strangers => {}
    }
    listener
}

/// Reads to the end: what a listener has said before it closed. Resets are ends.
async fn said(stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 1024];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        all.extend_from_slice(&buf[..n]);
    }
    all
}

/// How long a `Hello` is, with its length.
const HELLO_BYTES: usize = 1 + 1 + 6 + 2 + 4 + 32;

#[runtime::test]
async fn noise_is_refused_without_a_word_of_what_follows_being_read() {
    let listener = tcp_listener();
    let address = port(&listener);
    let noises: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[0; 300],
        &[0xFF; 300],
        b"\x00",
        b"\x01\x02",
        b"\x09\x02\x01\x01aaaaaa",
        b"#CHALLENGE#{sha256}aaaaaaaaaaaaaaaaaaaa",
    ];
    let listener = deaf_to(listener, async {
        for noise in noises {
            let stranger = TcpStream::connect(address).await.unwrap();
            stranger.write_all(noise).await.unwrap();
            // Those who have said too little are waiting to say more.
            stranger.shutdown(runtime::net::Shutdown::Write).unwrap();
            let heard = said(&stranger).await;
            assert!(heard.len() <= HELLO_BYTES + 3, "{heard:?}");
        }
    })
    .await;
    assert_eq!(listener.refused(), noises.len() as u64);
}

#[runtime::test]
async fn packets_of_strangers_are_refused_too() {
    let place = Place::new();
    let listener = Listener::bind(place.socket()).unwrap();
    let noises = [
        vec![1],
        vec![0; 255],
        vec![0; 256],
        vec![0xFF; 256],
        vec![7; 300],
        vec![7; 70_000],
        b"\x05abc".to_vec(),
    ];
    let mut listener = deaf_to(listener, async {
        for noise in &noises {
            let stranger = UnixSeqpacket::connect(place.socket()).await.unwrap();
            stranger.send(noise).await.unwrap();
            let mut buf = [0; 1024];
            let hello = stranger.recv(&mut buf).await.unwrap();
            assert_eq!(hello, HELLO_BYTES);
            while let Ok(n @ 1..) = stranger.recv(&mut buf).await {
                assert_eq!(&buf[..n], [2, 4, 1], "a refusal");
            }
        }
    })
    .await;
    assert_eq!(
        (listener.refused(), listener.last_refusal()),
        (noises.len() as u64, Some(&Refusal::Stranger))
    );
    let (mut server, mut client) = pair::<u8, ()>(&mut listener).await;
    server.send(&1).await.unwrap();
    assert_eq!(client.recv().await.unwrap(), 1);
}

#[runtime::test(start_paused = true)]
async fn who_is_silent_is_dropped_after_a_second_and_keeps_nobody_waiting() {
    let mut listener = tcp_listener();
    let mut silent = Vec::new();
    for _ in 0..20 {
        let stranger = TcpStream::connect(port(&listener)).await.unwrap();
        silent.push(stranger);
    }
    let (mut server, mut client) = pair::<u8, ()>(&mut listener).await;
    server.send(&1).await.unwrap();
    assert_eq!(client.recv().await.unwrap(), 1, "beside them");

    let began = time::Instant::now();
    let listening = spawn(async move {
        let _ = timeout(Duration::from_secs(60), listener.accept::<(), ()>()).await;
        listener
    });
    time::advance(Duration::from_millis(900)).await;
    settle().await;
    for stranger in &silent {
        let mut buf = [0; HELLO_BYTES];
        stranger.read_exact(&mut buf).await.unwrap();
        assert!(stranger.try_read(&mut buf).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock));
    }
    time::advance(Duration::from_millis(200)).await;
    for stranger in &silent {
        assert_eq!(said(stranger).await, b"");
    }
    assert!(began.elapsed() < Duration::from_secs(2));
    time::advance(Duration::from_secs(60)).await;
    let listener = listening.await.unwrap();
    assert_eq!((listener.refused(), listener.last_refusal()), (20, Some(&Refusal::Silent)));
}

#[runtime::test(start_paused = true)]
async fn as_many_silent_peers_as_there_are_places_keep_nobody_out_for_long() {
    let mut listener = tcp_listener();
    let address = port(&listener);
    let listening = spawn(async move {
        let connection: Connection<u8, u8> = listener.accept().await.unwrap();
        (listener, connection)
    });
    let mut silent = Vec::new();
    for _ in 0..256 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let client = spawn(async move {
        let connection: Connection<u8, u8> = Client::builder().key(key()).connect(address).await.unwrap();
        connection
    });
    settle().await;
    time::advance(Duration::from_millis(90)).await;
    settle().await;
    assert!(!client.is_finished(), "it may be that they are only slow");
    time::advance(Duration::from_millis(20)).await;
    let (listener, _server) = listening.await.unwrap();
    client.await.unwrap();
    assert!(listener.refused() <= 2, "the others have their time still: {}", listener.refused());
    assert_eq!(listener.last_refusal(), Some(&Refusal::Silent));
}

#[runtime::test(start_paused = true)]
async fn a_listener_that_says_nothing_or_the_wrong_thing_does_not_hold_a_client() {
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = place.local_addr().unwrap();
    let connect = move || async move {
        let connected: Result<Connection<(), ()>, _> = Client::builder().key(key()).connect(address).await;
        match connected.unwrap_err() {
            ConnectError::Refused(refusal) => refusal,
            other => panic!("{other}"),
        }
    };
    let client = spawn(connect());
    let (silent, _) = place.accept().await.unwrap();
    settle().await;
    time::advance(Duration::from_secs(11)).await;
    assert_eq!(client.await.unwrap(), Refusal::Silent);
    drop(silent);

    for (says, refusal) in [
        (
            &b"220 mail.example.org ESMTP: how do you do, who are you, and what do you want?\r\n"[..],
            Refusal::Stranger,
        ),
        (b"\x00", Refusal::Stranger),
        (b"", Refusal::Gone),
        (b"\x2d\x01rtconn", Refusal::Gone),
        (b"\x02\x04\x05", Refusal::KeyUnwanted),
    ] {
        let client = spawn(connect());
        let (stranger, _) = place.accept().await.unwrap();
        stranger.write_all(says).await.unwrap();
        stranger.shutdown(runtime::net::Shutdown::Write).unwrap();
        assert_eq!(client.await.unwrap(), refusal, "{says:?}");
    }
}

#[runtime::test]
async fn who_goes_away_at_any_byte_of_an_answer_has_not_been_there() {
    let listener = tcp_listener();
    let address = port(&listener);
    let answer = [&[71, 2, 1, 1, 0, 0, 1, 0][..], &[9; 64]].concat();
    let listener = deaf_to(listener, async {
        for cut in 0..answer.len() {
            let stranger = TcpStream::connect(address).await.unwrap();
            stranger.write_all(&answer[..cut]).await.unwrap();
            stranger.shutdown(runtime::net::Shutdown::Write).unwrap();
            assert_eq!(said(&stranger).await.len(), HELLO_BYTES);
        }
        let stranger = TcpStream::connect(address).await.unwrap();
        stranger.write_all(&answer).await.unwrap();
        assert_eq!(said(&stranger).await[HELLO_BYTES..], [2, 4, 3], "a wrong key");
    })
    .await;
    assert_eq!(listener.refused(), answer.len() as u64 + 1);
    assert_eq!(listener.last_refusal(), Some(&Refusal::WrongKey));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a client that runs in no task")]
fn a_thread_that_listens_is_not_held_by_who_is_silent() {
    let mut listener =
        Listener::builder().key(key()).handshake_timeout(Duration::from_secs(3600)).bind(loopback()).unwrap();
    let silent: Vec<_> = (0..20).map(|_| net::TcpStream::connect(port(&listener)).unwrap()).collect();
    let mut half = net::TcpStream::connect(port(&listener)).unwrap();
    half.write_all(&[71, 2]).unwrap();
    let address = listener.address().clone();
    let client = thread::spawn(move || {
        let mut client: Connection<u8> = Client::builder().key(key()).blocking_connect(address).unwrap();
        client.blocking_recv().unwrap()
    });
    let mut server: Connection<u8> = listener.blocking_accept().unwrap();
    server.blocking_send(&5).unwrap();
    assert_eq!(client.join().unwrap(), 5);
    drop((silent, half));
}

/// What a process of another user gets that connects to `path`, as Python tells it; `None` if this test cannot be another user.
async fn as_somebody_else(user: u32, path: &Path, times: u32) -> Option<String> {
    if runtime_io::owner::own_user() != 0 {
        println!("SKIPPED: only root can be somebody else");
        return None;
    }
    let program = "
import socket, sys
for _ in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        s.connect(sys.argv[1])
        print(len(s.recv(1024)))
    except OSError as error:
        print(type(error).__name__)
";
    let mut python = Command::new("python3");
    python.args(["-c", program]).arg(path).arg(times.to_string()).current_dir("/").stdin(Stdio::null());
    let output = python.uid(user).gid(user).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[runtime::test]
async fn other_users_are_kept_out_by_the_path_and_by_who_they_are() {
    let place = Place::new();
    let listener = Listener::bind(place.socket()).unwrap();
    let listener = deaf_to(listener, async {
        if let Some(said) = as_somebody_else(65534, &place.socket(), 1).await {
            assert_eq!(said, "PermissionError\n", "by the folder");
        }
        fs::set_permissions(&place.0, fs::Permissions::from_mode(0o755)).unwrap();
        if let Some(said) = as_somebody_else(65534, &place.socket(), 1).await {
            assert_eq!(said, "PermissionError\n", "by the mode of the socket");
        }
        fs::set_permissions(place.socket(), fs::Permissions::from_mode(0o666)).unwrap();
        if let Some(said) = as_somebody_else(65534, &place.socket(), 1).await {
            assert_eq!(said, "0\n", "by who they are, without a word");
        }
    })
    .await;
    if runtime_io::owner::own_user() == 0 {
        assert_eq!((listener.refused(), listener.last_refusal()), (1, Some(&Refusal::User { user: 65534 })));
    }
    drop(listener);

    let listener = Listener::builder().allow_user(65533).bind(place.socket()).unwrap();
    let mut listener = deaf_to(listener, async {
        if let Some(said) = as_somebody_else(65534, &place.socket(), 1).await {
            assert_eq!(said, "0\n");
        }
        if let Some(said) = as_somebody_else(65533, &place.socket(), 1).await {
            assert_eq!(said, format!("{HELLO_BYTES}\n"), "who is allowed is talked to");
        }
    })
    .await;
    pair::<(), ()>(&mut listener).await;
}

#[runtime::test]
async fn there_is_no_moment_in_which_somebody_else_can_connect() {
    let place = Place::new();
    drop(Listener::bind(place.socket()).unwrap());
    fs::set_permissions(&place.0, fs::Permissions::from_mode(0o755)).unwrap();
    let path = place.socket();
    let binding = spawn(async move {
        loop {
            let listener = Listener::bind(&path).unwrap();
            runtime::task::yield_now().await;
            drop(listener);
        }
    });
    if let Some(said) = as_somebody_else(65534, &place.socket(), 1000).await {
        let others: Vec<&str> =
            said.lines().filter(|line| !["PermissionError", "FileNotFoundError"].contains(line)).collect();
        assert_eq!(others, [""; 0]);
    }
    let _ = binding.cancel_and_wait().await;
}
