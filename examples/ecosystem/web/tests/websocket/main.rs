//! WebSocket: how one is opened within HTTP, and what clients and servers of others make of ours.

#[path = "../common/authority.rs"]
mod authority;

mod endings;
mod floods;
mod python;
mod upgrades;
