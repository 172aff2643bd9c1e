//! What goes with a value and not into bytes: descriptors.
//!
//! While one of our encoders runs, a bag is open on this thread. A value that has a descriptor leaves a duplicate in it, and
//! writes its number in the bag; the decoder takes it out again. Whoever serialises such a value otherwise has no bag, and is
//! told so.

mod each;

pub(crate) use each::{decode_each, encode_each};

use super::packet::{MAX_DESCRIPTORS, Packet};
use crate::guarded;
use runtime_executor::current;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::{
    any::Any,
    error::Error,
    fmt,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// What lies in the thread-local while an encoder or a decoder runs.
enum Bag {
    Packing {
        descriptors: Vec<OwnedFd>,
        problem: Option<String>,
    },
    /// `None`: taken out.
    Unpacking {
        descriptors: Vec<Option<OwnedFd>>,
        problem: Option<String>,
    },
}

impl Bag {
    /// Calls `f` with the bag that is open on this thread, if one is.
    fn with<R>(f: impl FnOnce(Option<&mut Self>) -> R) -> R {
        let mut there = current::replace_bag(None);
        let result = f(there.as_mut().and_then(|bag| bag.downcast_mut()));
        current::replace_bag(there);
        result
    }

    /// How many descriptors were left in the one that is open.
    fn count() -> usize {
        Self::with(|bag| match bag {
            Some(Self::Packing { descriptors, .. }) => descriptors.len(),
            _ => 0,
        })
    }

    /// Takes back what was left in the open one beyond so many, which belongs to nothing.
    fn take_back(to: usize) {
        Self::with(|bag| {
            if let Some(Self::Packing { descriptors, .. }) = bag {
                descriptors.truncate(to);
            }
        });
    }

    /// What was noted in the open one since the last time.
    fn take_problem() -> Option<String> {
        Self::with(|bag| match bag {
            Some(Self::Packing { problem, .. } | Self::Unpacking { problem, .. }) => problem.take(),
            None => None,
        })
    }

    /// The system's refusal, to be told when the encoder or decoder has given up: formats forget what an error says.
    fn note(&mut self, what: &dyn fmt::Display) {
        let (Self::Packing { problem, .. } | Self::Unpacking { problem, .. }) = self;
        *problem = Some(what.to_string());
    }
}

/// Opens a bag; the one that was open before is open again when this is dropped.
struct Opened {
    outer: Option<Box<dyn Any>>,
}

impl Opened {
    fn new(bag: Bag) -> Self {
        Self { outer: current::replace_bag(Some(Box::new(bag))) }
    }

    /// `None` only while the thread ends.
    fn close(mut self) -> Option<Bag> {
        let bag = current::replace_bag(self.outer.take());
        std::mem::forget(self);
        bag.and_then(|bag| bag.downcast().ok()).map(|bag| *bag)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        current::replace_bag(self.outer.take());
    }
}

/// The packet that a value makes.
///
/// # Errors
/// If it cannot be serialised, or has more descriptors than go with a packet.
///
/// # Panics
/// If its `Serialize` panics.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Packet, EncodeError> {
    encode_behind(Vec::new(), value)
}

/// [`encode`] behind bytes that are there already.
///
/// # Errors
/// As there.
pub(crate) fn encode_behind<T: Serialize + ?Sized>(bytes: Vec<u8>, value: &T) -> Result<Packet, EncodeError> {
    let opened = Opened::new(Bag::Packing { descriptors: Vec::new(), problem: None });
    let encoded = postcard::to_extend(value, bytes);
    let (descriptors, problem) = match opened.close() {
        Some(Bag::Packing { descriptors, problem }) => (descriptors, problem),
        _ => (Vec::new(), None),
    };
    match encoded {
        Ok(bytes) => pack(bytes, descriptors),
        Err(error) => Err(EncodeError(problem.unwrap_or_else(|| error.to_string()))),
    }
}

fn pack(bytes: Vec<u8>, descriptors: Vec<OwnedFd>) -> Result<Packet, EncodeError> {
    match descriptors.len() {
        count if count > MAX_DESCRIPTORS => Err(EncodeError(format!(
            "it has {count} descriptors, and no more than {MAX_DESCRIPTORS} go with one message"
        ))),
        _ => Ok(Packet { bytes, descriptors }),
    }
}

/// The value that has made a packet.
///
/// # Errors
/// If it is no such value, no deeper or longer than one can be, or not all of it was used. Descriptors that came with it are
/// closed then.
///
/// # Panics
/// If its `Deserialize` panics.
pub(crate) fn decode<T: DeserializeOwned>(packet: Packet) -> Result<T, DecodeError> {
    decode_behind(0, packet)
}

