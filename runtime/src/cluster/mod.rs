//! One reactor per core, as supervised worker processes (or threads) of one program.

mod wire;
