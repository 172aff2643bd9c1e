//! What a process and its parent say to each other: one packet there, one packet back.

use crate::process::{
    panic::RemotePanic,
    registry::{CallError, FunctionId},
};
use serde::{Deserialize, Serialize};

/// What there is to do; the arguments are behind it, as `luggage` has written them down.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) function: u32,
    /// See [`me`](super::me).
    pub(super) lineage: Vec<u32>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// The result is behind it.
    Returned,
    Panicked(RemotePanic),
    /// The arguments could not be read.
    Arguments(String),
    /// The result could not be written down.
    Result(String),
}

impl Order {
    pub(super) fn function(&self) -> Result<FunctionId, CallError> {
        FunctionId::from_number(self.function)
    }
}

impl From<CallError> for Word {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Panicked(panic) => Self::Panicked(panic),
            CallError::Result(error) => Self::Result(error.to_string()),
            error => Self::Arguments(error.to_string()),
        }
    }
}

/// The bytes that a packet begins with.
pub(super) fn bytes(head: &impl Serialize) -> Vec<u8> {
    // They have no maps and no types of the user's, which alone can fail.
    postcard::to_extend(head, Vec::new()).expect("heads can be written down")
}

/// What a packet begins with, and how long that is.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, usize), String> {
    let (head, rest) = postcard::take_from_bytes(bytes).map_err(|error| error.to_string())?;
    Ok((head, bytes.len() - rest.len()))
}

#[cfg(test)]
mod tests {
    use super::{Order, Word, bytes, read};

    #[test]
    fn a_packet_begins_with_what_was_said_and_the_rest_is_left_alone() {
        let order = Order { function: 300, lineage: vec![2, 1] };
        let mut there = bytes(&order);
        there.extend(b"arguments");
        assert_eq!(read::<Order>(&there), Ok((order, there.len() - b"arguments".len())));
        assert_eq!(read::<Word>(&[0, 1, 2]), Ok((Word::Returned, 1)));
        assert_eq!(bytes(&Word::Returned), [0]);
        for end in 0..3 {
            assert!(read::<Order>(&there[..end]).is_err(), "cut at {end}");
        }
        assert!(read::<Word>(b"\xff").is_err(), "no such word");
    }

    #[test]
    fn what_was_changed_on_the_way_is_refused_or_another_word() {
        let order = bytes(&Order { function: 300, lineage: vec![2, 1, 70_000] });
        let words = [Word::Returned, Word::Arguments("why".to_owned()), Word::Result("ß".to_owned())];
        let samples: Vec<_> = words.iter().map(bytes).chain([order]).collect();
        crate::process::fuzz::fuzz(&samples, |_, given| {
            if let Ok((order, end)) = read::<Order>(given) {
                assert!(end <= given.len() && order.lineage.len() <= given.len());
                let _ = order.function();
            }
            if let Ok((word, end)) = read::<Word>(given) {
                assert!(end <= given.len());
                assert_eq!(read::<Word>(&bytes(&word)).unwrap().0, word);
            }
        });
    }
}
