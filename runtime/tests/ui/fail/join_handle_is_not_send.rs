//! A `JoinHandle` stays on the thread of its task; `cancel_handle` and `Handle` are what other threads get.
fn assert_send<T: Send>(_: T) {}

#[runtime::main]
async fn main() {
    assert_send(runtime::spawn(async {}));
}
