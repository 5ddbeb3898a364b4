//! The configuration file: which backends there are, and how they are set up.
//!
//! ```toml
//! default = "local"
//!
//! [backend.local]
//! kind = "process"
//! mechanism = "subreaper"
//! ```

mod mistake;
#[cfg_attr(windows, path = "config/place/windows.rs")]
#[cfg_attr(not(windows), path = "config/place/unix.rs")]
mod place;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use spawner_core::{Error, ErrorKind, Result};
use toml::de::{DeTable, DeValue, ValueDeserializer};

use self::mistake::Mistake;
#[doc(hidden)]
pub use self::place::SHOWN;
pub use self::place::usual_place;
use crate::backends::{Backends, Kind, Settings};
use crate::names::is_near;

/// The variable that names the configuration file.
pub const VARIABLE: &str = "SPAWNER_CONFIG";

impl Backends {
    /// Reads the configuration from where it is: `explicit`, else `$SPAWNER_CONFIG`, else
    /// the one at the [usual place](usual_place) if that exists, else [`Backends::builtin`].
    pub fn locate(explicit: Option<&Path>) -> Result<Self> {
        if let Some(path) = explicit {
            return Self::load(path);
        }
        if let Some(path) = variable(VARIABLE) {
            return Self::load(Path::new(&path));
        }
        match usual_place() {
            Some(path) => match std::fs::read_to_string(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::builtin()),
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(Self::builtin()),
                // Another account's home, kept by `su` or `setpriv`: nothing there is meant for this one.
                Err(_) if is_out_of_reach(&path) => Ok(Self::builtin()),
                read => Self::from_read(read, &path),
            },
            None => Ok(Self::builtin()),
        }
    }

    /// Reads a configuration file.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_read(std::fs::read_to_string(path), path)
    }

    fn from_read(read: std::io::Result<String>, path: &Path) -> Result<Self> {
        let text = read.map_err(|error| {
            let name = path.display().to_string();
            Error::io("read the configuration", name, error)
        })?;
        Self::parse(&text, path)
    }

    /// Reads a configuration; `path` is where its text comes from, for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        read(text, path).map_err(|mistake| {
            let place = mistake.place(text, path);
            let error = Error::new(ErrorKind::Config, "use the configuration", place).because(mistake.what);
            match mistake.instead {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }
}

/// Whether a folder on the way to it may not be searched, so that this account cannot have put it there.
fn is_out_of_reach(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn read(text: &str, path: &Path) -> Result<Backends, Mistake> {
    let document = DeTable::parse(text)?;
    let (mut default, mut named) = (None, BTreeMap::new());
    for (key, value) in document.into_inner() {
        let span = value.span();
        match (key.get_ref().as_ref(), value.into_inner()) {
            ("default", DeValue::String(name)) => default = Some((name.into_owned(), span)),
            ("default", _) => return Err(Mistake::new("`default` must be the name of a backend", span)),
            ("backend", DeValue::Table(backends)) => {
                for (name, settings) in backends {
                    let span = key_span(&name);
                    let DeValue::Table(table) = settings.into_inner() else {
                        let what = format!("`backend.{}` must be a table", name.get_ref());
                        return Err(Mistake::new(what, span));
                    };
                    let settings = settings_of(name.get_ref(), table, &span)?;
                    named.insert(name.into_inner().into_owned(), settings);
                }
            }
            ("backend", _) => return Err(Mistake::new("`backend` must be a table of backends", span)),
            (other, _) => {
                let known = ["default", "backend"].into_iter();
                return Err(Mistake::unknown("key", other, known, key_span(&key)));
            }
        }
    }
    let default = default_of(default, &mut named)?;
    Ok(Backends { source: Some(path.to_owned()), default, named })
}

fn key_span<T>(key: &toml::Spanned<T>) -> std::ops::Range<usize> {
    key.span()
}

/// Reads one `[backend.NAME]` table.
fn settings_of(
    name: &str,
    mut table: DeTable<'_>,
    span: &std::ops::Range<usize>,
) -> Result<Settings, Mistake> {
    let kinds = || Kind::ALL.iter().map(|kind| kind.name());
    let Some(kind) = table.remove("kind") else {
        if let Some(misspelt) = table.keys().find(|key| is_near(key.get_ref(), "kind")) {
            let name = misspelt.get_ref();
            return Err(Mistake::unknown("key", name, ["kind"].into_iter(), key_span(misspelt)));
        }
        let mut mistake = Mistake::new(format!("the backend `{name}` has no `kind`"), span.clone());
        let each: Vec<_> = kinds().map(|kind| format!("`kind = \"{kind}\"`")).collect();
        mistake.instead = Some(format!("add {}", each.join(" or ")));
        return Err(mistake);
    };
    let kind_span = kind.span();
    let DeValue::String(kind) = kind.into_inner() else {
        return Err(Mistake::new("`kind` must be a string", kind_span));
    };
    let Some(kind) = Kind::ALL.iter().find(|known| known.name() == kind) else {
        return Err(Mistake::unknown("kind of backend", &kind, kinds(), kind_span));
    };
    let table = toml::Spanned::new(span.clone(), DeValue::Table(table));
    Ok(kind.read(ValueDeserializer::from(table))?)
}

/// Which backend is used where none is named: the one that is said, or the only one. A file that
/// configures none has the built-in one.
fn default_of(
    said: Option<(String, std::ops::Range<usize>)>,
    named: &mut BTreeMap<String, Settings>,
) -> Result<String, Mistake> {
    if named.is_empty() {
        named.extend(Backends::builtin().named);
    }
    let valid = || named.keys().map(String::as_str);
    match said {
        Some((name, _)) if named.contains_key(&name) => Ok(name),
        Some((name, span)) => Err(Mistake::unknown("backend", &name, valid(), span)),
        None if named.len() == 1 => Ok(valid().collect()),
        None => {
            let mut mistake = Mistake::new("there are several backends and no `default`", 0..0);
            mistake.instead = valid().next().map(|name| format!("add `default = \"{name}\"`"));
            Err(mistake)
        }
    }
}

#[cfg(test)]
mod tests;
