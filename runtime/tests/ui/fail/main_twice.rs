//! One function, several entries.
#[runtime::main]
#[runtime::main]
async fn main() {}

#[runtime::main]
#[test]
async fn program_or_test() {}
