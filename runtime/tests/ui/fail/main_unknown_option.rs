//! Unknown options, among them the familiar one that is not there yet.
#[runtime::main(threads = 4)]
async fn main() {}

#[runtime::main(workers = "per-core", mode = "threads")]
async fn per_core() {}

#[runtime::main(seed = 7)]
async fn replayed() {}

#[runtime::main(seeds = 7)]
async fn simulated() {}

#[runtime::test(name = "x")]
async fn named() {}
