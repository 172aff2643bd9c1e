//! The other end of a local channel is on this thread, and so is what both count.
use runtime_sync::channel;

fn main() {
    let (sender, _receiver) = channel::<u8>(1);
    std::thread::spawn(move || sender.try_send(1));
}
