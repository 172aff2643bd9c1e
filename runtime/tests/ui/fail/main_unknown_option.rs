//! Unknown options, among them familiar ones from elsewhere, and those that do not go together.
#[runtime::main(threads = 4)]
async fn main() {}

#[runtime::main(flavor = "multi_thread", worker_threads = 4)]
async fn flavoured() {}

#[runtime::main(mode = "threads")]
async fn how_many() {}

#[runtime::test(workers = 4)]
async fn test_of_four() {}

#[runtime::main(seed = 7)]
async fn replayed() {}

#[runtime::main(seeds = 7)]
async fn simulated() {}

#[runtime::test(name = "x")]
async fn named() {}
