//! The classic lessons in coroutines that are switched by hand, with stacks of their own: generators and greenlets, as
//! stories against the exact lines that their programs print.

#![cfg(not(miri))]

mod generating;
mod switching;
mod talk;
