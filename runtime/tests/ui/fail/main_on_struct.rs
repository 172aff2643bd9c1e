//! Something that is no function at all stays in the program.
#[runtime::main]
struct Main;

#[runtime::main]
const LIMIT: u32 = 1;

fn main() {
    let _ = (Main, LIMIT);
}
