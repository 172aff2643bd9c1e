//! Stories of listeners that whoever started the process has opened. Each is told in a process of its own, since what it
//! inherits is a matter of its start.
#![cfg(all(unix, not(miri)))]

mod support;

use runtime_io::net::{TcpListener, inherited, share::Place};
use std::{
    io,
    net::{self, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    process::{Command, Stdio},
};
use support::{Folder, run};

/// Tells what this process has inherited. Of interest only when started by the other tests.
#[test]
fn child() {
    if std::env::var_os("IS_CHILD_OF_INHERITING").is_none() {
        return;
    }
    for round in 0..2 {
        match inherited::listeners() {
            Err(error) => println!("told: {round} {:?}: {error}", error.kind()),
            Ok(listeners) => {
                for listener in &listeners {
                    let name = listener.name.as_deref().unwrap_or("-");
                    println!("told: {round} {name} {}", listener.place);
                }
                println!("told: {round} {} in all", listeners.len());
                let tcp = listeners.into_iter().find(|listener| matches!(listener.place, Place::Tcp(_)));
                if let Some(tcp) = tcp.filter(|_| round == 1) {
                    let accepted = run(async {
                        let listener = TcpListener::try_from(tcp.fd).unwrap();
                        listener.accept().await.unwrap().1
                    });
                    println!("told: accepted {accepted}");
                    // Whoever it starts in turn gets none of them.
                    let script = "for fd in 3 4 5; do (: <&$fd) 2>/dev/null && echo open; done; echo none";
                    let grandchild = Command::new("sh").args(["-c", script]).output().unwrap();
                    println!("told: grandchild has {}", String::from_utf8_lossy(&grandchild.stdout).trim());
                }
            }
        }
    }
}

/// Starts the child with descriptors 3 and 4, as a service manager would, and gives what it tells.
fn told(three: Option<OwnedFd>, four: Option<OwnedFd>, environment: &str) -> String {
    let stdio = |fd: Option<OwnedFd>| fd.map_or(Stdio::null(), Stdio::from);
    let redirection = match (&three, &four) {
        (Some(_), Some(_)) => "3<&0 4<&2",
        (Some(_), None) => "3<&0",
        _ => "3<&-",
    };
    let script = format!(
        "{environment} exec \"$0\" --exact child --nocapture --test-threads=1 {redirection} </dev/null 2>&1"
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env("IS_CHILD_OF_INHERITING", "1")
        .stdin(stdio(three))
        .stderr(stdio(four))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Vec<_> =
        text.lines().filter_map(|line| line.split_once("told: ").map(|(_, told)| told)).collect();
    told.join("\n")
}

#[test]
fn what_was_opened_for_us_is_found_by_name_and_again_and_is_ours_alone() {
    let folder = Folder::new();
    let tcp = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let path = folder.path("inherited");
    let unix = UnixListener::bind(&path).unwrap();
    let client = net::TcpStream::connect(address).unwrap();
    let told = told(Some(tcp.into()), Some(unix.into()), "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:");
    let once =
        |round| format!("{round} web {address}\n{round} - unix:{}\n{round} 2 in all\n", path.display());
    let rest = format!("accepted {}\ngrandchild has none", client.local_addr().unwrap());
    assert_eq!(told, once(0) + &once(1) + &rest);
}

#[test]
fn what_was_opened_for_another_process_is_not_touched() {
    let listener = || Some(OwnedFd::from(net::TcpListener::bind("127.0.0.1:0").unwrap()));
    assert_eq!(told(listener(), None, "LISTEN_PID=1 LISTEN_FDS=1"), "0 0 in all\n1 0 in all");
    assert_eq!(told(listener(), None, "unset LISTEN_PID LISTEN_FDS;"), "0 0 in all\n1 0 in all");
}

#[test]
fn what_is_announced_and_not_there_or_something_else_is_named() {
    let tcp = || Some(OwnedFd::from(net::TcpListener::bind("127.0.0.1:0").unwrap()));
    let mine = "LISTEN_PID=$$ LISTEN_FDS=";
    let cases: Vec<(Option<OwnedFd>, &str, &str)> = vec![
        (tcp(), "2", "inherited descriptor 4 (without a name): it is not open"),
        (None, "1", "inherited descriptor 3 (without a name): it is not open"),
        (tcp(), "2 LISTEN_FDNAMES=web", "LISTEN_FDNAMES has 1 names for 2 listeners"),
        (tcp(), "many", "LISTEN_FDS=many is no number"),
        (
            Some(io::pipe().unwrap().0.into()),
            "1 LISTEN_FDNAMES=pipe",
            "inherited descriptor 3 (pipe): it is no socket",
        ),
        (
            Some(UdpSocket::bind("127.0.0.1:0").unwrap().into()),
            "1",
            "inherited descriptor 3 (without a name): the socket is not one for streams",
        ),
        (
            Some(UnixStream::pair().unwrap().0.into()),
            "1",
            "inherited descriptor 3 (without a name): the socket does not listen",
        ),
    ];
    for (three, environment, complaint) in cases {
        let told = told(three, None, &format!("{mine}{environment}"));
        assert_eq!(told.lines().next().unwrap(), format!("0 InvalidData: {complaint}"));
    }
}
