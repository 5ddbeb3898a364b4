//! Lists of byte strings, each written and read in one go. Byte by byte, as lists of numbers are, an environment would take
//! a quarter of all the instructions of a start. What is on the wire is the same.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(list: &[Vec<u8>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(|bytes| Written(bytes)))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let read: Vec<Read> = Vec::deserialize(from)?;
    Ok(read.into_iter().map(|Read(bytes)| bytes).collect())
}

struct Written<'a>(&'a [u8]);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

struct Read(Vec<u8>);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_bytes(Bytes).map(Self)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Now(#[serde(with = "super")] Vec<Vec<u8>>);

    #[test]
    fn they_are_what_lists_of_numbers_are() {
        let list = vec![b"one".to_vec(), Vec::new(), vec![0, 255, 7]];
        let plain = postcard::to_stdvec(&list).unwrap();
        assert_eq!(postcard::to_stdvec(&Now(list.clone())).unwrap(), plain);
        assert_eq!(postcard::from_bytes::<Now>(&plain).unwrap(), Now(list));
    }
}
