//! Deserialising what may be hostile: no deeper, and no longer, than a message can honestly be.
//!
//! Postcard believes neither lengths nor tags, but it follows them. A recursive type costs a byte per level, and a few
//! mebibytes of levels more stack than there is; a sequence of units costs no byte per element, and ends after 2⁶⁴. So
//! between postcard and the user's type stands a layer that counts both. It passes everything else on.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::{cell::Cell, fmt};

/// Values within values. As many as `serde_json` follows.
const MAX_DEPTH: usize = 128;

/// Elements, fields and entries for each byte of a message: those of some bytes may consist of several layers.
const ELEMENTS_PER_BYTE: usize = 16;
/// Those that a message may have besides: units, and what consists of them.
const FREE_ELEMENTS: usize = 4096;

/// The value that `bytes` are, all of them.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let guard = Guard {
        depth: Cell::new(MAX_DEPTH),
        elements: Cell::new(bytes.len().saturating_mul(ELEMENTS_PER_BYTE) + FREE_ELEMENTS),
    };
    let mut source = postcard::Deserializer::from_bytes(bytes);
    let value = T::deserialize(Guarded(&mut source, &guard)).map_err(|error| guard.explain(&error))?;
    match source.finalize() {
        Ok([]) => Ok(value),
        Ok(rest) => Err(format!("{} bytes follow its end", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

/// What is left.
struct Guard {
    depth: Cell<usize>,
    elements: Cell<usize>,
}

impl Guard {
    /// One level further down, for as long as `f` takes.
    fn deeper<T, E: serde::de::Error>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let left = self.depth.get().checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        self.depth.set(left);
        let result = f();
        // Not after an error, so that it can be explained.
        if result.is_ok() {
            self.depth.set(left + 1);
        }
        result
    }

    fn element<E: serde::de::Error>(&self) -> Result<(), E> {
        let left = self.elements.get().checked_sub(1).ok_or_else(|| E::custom("too many"))?;
        self.elements.set(left);
        Ok(())
    }

    /// Postcard forgets what a custom error says.
    fn explain(&self, error: &postcard::Error) -> String {
        match (error, self.depth.get(), self.elements.get()) {
            (postcard::Error::SerdeDeCustom, 0, _) => {
                format!("it is nested more than {MAX_DEPTH} levels deep")
            }
            (postcard::Error::SerdeDeCustom, _, 0) => "it has more elements than bytes for them".to_owned(),
            _ => error.to_string(),
        }
    }
}

/// Anything of serde's, watched.
struct Guarded<'g, T>(T, &'g Guard);

/// A method of `Deserializer` that passes on all arguments, and a guarded visitor.
macro_rules! deserialize {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Self::Error> {
            self.0.$method($($argument,)* Guarded(visitor, self.1))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guarded<'_, D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A method of `Visitor` that passes on a value without parts.
macro_rules! visit {
    ($($method:ident($($value:ident: $type:ty)?);)*) => {$(
        fn $method<E: serde::de::Error>(self, $($value: $type)?) -> Result<V::Value, E> {
            self.0.$method($($value)?)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guarded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool(value: bool);
        visit_i8(value: i8);
        visit_i16(value: i16);
        visit_i32(value: i32);
        visit_i64(value: i64);
        visit_i128(value: i128);
        visit_u8(value: u8);
        visit_u16(value: u16);
        visit_u32(value: u32);
        visit_u64(value: u64);
        visit_u128(value: u128);
        visit_f32(value: f32);
        visit_f64(value: f64);
        visit_char(value: char);
        visit_str(value: &str);
        visit_borrowed_str(value: &'de str);
        visit_string(value: String);
        visit_bytes(value: &[u8]);
        visit_borrowed_bytes(value: &'de [u8]);
        visit_byte_buf(value: Vec<u8>);
        visit_none();
        visit_unit();
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.1.deeper(|| self.0.visit_some(Guarded(deserializer, self.1)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.1.deeper(|| self.0.visit_newtype_struct(Guarded(deserializer, self.1)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Guarded(access, self.1))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Guarded(access, self.1))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Guarded(access, self.1))
    }
}

/// Whatever is part of something is one level further down.
impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Guarded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.1.deeper(|| self.0.deserialize(Guarded(deserializer, self.1)))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.1.element()?;
        self.0.next_element_seed(Guarded(seed, self.1))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.1.element()?;
        self.0.next_key_seed(Guarded(seed, self.1))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Guarded(seed, self.1))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, 'g, A: EnumAccess<'de>> EnumAccess<'de> for Guarded<'g, A> {
    type Error = A::Error;
    type Variant = Guarded<'g, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Guarded(seed, self.1))?;
        Ok((value, Guarded(variant, self.1)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Guarded(seed, self.1))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Guarded(visitor, self.1))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Guarded(visitor, self.1))
    }
}
