//! Tells the time over UDP, and asks for it: SNTP (RFC 4330), so that other people's clients and servers do for the other side.
//!
//! ```text
//! $ cargo run --example udp_time -- serve 127.0.0.1:1230 &
//! serving the time on 127.0.0.1:1230
//! $ cargo run --example udp_time -- ask 127.0.0.1:1230
//! their clock is 0.000012 s ahead of ours; the answer took 0.000187 s
//! ```
//!
//! A datagram may be lost, doubled, or from somebody else. So the client asks again when no answer comes, each time with
//! more patience, and takes only the answer to what it has just asked: it carries the time of the question back. The server
//! keeps nothing about anybody, and says nothing to what is no question.

use runtime::{
    net::UdpSocket,
    time::{Duration, timeout},
};
use std::{
    env, io,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

const HELP: &str = "\
usage: udp_time serve [ADDRESS]    answers whoever asks [127.0.0.1:1230]
       udp_time ask [ADDRESS]      asks once, and says how far apart the two clocks are";

/// Bytes of a packet without what may follow.
const PACKET: usize = 48;
/// The lowest three bits of the first byte: who speaks.
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
/// The three bits above: the version.
const VERSION: u8 = 4 << 3;
/// How far from a good clock: ours may be anything, and this is what servers say whose source is their own.
const STRATUM: u8 = 10;
/// How long the first question waits for an answer; each further one twice as long as the one before.
const PATIENCE: Duration = Duration::from_millis(500);
const QUESTIONS: u32 = 4;
/// Seconds from the beginning of their time (1900) to the beginning of ours (1970).
const EPOCHS_APART: u64 = 2_208_988_800;

/// Where in a packet the four moments are: 32 bits of seconds since 1900, 32 bits of what is left.
const ORIGINATE: usize = 24;
const RECEIVE: usize = 32;
const TRANSMIT: usize = 40;

#[runtime::main]
async fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve("127.0.0.1:1230").await,
        ["serve", address] => serve(address).await,
        ["ask"] => ask("127.0.0.1:1230").await,
        ["ask", address] => ask(address).await,
        _ => {
            eprintln!("{HELP}");
            Ok(ExitCode::from(2))
        }
    }
}

async fn serve(address: &str) -> io::Result<ExitCode> {
    let socket = UdpSocket::bind(address).await?;
    println!("serving the time on {}", socket.local_addr()?);
    let mut packet = [0; 1024];
    loop {
        let (length, from) = socket.recv_from(&mut packet).await?;
        let received = now();
        if length < PACKET || packet[0] & 7 != CLIENT {
            continue;
        }
        let mut answer = [0; PACKET];
        answer[0] = VERSION | SERVER;
        answer[1] = STRATUM;
        answer[ORIGINATE..RECEIVE].copy_from_slice(&packet[TRANSMIT..PACKET]);
        answer[RECEIVE..TRANSMIT].copy_from_slice(&received.to_be_bytes());
        answer[TRANSMIT..].copy_from_slice(&now().to_be_bytes());
        // Whoever asked may be gone, and the way there blocked: that is no reason to leave the others without an answer.
        if let Err(error) = socket.send_to(&answer, from).await {
            eprintln!("{from}: {error}");
        }
    }
}

async fn ask(address: &str) -> io::Result<ExitCode> {
    let socket = UdpSocket::bind(if address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" }).await?;
    socket.connect(address).await?;
    for question in 0..QUESTIONS {
        let mut packet = [0; PACKET];
        packet[0] = VERSION | CLIENT;
        let asked = now();
        packet[TRANSMIT..].copy_from_slice(&asked.to_be_bytes());
        socket.send(&packet).await?;
        match timeout(PATIENCE * 2_u32.pow(question), answer_to(asked, &socket)).await {
            Ok(Ok((ahead, took))) => {
                let which = if ahead < 0.0 { "behind" } else { "ahead of" };
                println!("their clock is {:.6} s {which} ours; the answer took {took:.6} s", ahead.abs());
                return Ok(ExitCode::SUCCESS);
            }
            Ok(Err(error)) => eprintln!("question {}: {error}", question + 1),
            Err(_) => eprintln!("question {}: no answer", question + 1),
        }
    }
    eprintln!("nobody tells the time at {address}");
    Ok(ExitCode::FAILURE)
}

/// How far their clock is ahead of ours, and how long the question and the answer were under way, in seconds.
async fn answer_to(asked: u64, socket: &UdpSocket) -> io::Result<(f64, f64)> {
    let mut packet = [0; 1024];
    loop {
        let length = socket.recv(&mut packet).await?;
        let arrived = now();
        if length < PACKET || packet[0] & 7 != SERVER || moment(&packet, ORIGINATE) != asked {
            continue; // too late, or not to us
        }
        let (received, sent) = (moment(&packet, RECEIVE), moment(&packet, TRANSMIT));
        // Both ways are taken to be equally long (RFC 4330, section 5).
        let ahead = f64::midpoint(seconds(asked, received), seconds(arrived, sent));
        return Ok((ahead, seconds(asked, arrived) - seconds(received, sent)));
    }
}

fn moment(packet: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(packet[at..at + 8].try_into().expect("eight bytes"))
}

/// Seconds from one moment to another, also where the 32 bits of seconds begin anew between them (in 2036).
fn seconds(from: u64, to: u64) -> f64 {
    to.wrapping_sub(from).cast_signed() as f64 / 2_f64.powi(32)
}

/// The time of day, as the protocol writes it.
#[expect(clippy::disallowed_methods, reason = "the time of day is what this is about")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    since.as_secs().wrapping_add(EPOCHS_APART) << 32 | fraction
}
