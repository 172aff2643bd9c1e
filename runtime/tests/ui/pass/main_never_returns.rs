//! `!` as the return type.
#[runtime::main(on_exit = "cancel")]
async fn main() -> ! {
    std::process::exit(0)
}
