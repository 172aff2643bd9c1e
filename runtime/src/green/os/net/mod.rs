//! Unix sockets, in blocking style.

pub(super) mod datagram;
pub(super) mod listener;
pub(super) mod stream;
