//! `main` without `async` is a greenlet, with room for more than a greenlet usually has.
use runtime::{greenlet, spawn};

#[runtime::main(on_exit = "wait")]
fn main() -> Result<(), std::num::ParseIntError> {
    assert!(greenlet::is_inside());
    let room = std::hint::black_box([7_u8; 256 << 10]);
    assert_eq!(room.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 7 * (256 << 10));
    let text = greenlet::wait(spawn(async { "7" })).unwrap();
    assert_eq!(text.parse::<u32>()?, 7);
    Ok(())
}
