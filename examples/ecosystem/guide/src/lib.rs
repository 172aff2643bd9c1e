//! The page `runtime::guide::ecosystem` shows how other people's crates are used. `runtime` itself has none of them, so its
//! examples are compiled here.
#![cfg_attr(doctest, doc = include_str!("../../../../runtime/src/guide/ecosystem.md"))]
