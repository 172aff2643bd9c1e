//! How it is measured: what the repository's other benchmarks measure by, and the clients of HTTP servers.

#[path = "../../../../benches/common/clock.rs"]
pub(crate) mod clock;
pub(crate) mod count;
pub(crate) mod h2load;
pub(crate) mod lock_step;
#[path = "../../../../benches/common/machine.rs"]
pub(crate) mod machine;
#[path = "../../../../benches/common/options.rs"]
pub(crate) mod options;
#[path = "../../../../benches/common/report.rs"]
pub(crate) mod report;
#[path = "../../../../benches/common/server.rs"]
pub(crate) mod server;
#[path = "../../../../benches/common/strace.rs"]
pub(crate) mod strace;
pub(crate) mod wrk;
