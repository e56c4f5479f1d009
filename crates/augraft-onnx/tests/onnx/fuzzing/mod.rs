//! Seeded mutations of model files, and everything that a mutant goes through.

mod builtin;
mod bytes;
mod shrinking;
mod structure;

use std::collections::BTreeMap;

use augraft_onnx::proto::ModelProto;
use augraft_onnx::{
    DataType, Error, Graph, Model, Side, Splice, Splices, baked_batch, cut, free_batch, graft, matching, nearest,
    prune, raise_opset, sites, with_outputs,
};
use prost::Message;

use crate::fixtures::Lcg;

pub(crate) use builtin::graphs;

/// A model to start from, with its weights taken out.
pub(crate) struct Seedling {
    proto: ModelProto,
    bytes: Vec<u8>,
}

impl Seedling {
    pub(crate) fn new(mut proto: ModelProto) -> Self {
        shrinking::shrink(&mut proto);
        Self { bytes: proto.encode_to_vec(), proto }
    }
}

/// Returns one mutant; the same three arguments always give the same.
pub(crate) fn mutant(seedlings: &[Seedling], seed: u64, case: u64) -> Vec<u8> {
    let mut random = Lcg(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ case.wrapping_mul(0xd134_2543_de82_ef95));
    // The first steps of neighboring states are alike.
    for _ in 0..3 {
        random.below(2);
    }
    let seedling = &seedlings[random.below(seedlings.len())];
    let kind = random.below(4);
    let mut mutant = if kind == 0 {
        seedling.bytes.clone()
    } else {
        let mut proto = seedling.proto.clone();
        for _ in 0..=random.below(4) {
            structure::mutate(&mut proto, &mut random);
        }
        proto.encode_to_vec()
    };
    if kind < 2 {
        let other = &seedlings[random.below(seedlings.len())].bytes;
        for _ in 0..=random.below(3) {
            bytes::mutate(&mut mutant, other, &mut random);
        }
    }
    mutant
}

/// Uses everything that the crate offers on some bytes, and says whether they are a model.
///
/// # Panics
/// When something panics, or a model that was accepted leads to one that is not.
pub(crate) fn exercise(bytes: &[u8]) -> bool {
    let Ok(model) = Model::from_bytes(bytes) else { return false };
    check(&model);
    assert!(sites(&model, &BTreeMap::new()).iter().all(|site| (0.0..=1.0).contains(&site.macs_after)));
    let mut names = matching(&model, "*");
    assert!(nearest(&model, "conv", 3).len() <= 3);
    // A few names all over the graph: cutting at each one takes too long on a real model.
    names = names.iter().step_by(names.len() / 4 + 1).cloned().collect();
    for name in &names {
        check_all(cut(&model, &[name]).map(|stages| stages.into_iter().map(|stage| stage.model)));
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    check_all(cut(&model, &all).map(|stages| stages.into_iter().map(|stage| stage.model)));
    check_all(with_outputs(&model, &names).map(Some));
    check_all(prune(&model, &names).map(Some));
    check_all(grafted(&model, &names).map(Some));
    for to in [model.opset().saturating_add(1), 18, 24] {
        check_all(raise_opset(&model, to).map(Some));
    }
    let freed = free_batch(&model).map(|freed| freed.model);
    assert!(freed.as_ref().is_ok_and(|freed| baked_batch(freed).is_none()) || freed.is_err());
    check_all(freed.map(Some));
    true
}

/// The model with its images negated, and a node at each of `names`; some of these names the fragment needs itself.
fn grafted(model: &Model, names: &[String]) -> Result<Model, Error> {
    let graph = Graph::new(model.opset().clamp(9, 24));
    let sides = [Side::Named("N"), Side::Fixed(3), Side::Fixed(8), Side::Fixed(8)];
    let into_model = graph.input("x", DataType::F32, &sides).unary("Neg");
    let mut splices = Splices { input: into_model.name(), sites: Vec::new(), output: "y".to_owned() };
    for site in names {
        let external = format!("site:{site}");
        let with = graph.name(graph.external(&external, DataType::F32).unary("Abs"), &format!("step/{site}"));
        splices.sites.push(Splice { site: site.clone(), external, with: with.name() });
    }
    graft(model, graph.into_fragment(&splices.read()), &splices, &[]).map(|grafted| grafted.model)
}

/// Checks models made from an accepted one; a refusal must not be about a model that the crate itself wrote.
fn check_all(made: Result<impl IntoIterator<Item = Model>, Error>) {
    match made {
        Ok(models) => models.into_iter().for_each(|model| check(&model)),
        Err(error) => {
            assert!(!matches!(error, Error::Invalid { .. } | Error::NotOnnx { .. }), "wrote a bad model: {error}");
        }
    }
}

fn check(model: &Model) {
    let bytes = model.to_bytes();
    let again = Model::from_bytes(&bytes).expect("an accepted model is accepted again");
    assert!(again.to_bytes() == bytes, "a model survives a round trip");
}
