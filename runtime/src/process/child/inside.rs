//! The life of a process that calls one function: in the child.

use super::{
    me,
    word::{self, Order, Word},
};
use crate::process::{
    birth::Cradle,
    host::Host,
    packet::{Packet, PacketError},
    registry::CallError,
};
use std::{
    fmt,
    io::{self, Write},
};

/// Lives it, until all children are gone that were started in it. Python's exit codes: 0, or 1 if there is no result.
pub(crate) fn live(cradle: Cradle) -> i32 {
    let Cradle { line, host, .. } = cradle;
    // If there is none, its parent has ended before it could say what there is to do.
    let Ok(Some(order)) = line.blocking_recv(None) else { return 1 };
    let (reply, code) = match call(&host, order) {
        Ok(result) => (result, 0),
        Err(word) => (Packet::from(word::bytes(&word)), 1),
    };
    let code = match line.blocking_send(reply, None) {
        Ok(()) => code,
        // Nobody wants to know any more.
        Err(PacketError::Closed) => code,
        Err(error) => {
            say(&error);
            // It was too long, or there was no file for it.
            let word = word::bytes(&Word::Result(error.to_string()));
            let _ = line.blocking_send(Packet::from(word), None);
            1
        }
    };
    // The runtime that an `async` function had, and the children that were started in there.
    drop(host);
    code
}

fn call(host: &Host, order: Packet) -> Result<Packet, Word> {
    let (head, offset) = word::read::<Order>(&order.bytes).map_err(Word::Arguments)?;
    let function = head.function()?;
    me::set_lineage(head.lineage);
    let called = function.call(host, offset, order, word::bytes(&Word::Returned));
    called.map_err(|error| {
        // A panic has been reported when it happened.
        if !matches!(error, CallError::Panicked(_)) {
            say(&error);
        }
        error.into()
    })
}

/// Reports what went wrong, as its parent may not want to know. Without the macro, which panics: standard error may be closed.
fn say(error: &impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{}: {error}", me::current().name());
}
