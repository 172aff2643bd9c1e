//! Many values in one packet, each behind its length, so that what is wrong with one concerns no other.
//!
//! ```text
//! length (u32)  value  length (u32)  value …
//! ```

use super::{
    super::{packet::Packet, panic::Catcher},
    Bag, DecodeError, EncodeError, Opened, guarded, pack,
};
use serde::{Serialize, de::DeserializeOwned};

/// The packet that many values make. For one that cannot be serialised stands in it what `instead` makes of the reason.
///
/// # Errors
/// If they have together more descriptors than go with a packet, or what stands instead of one cannot be serialised either.
pub(crate) fn encode_each<T: Serialize>(
    mut bytes: Vec<u8>,
    values: impl IntoIterator<Item = T>,
    instead: impl Fn(String) -> T,
) -> Result<Packet, EncodeError> {
    let opened = Opened::new(Bag::Packing { descriptors: Vec::new(), problem: None });
    let catcher = Catcher::new();
    for value in values {
        let (start, count) = (bytes.len(), Bag::count());
        let appended = match catcher.catch(|| append(&mut bytes, &value)) {
            Ok(appended) => appended.map_err(|error| Bag::take_problem().unwrap_or(error)),
            Err(panic) => Err(panic.to_string()),
        };
        if let Err(error) = appended {
            bytes.truncate(start);
            Bag::take_back(count);
            append(&mut bytes, &instead(error)).map_err(EncodeError)?;
        }
    }
    match opened.close() {
        Some(Bag::Packing { descriptors, .. }) => pack(bytes, descriptors),
        _ => pack(bytes, Vec::new()),
    }
}

/// Writes a value behind its length.
fn append<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), String> {
    struct Behind<'b>(&'b mut Vec<u8>);
    impl Extend<u8> for Behind<'_> {
        fn extend<I: IntoIterator<Item = u8>>(&mut self, more: I) {
            self.0.extend(more);
        }
    }
    let start = bytes.len() + LENGTH_BYTES;
    bytes.extend([0; LENGTH_BYTES]);
    postcard::to_extend(value, Behind(bytes)).map_err(|error| error.to_string())?;
    let length = u32::try_from(bytes.len() - start).map_err(|_| "it takes more than 4 GiB".to_owned())?;
    bytes[start - LENGTH_BYTES..start].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// What stands before each of many values.
const LENGTH_BYTES: usize = 4;

/// What [`encode_each`] has made a packet of, behind so many bytes, each value as far as it is one. Descriptors that belong to
/// none are closed.
///
/// # Errors
/// If these are no values with their lengths.
pub(crate) fn decode_each<T: DeserializeOwned>(
    offset: usize,
    packet: Packet,
) -> Result<Vec<Result<T, DecodeError>>, DecodeError> {
    let cut = || DecodeError("it is shorter than it says".to_owned());
    let Packet { bytes, descriptors } = packet;
    let descriptors = descriptors.into_iter().map(Some).collect();
    let _opened = Opened::new(Bag::Unpacking { descriptors, problem: None });
    let catcher = Catcher::new();
    let (mut values, mut rest) = (Vec::new(), bytes.get(offset..).ok_or_else(cut)?);
    while let Some((length, behind)) = rest.split_first_chunk::<LENGTH_BYTES>() {
        let (value, behind) =
            behind.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut)?;
        let decoded = match catcher.catch(|| guarded::from_bytes(value)) {
            Ok(decoded) => decoded.map_err(|error| Bag::take_problem().unwrap_or(error)),
            Err(panic) => Err(panic.to_string()),
        };
        values.push(decoded.map_err(DecodeError));
        rest = behind;
    }
    if rest.is_empty() { Ok(values) } else { Err(cut()) }
}

#[cfg(test)]
mod tests {
    use super::{super::Descriptor, decode_each, encode_each};
    use crate::process::{fuzz::fuzz, packet::Packet};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
    use std::io::{Read, pipe};

    /// Has a descriptor, and says whether it can be written and read.
    #[derive(Debug)]
    struct Parcel(&'static str, Option<Descriptor>);

    impl Serialize for Parcel {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            assert_ne!(self.0, "panics");
            let both = (self.0, &self.1).serialize(serializer)?;
            if self.0 == "unwritten" { Err(serde::ser::Error::custom("it will not be")) } else { Ok(both) }
        }
    }

    impl<'de> Deserialize<'de> for Parcel {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let (name, descriptor) = <(String, Option<Descriptor>)>::deserialize(deserializer)?;
            match name.as_str() {
                "unread" => Err(de::Error::custom("it will not be")),
                "panics there" => panic!("it will not be"),
                _ => Ok(Self("it came", descriptor)),
            }
        }
    }

    #[test]
    fn each_arrives_with_its_own_or_says_why_not() {
        let names = ["first", "unwritten", "panics", "unread", "panics there", "last"];
        let (mut readers, mut parcels) = (Vec::new(), Vec::new());
        for name in names {
            let (reader, writer) = pipe().unwrap();
            readers.push(reader);
            parcels.push(Ok(Parcel(name, Some(Descriptor(writer.into())))));
        }
        let packet = encode_each(b"head".to_vec(), parcels, Err::<Parcel, String>).unwrap();
        assert_eq!(packet.descriptors.len(), 4, "not those of what was not written");
        let came = decode_each::<Result<Parcel, String>>(4, packet).unwrap();
        assert_eq!(came.len(), 6);
        for ((name, mut came), mut reader) in names.into_iter().zip(came).zip(readers) {
            match (&mut came, name) {
                (Ok(Ok(Parcel("it came", there))), "first" | "last") => assert!(there.take().is_some()),
                (Ok(Err(_)), "unwritten" | "panics") => {}
                (Err(_), "unread" | "panics there") => {}
                other => panic!("{other:?}"),
            }
            // The end: everybody's descriptor is closed by now.
            assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
        }
        assert!(encode_each(Vec::new(), [Ok(1_u8); 0], Err::<u8, String>).unwrap().bytes.is_empty());
    }

    #[test]
    fn what_is_cut_or_changed_is_refused_or_as_many_values_as_it_says() {
        let sample = encode_each(vec![7], ["one", "", "three"], |why| panic!("{why}")).unwrap().bytes;
        fuzz(&[sample], |_, given| {
            if let Ok(came) = decode_each::<String>(1, Packet::from(given.to_vec())) {
                let lengths = came.iter().flatten().map(|text| text.len() + 1);
                assert!(4 * came.len() + lengths.sum::<usize>() < given.len());
            }
        });
    }
}