/// [`decode`] what lies behind so many bytes.
///
/// # Errors
/// As there.
pub(crate) fn decode_behind<T: DeserializeOwned>(offset: usize, packet: Packet) -> Result<T, DecodeError> {
    let Packet { bytes, descriptors } = packet;
    let Some(bytes) = bytes.get(offset..) else {
        return Err(DecodeError("it is shorter than what it begins with".to_owned()));
    };
    let descriptors = descriptors.into_iter().map(Some).collect();
    let opened = Opened::new(Bag::Unpacking { descriptors, problem: None });
    let decoded = guarded::from_bytes(bytes);
    let (descriptors, problem) = match opened.close() {
        Some(Bag::Unpacking { descriptors, problem }) => (descriptors, problem),
        _ => (Vec::new(), None),
    };
    let value = decoded.map_err(|error| DecodeError(problem.unwrap_or(error)))?;
    match descriptors.iter().flatten().count() {
        0 => Ok(value),
        left => {
            Err(DecodeError(format!("{left} of the descriptors that came with it belong to nothing in it")))
        }
    }
}

/// A value cannot become bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EncodeError(pub(crate) String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value cannot be sent: {}", self.0)
    }
}

impl Error for EncodeError {}

/// Bytes are no value of the type that is expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DecodeError(pub(crate) String);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what came is not what is expected: {}", self.0)
    }
}

impl Error for DecodeError {}

/// Leaves a duplicate of a descriptor in the open bag, and writes its number there: for `Serialize`.
///
/// # Errors
/// If no encoder of ours runs, or the system refuses the duplicate.
pub(crate) fn check_in<S: Serializer>(fd: BorrowedFd<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let number = Bag::with(|bag| match bag {
        Some(Bag::Packing { descriptors, problem }) => match fd.try_clone_to_owned() {
            Ok(duplicate) => {
                descriptors.push(duplicate);
                Ok(descriptors.len() as u32 - 1)
            }
            Err(error) => {
                *problem = Some(format!("a descriptor in it cannot be duplicated: {error}"));
                Err("a descriptor cannot be duplicated")
            }
        },
        _ => Err(
            "it has a descriptor, which only a process that is started with it, a queue, a pipe or a pool of ours \
                  can carry to another process: it cannot be written elsewhere",
        ),
    });
    serializer.serialize_u32(number.map_err(serde::ser::Error::custom)?)
}

/// A descriptor of whoever serialises this, who keeps it.
pub(crate) struct Loan<'f>(pub(crate) BorrowedFd<'f>);

impl Serialize for Loan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        check_in(self.0, serializer)
    }
}

/// Takes out of the open bag what [`check_in`] has left there: for `Deserialize`.
///
/// # Errors
/// If no decoder of ours runs, or there is no such thing in the bag.
pub(crate) fn check_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OwnedFd, D::Error> {
    let number = u32::deserialize(deserializer)?;
    let fd = Bag::with(|bag| match bag {
        Some(Bag::Unpacking { descriptors, problem }) => {
            let there = usize::try_from(number).ok().and_then(|number| descriptors.get_mut(number));
            there.and_then(Option::take).ok_or_else(|| {
                let what = "it refers to a descriptor that has not come with it";
                *problem = Some(what.to_owned());
                what
            })
        }
        _ => Err("it has a descriptor, and came without any: only what was sent by ours can be read again"),
    });
    fd.map_err(serde::de::Error::custom)
}

/// Says why what was just taken out of the bag is of no use; to be told in the error of the decoder.
pub(crate) fn refuse<E: serde::de::Error>(why: &dyn fmt::Display) -> E {
    Bag::with(|bag| bag.map(|bag| bag.note(why)));
    E::custom(why)
}

/// A descriptor that goes to another process with whatever it is in: an argument, a result, an item of a queue, a message. The
/// receiver has a duplicate; this one stays with whoever has it.
///
/// ```
/// use runtime::process::Descriptor;
/// use std::{fs::File, os::fd::OwnedFd};
///
/// let file = Descriptor(File::open("/dev/null")?.into());
/// let file: File = OwnedFd::from(file).into();
/// # drop(file);
/// # std::io::Result::Ok(())
/// ```
///
/// Only messages between processes of this program can carry it: serialised otherwise it is an error.
#[derive(Debug)]
pub struct Descriptor(pub OwnedFd);

