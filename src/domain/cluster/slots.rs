//! A list whose places are reused, so that a place can be named by a number.

use std::marker::PhantomData;

/// Names a place in a [`Slots`] of the same `T`.
#[derive(Debug)]
pub(super) struct Slot<T>(u32, PhantomData<fn() -> T>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slot<T> {}

impl<T> PartialEq for Slot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Slot<T> {}

impl<T> std::hash::Hash for Slot<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> PartialOrd for Slot<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Slot<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// Values in places that stay where they are.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    pub(super) fn insert(&mut self, value: T) -> Slot<T> {
        if let Some(place) = self.free.pop() {
            self.places[place as usize] = Some(value);
            return Slot(place, PhantomData);
        }
        self.places.push(Some(value));
        let place = u32::try_from(self.places.len() - 1).expect("fewer than 2^32 values");
        Slot(place, PhantomData)
    }

    pub(super) fn get(&self, slot: Slot<T>) -> Option<&T> {
        self.places.get(slot.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot<T>) -> Option<&mut T> {
        self.places.get_mut(slot.0 as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, slot: Slot<T>) -> Option<T> {
        let value = self.places.get_mut(slot.0 as usize)?.take();
        if value.is_some() {
            self.free.push(slot.0);
        }
        value
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
