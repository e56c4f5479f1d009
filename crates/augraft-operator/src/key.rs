//! What addresses the draws of a step.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::gate::Gate;

/// What addresses the draws of one step: the seed, the hash of its id, and the combinators around it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepKey {
    seed: u64,
    hash: u64,
    gates: Arc<[Gate]>,
}

impl StepKey {
    /// Derives the key of the step called `id` in a pipeline seeded with `seed`.
    #[must_use]
    pub fn new(seed: u64, id: &str) -> Self {
        Self { seed, hash: step_hash(id), gates: Arc::from([]) }
    }

    /// The key of something else that is drawn for this step, called `name`.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self { seed: self.seed, hash: self.hash ^ step_hash(name), gates: Arc::from([]) }
    }

    /// The same within combinators, the outermost first.
    #[must_use]
    pub fn within(self, gates: &[Gate]) -> Self {
        Self { gates: Arc::from(gates), ..self }
    }

    /// Hash of the step id, a constant of an exported graph.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The combinators around the step, the outermost first.
    #[must_use]
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// Returns the two key words of Philox, low word first: the seed XOR the hash of the id.
    #[must_use]
    pub fn words(&self) -> [u32; 2] {
        self.words_of(self.hash)
    }

    /// The words of another step of the same pipeline.
    pub(crate) fn words_of(&self, hash: u64) -> [u32; 2] {
        let key = self.seed ^ hash;
        [key as u32, (key >> 32) as u32]
    }
}

/// Hashes a step id to the constant that is mixed into its key: SHA-256, first 8 bytes, little endian.
#[must_use]
pub fn step_hash(id: &str) -> u64 {
    let digest = Sha256::digest(id.as_bytes());
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_seed_mixed_with_the_hash_of_the_id() {
        assert_eq!(step_hash("cutmix"), 0x1f71_70d8_6446_c8ed ^ (step_hash("cutmix") ^ 0x1f71_70d8_6446_c8ed));
        assert_ne!(StepKey::new(1, "a"), StepKey::new(1, "b"));
        assert_eq!(StepKey::new(0, "a").words()[0], step_hash("a") as u32);
    }
}
