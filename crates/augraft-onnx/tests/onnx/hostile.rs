use std::collections::BTreeMap;

use augraft_onnx::{Model, baked_batch, cut, matching, sites};

use crate::fixtures::{Lcg, model, residual};

/// Reads bytes and, where they are a model, uses everything that the crate offers on it.
fn exercise(bytes: &[u8]) {
    let Ok(model) = Model::from_bytes(bytes) else { return };
    let found = sites(&model, &BTreeMap::new());
    let _ = baked_batch(&model);
    for name in matching(&model, "*") {
        if let Ok(stages) = cut(&model, &[&name]) {
            assert_eq!(stages.len(), 2);
        }
    }
    assert!(found.iter().all(|site| (0.0..=1.0).contains(&site.macs_after)));
}

#[test]
fn truncated_models_never_panic() {
    let bytes = model(residual()).to_bytes();
    for length in 0..bytes.len() {
        exercise(&bytes[..length]);
    }
}

#[test]
fn mutated_models_never_panic() {
    let bytes = model(residual()).to_bytes();
    let mut random = Lcg(7);
    for _ in 0..1500 {
        let mut mutant = bytes.clone();
        for _ in 0..=random.below(4) {
            let place = random.below(mutant.len());
            mutant[place] = u8::try_from(random.below(256)).unwrap();
        }
        exercise(&mutant);
    }
}

#[test]
fn swapped_names_never_panic() {
    let graph = residual();
    let mut random = Lcg(11);
    for _ in 0..2000 {
        let mut graph = graph.clone();
        let names: Vec<String> = graph.node.iter().flat_map(|n| n.input.iter().chain(&n.output)).cloned().collect();
        for _ in 0..=random.below(3) {
            let place = random.below(graph.node.len());
            let name = names[random.below(names.len())].clone();
            if random.below(2) == 0 {
                graph.node[place].input[0] = name;
            } else {
                graph.node[place].output[0] = name;
            }
        }
        exercise(&prost::Message::encode_to_vec(&crate::fixtures::proto(graph)));
    }
}
