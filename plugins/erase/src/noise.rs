//! Noise that is a function of a drawn key and a place, the same natively and in a graph.

use augraft_operator::{DataType, Dice, Element, Issue, Shape, Table, Tensor, Value, philox4x32, text_attribute};
use ndarray::Array5;

/// Multipliers of Philox4x32.
const MULTIPLIER: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Weyl increments of its key schedule.
const WEYL: [u64; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// The low 32 bits.
const MASK: u64 = 0xFFFF_FFFF;
/// Cells of a [`Table`].
const CELLS: f64 = 4096.0;
/// Words of a block.
const WORDS: usize = 4;

/// A key of 42 bits, by `lane` and the next one; 0 where `apply` does not hold.
pub(crate) fn draw_stream<D: Dice>(dice: D, lane: u32, apply: D::Bool) -> D::Int {
    let word = |lane| dice.below(lane, dice.int(1 << 21));
    dice.select_int(apply, word(lane) * dice.int(1 << 21) + word(lane + 1), dice.int(0))
}

/// Four words at a place of two coordinates.
pub(crate) fn words(stream: i64, [first, second]: [usize; 2]) -> [u32; WORDS] {
    philox4x32([first as u32, second as u32, 0, 0], [stream as u32, (stream >> 32) as u32])
}

/// [`words`] in a graph: uint64 of four axes, as the shapes of `stream` and the coordinates (int64) broadcast.
pub(crate) fn lower_words<'g>(stream: Value<'g>, [first, second]: [Value<'g>; 2]) -> Result<[Value<'g>; WORDS], Issue> {
    let graph = stream.graph();
    if graph.opset() < 18 {
        let message = format!("what it draws for each place needs opset 18, but the file has {}", graph.opset());
        return Err(Issue::new("", message).help("use `--opset 18`, or fill with numbers"));
    }
    let low = |value: Value<'g>| {
        let inputs = [value, graph.constant(Tensor::scalar(MASK))];
        graph.node("BitwiseAnd", &inputs, vec![], DataType::U64)
    };
    let pair = |a: Value<'g>, b: Value<'g>| graph.concat(&[a.unsqueeze(&[0]), b.unsqueeze(&[0])], 0);
    // Pairs as in the graph of the draws: tract takes a factor that is a single integer for a mask, and its expressions explode.
    let constants = |values: [u64; 2]| {
        let pair = Array5::from_shape_fn([2, 1, 1, 1, 1], |(at, ..)| values[at]);
        graph.constant(Tensor::U64(pair.into_dyn()))
    };
    let stream = stream.cast(DataType::U64);
    let mut key = pair(low(stream), shift(stream, 32));
    let [mut a, mut b] = [first, second].map(|place| pair(place, place.binary("Sub", place)).cast(DataType::U64));
    let swap = graph.ints(&[1, 0]);
    for round in 0..10 {
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

/// The uniform number in [0, 1) of a word.
pub(crate) fn unit(word: u32) -> f64 {
    f64::from(word) * (-32f64).exp2()
}

/// [`unit`] in a graph.
pub(crate) fn lower_unit(word: Value<'_>) -> Value<'_> {
    word.cast(DataType::F64) * word.graph().constant(Tensor::scalar((-32f64).exp2()))
}

/// Element types that noise is made of: standard normal numbers, or levels 0 to 255, all equally likely.
pub(crate) trait Noisy: Copy {
    fn noise(word: u32) -> Self;
}

impl Noisy for u8 {
    fn noise(word: u32) -> u8 {
        (word >> 24) as u8
    }
}

impl Noisy for f32 {
    fn noise(word: u32) -> f32 {
        Table::normal().at(unit(word)) as f32
    }
}

/// Blocks of words that one place of `channels` channels takes; channel `c` is word `c / blocks` of block `c % blocks`.
pub(crate) fn blocks_of(channels: usize) -> usize {
    channels.div_ceil(WORDS).max(1)
}

/// Noise for every channel in a graph, in the type of the images: `stream` is int64 `[N]`, `place` int64 `[1,1,..,..]`.
pub(crate) fn lower_noise<'g>(stream: Value<'g>, place: Value<'g>, shape: &Shape) -> Result<Value<'g>, Issue> {
    let graph = stream.graph();
    let blocks = Tensor::vector((0..blocks_of(shape.channels) as i64).collect());
    let blocks = graph.constant(blocks).reshape(&[1, -1, 1, 1]);
    let words = lower_words(stream.unsqueeze(&[1, 2, 3]), [place, blocks])?;
    let words = graph.concat(&words, 1).slice(1, 0, shape.channels as i64);
    if shape.element == Element::U8 {
        return Ok(shift(words, 24).cast(DataType::U8));
    }
    let position = lower_unit(words) * graph.constant(Tensor::scalar(CELLS));
    let below = position.unary("Floor");
    let cell = below.cast(DataType::I64);
    let knots = graph.constant(Tensor::vector(Table::normal().knots().to_vec()));
    let low = knots.gather(cell, 0).cast(DataType::F64);
    let high = knots.gather(cell + graph.constant(Tensor::scalar(1i64)), 0).cast(DataType::F64);
    Ok((low + (position - below) * (high - low)).cast(DataType::F32))
}
