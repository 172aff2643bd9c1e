//! System calls the stories need and no safe crate offers.
#![allow(unsafe_code, reason = "tests provoke what safe code cannot")]
