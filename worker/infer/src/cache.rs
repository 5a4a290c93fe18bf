//! What a decoder remembers of a sequence: the keys and values of each place, so that no token is computed twice.

/// The keys and values of one sequence. It grows with the sequence.
#[derive(Default)]
pub(crate) struct Cache {
    /// A list for each layer and head, in this order; in it a row for each place.
    heads: Vec<Head>,
    /// Numbers of a key, and of a value.
    width: usize,
}

#[derive(Clone, Default)]
pub(crate) struct Head {
    pub(crate) keys: Vec<f32>,
    pub(crate) values: Vec<f32>,
}

impl Cache {
    /// An empty memory of `heads` heads, in all layers together, of `width` numbers each.
    pub(crate) fn new(heads: usize, width: usize) -> Self {
        Self { heads: vec![Head::default(); heads], width }
    }

    /// How many places it has.
    pub(crate) fn len(&self) -> usize {
        self.heads.first().map_or(0, |head| head.keys.len() / self.width)
    }

    /// Forgets all places but the first `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        for head in &mut self.heads {
            head.keys.truncate(len * self.width);
            head.values.truncate(len * self.width);
        }
    }

    /// Forgets everything, and remembers the first `len` places of `other` instead.
    pub(crate) fn copy_from(&mut self, other: &Self, len: usize) {
        let copy = |to: &mut Vec<f32>, from: &[f32]| {
            to.clear();
            to.extend_from_slice(&from[..len * self.width]);
        };
        for (head, other) in self.heads.iter_mut().zip(&other.heads) {
            copy(&mut head.keys, &other.keys);
            copy(&mut head.values, &other.values);
        }
    }

    /// Gives the memory back that it holds.
    pub(crate) fn clear(&mut self) {
        self.heads.fill(Head::default());
    }

    pub(crate) fn head(&self, at: usize) -> &Head {
        &self.heads[at]
    }

    /// One more place of a head.
    pub(crate) fn push(&mut self, at: usize, key: &[f32], value: &[f32]) {
        self.heads[at].keys.extend_from_slice(key);
        self.heads[at].values.extend_from_slice(value);
    }
}
