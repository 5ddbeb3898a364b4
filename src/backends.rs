//! The one list of backends, and how one is had by name.
#![cfg_attr(
    not(any(feature = "process", feature = "podman", feature = "remote")),
    allow(
        unreachable_code,
        unused_variables,
        unused_mut,
        reason = "without any backend there is nothing to open"
    )
)]

mod records;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use spawner_core::{Capabilities, Capability, Error, ErrorKind, Level, Result, Spawner};

/// Declares every kind of backend once. A line is: the variant, the name of the kind, the crate, its
/// spawner and its configuration. Each crate has the same shape: `Spawner::named(name, config)`,
/// `Spawner::shutdown(self)`, `declared()`, `Config::declared(&self)`.
macro_rules! backends {
    ($( #[$gate:meta] $variant:ident, $name:literal, $module:ident, $spawner:ident, $config:ident; )*) => {
        /// A kind of backend that is built in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $( #[$gate] #[doc = concat!("`kind = \"", $name, "\"`.")] $variant, )* }

        impl Kind {
            /// Every kind that is built in; the first is the default.
            pub const ALL: &'static [Self] = &[ $( #[$gate] Self::$variant, )* ];

            /// The name in configuration and documents.
            pub const fn name(self) -> &'static str {
                match self { $( #[$gate] Self::$variant => $name, )* }
            }

            /// The kind of this name, where it is built in.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }

            /// What backends of this kind promise, mechanism by mechanism, the strongest first.
            pub fn promises(self) -> Vec<Promise> {
                match self { $( #[$gate] Self::$variant => {
                    let promise = |declared: $module::Declared| Promise {
                        kind: self,
                        mechanism: declared.mechanism.name(),
                        capabilities: declared.capabilities,
                        story: declared.story,
                    };
                    $module::declared().into_iter().map(promise).collect()
                } )* }
            }

            /// The settings of a backend of this kind about which nothing was said.
            pub fn settings(self) -> Settings {
                match self { $( #[$gate] Self::$variant => Settings::$variant($module::$config::default()), )* }
            }

            /// Reads the settings of a backend of this kind.
            #[cfg(feature = "config")]
            pub(crate) fn read<'de, D: serde::Deserializer<'de>>(self, from: D) -> Result<Settings, D::Error> {
                match self { $(
                    #[$gate]
                    Self::$variant => serde::Deserialize::deserialize(from).map(Settings::$variant),
                )* }
            }
        }

        /// The settings of one configured backend.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Settings { $( #[$gate] #[doc = concat!("Of kind `", $name, "`.")] $variant($module::$config), )* }

        impl Settings {
            /// Of which kind they are.
            pub fn kind(&self) -> Kind {
                match *self { $( #[$gate] Self::$variant(_) => Kind::$variant, )* }
            }

            fn state_dir(&self) -> Option<&Path> {
                match *self { $( #[$gate] Self::$variant(ref config) => config.state_dir.as_deref(), )* }
            }

            fn choose_state_dir(&mut self, folder: &Path) {
                match *self { $( #[$gate] Self::$variant(ref mut config) => config.state_dir = Some(folder.to_owned()), )* }
            }

            fn open(&self, name: &str) -> Result<Backend> {
                match *self { $(
                    #[$gate]
                    Self::$variant(ref config) => {
                        $module::$spawner::named(name, config.clone()).map(Backend::$variant)
                    }
                )* }
            }
        }

        /// An opened backend; use it as the [`Spawner`] that it is.
        pub enum Backend { $( #[$gate] #[doc = concat!("Of kind `", $name, "`.")] $variant($module::$spawner), )* }

        impl Deref for Backend {
            type Target = dyn Spawner;

            fn deref(&self) -> &Self::Target {
                match *self { $( #[$gate] Self::$variant(ref spawner) => spawner, )* }
            }
        }

        impl Backend {
            /// Ends what helps the backend, and waits for its end. Tasks that were not destroyed are ended.
            pub async fn shutdown(self) -> Result<()> {
                match self { $( #[$gate] Self::$variant(spawner) => spawner.shutdown().await, )* }
            }

            /// The same for a program that runs one task and then ends: the fastest way that leaves nothing.
            pub async fn release(self) -> Result<()> {
                match self { $( #[$gate] Self::$variant(spawner) => spawner.release().await, )* }
            }

            /// The backend without its kind. Dropping it ends what helps it, without waiting.
            pub fn into_boxed(self) -> Box<dyn Spawner> {
                match self { $( #[$gate] Self::$variant(spawner) => Box::new(spawner), )* }
            }
        }
    };
}

backends! {
    #[cfg(feature = "process")] Process, "process", spawner_process, ProcessSpawner, ProcessConfig;
    #[cfg(all(unix, feature = "podman"))] Podman, "podman", spawner_podman, PodmanSpawner, PodmanConfig;
    #[cfg(all(unix, feature = "remote"))] Remote, "remote", spawner_remote, RemoteSpawner, RemoteConfig;
}

/// What one mechanism of one kind of backend promises, on a host that gives it all it needs.
#[derive(Debug, Clone)]
pub struct Promise {
    /// The kind of backend.
    pub kind: Kind,
    /// The mechanism's name.
    pub mechanism: &'static str,
    /// What it promises.
    pub capabilities: Capabilities,
    /// What one can and cannot rely on, in plain words.
    pub story: &'static str,
}

impl Settings {
    /// The mechanism that was chosen; `None` where the backend chooses.
    pub fn mechanism(&self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "process")]
            Self::Process(config) => {
                Some(config.mechanism.name()).filter(|_| config.mechanism != spawner_process::Choice::Auto)
            }
            #[allow(unreachable_patterns, reason = "with this backend alone, nothing is left")]
            _ => None,
        }
    }

    /// Chooses a mechanism by its name.
    pub fn choose_mechanism(&mut self, name: &str) -> Result<()> {
        let unknown = |hint: String| {
            Err(Error::new(ErrorKind::Config, "choose the mechanism", format!("`{name}`")).hint(hint))
        };
        match self {
            #[cfg(feature = "process")]
            Self::Process(config) => {
                use spawner_process::Choice;
                let all = || [Choice::Auto].into_iter().chain(Choice::MECHANISMS);
                match all().find(|choice| choice.name() == name) {
                    Some(choice) => config.mechanism = choice,
                    None => return unknown(crate::names::instead(name, all().map(Choice::name))),
                }
                Ok(())
            }
            #[allow(unreachable_patterns, reason = "with this backend alone, nothing is left")]
            _ => unknown("a backend of this kind has nothing to choose from".into()),
        }
    }

    /// What backends with these settings promise: by every mechanism that they may use.
    pub fn promises(&self) -> Vec<Promise> {
        let mut promises = self.kind().promises();
        if let Some(chosen) = self.mechanism() {
            promises.retain(|promise| promise.mechanism == chosen);
        }
        promises
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Backend").field(&self.name()).finish()
    }
}

/// The configured backends, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Backends {
    pub(crate) source: Option<PathBuf>,
    pub(crate) default: String,
    pub(crate) named: BTreeMap<String, Settings>,
}

impl Backends {
    /// Without any configuration: one backend of the default kind, named after it.
    pub fn builtin() -> Self {
        let named: BTreeMap<_, _> =
            Kind::ALL.iter().take(1).map(|kind| (kind.name().to_owned(), kind.settings())).collect();
        let default = named.keys().next().cloned().unwrap_or_default();
        Self { source: None, default, named }
    }

    /// The file that they were read from; `None` for [`Backends::builtin`].
    pub fn source(&self) -> Option<&Path> {
        self.source.as_deref()
    }

    /// The name of the backend that is used where none is named.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Every name with its settings, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Settings)> {
        self.named.iter().map(|(name, settings)| (name.as_str(), settings))
    }

    /// The name and the settings of one backend; of the default one for `None`.
    pub fn find(&self, name: Option<&str>) -> Result<(&str, &Settings)> {
        let name = name.unwrap_or(&self.default);
        let found = self.named.get_key_value(name);
        found.map(|(name, settings)| (name.as_str(), settings)).ok_or_else(|| {
            let place = match &self.source {
                Some(file) => format!("`{name}` in {}", file.display()),
                None => format!("`{name}`, and there is no configuration file"),
            };
            let names = self.named.keys().map(String::as_str);
            Error::new(ErrorKind::Config, "find the backend", place).hint(crate::names::instead(name, names))
        })
    }

    /// Opens one backend, the default one for `None`. Cheap: the host is probed, nothing is started.
    pub fn open(&self, name: Option<&str>) -> Result<Backend> {
        let (name, settings) = self.find(name)?;
        settings.open(name)
    }

    /// As [`Backends::open`], with another mechanism than the configured one.
    pub fn open_with(&self, name: Option<&str>, mechanism: Option<&str>) -> Result<Backend> {
        let (name, settings) = self.find(name)?;
        let Some(mechanism) = mechanism else { return settings.open(name) };
        let mut settings = settings.clone();
        settings.choose_mechanism(mechanism)?;
        settings.open(name)
    }

    /// Who promises `capability` at this level or above, on a host that gives all that is needed: names of
    /// configured backends, with the mechanism.
    pub fn promising(&self, capability: Capability, level: Level) -> Vec<(&str, &'static str)> {
        let mut found = Vec::new();
        for (name, settings) in &self.named {
            for promise in settings.promises() {
                if promise.capabilities.get(capability).level() >= level {
                    found.push((name.as_str(), promise.mechanism));
                }
            }
        }
        found
    }
}

impl Default for Backends {
    fn default() -> Self {
        Self::builtin()
    }
}
