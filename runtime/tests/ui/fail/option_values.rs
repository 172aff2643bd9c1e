//! Wrong values: the error is under the value and says what would do.
#[runtime::main(on_exit = "never")]
async fn main() {}

#[runtime::main(on_exit = OnExit::Wait)]
async fn path_for_string() {}

#[runtime::main(crate = "my::runtime")]
async fn string_for_path() {}

#[runtime::main(crate = my:runtime)]
async fn half_a_path() {}

#[runtime::main(crate = my::runtime::)]
async fn path_without_end() {}

#[runtime::main(workers = 0)]
async fn nobody() {}

#[runtime::main(workers = per_core)]
async fn path_for_workers() {}

#[runtime::main(workers = 4, mode = "fork")]
async fn other_mode() {}

#[runtime::test(start_paused = "true")]
async fn string_for_bool() {}

#[runtime::test(start_paused = 1)]
async fn integer_for_bool() {}

#[runtime::test(seed = "7")]
async fn string_for_integer() {}

#[runtime::test(seed = -7)]
async fn negative() {}

#[runtime::test(seed = 18_446_744_073_709_551_616)]
async fn too_large() {}

#[runtime::test(seed = 7u32)]
async fn other_integer() {}

#[runtime::test(seeds = 0)]
async fn no_seeds() {}

#[runtime::test(seeds = 10, seed = 7, start_paused = true)]
async fn seeds_and_seed() {}
