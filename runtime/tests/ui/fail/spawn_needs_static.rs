//! A spawned task may outlive its spawner, so it cannot borrow from it.
#[runtime::main]
async fn main() {
    let local = String::new();
    let borrowed = &local;
    runtime::spawn(async move { borrowed.len() }).detach();
}
