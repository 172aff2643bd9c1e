//! A worker's life: it calls one function after the other, and says what came of it.

use super::{
    claims::Claims,
    wire::{ANSWER_BYTES, JOB_BYTES, JobHead, Kind, SETUP_BYTES, Setup, Word},
};
use crate::process::{
    birth::Cradle,
    death::MISFIT,
    luggage,
    packet::{Packet, PacketError, Packets},
    registry::{CallError, FunctionId},
};
use std::io::{self, Write};

/// Lives until the pool says nothing more. Gives the exit code.
pub(crate) fn live(cradle: Cradle) -> i32 {
    match serve(cradle) {
        // Nobody wants to know any more.
        Ok(()) | Err(Unfit::Line(PacketError::Closed)) => 0,
        Err(unfit) => {
            let why = match unfit {
                Unfit::Line(error) => error.to_string(),
                Unfit::Nonsense => "its pool says what no pool says".to_owned(),
                Unfit::Memory(error) => format!("it cannot share memory with its pool: {error}"),
                Unfit::Initializer => return 1,
            };
            // Without the macro, which panics: standard error may be closed.
            let _ = writeln!(io::stderr(), "runtime: a worker of a process pool cannot go on: {why}");
            MISFIT
        }
    }
}

/// Why a worker cannot go on. What was sent to it and not begun is for others.
enum Unfit {
    Line(PacketError),
    Nonsense,
    Memory(io::Error),
    /// The pool was told why.
    Initializer,
}

impl From<PacketError> for Unfit {
    fn from(error: PacketError) -> Self {
        Self::Line(error)
    }
}

fn serve(cradle: Cradle) -> Result<(), Unfit> {
    super::keep_large_blocks();
    let Cradle { line, host, .. } = cradle;
    let Some(mut packet) = line.blocking_recv(None)? else { return Ok(()) };
    let setup = Setup::read(&packet).filter(|_| !packet.descriptors.is_empty()).ok_or(Unfit::Nonsense)?;
    let claims = Claims::from_fd(packet.descriptors.remove(0)).map_err(Unfit::Memory)?;
    let limit_bytes = usize::try_from(setup.limit_bytes).unwrap_or(usize::MAX);
    let line = line.with_limit(limit_bytes);
    if let Some(function) = setup.initializer {
        let initialized = FunctionId::from_number(function)
            .and_then(|function| function.call(&host, SETUP_BYTES, packet, Vec::new()));
        if let Err(error) = initialized {
            say(&line, Word::Failed, error.to_string().as_bytes())?;
            return Err(Unfit::Initializer);
        }
    }
    say(&line, Word::Ready, &[])?;
    while let Some(packet) = line.blocking_recv(None)? {
        let head = JobHead::read(&packet).ok_or(Unfit::Nonsense)?;
        if !claims.begin(usize::from(head.cell), head.job) {
            continue;
        }
        if head.is_heavy {
            say(&line, Word::Begun(head.job), &[])?;
        }
        let reply = Word::Answer(head.job, Kind::Result).head();
        let answer = FunctionId::from_number(head.function)
            .and_then(|function| function.call(&host, JOB_BYTES, packet, reply));
        reply_to(&line, head, answer, limit_bytes)?;
    }
    Ok(())
}

fn reply_to(
    line: &Packets,
    head: JobHead,
    answer: Result<Packet, CallError>,
    limit_bytes: usize,
) -> Result<(), PacketError> {
    let (kind, what) = match answer {
        Ok(packet) if packet.bytes.len() > limit_bytes => {
            (Kind::TooLong, ((packet.bytes.len() - ANSWER_BYTES) as u64).to_le_bytes().to_vec())
        }
        Ok(packet) => match line.blocking_send(packet, None) {
            Err(PacketError::Closed) => return Err(PacketError::Closed),
            // The system takes it not as it is: too many descriptors, no memory for a file.
            Err(error) => (Kind::Unsendable, error.to_string().into_bytes()),
            Ok(()) => return Ok(()),
        },
        Err(CallError::Panicked(panic)) => {
            (Kind::Panic, luggage::encode(&panic).map_or(Vec::new(), |packet| packet.bytes))
        }
        Err(error @ (CallError::Unknown(_) | CallError::Arguments(_))) => {
            (Kind::Arguments, error.to_string().into_bytes())
        }
        Err(CallError::Result(error)) => (Kind::Unsendable, error.to_string().into_bytes()),
    };
    say(line, Word::Answer(head.job, kind), &what)
}

fn say(line: &Packets, word: Word, what: &[u8]) -> Result<(), PacketError> {
    let mut bytes = word.head();
    bytes.extend_from_slice(what);
    line.blocking_send(Packet::from(bytes), None)
}
