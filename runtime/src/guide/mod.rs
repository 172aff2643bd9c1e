//! Pages to read from beginning to end, where the documentation of items is for looking things up. There is no code here.

#[doc = include_str!("cluster.md")]
pub mod cluster {}

#[cfg(feature = "greenlet")]
#[doc = include_str!("greenlets.md")]
pub mod greenlets {}

#[cfg(feature = "process-pool")]
#[doc = include_str!("processes.md")]
pub mod processes {}
