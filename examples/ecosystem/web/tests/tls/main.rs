//! TLS: what holds on a stream, what strangers make of it, and what becomes of peers that misbehave.

#[path = "../common/authority.rs"]
mod authority;

mod crowds;
mod cutting;
mod greenlets;
mod handshakes;
mod simulated;
mod strangers;
mod streams;
