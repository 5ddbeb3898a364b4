//! One of several hosts: `"user@host"`, or a table with what is different there.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// One of the hosts of a backend that has several. What is left out is as it is for the backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Destination {
    /// The host: `user@host`, or a name from the user's own ssh configuration.
    pub destination: String,
    /// How many tasks it has at one time.
    pub slots: Option<NonZeroU32>,
    /// The port.
    pub port: Option<u16>,
    /// The key to log in with; no other is then offered.
    pub identity_file: Option<PathBuf>,
    /// Through which hosts to go.
    pub jump: Option<String>,
}

/// The table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DestinationTable")]
struct Table {
    destination: String,
    slots: Option<NonZeroU32>,
    port: Option<u16>,
    identity_file: Option<PathBuf>,
    jump: Option<String>,
}

impl Destination {
    /// The host of this name.
    pub fn at(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), ..Self::default() }
    }
}

impl<S: Into<String>> From<S> for Destination {
    fn from(destination: S) -> Self {
        Self::at(destination)
    }
}

impl From<Table> for Destination {
    fn from(Table { destination, slots, port, identity_file, jump }: Table) -> Self {
        Self { destination, slots, port, identity_file, jump }
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Destination;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`\"user@host\"`, or `{ destination = \"user@host\", slots = 4 }`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Destination::at(name))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(Destination::from)
    }
}

impl JsonSchema for Destination {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Destination".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<Table>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}
