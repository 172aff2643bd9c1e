//! One process per measurement: no peer inherits the allocator, the caches or the descriptors of the one before.

use std::env;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::clock;
use super::rows::Figure;

/// No measurement takes longer; one that does has hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Prints what [`figures`] reads in the parent, and ends this process without tearing the runtime down.
pub(crate) fn hand_over(figures: &[Figure]) -> ! {
    for (title, value) in figures {
        println!("{title}\t{value}");
    }
    std::process::exit(0)
}

/// Runs this program again with `arguments` and collects the figures it hands over.
///
/// # Errors
///
/// A sentence if it hung, failed, or said something else.
pub(crate) fn figures(arguments: &[&str]) -> Result<Vec<(String, f64)>, String> {
    let mut command = Command::new(env::current_exe().expect("own path"));
    let mut child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start it: {error}"))?;
    let Some(said) = read_until_end(&mut child) else {
        drop(child.kill());
        drop(child.wait());
        return Err(format!("hung for {LIMIT:?}"));
    };
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        let mut complaint = String::new();
        drop(child.stderr.take().expect("piped").read_to_string(&mut complaint));
        let line = complaint.lines().find(|line| !line.trim().is_empty() && !line.contains("panicked at"));
        return Err(format!("{status}: {}", line.unwrap_or("no message")));
    }
    said.lines()
        .map(|line| {
            let (title, value) = line.split_once('\t').ok_or_else(|| format!("said {line:?}"))?;
            Ok((title.to_owned(), value.parse().map_err(|_| format!("said {line:?}"))?))
        })
        .collect()
}

/// All of its standard output, or nothing if the time limit passes first.
fn read_until_end(child: &mut Child) -> Option<String> {
    let mut pipe = child.stdout.take().expect("piped");
    let mut said = Vec::new();
    let mut chunk = [0; 4096];
    let deadline = clock::now() + LIMIT;
    loop {
        let left = deadline.saturating_duration_since(clock::now());
        let left = PollTimeout::try_from(left).expect("a minute fits");
        let mut waiting = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waiting, left) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => panic!("poll: {error}"),
        }
        match pipe.read(&mut chunk).expect("a pipe") {
            0 => return Some(String::from_utf8_lossy(&said).into_owned()),
            read => said.extend_from_slice(&chunk[..read]),
        }
    }
}
