//! A spawned task may outlive its spawner, so it cannot borrow from it.
#[runtime::main]
async fn main() {
    let local = String::new();
    runtime::spawn(async { local.len() }).detach();
}
