//! The environment of a task.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::os_text::{self, OsText};

/// The environment of a task: the harness's or none, and changes to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Whether the harness's own environment is the start. For a task in another place (a container,
    /// a remote host) the start is that place's own environment, either way.
    pub inherit: bool,
    /// What is set, or with `None` removed.
    #[serde(with = "os_text::pairs", default)]
    #[schemars(with = "Vec<(OsText, Option<OsText>)>")]
    pub changes: BTreeMap<OsString, Option<OsString>>,
}

impl Default for Environment {
    fn default() -> Self {
        Self { inherit: true, changes: BTreeMap::new() }
    }
}

impl Environment {
    /// The variables that result, given those of the harness.
    pub fn resolve(
        &self,
        harness: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let mut all: BTreeMap<_, _> =
            if self.inherit { harness.into_iter().collect() } else { BTreeMap::new() };
        for (name, value) in &self.changes {
            match value {
                Some(value) => all.insert(name.clone(), value.clone()),
                None => all.remove::<OsStr>(name),
            };
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_the_harness_s_with_the_changes_made() {
        let harness = [("A".into(), "1".into()), ("B".into(), "2".into())];
        let mut env = Environment::default();
        env.changes.insert("A".into(), None);
        env.changes.insert("C".into(), Some("3".into()));
        let all = env.resolve(harness.clone());
        assert_eq!(all.keys().collect::<Vec<_>>(), ["B", "C"]);
        env.inherit = false;
        assert_eq!(env.resolve(harness).keys().collect::<Vec<_>>(), ["C"]);
    }
}
