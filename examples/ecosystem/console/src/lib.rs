//! Whether this was compiled so that console-subscriber starts: for the program, which does without, and for its tests.

/// The flag that the subscriber wants is set: see `.cargo/config.toml` in this folder, which counts if Cargo is called here.
#[expect(unexpected_cfgs, reason = "it belongs to console-subscriber")]
pub const HAS_CONSOLE: bool = cfg!(console_without_tokio_unstable);
