//! The second of two equal options is the one too many.
#[runtime::main(on_exit = "wait", on_exit = "wait")]
async fn main() {}
