//! Every linked operator keeps its promises, natively and in every runtime.

use augraft::operator::{AnyOperator, Element, Entry, Registry, Shape};
use augraft_testkit::{backends, compare_draws, conformance, shape};
use rayon::prelude::*;

fn operators() -> Vec<Box<dyn AnyOperator>> {
    let configured = [
        ("cutmix", r#"{"mode":"elem","frame":"project","alpha":0.2,"p":0.7}"#),
        ("cutmix", r#"{"mode":"elem","alpha":2,"partner":"roll"}"#),
        ("cutmix", r#"{"mode":"batch","p":0.5,"partner":"flip"}"#),
        ("mixup", r#"{"mode":"elem","alpha":0.2,"partner":"flip"}"#),
        ("cutout", r#"{"length":5,"count":3,"p":0.5,"fill":7}"#),
        ("random_erasing", r#"{"p":1,"scale":[0.3,0.9],"ratio":[0.1,10]}"#),
        ("dropblock", r#"{"p":0.4,"block_size":3,"per_channel":false}"#),
        ("dropblock", r#"{"p":0.2,"block_size":1}"#),
        ("random_crop", r#"{"size":[20,9],"padding":4}"#),
        ("center_crop", r#"{"size":[5,40]}"#),
        ("resize", r#"{"size":[9,50]}"#),
        ("resized_crop", r#"{"size":[16,24],"scale":[0.01,1.0],"ratio":[0.2,5]}"#),
        ("normalize", r#""half""#),
        ("horizontal_flip", r#"{"p":1}"#),
        ("vertical_flip", r#"{"p":1}"#),
    ];
    let registry = Registry::linked();
    let configured = configured.iter().map(|(name, config)| {
        let entry = registry.get(name).expect("a linked operator");
        entry.parse(serde_json::from_str(config).expect("JSON")).expect("a valid configuration")
    });
    registry.iter().map(Entry::default_operator).chain(configured).collect()
}

#[test]
fn every_operator_keeps_its_promises() {
    let backends = backends();
    let broken: Vec<String> =
        operators().par_iter().flat_map_iter(|operator| conformance(&**operator, &backends)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn recorded_draws_equal_native_draws_on_a_hundred_thousand_rows() {
    let backends = backends();
    operators().par_iter().for_each(|operator| {
        // A feature map, so that boxes drawn in image space are rounded onto another grid.
        let shape = Shape { image_size: Some([224, 161]), ..shape(Element::F32, 2, [12, 10]) };
        if operator.check(&shape).is_err() || operator.columns().is_empty() {
            return;
        }
        for backend in backends.iter().step_by(2) {
            match compare_draws(&**operator, &shape, backend, 100_000, 7) {
                Ok(compared) => assert_eq!((compared.rows, compared.different), (100_000, 0)),
                Err(problem) => panic!("{} {}: {problem}", operator.name(), operator.config()),
            }
        }
    });
}
