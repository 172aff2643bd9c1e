//! Other qualifiers than `async`.
#[runtime::main]
async unsafe extern "C" fn main() {}
