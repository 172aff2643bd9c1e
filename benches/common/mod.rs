//! What the benchmarks share: options, clocks, child processes, statistics, the rows and the load generator.

pub(crate) mod child;
pub(crate) mod churn;
pub(crate) mod clock;
pub(crate) mod echo_server;
pub(crate) mod foreign;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod options;
pub(crate) mod pattern;
pub(crate) mod report;
pub(crate) mod rows;
pub(crate) mod server;
pub(crate) mod strace;
