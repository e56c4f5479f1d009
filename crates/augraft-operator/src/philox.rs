//! The counter-based generator behind every draw.

use core::convert::Infallible;

use rand_core::TryRng;

/// First multiplier of Philox4x32.
pub(crate) const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Weyl increments of the key schedule.
pub(crate) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Rounds of the generator.
pub(crate) const ROUNDS: u32 = 10;

/// Returns the four words of Philox4x32-10 at `counter` under `key`.
///
/// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
#[must_use]
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let first = u64::from(MULTIPLIER[0]) * u64::from(counter[0]);
        let second = u64::from(MULTIPLIER[1]) * u64::from(counter[2]);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
    }
    counter
}

/// A stream of Philox words for pixel noise, keyed by one drawn integer.
///
/// It exists so that `rand_distr` can sample per pixel; draws themselves never use a stream.
#[derive(Debug, Clone)]
pub struct PhiloxRng {
    key: [u32; 2],
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl PhiloxRng {
    /// Starts the stream that belongs to `key`.
    #[must_use]
    pub fn new(key: u64) -> Self {
        Self { key: [key as u32, (key >> 32) as u32], block: 0, words: [0; 4], used: 4 }
    }

    fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox4x32([self.block as u32, (self.block >> 32) as u32, 0, 0], self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }
}

impl TryRng for PhiloxRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.word()) | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.word().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_known_answers_of_random123() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32(counter, key), expected);
        }
    }

    #[test]
    fn stream_is_the_sequence_of_blocks() {
        let mut rng = PhiloxRng::new(7);
        let words: Vec<u32> = (0..8).map(|_| rng.word()).collect();
        assert_eq!(words[..4], philox4x32([0; 4], [7, 0]));
        assert_eq!(words[4..], philox4x32([1, 0, 0, 0], [7, 0]));
    }
}
