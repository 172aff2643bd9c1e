//! Pages to read from beginning to end, where the documentation of items is for looking things up. There is no code here.

#[doc = include_str!("cluster.md")]
pub mod cluster {}

// Its examples take crates that this package has not: they are compiled by `examples/ecosystem/guide`.
#[cfg(not(doctest))]
#[doc = include_str!("ecosystem.md")]
pub mod ecosystem {}

#[cfg(feature = "greenlet")]
#[doc = include_str!("greenlets.md")]
pub mod greenlets {}

#[cfg(feature = "process-pool")]
#[doc = include_str!("processes.md")]
pub mod processes {}
