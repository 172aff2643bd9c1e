//! A task may outlive whoever spawned it, so a scope that borrows is awaited where it is.
use runtime::task;

#[runtime::main]
async fn main() {
    let text = String::from("borrowed");
    runtime::spawn(task::scope(async |s| {
        s.spawn(async { println!("{text}") });
    }));
}
