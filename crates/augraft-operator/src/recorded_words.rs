//! The nodes that make the random words of a graph: one vectorized Philox4x32-10 for all that steps asked for.

use std::collections::BTreeMap;

use augraft_onnx::{DataType, Tensor, Value, int_attribute, text_attribute};
use ndarray::{Array2, Array3};

use crate::philox::{MULTIPLIER, ROUNDS, WEYL};
use crate::recorder::{Recording, Request, Scope};

const MASK: u64 = 0xffff_ffff;

impl<'g> Recording<'g> {
    /// Fills the words that were requested for the samples `index`, which are the `at`-th.
    pub(crate) fn fill(&self, at: usize, index: Value<'g>) {
        let requests = self.words.borrow();
        let requests: Vec<&Request> = requests.iter().filter(|request| request.index == at).collect();
        let mut blocks: Vec<(Scope, u64, u32)> = requests
            .iter()
            .flat_map(|request| &request.addresses)
            .map(|(hash, block, _)| (Scope::of(*block), *hash, *block))
            .collect();
        blocks.sort_unstable();
        blocks.dedup();
        if blocks.is_empty() {
            return;
        }
        self.graph.set_scope("draws");
        let words = self.philox(&blocks, index);
        let unit = words.cast(DataType::F64) * self.graph.constant(Tensor::scalar((-32f64).exp2()));
        let integer = words.cast(DataType::I64);
        let rows: BTreeMap<_, _> =
            blocks.iter().enumerate().map(|(row, (_, hash, block))| ((*hash, *block), row)).collect();
        for request in requests {
            let positions = request.addresses.iter().map(|(hash, block, word)| {
                let plane = [0, 2, 1, 3][*word as usize];
                (plane * blocks.len() + rows[&(*hash, *block)]) as i64
            });
            let positions: Vec<i64> = positions.collect();
            let positions = match request.shape {
                None => Tensor::scalar(positions[0]),
                Some(shape) => {
                    Tensor::I64(Array3::from_shape_vec(shape, positions).expect("one address per cell").into_dyn())
                }
            };
            let value = self.graph.value(request.value);
            let source = if value.dtype() == DataType::F64 { unit } else { integer };
            self.graph.define(
                value,
                "Gather",
                &[source, self.graph.constant(positions)],
                vec![int_attribute("axis", 0)],
            );
        }
        self.graph.set_scope("");
    }

    /// The words of `blocks` for every sample, uint64 `[4 * blocks, N]`, in the planes 0, 2, 1, 3.
    fn philox(&self, blocks: &[(Scope, u64, u32)], samples: Value<'g>) -> Value<'g> {
        let graph = self.graph;
        let column = |value: &dyn Fn(&(Scope, u64, u32)) -> u64| {
            graph.constant(Tensor::U64(
                Array2::from_shape_fn([blocks.len(), 1], |(row, _)| value(&blocks[row])).into_dyn(),
            ))
        };
        let number = |value: u64| graph.constant(Tensor::scalar(value));
        let low = |value: Value<'g>| graph.node("BitwiseAnd", &[value, number(MASK)], vec![], DataType::U64);
        let high = |value: Value<'g>| {
            graph.node("BitShift", &[value, number(32)], vec![text_attribute("direction", "RIGHT")], DataType::U64)
        };
        let pair = |a: Value<'g>, b: Value<'g>| graph.concat(&[a.unsqueeze(&[0]), b.unsqueeze(&[0])], 0);

        let shape = samples.shape();
        let rows =
            |index: Value<'g>, count: usize| index.expand(graph.concat(&[graph.ints(&[count as i64]), shape], 0));
        let mut index = Vec::new();
        for scope in [Scope::Sample, Scope::Pair, Scope::Batch] {
            let count = blocks.iter().filter(|(known, _, _)| *known == scope).count();
            if count == 0 {
                continue;
            }
            let addressed = match scope {
                Scope::Sample => samples,
                Scope::Batch => samples.slice(0, 0, 1),
                Scope::Pair => {
                    let row = graph.range(samples.side(0));
                    let other = samples.side(0) - graph.constant(Tensor::scalar(1i64)) - row;
                    samples.gather(row.less(other).select(row, other), 0)
                }
            };
            index.push(rows(addressed, count));
        }
        let index = graph.concat(&index, 0).cast(DataType::U64);
        let all = index.shape();
        let epoch = low(self.epoch.cast(DataType::U64)).expand(all);
        let block = column(&|(_, _, block)| u64::from(*block)).expand(all);
        let key = self.seed.cast(DataType::U64) ^ column(&|(_, hash, _)| *hash);
        let mut key = pair(low(key), high(key));
        let (mut a, mut b) = (pair(low(index), epoch), pair(high(index), block));

        let planes = |[first, second]: [u32; 2]| {
            let values = vec![u64::from(first), u64::from(second)];
            graph.constant(Tensor::U64(Array3::from_shape_vec([2, 1, 1], values).expect("two planes").into_dyn()))
        };
        let swap = graph.ints(&[1, 0]);
        for round in 0..ROUNDS {
            if round > 0 {
                key = low(key + planes(WEYL));
            }
            let product = a * planes(MULTIPLIER);
            (a, b) = (high(product).gather(swap, 0) ^ b ^ key, low(product).gather(swap, 0));
        }
        graph.concat(&[a, b], 0).reshape(&[4 * blocks.len() as i64, -1])
    }
}
