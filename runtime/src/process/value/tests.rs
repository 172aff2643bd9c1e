//! Values, against what CPython prints and what may come over the wire.

use super::Value;
use std::collections::{BTreeMap, HashSet};

/// Left what was made here, right what `repr` of the same prints in CPython 3.
#[test]
fn shown_as_python_shows_it() {
    let shown: &[(Value, &str)] = &[
        (Value::None, "None"),
        (true.into(), "True"),
        (false.into(), "False"),
        ((-7).into(), "-7"),
        (u64::MAX.into(), "18446744073709551615"),
        (2.0.into(), "2.0"),
        (0.25.into(), "0.25"),
        ((-0.0).into(), "-0.0"),
        (1e15.into(), "1000000000000000.0"),
        (1e16.into(), "1e+16"),
        (1.5e300.into(), "1.5e+300"),
        (0.0001.into(), "0.0001"),
        (0.00001.into(), "1e-05"),
        (1e-100.into(), "1e-100"),
        (f64::NAN.into(), "nan"),
        (f64::NEG_INFINITY.into(), "-inf"),
        ("it".into(), "'it'"),
        ("it's".into(), "\"it's\""),
        ("it's \"it\"".into(), "'it\\'s \"it\"'"),
        ("a\n\t\\\u{7f}é".into(), "'a\\n\\t\\\\\\x7fé'"),
        (b"a\x00'\xff".into(), "b\"a\\x00'\\xff\""),
        (Value::List(vec![]), "[]"),
        (vec![Some(1), None].into(), "[1, None]"),
        (BTreeMap::from([("k", [1, 2])]).into(), "{'k': [1, 2]}"),
    ];
    for (value, text) in shown {
        assert_eq!(value.to_string(), *text, "{value:?}");
    }
}

#[test]
fn values_of_different_types_are_different_keys() {
    let keys: Vec<Value> =
        vec![Value::None, false.into(), 0.into(), 0.0.into(), (-0.0).into(), "0".into(), b"0".into()];
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 7);
    let dict: Value = keys.iter().map(|key| (key.clone(), ())).collect();
    assert_eq!(dict.as_dict().unwrap().len(), 7);
    assert_eq!(Value::from(f64::NAN), Value::from(f64::NAN));
}

fn encoded(value: &Value) -> Vec<u8> {
    postcard::to_extend(value, Vec::new()).unwrap()
}

#[test]
fn a_value_survives_the_wire() {
    let inner: Value = [(Value::from(2), Value::from("x")), ("2".into(), 0.25.into())].into_iter().collect();
    let value = Value::List(vec![Value::None, true.into(), i128::MIN.into(), b"\x00\xff".into(), inner]);
    let bytes = encoded(&value);
    assert_eq!(postcard::from_bytes::<Value>(&bytes).unwrap(), value);
}

#[test]
fn equal_values_have_equal_bytes() {
    let one: Value = [(1, "a"), (2, "b")].into_iter().collect();
    let other: Value = [(2, "b"), (1, "a")].into_iter().collect();
    assert_eq!(encoded(&one), encoded(&other));
}

#[test]
fn a_length_is_not_believed() {
    // A str, bytes, a list and a dict of 2^35, of which one has come.
    for kind in [4, 5, 6, 7] {
        let bytes = [kind, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0];
        assert!(postcard::from_bytes::<Value>(&bytes).is_err());
    }
}