impl From<Descriptor> for OwnedFd {
    fn from(descriptor: Descriptor) -> Self {
        descriptor.0
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        check_in(self.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        check_out(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Descriptor, Packet, decode, decode_behind, encode, encode_behind};
    use serde::{Deserialize, Serialize, Serializer, ser::SerializeTuple};
    use std::{
        io::{PipeReader, PipeWriter, Read, Write, pipe},
        os::fd::OwnedFd,
    };

    #[derive(Serialize, Deserialize, Debug)]
    struct Parcel {
        name: String,
        ends: Vec<Descriptor>,
        empty: Option<Descriptor>,
    }

    fn parcel() -> (Parcel, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        let ends = vec![Descriptor(reader.try_clone().unwrap().into()), Descriptor(writer.into())];
        (Parcel { name: "both".to_owned(), ends, empty: None }, reader)
    }

    #[test]
    fn a_value_arrives_with_its_descriptors_each_in_its_place() {
        let (sent, _reader) = parcel();
        let packet = encode_behind(b"head".to_vec(), &sent).unwrap();
        assert_eq!((&packet.bytes[..4], packet.descriptors.len()), (&b"head"[..], 2));
        drop(sent);
        let Parcel { name, mut ends, empty } = decode_behind(4, packet).unwrap();
        assert_eq!((name.as_str(), ends.len(), empty.is_none()), ("both", 2, true));
        let writer: OwnedFd = ends.remove(1).into();
        PipeWriter::from(writer).write_all(b"through").unwrap();
        let reader: OwnedFd = ends.remove(0).into();
        let mut said = String::new();
        PipeReader::from(reader).read_to_string(&mut said).unwrap();
        assert_eq!(said, "through", "and then the end, as nobody else can write");
    }

    #[test]
    fn what_does_not_belong_to_the_value_is_refused_and_closed() {
        let (sent, mut reader) = parcel();
        let packet = encode(&sent).unwrap();
        drop(sent);
        let Packet { bytes, mut descriptors } = packet;
        let writer = descriptors.pop().unwrap();
        let error = decode::<String>(Packet { bytes: encode("x").unwrap().bytes, descriptors: vec![writer] })
            .unwrap_err();
        assert!(error.to_string().contains("1 of the descriptors"), "{error}");
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "", "the end: it was closed");

        let error = decode::<Parcel>(Packet { bytes: bytes.clone(), descriptors }).unwrap_err();
        assert!(error.to_string().contains("has not come with it"), "{error}");
        assert!(decode::<Parcel>(Packet::from(bytes[..3].to_vec())).is_err());
        assert!(decode_behind::<Parcel>(64, Packet::from(bytes)).is_err());
    }

    #[test]
    fn one_descriptor_is_not_given_out_twice() {
        let (sent, _reader) = parcel();
        let Packet { mut bytes, descriptors } = encode(&sent).unwrap();
        assert_eq!(bytes, b"\x04both\x02\x00\x01\x00");
        bytes[6] = 1;
        let error = decode::<Parcel>(Packet { bytes, descriptors }).unwrap_err();
        assert!(error.to_string().contains("has not come with it"), "{error}");
    }

    #[test]
    fn encoders_within_encoders_have_bags_of_their_own() {
        struct Nested(Descriptor);
        impl Serialize for Nested {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut both = serializer.serialize_tuple(2)?;
                both.serialize_element(&self.0)?;
                assert_eq!(encode(&self.0).unwrap().descriptors.len(), 1);
                assert!(std::panic::catch_unwind(|| encode(&Panics)).is_err());
                both.serialize_element(&self.0)?;
                both.end()
            }
        }
        struct Panics;
        impl Serialize for Panics {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                std::panic::resume_unwind(Box::new(()))
            }
        }
        let (_reader, writer) = pipe().unwrap();
        assert_eq!(encode(&Nested(Descriptor(writer.into()))).unwrap().descriptors.len(), 2);
    }

    #[test]
    fn nobody_else_carries_descriptors() {
        let (_reader, writer) = pipe().unwrap();
        let writer = Descriptor(writer.into());
        assert!(postcard::to_extend(&writer, Vec::new()).is_err());
        assert!(postcard::from_bytes::<Descriptor>(&[0]).is_err());
        let decoding = serde::de::value::U32Deserializer::<serde::de::value::Error>::new(0);
        let error = Descriptor::deserialize(decoding).unwrap_err();
        assert!(error.to_string().contains("only what was sent by ours"), "{error}");
    }
}
