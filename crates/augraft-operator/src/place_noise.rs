//! Noise that is a function of a drawn key and a place, the same natively and in a graph.
//!
//! A step draws the key, [`draw_stream`]; the words at a place are one block of Philox4x32-10, natively and as nodes from opset 18 on.

use augraft_onnx::{DataType, Tensor, Value, text_attribute};
use ndarray::Array5;

use crate::dice::Dice;
use crate::philox::{MULTIPLIER, ROUNDS, WEYL, philox4x32};
use crate::shape::Issue;
use crate::table::Table;

/// Words of a block.
const WORDS: usize = 4;
/// The low 32 bits.
const LOW: u64 = 0xFFFF_FFFF;

/// A key of 42 bits, by `lane` and the next one; 0 where `apply` does not hold.
pub fn draw_stream<D: Dice>(dice: D, lane: u32, apply: D::Bool) -> D::Int {
    let word = |lane| dice.below(lane, dice.int(1 << 21));
    dice.select_int(apply, word(lane) * dice.int(1 << 21) + word(lane + 1), dice.int(0))
}

/// Four words at a place of two coordinates.
#[must_use]
pub fn place_words(stream: i64, [first, second]: [usize; 2]) -> [u32; WORDS] {
    philox4x32([first as u32, second as u32, 0, 0], [stream as u32, (stream >> 32) as u32])
}

/// [`place_words`] in a graph: uint64 of four axes, as the shapes of `stream` and the coordinates (int64) broadcast.
///
/// # Errors
/// Before opset 18, which brought exclusive or of integers.
pub fn lower_place_words<'g>(stream: Value<'g>, [first, second]: [Value<'g>; 2]) -> Result<[Value<'g>; WORDS], Issue> {
    let graph = stream.graph();
    if graph.opset() < 18 {
        let message = format!("what it draws for each place needs opset 18, but the file has {}", graph.opset());
        return Err(Issue::new("", message).help("use `--opset 18`, or leave the step out of what is exported"));
    }
    let low = |value: Value<'g>| {
        let inputs = [value, graph.constant(Tensor::scalar(LOW))];
        graph.node("BitwiseAnd", &inputs, vec![], DataType::U64)
    };
    let pair = |a: Value<'g>, b: Value<'g>| graph.concat(&[a.unsqueeze(&[0]), b.unsqueeze(&[0])], 0);
    // Pairs as in the graph of the draws: tract takes a factor that is a single integer for a mask, and its expressions explode.
    let constants = |values: [u32; 2]| {
        let pair = Array5::from_shape_fn([2, 1, 1, 1, 1], |(at, ..)| u64::from(values[at]));
        graph.constant(Tensor::U64(pair.into_dyn()))
    };
    let stream = stream.cast(DataType::U64);
    let mut key = pair(low(stream), shift(stream, 32));
    let [mut a, mut b] = [first, second].map(|place| pair(place, place.binary("Sub", place)).cast(DataType::U64));
    let swap = graph.ints(&[1, 0]);
    for round in 0..ROUNDS {
        if round > 0 {
            key = low(key + constants(WEYL));
        }
        let product = a * constants(MULTIPLIER);
        (a, b) = (shift(product, 32).gather(swap, 0) ^ b ^ key, low(product).gather(swap, 0));
    }
    let plane = |pair: Value<'g>, at: i64| pair.gather(graph.constant(Tensor::scalar(at)), 0);
    Ok([plane(a, 0), plane(b, 0), plane(a, 1), plane(b, 1)])
}

