//! Amounts as people write them in a configuration file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number of bytes, or a text like `512M`, in powers of 1024.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(Bytes)
}

/// A whole number above zero.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = Option::<u64>::deserialize(deserializer)?;
    if number == Some(0) { Err(Error::custom("it must be above zero")) } else { Ok(number) }
}

/// A number above zero.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = Option::<f64>::deserialize(deserializer)?;
    let sensible = |number: f64| number.is_finite() && number > 0.0;
    if number.is_none_or(sensible) { Ok(number) } else { Err(Error::custom("it must be above zero")) }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes above zero, or for instance \"512M\" or \"2G\"")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<Self::Value, E> {
        if bytes == 0 {
            Err(E::invalid_value(serde::de::Unexpected::Unsigned(0), &self))
        } else {
            Ok(Some(bytes))
        }
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<Self::Value, E> {
        match u64::try_from(bytes) {
            Ok(bytes) => self.visit_u64(bytes),
            Err(_) => Err(E::invalid_value(serde::de::Unexpected::Signed(bytes), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match parse_size::Config::new().with_binary().parse_size(text) {
            Ok(bytes) if bytes > 0 => Ok(Some(bytes)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use crate::PodmanConfig;

    fn read(json: &str) -> Result<PodmanConfig, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn memory_is_a_number_or_a_size() {
        for (written, bytes) in
            [("\"512M\"", 512 << 20), ("\"2G\"", 2 << 30), ("4096", 4096), ("\"4096\"", 4096)]
        {
            let config = read(&format!("{{\"memory\": {written}}}")).unwrap();
            assert_eq!(config.memory, Some(bytes), "{written}");
            // What is written back is read back.
            assert_eq!(read(&serde_json::to_string(&config).unwrap()), Ok(config));
        }
        assert_eq!(read("{\"memory\": null}").unwrap().memory, None);
    }

    #[test]
    fn what_is_no_amount_is_refused_with_what_would_be_one() {
        for written in ["0", "\"0\"", "-1", "\"much\"", "\"\"", "1.5", "true"] {
            let error = read(&format!("{{\"memory\": {written}}}")).unwrap_err();
            assert!(error.contains("\"512M\""), "{written}: {error}");
        }
        for json in ["{\"cpus\": 0.0}", "{\"cpus\": -1}", "{\"pids\": 0}"] {
            assert!(read(json).unwrap_err().contains("above zero"), "{json}");
        }
    }
}
