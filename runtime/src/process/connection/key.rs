//! Keys: what both ends of a connection know and nobody else.

use crate::process::luggage;
use hmac::{Hmac, KeyInit, Mac};
use runtime_io::{owner::own_user, packet};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::Path,
};
use zeroize::{Zeroize, Zeroizing};

/// As many as the hash gives; more would add nothing.
const KEY_BYTES: usize = 32;

/// A file with the hexadecimal digits of a key, and the end of their line.
const LONGEST_FILE: usize = 2 * KEY_BYTES + 2;

/// The secret that a [`Listener`](super::Listener) and its clients share: 32 random bytes.
///
/// It never travels to prove itself. It belongs neither in the arguments nor in the environment of a process, which other
/// processes can read, and so there is no way to make one from a string: it comes out of a file that only its owner can
/// read, or goes to a child process as an argument of its function or through a queue or pipe of ours, never over TCP.
///
/// `Debug` does not show it, and its memory is overwritten when it is dropped. Copies that the compiler or the system makes (in
/// registers, in swap) are beyond that.
///
/// ```
/// use runtime::process::Key;
/// # let path = std::env::temp_dir().join(format!("key-{}", std::process::id()));
///
/// let key = Key::create_file(&path)?; // by one process, once
/// let same = Key::from_file(&path)?; // by all others
/// assert_eq!(format!("{key:?}"), "Key(..)");
/// # drop(same);
/// # std::fs::remove_file(&path)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Key(Box<[u8; KEY_BYTES]>);

impl Key {
    /// A key that nobody else has, from the system's source of randomness.
    ///
    /// # Errors
    /// If the system has none.
    ///
    /// ```
    /// let key = runtime::process::Key::random()?;
    /// # drop(key);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn random() -> io::Result<Self> {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        random_bytes(&mut *key.0)?;
        Ok(key)
    }

    /// The key that consists of these bytes, which must be random: who can guess them needs no key. The caller's copy remains
    /// the caller's to wipe.
    ///
    /// ```
    /// let mut bytes = [0; 32];
    /// # bytes[0] = 1;
    /// // … from a vault, say
    /// let key = runtime::process::Key::from_bytes(&bytes);
    /// # drop(key);
    /// ```
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Box::new(*bytes))
    }

    /// Reads a key from a file: 32 bytes, or their 64 hexadecimal digits and perhaps the end of the line
    /// (`openssl rand -hex 32`).
    ///
    /// # Errors
    /// `PermissionDenied` unless the file belongs to this user or to root, and nobody else can read or write it;
    /// `InvalidData` if it is no regular file or holds no key; or what the system says. The message names the path.
    pub fn from_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        read(path).map_err(|error| about(path, "no key can be read from", &error))
    }

    /// Makes a random key, and a file for it that only this user can read (mode 0600), with hexadecimal digits.
    ///
    /// # Errors
    /// `AlreadyExists` if there is anything at `path`, or what the system says. The message names the path.
    pub fn create_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let key = Self::random()?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE));
            for byte in key.0.iter() {
                for digit in [byte >> 4, byte & 15] {
                    text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
                }
            }
            text.push('\n');
            let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
            // A part of a key is none, and would be in the way of the next attempt.
            written.inspect_err(|_| drop(fs::remove_file(path)))
        };
        write().map_err(|error| about(path, "no key can be written to", &error))?;
        Ok(key)
    }

    /// The code that only who has this key can compute: over all parts, each with its length before it, so that there is one
    /// way to read them.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = keyed(&self.0);
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac
    }
}

/// The code of a key that was derived, or of one that was given.
pub(super) fn keyed(key: &[u8; KEY_BYTES]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("this code takes keys of any length")
}

/// Fills a buffer with bytes that nobody can predict.
pub(super) fn random_bytes(buf: &mut [u8]) -> io::Result<()> {
    getrandom::fill(buf).map_err(io::Error::from)
}

fn read(path: &Path) -> io::Result<Key> {
    // A pipe would keep us from opening it.
    let is_file = |found: &fs::Metadata| match found.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file")),
    };
    is_file(&fs::metadata(path)?)?;
    let mut file = File::open(path)?;
    let found = file.metadata()?;
    is_file(&found)?;
    if ![own_user(), 0].contains(&found.uid()) {
        return Err(denied("it belongs to somebody else"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(denied("others than its owner can read or write it: chmod 600"));
    }
    // One more than it may hold, so that more is noticed.
    let mut content = Zeroizing::new([0; LONGEST_FILE + 1]);
    let mut length = 0;
    while length < content.len() {
        match file.read(&mut content[length..])? {
            0 => break,
            n => length += n,
        }
    }
    let sentence = "it is neither 32 bytes nor 64 hexadecimal digits";
    parse(&content[..length]).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, sentence))
}

/// The key that a file's content is.
fn parse(content: &[u8]) -> Option<Key> {
    if let Ok(bytes) = content.try_into() {
        return Some(Key::from_bytes(bytes));
    }
    let line = content.strip_suffix(b"\n").unwrap_or(content);
    let digits = line.strip_suffix(b"\r").unwrap_or(line);
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = Key(Box::new([0; KEY_BYTES]));
    for (byte, pair) in key.0.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(key)
}

fn denied(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

fn about(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// In a file in memory, whose descriptor travels: so it comes into no buffer of a socket, and whoever else serialises it gets
/// an error.
impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let file = packet::store(&[&*self.0]).map_err(serde::ser::Error::custom)?;
        luggage::check_in(file.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = luggage::check_out(deserializer)?;
        let bytes = packet::load(file.as_fd(), KEY_BYTES).map(Zeroizing::new);
        let bytes = bytes.map_err(|error| luggage::refuse::<D::Error>(&error))?;
        bytes.as_slice().try_into().map(Self::from_bytes).map_err(|_| luggage::refuse(&"it is no key"))
    }
}
