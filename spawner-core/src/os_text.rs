//! Serialises operating system strings: as text where they are Unicode, else as what they are made of.

use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The wire form of one operating system string. Lossless on the kind of system that it comes from; elsewhere, what that
/// system has no form of is replaced (U+FFFD).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub(crate) enum OsText {
    /// Unicode.
    Text(String),
    /// The bytes that Unix has, not in UTF-8.
    Bytes { bytes: Vec<u8> },
    /// The 16-bit units that Windows has, with unpaired surrogates.
    Wide { wide: Vec<u16> },
}

impl OsText {
    pub(crate) fn new(text: &OsStr) -> Self {
        text.to_str().map_or_else(|| system::raw(text), |text| Self::Text(text.to_owned()))
    }

    pub(crate) fn into_os(self) -> OsString {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes { bytes } => system::of_bytes(bytes),
            Self::Wide { wide } => system::of_wide(&wide),
        }
    }
}

#[cfg(unix)]
mod system {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

    use super::{OsStr, OsString, OsText};

    pub(super) fn raw(text: &OsStr) -> OsText {
        OsText::Bytes { bytes: text.as_bytes().to_vec() }
    }

    pub(super) fn of_bytes(bytes: Vec<u8>) -> OsString {
        OsString::from_vec(bytes)
    }

    pub(super) fn of_wide(wide: &[u16]) -> OsString {
        String::from_utf16_lossy(wide).into()
    }
}

#[cfg(windows)]
mod system {
    use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};

    use super::{OsStr, OsString, OsText};

    pub(super) fn raw(text: &OsStr) -> OsText {
        OsText::Wide { wide: text.encode_wide().collect() }
    }

    pub(super) fn of_bytes(bytes: Vec<u8>) -> OsString {
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
            .into()
    }

    pub(super) fn of_wide(wide: &[u16]) -> OsString {
        OsString::from_wide(wide)
    }
}

pub(crate) mod list {
    use super::{Deserialize, Deserializer, OsString, OsText, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(list: &[OsString], serializer: S) -> Result<S::Ok, S::Error> {
        list.iter().map(|text| OsText::new(text)).collect::<Vec<_>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OsString>, D::Error> {
        Ok(Vec::<OsText>::deserialize(deserializer)?.into_iter().map(OsText::into_os).collect())
    }
}

pub(crate) mod pairs {
    use std::collections::BTreeMap;

    use super::{Deserialize, Deserializer, OsString, OsText, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        map: &BTreeMap<OsString, Option<OsString>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter()
            .map(|(name, value)| (OsText::new(name), value.as_deref().map(OsText::new)))
            .collect::<Vec<_>>()
            .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<OsString, Option<OsString>>, D::Error> {
        Ok(Vec::<(OsText, Option<OsText>)>::deserialize(deserializer)?
            .into_iter()
            .map(|(name, value)| (name.into_os(), value.map(OsText::into_os)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_the_other_kind_of_system_is_read_as_far_as_it_can_be() {
        let read = |json: &str| serde_json::from_str::<OsText>(json).unwrap().into_os();
        assert_eq!(read(r#"{"bytes":[97,98]}"#), "ab");
        assert_eq!(read(r#"{"wide":[97,252]}"#), "aü");
        #[cfg(unix)]
        assert_eq!(read(r#"{"wide":[97,55296]}"#), "a\u{fffd}");
        #[cfg(windows)]
        assert_eq!(read(r#"{"bytes":[97,255]}"#), "a\u{fffd}");
    }

    #[test]
    fn what_is_not_unicode_comes_back_as_it_was() {
        let units = [0x61, 0xd800, 0x62];
        #[cfg(unix)]
        let raw = system::of_bytes(units.map(|unit: u16| unit.to_be_bytes()[0] | 0x80).to_vec());
        #[cfg(windows)]
        let raw = system::of_wide(&units);
        assert!(raw.to_str().is_none());
        let json = serde_json::to_string(&OsText::new(&raw)).unwrap();
        assert_eq!(serde_json::from_str::<OsText>(&json).unwrap().into_os(), raw);
    }
}
