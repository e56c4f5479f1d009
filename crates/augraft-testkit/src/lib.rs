//! The conformance suite that every operator passes, and what its tests are made of.
//!
//! [`conformance`] checks one configuration of an operator against its promises and returns every broken one as a sentence. A plugin's whole test is
//! `assert_conforms(&MyOperator::default())`.

mod configurations;
mod draws;
mod fixtures;
mod lowering;
mod promises;
mod reference;

use augraft_engine::{OnnxRuntime, Optimization, Runtime, Tract, Use};
use augraft_operator::{AnyOperator, Operator};
use augraft_pipeline::Device;

pub use configurations::random_configurations;
pub use draws::{DrawComparison, DrawFile, address, compare_draws, record_draws};
pub use fixtures::{batch, shape};
pub use lowering::{Expectation, compare_lowering, is_lowered, lower_operator};
pub use promises::{check_identity, check_promises};
pub use reference::{Case, Python, python};

/// A runtime and how it is used, with a name for messages.
pub struct Backend {
    /// For example `tract, optimised`.
    pub name: &'static str,
    /// Opens the runtime.
    pub runtime: Box<dyn Runtime>,
    /// How it runs graphs.
    pub purpose: Use,
}

/// Every backend that works here: tract raw and optimised, and ONNX Runtime without and with optimisation where its library is found.
///
/// # Panics
/// When ONNX Runtime is not found though `AUGRAFT_REQUIRE_ONNXRUNTIME` is set.
#[must_use]
pub fn backends() -> Vec<Backend> {
    let mut found = vec![
        Backend { name: "tract, raw", runtime: Box::new(Tract), purpose: Use::Graph },
        Backend { name: "tract, optimised", runtime: Box::new(Tract), purpose: Use::OptimizedGraph },
    ];
    match OnnxRuntime::load(None, Device::Cpu, Optimization::Default) {
        Ok(runtime) => {
            found.push(Backend { name: "ONNX Runtime, level 0", runtime: Box::new(runtime), purpose: Use::Graph });
            found.push(Backend {
                name: "ONNX Runtime, default",
                runtime: Box::new(runtime),
                purpose: Use::OptimizedGraph,
            });
        }
        Err(error) => {
            assert!(std::env::var_os("AUGRAFT_REQUIRE_ONNXRUNTIME").is_none(), "ONNX Runtime is required: {error}");
            eprintln!("skipped ONNX Runtime: {error}");
        }
    }
    found
}

/// Checks `operator` on images (and, for floats, feature maps) of several sizes and returns the broken promises.
#[must_use]
pub fn conformance(operator: &dyn AnyOperator, backends: &[Backend]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut accepted = 0;
    for shape in fixtures::shapes() {
        if operator.check(&shape).is_err() {
            continue;
        }
        accepted += 1;
        broken.extend(check_promises(operator, &shape));
        broken.extend(check_identity(operator, &shape));
        let drawn = shape.size().map(|_| record_draws(operator, "step under test", &shape));
        let drawn = drawn.transpose().map_err(|error| broken.push(error.to_string())).ok().flatten();
        for backend in backends {
            broken.extend(compare_lowering(operator, &shape, backend));
            let compared = drawn.iter().map(|file| compare_draws(operator, &shape, file, backend, 200, &[42]));
            broken.extend(compared.filter_map(Result::err));
        }
    }
    if accepted == 0 {
        broken.push("no shape of the suite was accepted".to_owned());
    }
    broken.into_iter().map(|problem| format!("{}: {problem}", operator.name())).collect()
}

/// Runs [`conformance`] on every backend that works here.
///
/// # Panics
/// With every broken promise.
pub fn assert_conforms(operator: &impl Operator) {
    let broken = conformance(operator, &backends());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
