//! Serialises operating system strings: as text where they are UTF-8, as their bytes where not.

use std::ffi::{OsStr, OsString};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The wire form of one operating system string. Lossless on Unix; on Windows, unpaired surrogates
/// are replaced (U+FFFD), since there is no byte form of them that another platform could read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub(crate) enum OsText {
    Text(String),
    Bytes { bytes: Vec<u8> },
}

impl OsText {
    pub(crate) fn new(text: &OsStr) -> Self {
        match text.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::raw(text),
        }
    }

    #[cfg(unix)]
    fn raw(text: &OsStr) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        Self::Bytes { bytes: text.as_bytes().to_vec() }
    }

    #[cfg(not(unix))]
    fn raw(text: &OsStr) -> Self {
        Self::Text(text.to_string_lossy().into_owned())
    }

    #[cfg(unix)]
    pub(crate) fn into_os(self) -> OsString {
        use std::os::unix::ffi::OsStringExt as _;
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes { bytes } => OsString::from_vec(bytes),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn into_os(self) -> OsString {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes { bytes } => String::from_utf8_lossy(&bytes).into_owned().into(),
        }
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
