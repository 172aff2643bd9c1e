//! A value whose type is found out at run time, for what programs keep in one list or dict with Python's ease.

mod from;
mod repr;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::{
    cmp::Ordering,
    collections::BTreeMap,
    hash::{Hash, Hasher},
    mem,
};

/// A value of one of Python's types: for a [`ManagedDict`](super::ManagedDict) with keys of several types, or a
/// [`ManagedNamespace`](super::ManagedNamespace).
///
/// It is made by `From` and `collect`, shown as Python's `repr` does, and equal to a value of the same type only: `2`, `2.0` and
/// `"2"` are three keys. (In Python the first two are one; here a key is what it was made of.) Floats are compared by their
/// bits, so that NaN equals itself, and 0.0 does not equal -0.0. The order is: by type, as they stand below, then by value.
///
/// Between processes a value may be nested some 40 deep.
///
/// ```
/// use runtime::process::Value;
/// use std::collections::BTreeMap;
///
/// let mixed: BTreeMap<Value, Value> =
///     [(Value::from(2), "int".into()), ("2".into(), "str".into()), (0.25.into(), Value::None)].into();
/// assert_eq!(mixed[&Value::from("2")].as_str(), Some("str"));
/// assert_eq!(Value::from(mixed).to_string(), "{2: 'int', 0.25: None, '2': 'str'}");
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub enum Value {
    /// Python's `None`.
    #[default]
    None,
    /// `bool`.
    Bool(bool),
    /// `int`, within 128 bits.
    Int(i128),
    /// `float`.
    Float(f64),
    /// `str`.
    Str(String),
    /// `bytes`.
    Bytes(Vec<u8>),
    /// `list`, or `tuple`.
    List(Vec<Value>),
    /// `dict`, in the order of its keys.
    Dict(BTreeMap<Value, Value>),
}

impl Value {
    /// Whether it is `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The bool that it is.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(it) = self { Some(*it) } else { None }
    }

    /// The int that it is.
    pub fn as_int(&self) -> Option<i128> {
        if let Self::Int(it) = self { Some(*it) } else { None }
    }

    /// The float that it is; an int is none.
    pub fn as_float(&self) -> Option<f64> {
        if let Self::Float(it) = self { Some(*it) } else { None }
    }

    /// The str that it is.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(it) = self { Some(it) } else { None }
    }

    /// The bytes that it is.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(it) = self { Some(it) } else { None }
    }

    /// The list that it is.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(it) = self { Some(it) } else { None }
    }

    /// The dict that it is.
    pub fn as_dict(&self) -> Option<&BTreeMap<Self, Self>> {
        if let Self::Dict(it) = self { Some(it) } else { None }
    }

    /// The number of its type in the order of types.
    fn rank(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Float(_) => 3,
            Self::Str(_) => 4,
            Self::Bytes(_) => 5,
            Self::List(_) => 6,
            Self::Dict(_) => 7,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Int(one), Self::Int(other)) => one.cmp(other),
            (Self::Float(one), Self::Float(other)) => one.total_cmp(other),
            (Self::Str(one), Self::Str(other)) => one.cmp(other),
            (Self::Bytes(one), Self::Bytes(other)) => one.cmp(other),
            (Self::List(one), Self::List(other)) => one.cmp(other),
            (Self::Dict(one), Self::Dict(other)) => one.cmp(other),
            (one, other) => one.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        mem::discriminant(self).hash(state);
        match self {
            Self::None => {}
            Self::Bool(it) => it.hash(state),
            Self::Int(it) => it.hash(state),
            Self::Float(it) => it.to_bits().hash(state),
            Self::Str(it) => it.hash(state),
            Self::Bytes(it) => it.hash(state),
            Self::List(it) => it.hash(state),
            Self::Dict(it) => it.hash(state),
        }
    }
}
