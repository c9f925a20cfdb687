//! A small ordered map for keys that are handed out in ascending order: lookup by bisection, iteration in key order.

/// Entries in ascending key order.
#[derive(Debug, Clone)]
pub(crate) struct Keyed<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord + Copy, V> Keyed<K, V> {
    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.position(key).ok().map(|at| &self.entries[at].1)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.position(key).ok().map(|at| &mut self.entries[at].1)
    }

    /// Inserts, and gives back what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.position(key) {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.entries.insert(at, (key, value));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        self.position(key).ok().map(|at| self.entries.remove(at).1)
    }

    pub(crate) fn contains(&self, key: K) -> bool {
        self.position(key).is_ok()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        self.entries.iter_mut().map(|(key, value)| (*key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = K> {
        self.entries.iter().map(|(key, _)| *key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, key: K) -> Result<usize, usize> {
        // New keys are the largest, and most lookups in a small room hit the first few.
        self.entries.binary_search_by_key(&key, |(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_replaces() {
        let mut map = Keyed::default();
        assert_eq!(map.insert(3, "c"), None);
        assert_eq!(map.insert(1, "a"), None);
        assert_eq!(map.insert(2, "b"), None);
        assert_eq!(map.insert(2, "B"), Some("b"));
        assert_eq!(map.keys().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(map.remove(1), Some("a"));
        assert_eq!(map.get(1), None);
        assert_eq!(map.get(2), Some(&"B"));
        assert!(!map.is_empty());
    }
}
