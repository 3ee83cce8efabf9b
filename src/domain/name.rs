//! Interned names: one allocation for each distinct text, however many objects carry it.

use std::collections::HashSet;
use std::sync::Arc;

/// Sweeping a set smaller than this saves nothing.
const SWEEP_FLOOR: usize = 1024;

/// A set of names in use.
#[derive(Debug, Default)]
pub struct Names {
    set: HashSet<Arc<str>>,
    kept_at_last_sweep: usize,
}

impl Names {
    /// The one `Arc` of this text.
    pub fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.set.get(text) {
            return Arc::clone(name);
        }
        self.sweep_when_doubled();
        let name: Arc<str> = text.into();
        self.set.insert(Arc::clone(&name));
        name
    }

    /// Number of distinct names held, those nobody uses any more included until the next sweep.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// No name is held.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Names that nobody uses go when the set has doubled since the last sweep: a sweep costs its
    /// size, so each name pays for at most one look at itself.
    fn sweep_when_doubled(&mut self) {
        if self.set.len() < (2 * self.kept_at_last_sweep).max(SWEEP_FLOOR) {
            return;
        }
        self.set.retain(|name| Arc::strong_count(name) > 1);
        self.kept_at_last_sweep = self.set.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_one_allocation() {
        let mut names = Names::default();
        let first = names.intern("default");
        assert!(Arc::ptr_eq(&first, &names.intern("default")));
        assert_eq!(names.len(), 1);
    }

    #[test]
    fn names_nobody_uses_are_swept() {
        let mut names = Names::default();
        let kept = names.intern("kept");
        for n in 0..10 * SWEEP_FLOOR {
            names.intern(&format!("gone-{n}"));
        }
        assert!(
            names.len() <= SWEEP_FLOOR + 1,
            "{} names are held",
            names.len()
        );
        assert!(Arc::ptr_eq(&kept, &names.intern("kept")));
    }
}
