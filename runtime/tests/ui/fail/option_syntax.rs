//! Things between the parentheses that are not `name = value`.
#[runtime::main("wait")]
async fn main() {}

#[runtime::main(on_exit)]
async fn bare() {}

#[runtime::main(on_exit = )]
async fn empty() {}

#[runtime::main(on_exit("wait"))]
async fn call() {}

#[runtime::main(, on_exit = "wait")]
async fn comma_first() {}

#[runtime::test(start_paused, seed = 7)]
async fn flag() {}
