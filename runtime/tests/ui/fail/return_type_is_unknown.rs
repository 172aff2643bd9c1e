//! The return type appears twice in the expansion, its error once.
#[runtime::main]
async fn main() -> Missing {
    loop {}
}
