//! Keys in files and memory.

use crate::process::{
    connection::Key,
    luggage::{decode, encode},
};
use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

/// A folder of this test's own, for as long as it runs.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("connection-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_same(one: &Key, other: &Key) -> bool {
    use hmac::Mac;
    let code = |key: &Key| key.mac(&[b"x"]).finalize().into_bytes();
    code(one) == code(other)
}

fn write(path: &Path, content: &[u8], mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter knows no permissions")]
fn a_file_is_made_for_its_owner_alone_and_once() {
    let scratch = Scratch::new("made");
    let path = scratch.0.join("key");
    let key = Key::create_file(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(is_same(&key, &Key::from_file(&path).unwrap()));
    assert_eq!(Key::create_file(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(!is_same(&key, &Key::random().unwrap()));
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter knows no permissions")]
fn a_file_that_others_can_read_or_write_has_no_key() {
    let scratch = Scratch::new("modes");
    let path = scratch.0.join("key");
    for mode in [0o640, 0o620, 0o604, 0o602, 0o601] {
        write(&path, &[1; 32], mode);
        let error = Key::from_file(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{mode:o}");
        assert!(error.to_string().contains("chmod 600") && error.to_string().contains("key"), "{error}");
    }
    for mode in [0o600, 0o400] {
        write(&path, &[1; 32], mode);
        assert!(is_same(&Key::from_file(&path).unwrap(), &Key::from_bytes(&[1; 32])));
    }
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter knows no permissions")]
fn a_file_has_32_bytes_or_64_digits() {
    let scratch = Scratch::new("contents");
    let path = scratch.0.join("key");
    let digits = "0aF1".repeat(16);
    let key = Key::from_bytes(&[[0x0A, 0xF1]; 16].concat().try_into().unwrap());
    for end in ["", "\n", "\r\n"] {
        write(&path, format!("{digits}{end}").as_bytes(), 0o600);
        assert!(is_same(&Key::from_file(&path).unwrap(), &key));
    }
    let bad = [
        Vec::new(),
        vec![1; 31],
        vec![1; 33],
        digits.as_bytes()[1..].to_vec(),
        format!("{digits}0").into_bytes(),
        format!("{digits}\n\n").into_bytes(),
        format!("{digits}\n0").into_bytes(),
        digits.replace('a', "g").into_bytes(),
        digits.replace("0a", "+a").into_bytes(),
        vec![b'a'; 1 << 20],
    ];
    for content in bad {
        write(&path, &content, 0o600);
        let error = Key::from_file(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{content:?}");
    }
    for no_file in [scratch.0.clone(), PathBuf::from("/dev/zero")] {
        assert_eq!(Key::from_file(no_file).unwrap_err().kind(), ErrorKind::InvalidData);
    }
    let link = scratch.0.join("link");
    symlink(scratch.0.join("nothing"), &link).unwrap();
    assert_eq!(Key::from_file(link).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_key_shows_itself_to_nobody() {
    let key = Key::from_bytes(&[0xAB; 32]);
    assert_eq!(format!("{key:?} {key:#?}"), "Key(..) Key(..)");
}

#[test]
#[cfg_attr(miri, ignore = "the interpreter has no files in memory")]
fn a_key_travels_as_a_descriptor_and_not_as_bytes() {
    let key = Key::from_bytes(&[0xAB; 32]);
    let packet = encode(&(1_u8, &key)).unwrap();
    assert_eq!((packet.bytes.as_slice(), packet.descriptors.len()), (&[1, 0][..], 1));
    let (_, arrived): (u8, Key) = decode(packet).unwrap();
    assert!(is_same(&key, &arrived));
    assert!(postcard::to_extend(&key, Vec::new()).is_err(), "nobody else carries it");
}
