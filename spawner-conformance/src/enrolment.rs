//! A backend that is to be proved.

use std::fmt;
use std::sync::{Arc, OnceLock};

use spawner_core::{Result, Spawner};

use crate::witness::Engine;

/// Makes the backend of a name. It is called in this process and in those that the suite starts to be
/// harnesses that die, so it must need nothing but the name.
pub type Make = dyn Fn(&str) -> Result<Box<dyn Spawner>> + Send + Sync;

/// A backend that is to be proved: its name, and how it is made.
#[derive(Clone)]
pub struct Enrolment {
    name: String,
    make: Arc<Make>,
    address: Option<String>,
    learnt: Arc<Learnt>,
}

/// What is found out once, however many cases there are.
#[derive(Default)]
pub(crate) struct Learnt {
    /// Whether a task's main process is the first of a pid namespace.
    pub(crate) first: OnceLock<bool>,
    /// Whether there is a /proc where tasks run.
    pub(crate) proc: OnceLock<bool>,
    engine: OnceLock<Engine>,
}

impl Enrolment {
    /// The backend that `make` makes when it is given `name`.
    pub fn new(
        name: impl Into<String>,
        make: impl Fn(&str) -> Result<Box<dyn Spawner>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), make: Arc::new(make), address: None, learnt: Arc::default() }
    }

    /// The same, with the address of the container engine that the backend uses, so that the witness asks the
    /// same one. Without, it is that of `CONTAINER_HOST`, else this user's podman.
    #[must_use]
    pub fn engine_at(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// The name of the backend.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The witness's way to the engine of a backend that has one.
    pub(crate) fn engine(&self) -> &Engine {
        self.learnt.engine.get_or_init(|| Engine::at(self.address.as_deref()))
    }

    pub(crate) fn learnt(&self) -> &Learnt {
        &self.learnt
    }

    /// Makes a fresh one.
    pub(crate) fn make(&self) -> Result<Arc<dyn Spawner>> {
        (self.make)(&self.name).map(Arc::from)
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment").field("name", &self.name).finish_non_exhaustive()
    }
}
