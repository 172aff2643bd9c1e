//! The rows of `system`: each a contest between programs that do the same with the operating system, one per runtime. A
//! new row is a file with its contenders and a line in [`ROWS`].

mod children;
mod files;
mod filter;
mod packets;
mod proxy;
mod serving;
mod unix;

use std::ffi::OsStr;

use serving::{Client, Serving};

use crate::common::clock::{nanoseconds_each, processor_time};
use crate::peers::Peer;

/// A row of the table.
pub(crate) struct Row {
    /// Name on the command line.
    pub(crate) name: &'static str,
    /// Name in the table, with the unit.
    pub(crate) title: &'static str,
    /// One operation, in words.
    pub(crate) what: &'static str,
    /// Operations in a full run; a tenth with `--quick`.
    pub(crate) operations: u64,
    /// Operations that are under way at a time, where it is this process that asks.
    pub(crate) window: u64,
    pub(crate) work: Work,
}

/// The columns of a row, and what each does.
type Contenders<F> = &'static [(&'static str, F)];

/// Who does what in a row.
pub(crate) enum Work {
    /// The measured process does it by itself so many times, and gives the microseconds of one.
    Alone(Contenders<fn(u64) -> f64>),
    /// The measured process serves, and ends when it is killed or its standard input does; it is this one that asks.
    Served { contenders: Contenders<fn()>, connect: fn(&mut Serving) -> Box<dyn Client> },
}

impl Row {
    pub(crate) fn contenders(&self) -> impl Iterator<Item = &'static str> + use<> {
        let names: Vec<_> = match self.work {
            Work::Alone(contenders) => contenders.iter().map(|(name, _)| *name).collect(),
            Work::Served { contenders, .. } => contenders.iter().map(|(name, _)| *name).collect(),
        };
        names.into_iter()
    }

    /// Does it so many times; microseconds of one.
    pub(crate) fn run(&self, contender: &str, operations: u64) -> f64 {
        let Work::Alone(contenders) = self.work else { panic!("{} is served", self.name) };
        contenders.iter().find(|(name, _)| *name == contender).expect("a contender").1(operations)
    }

    /// Serves until this process is killed, or its standard input has ended.
    pub(crate) fn serve(&self, contender: &str) {
        let Work::Served { contenders, .. } = self.work else { panic!("{} is done alone", self.name) };
        serving::end_with_parent();
        contenders.iter().find(|(name, _)| *name == contender).expect("a contender").1();
    }

    /// Starts this program again to serve, under another one if that is said, and connects to it.
    pub(crate) fn start(&self, wrapper: &[&OsStr], contender: &str) -> Serving {
        let Work::Served { connect, .. } = self.work else { panic!("{} is done alone", self.name) };
        Serving::start(wrapper, &["--serve", self.name, contender], connect)
    }
}

/// Our column for several datagrams by one call.
pub(crate) const IN_BATCHES: &str = "ours, in batches";
/// The column without a runtime: the standard library, which blocks.
const STD: &str = "std";

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    packets::ONE,
    packets::SIXTEEN,
    unix::ECHO,
    proxy::SMALL,
    proxy::STREAMING,
    files::SMALL,
    files::MANY,
    files::LARGE,
    children::ONE,
    children::MANY,
    filter::LINES,
    filter::BULK,
];

/// Operations before the clock starts.
const WARM_UP: u64 = 100;

/// Runs `work` in a task of a runtime: a little, then so many times, and gives the microseconds of one.
fn timed_on<P: Peer, F: Future<Output = ()>>(operations: u64, work: impl Fn(u64) -> F + 'static) -> f64 {
    P::run(async move {
        work(WARM_UP).await;
        let start = processor_time();
        work(operations).await;
        nanoseconds_each(processor_time() - start, operations) / 1e3
    })
}

/// The same without a runtime.
fn timed(operations: u64, work: impl Fn(u64)) -> f64 {
    work(WARM_UP);
    let start = processor_time();
    work(operations);
    nanoseconds_each(processor_time() - start, operations) / 1e3
}
