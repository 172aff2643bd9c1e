//! What a packet says of itself: twelve bytes before its own. Numbers have their little end first.
//!
//! ```text
//! version  place  descriptors  0   tag (u64)   bytes…         place 0: they are here
//! version  place  descriptors  0   tag (u64)   length (u64)   place 1: they are in a file, the first descriptor that came
//! ```

use super::{
    PacketError,
    error::PacketError::{DescriptorsLost, Malformed},
};

pub(super) const HEAD_BYTES: usize = 12;

/// Both ends are the same program, so this is about descriptors that come from elsewhere.
const VERSION: u8 = 0xB1;

/// What the head of a packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) place: Place,
    /// Without that of the file.
    pub(super) descriptors: usize,
    /// A number that goes with it, for whoever sends more than values. It is with the packet itself, also if that is long.
    pub(super) tag: u64,
}

/// Where the bytes of a packet are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Here,
    File { bytes: u64 },
}

impl Head {
    /// As it is sent.
    pub(super) fn bytes(self) -> [u8; HEAD_BYTES] {
        let place = u8::from(self.place != Place::Here);
        let mut bytes = [0; HEAD_BYTES];
        // No more than 252 descriptors are sent.
        bytes[..4].copy_from_slice(&[VERSION, place, self.descriptors as u8, 0]);
        bytes[4..].copy_from_slice(&self.tag.to_le_bytes());
        bytes
    }

    /// The tag, whatever else is wrong with the packet.
    pub(super) fn tag(head: [u8; HEAD_BYTES]) -> u64 {
        let [_, _, _, _, tag @ ..] = head;
        u64::from_le_bytes(tag)
    }

    /// Compares what a packet says with what came: the bytes behind the head, and so many descriptors.
    pub(super) fn read(head: [u8; HEAD_BYTES], body: &[u8], came: usize) -> Result<Place, PacketError> {
        let [VERSION, place, descriptors, 0, ..] = head else {
            return Err(Malformed("it does not begin as packets of this program do"));
        };
        let place = match place {
            0 => Place::Here,
            1 => {
                let length = body.try_into().map_err(|_| Malformed("it has no length"))?;
                Place::File { bytes: u64::from_le_bytes(length) }
            }
            _ => return Err(Malformed("its bytes are in a place that nobody knows")),
        };
        let said = usize::from(descriptors) + usize::from(place != Place::Here);
        match came {
            _ if came == said => Ok(place),
            // Some systems say nothing when a process can open no more.
            _ if came < said => Err(DescriptorsLost),
            _ => Err(Malformed("more descriptors came with it than it says")),
        }
    }
}
