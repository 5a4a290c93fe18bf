//! The kinds a process knows, by name.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    JobKind,
    kind::{AnyKind, Defaults, Erased, KindSpec},
};

/// The kinds a process knows.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Arc<dyn AnyKind>>,
    /// What an operator wants otherwise.
    defaults: BTreeMap<&'static str, Defaults>,
}

impl Registry {
    /// Adds a kind.
    ///
    /// # Panics
    /// When two kinds have one name: a mistake in the list of kinds.
    #[must_use]
    pub fn with<K: JobKind>(mut self) -> Self {
        let earlier = self.kinds.insert(K::NAME, Arc::new(Erased::<K>::new()));
        assert!(earlier.is_none(), "two kinds are called {}", K::NAME);
        self
    }

    /// Lets tasks of a kind have other defaults than its own.
    #[must_use]
    pub fn with_defaults(mut self, kind: &'static str, defaults: Defaults) -> Self {
        self.defaults.insert(kind, defaults);
        self
    }

    /// What a task of a kind has unless it says otherwise.
    #[must_use]
    pub fn defaults(&self, kind: &KindSpec) -> Defaults {
        self.defaults.get(kind.name).cloned().unwrap_or_else(|| kind.defaults())
    }

    /// The kind called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn AnyKind>> {
        self.kinds.get(name)
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnyKind>> {
        self.kinds.values()
    }
}
