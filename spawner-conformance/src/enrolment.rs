//! A backend that is to be proved.

use std::fmt;
use std::sync::Arc;

use spawner_core::{Result, Spawner};

/// Makes the backend of a name. It is called in this process and in those that the suite starts to be
/// harnesses that die, so it must need nothing but the name.
pub type Make = dyn Fn(&str) -> Result<Box<dyn Spawner>> + Send + Sync;

/// A backend that is to be proved: its name, and how it is made.
#[derive(Clone)]
pub struct Enrolment {
    name: String,
    make: Arc<Make>,
}

impl Enrolment {
    /// The backend that `make` makes when it is given `name`.
    pub fn new(
        name: impl Into<String>,
        make: impl Fn(&str) -> Result<Box<dyn Spawner>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), make: Arc::new(make) }
    }

    /// The name of the backend.
    pub fn name(&self) -> &str {
        &self.name
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
