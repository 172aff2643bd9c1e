//! Stories of values that come from somebody hostile. The types are the user's, written without serde's macros.

use crate::guarded::from_bytes;
use proptest::{collection::vec, prelude::*};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{EnumAccess, VariantAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

fn bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, Vec::new()).unwrap()
}

#[track_caller]
fn comes_back<T: Serialize + for<'de> Deserialize<'de> + PartialEq + fmt::Debug>(value: T) {
    assert_eq!(from_bytes::<T>(&bytes(&value)), Ok(value));
}

/// A list as beginners write it: `enum List { End, More(Box<List>) }`.
#[derive(Debug, PartialEq)]
enum List {
    End,
    More(Box<List>),
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::End => serializer.serialize_unit_variant("List", 0, "End"),
            Self::More(rest) => serializer.serialize_newtype_variant("List", 1, "More", rest),
        }
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Variants;
        impl<'de> Visitor<'de> for Variants {
            type Value = List;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<List, A::Error> {
                match access.variant::<u32>()? {
                    (0, variant) => variant.unit_variant().map(|()| List::End),
                    (_, variant) => variant.newtype_variant().map(|rest| List::More(Box::new(rest))),
                }
            }
        }
        deserializer.deserialize_enum("List", &["End", "More"], Variants)
    }
}

/// `struct Nest(Option<Box<Nest>>)`, and `struct Tree(Vec<Tree>)`.
#[derive(Debug)]
struct Nest(#[expect(dead_code, reason = "only its depth matters")] Option<Box<Nest>>);
#[derive(Debug)]
struct Tree(#[expect(dead_code, reason = "only its depth matters")] Vec<Tree>);

impl<'de> Deserialize<'de> for Nest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

#[test]
fn honest_values_come_back() {
    comes_back((true, -1_i8, -300_i16, i32::MIN, i64::MAX, i128::MIN));
    comes_back((1_u8, 300_u16, u32::MAX, u64::MAX, u128::MAX, 'é', 1.5_f32, -0.25_f64));
    comes_back(("text".to_owned(), vec![1_u8, 2], Some(3_u16), None::<u8>, ()));
    comes_back(BTreeMap::from([("a".to_owned(), vec![Some((1, 2))]), ("b".to_owned(), vec![])]));
    comes_back(Ok::<Vec<String>, u8>(vec!["x".to_owned(); 1000]));
    comes_back(vec![(); 4000]);
    comes_back(vec![0_u8; 100_000]);
    comes_back(vec![((((1_u8,),),),); 1000]);
    comes_back(std::time::Duration::from_millis(1500));
    comes_back("10.0.0.1:80".parse::<std::net::SocketAddr>().unwrap());
    comes_back((0..100).fold(List::End, |list, _| List::More(Box::new(list))));
}

#[test]
fn a_bomb_of_levels_is_an_error_and_not_the_end_of_the_stack() {
    let deep = "it is nested more than 128 levels deep";
    for byte in [1, 2] {
        let bomb = vec![byte; 10 << 20];
        assert_eq!(from_bytes::<List>(&bomb).unwrap_err(), deep);
    }
    assert_eq!(from_bytes::<Nest>(&vec![1; 10 << 20]).unwrap_err(), deep);
    assert_eq!(from_bytes::<Tree>(&vec![1; 10 << 20]).unwrap_err(), deep);
    assert_eq!(from_bytes::<BTreeMap<u8, Tree>>(&vec![1; 10 << 20]).unwrap_err(), deep);
}

#[test]
fn a_bomb_of_nothings_is_an_error_and_not_the_end_of_time() {
    let mut bomb = vec![0xFF; 9];
    bomb.push(1); // 2⁶⁴ - 1 elements
    assert_eq!(from_bytes::<Vec<()>>(&bomb).unwrap_err(), "it has more elements than bytes for them");
    assert!(from_bytes::<Vec<u64>>(&bomb).is_err(), "and no memory is reserved for so many");
    assert!(from_bytes::<String>(&bomb).is_err());
    assert!(from_bytes::<BTreeMap<(), ()>>(&bomb).is_err());
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(from_bytes::<u8>(&[1, 2, 3]).unwrap_err(), "2 bytes follow its end");
    assert!(from_bytes::<u16>(&[]).unwrap_err().contains("end"));
    assert!(from_bytes::<String>(&[2, 0xC3, 0x28]).is_err());
    assert!(from_bytes::<u16>(&[0xFF; 4]).is_err(), "a number longer than its type");
    assert!(from_bytes::<bool>(&[2]).is_err());
    assert!(from_bytes::<char>(&[4, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
}

type Anything = (Vec<(Option<String>, BTreeMap<u16, char>)>, Result<List, (bool, f32)>, Vec<()>, i128);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of cases; the stories above run")]
    fn any_bytes_are_a_value_or_an_error(bytes in vec(prop_oneof![0..4_u8, any::<u8>()], 0..200)) {
        let _ = from_bytes::<Anything>(&bytes);
        let _ = from_bytes::<List>(&bytes);
    }
}
