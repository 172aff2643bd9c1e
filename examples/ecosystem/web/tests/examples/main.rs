//! The examples as their users meet them: `https_get` with servers that are to be believed and others, `axum_app` with a
//! browser, curl, and a signal.

#[path = "../common/authority.rs"]
mod authority;
mod browser;
mod chat;
mod fetching;
#[path = "../common/program.rs"]
mod program;
