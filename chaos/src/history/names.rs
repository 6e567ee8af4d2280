//! Text that occurs a million times, kept once.
//!
//! Owns: the table from text to number. Must never: forget a text.

use std::collections::HashMap;
use std::sync::Arc;

/// A text of a history: the process, a seat, a hold, a key. Equal texts have equal names; the empty text is [`Name::NONE`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

impl Name {
    /// Nothing was said.
    pub const NONE: Self = Self(0);

    /// Whether nothing was said.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether something was said.
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// All texts of a history.
#[derive(Debug, Clone)]
pub struct Names {
    by_text: HashMap<Arc<str>, Name>,
    texts: Vec<Arc<str>>,
}

impl Default for Names {
    fn default() -> Self {
        let empty: Arc<str> = Arc::from("");
        Self {
            by_text: HashMap::from([(Arc::clone(&empty), Name::NONE)]),
            texts: vec![empty],
        }
    }
}

impl Names {
    /// The name of a text, new if need be.
    ///
    /// # Panics
    /// With more than four billion different texts.
    pub fn add(&mut self, text: &str) -> Name {
        if let Some(name) = self.by_text.get(text) {
            return *name;
        }
        let name = Name(u32::try_from(self.texts.len()).expect("fewer than 2^32 different texts"));
        let text: Arc<str> = Arc::from(text);
        self.by_text.insert(Arc::clone(&text), name);
        self.texts.push(text);
        name
    }

    /// The name of a text that occurs, or none.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Name> {
        self.by_text.get(text).copied()
    }

    /// The text.
    #[must_use]
    pub fn text(&self, name: Name) -> &str {
        self.texts.get(name.0 as usize).map_or("", |text| text)
    }
}