fn shift(value: Value<'_>, bits: u64) -> Value<'_> {
    let graph = value.graph();
    let inputs = [value, graph.constant(Tensor::scalar(bits))];
    graph.node("BitShift", &inputs, vec![text_attribute("direction", "RIGHT")], DataType::U64)
}

/// Blocks that one place of `channels` channels takes.
fn blocks_of(channels: usize) -> usize {
    channels.div_ceil(WORDS).max(1)
}

/// A word for every channel at one place, as pairs of the channel and its word, in no order.
///
/// Of `b` blocks, the second coordinate of the place, channel `c` takes word `c / b` of block `c % b`.
pub fn channel_words(stream: i64, place: usize, channels: usize) -> impl Iterator<Item = (usize, u32)> {
    let blocks = blocks_of(channels);
    (0..blocks).flat_map(move |block| (block..channels).step_by(blocks).zip(place_words(stream, [place, block])))
}

/// [`channel_words`] in a graph, uint64 `[N,C,..,..]`: `stream` is int64 `[N,1,1,1]`, `place` int64 `[1,1,..,..]`.
///
/// # Errors
/// See [`lower_place_words`].
pub fn lower_channel_words<'g>(stream: Value<'g>, place: Value<'g>, channels: usize) -> Result<Value<'g>, Issue> {
    let graph = stream.graph();
    let blocks = Tensor::vector((0..blocks_of(channels) as i64).collect());
    let blocks = graph.constant(blocks).reshape(&[1, -1, 1, 1]);
    let words = lower_place_words(stream, [place, blocks])?;
    Ok(graph.concat(&words, 1).slice(1, 0, channels as i64))
}

/// The place of every pixel in a graph, its number row by row: int64 `[1,1,H,W]` for the sides `[H, W]`.
#[must_use]
pub fn lower_pixel_places([height, width]: [Value<'_>; 2]) -> Value<'_> {
    let graph = height.graph();
    let rows = graph.range(height).reshape(&[1, 1, -1, 1]);
    rows * width + graph.range(width).reshape(&[1, 1, 1, -1])
}

/// The uniform number in [0, 1) of a word.
#[must_use]
pub fn word_unit(word: u32) -> f64 {
    f64::from(word) * (-32f64).exp2()
}

/// [`word_unit`] in a graph, f64.
#[must_use]
pub fn lower_word_unit(word: Value<'_>) -> Value<'_> {
    word.cast(DataType::F64) * word.graph().constant(Tensor::scalar((-32f64).exp2()))
}

/// The level of 0 to 255 of a word, all equally likely.
#[must_use]
pub fn word_byte(word: u32) -> u8 {
    (word >> 24) as u8
}

/// [`word_byte`] in a graph, uint8.
#[must_use]
pub fn lower_word_byte(word: Value<'_>) -> Value<'_> {
    shift(word, 24).cast(DataType::U8)
}

/// The standard normal number of a word, by [`Table::normal`]; the tails end at 3.99.
#[must_use]
pub fn word_normal(word: u32) -> f32 {
    Table::normal().at(word_unit(word)) as f32
}

/// [`word_normal`] in a graph, f32.
#[must_use]
pub fn lower_word_normal(word: Value<'_>) -> Value<'_> {
    Table::normal().lower_at(lower_word_unit(word)).cast(DataType::F32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_channel_has_a_word_of_its_own() {
        for channels in [1, 3, 4, 5, 8, 9, 64] {
            let mut found: Vec<(usize, u32)> = channel_words(77, 1234, channels).collect();
            found.sort_unstable();
            let blocks = channels.div_ceil(4);
            let word = |channel: usize| place_words(77, [1234, channel % blocks])[channel / blocks];
            assert_eq!(found, (0..channels).map(|channel| (channel, word(channel))).collect::<Vec<_>>());
            let different: BTreeSet<u32> = found.iter().map(|(_, word)| *word).collect();
            assert_eq!(different.len(), channels);
        }
    }

    #[test]
    fn words_become_numbers_within_their_ranges() {
        assert_eq!([word_unit(0), word_unit(1 << 31)], [0.0, 0.5]);
        assert!(word_unit(u32::MAX) < 1.0);
        assert_eq!([word_byte(0), word_byte(u32::MAX)], [0, 255]);
        assert_eq!(word_normal(1 << 31), 0.0);
        assert!(word_normal(0) > -4.0 && word_normal(0) < -3.9 && word_normal(u32::MAX) > 3.9);
    }
}
