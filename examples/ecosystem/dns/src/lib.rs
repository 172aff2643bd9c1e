//! Names resolved by hickory on our sockets.
