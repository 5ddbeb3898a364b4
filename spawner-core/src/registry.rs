//! The tasks that a backend has.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::id::TaskId;
use crate::task::{Task, TaskRecord};

/// What a backend knows of each of its tasks, by id, until the task is accounted for. For backends.
#[derive(Debug)]
pub struct Registry<L>(Mutex<HashMap<TaskId, Arc<L>>>);

impl<L> Default for Registry<L> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<L: Any + Send + Sync> Registry<L> {
    /// From now on the task is one of this backend's.
    pub fn enter(&self, record: TaskRecord, live: Arc<L>) -> Task {
        self.tasks().insert(record.id, Arc::clone(&live));
        Task::with_state(record, live)
    }

    /// What is known of `task`: what it carries itself, also after it was accounted for, or what was entered under its
    /// id. Fails with [`ErrorKind::UnknownTask`] where it is neither.
    pub fn find(&self, task: &Task) -> Result<Arc<L>> {
        let unknown = || Error::new(ErrorKind::UnknownTask, "find task", task.id().to_string());
        task.state().or_else(|| self.get(task.id())).ok_or_else(unknown)
    }

    /// What was entered under `id`.
    pub fn get(&self, id: TaskId) -> Option<Arc<L>> {
        self.tasks().get(&id).cloned()
    }

    /// The task that `record` names, where it is one of this backend's.
    pub fn known(&self, record: &TaskRecord) -> Option<Task> {
        Some(Task::with_state(record.clone(), self.get(record.id)?))
    }

    /// The task is no longer this backend's. Repeatable.
    pub fn forget(&self, id: TaskId) {
        self.tasks().remove(&id);
    }

    /// All there are, in no order.
    pub fn all(&self) -> Vec<Arc<L>> {
        self.tasks().values().cloned().collect()
    }

    /// All there are, which are no longer this backend's.
    pub fn take_all(&self) -> Vec<Arc<L>> {
        self.tasks().drain().map(|(_, live)| live).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tasks().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tasks().is_empty()
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, Arc<L>>> {
        // Each change is one call of the map's, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TaskSpec;

    fn record() -> TaskRecord {
        TaskRecord::of(TaskId::random(), "test", &TaskSpec::new(["x"]))
    }

    #[test]
    fn a_task_is_found_by_what_it_carries_and_by_its_id() {
        let registry = Registry::default();
        let task = registry.enter(record(), Arc::new(1));
        let named = Task::new(task.record().clone());
        assert_eq!((*registry.find(&task).unwrap(), *registry.find(&named).unwrap()), (1, 1));
        registry.forget(task.id());
        assert_eq!(*registry.find(&task).unwrap(), 1);
        assert_eq!(registry.find(&named).unwrap_err().kind(), ErrorKind::UnknownTask);
        assert!(registry.is_empty());
    }

    #[test]
    fn what_was_taken_is_there_no_longer() {
        let registry = Registry::default();
        let tasks = [registry.enter(record(), Arc::new(())), registry.enter(record(), Arc::new(()))];
        assert_eq!((registry.all().len(), registry.len()), (2, 2));
        assert_eq!(registry.take_all().len(), 2);
        assert!(registry.get(tasks[0].id()).is_none());
        assert_eq!(registry.len(), 0);
    }
}
