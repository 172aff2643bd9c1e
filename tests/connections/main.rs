//! Listeners and clients: whom they trust, what arrives, and what those get who have no right to anything.

mod asking;
mod between;
mod strangers;
mod support;
