const ROUNDS: usize = 10;

/// Smallest half of the network, in bits: below 4, orders of a handful of samples are visibly uneven.
const MIN_HALF_BITS: u32 = 4;

/// Orders the samples of an epoch: a permutation of `0..n` that is computed for each index alone.
///
/// There is no buffer: memory and time for one index do not depend on `n`, and any worker can start anywhere. The order
/// is a promise: the same `(n, seed, epoch)` gives the same order in every version.
///
/// A balanced Feistel network permutes the smallest even number of bits that holds `n`, at least 8; indices that fall
/// outside are sent through again until they come back in (cycle walking), fewer than 4 times on average from 64 samples
/// on.
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// Chooses the order of `n` samples in one epoch under a seed.
    pub fn new(n: u64, seed: u64, epoch: u64) -> Permutation {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let key = mix(mix(seed) ^ mix(epoch.wrapping_add(GOLDEN)).rotate_left(32));
        let keys = std::array::from_fn(|round| mix(key.wrapping_add(GOLDEN.wrapping_mul(round as u64 + 1))));
        Permutation { n, half_bits: bits.div_ceil(2).max(MIN_HALF_BITS), keys }
    }

    /// Returns the sample at position `i` of the epoch.
    ///
    /// # Panics
    /// If `i` is not below `n`.
    pub fn at(&self, i: u64) -> u64 {
        assert!(i < self.n, "position {i} is beyond the {} samples of the epoch", self.n);
        let mut index = self.permute(i);
        while index >= self.n {
            index = self.permute(index);
        }
        index
    }

    fn permute(&self, index: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (index >> self.half_bits, index & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes 64 bits: the finaliser of `SplitMix64` (Stafford's variant 13).
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
