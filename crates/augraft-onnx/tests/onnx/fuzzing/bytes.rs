//! Damage to a file.

use crate::fixtures::Lcg;

/// Damages the bytes in one of several ways; `other` is a file to take parts of.
pub(super) fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Lcg) {
    if bytes.is_empty() {
        return;
    }
    let place = random.below(bytes.len());
    match random.below(6) {
        0 => bytes[place] ^= 1 << random.below(8),
        1 => bytes[place] = random.below(256) as u8,
        2 => bytes.truncate(place),
        3 => {
            let end = place + random.below((bytes.len() - place).min(64));
            bytes.drain(place..end);
        }
        4 => {
            let end = place + random.below((bytes.len() - place).min(256));
            let chunk = bytes[place..end].to_vec();
            bytes.splice(place..place, chunk);
        }
        _ => {
            let start = random.below(other.len());
            let end = start + random.below((other.len() - start).min(512));
            bytes.splice(place..place, other[start..end].iter().copied());
        }
    }
}
