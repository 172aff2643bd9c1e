//! The command line that the benchmark programs share.

/// What `cargo bench -- …` was asked for.
#[derive(Clone)]
pub(crate) struct Options {
    /// Short windows and few rounds: shows that everything works, not which is faster.
    pub(crate) quick: bool,
    /// Rounds; in each one every peer takes its turn.
    pub(crate) rounds: usize,
    /// Only these peers, if any are named.
    peers: Vec<String>,
    /// Only rows whose name contains one of these, if any are given.
    rows: Vec<String>,
    /// Count system calls with strace instead of measuring time.
    pub(crate) syscalls: bool,
}

const USAGE: &str = "\
cargo bench [--bench micro|structured|sync|echo|system|memory|sync_memory] -- [ROW ...] [OPTION ...]
  ROW             only rows whose name contains this
  --quick         short windows, one round
  --rounds N      rounds (5)
  --peers A,B     only these peers
  --syscalls      count system calls per operation with strace instead (micro, echo and system)";

impl Options {
    /// Reads the arguments of this process; explains itself and exits if it cannot.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Options {
        let mut rounds = None;
        let mut options = Options { quick: false, rounds: 0, peers: vec![], rows: vec![], syscalls: false };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                // Cargo's own mark that this is a benchmark run.
                "--bench" => {}
                "--quick" => options.quick = true,
                "--syscalls" => options.syscalls = true,
                "--rounds" => {
                    rounds = Some(arguments.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| usage()));
                }
                "--peers" => {
                    let list = arguments.next().unwrap_or_else(|| usage());
                    options.peers = list.split(',').map(str::to_owned).collect();
                }
                row if !row.starts_with('-') => options.rows.push(row.to_owned()),
                _ => usage(),
            }
        }
        options.rounds = rounds.unwrap_or(if options.quick { 1 } else { 5 });
        options
    }

    /// Whether the row called `name` is wanted.
    pub(crate) fn wants_row(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|part| name.contains(part.as_str()))
    }

    /// Those of `names` that are wanted.
    pub(crate) fn wanted_peers<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let wanted = |name: &&str| self.peers.is_empty() || self.peers.iter().any(|peer| peer == name);
        names.into_iter().filter(wanted).collect()
    }
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    std::process::exit(2)
}
