//! The conformance suite that every operator passes, and what its tests are made of.
//!
//! [`conformance`] checks one configuration of an operator against its promises and returns every broken one as a sentence. A plugin's whole test is
//! `assert_conforms(&MyOperator::default())`.

mod boxes;
mod configurations;
mod distributions;
mod draws;
mod family;
mod fixtures;
mod followers;
mod following;
mod lowering;
mod promises;
mod reference;
mod stated;
mod statistics;
mod tails;

use augraft_engine::{OnnxRuntime, Optimization};
use augraft_operator::{AnyOperator, Shape};
use augraft_pipeline::Device;

pub use augraft_engine::Backend;
pub use configurations::random_configurations;
pub use draws::{DrawComparison, DrawFile, address, compare_draws, compare_step_draws, record_draws};
pub use family::{assert_draws, assert_golden, assert_promises, assert_statistics};
pub use fixtures::{batch, shape};
pub use following::compare_followers;
pub use lowering::{Expectation, compare_lowering, is_lowered, lower_operator};
pub use promises::{check_identity, check_promises};
pub use reference::{Case, Python, python};

/// Every backend that works here: tract raw and optimized, and ONNX Runtime without and with optimization where its library is found.
///
/// Where `AUGRAFT_DEVICE` names a CUDA device, for example `cuda:0`, ONNX Runtime runs there too.
///
/// # Panics
/// When ONNX Runtime is not found though `AUGRAFT_REQUIRE` names `ort`, or the device of `AUGRAFT_DEVICE` cannot be used.
#[must_use]
pub fn backends() -> Vec<Backend> {
    let mut found = Vec::from(Backend::of_tract());
    let runtime = onnxruntime(Optimization::Default);
    found.extend(runtime.into_iter().flat_map(|runtime| Backend::of_onnxruntime(runtime, None)));
    let device = std::env::var("AUGRAFT_DEVICE").unwrap_or_default();
    found.extend(on_device(&device).unwrap_or_else(|error| panic!("AUGRAFT_DEVICE={device}: {error}")));
    found
}

/// The backends that a device adds; the CPU is there anyway.
fn on_device(device: &str) -> Result<Vec<Backend>, String> {
    if matches!(device, "" | "cpu") {
        return Ok(Vec::new());
    }
    let runtime = OnnxRuntime::load(None, device.parse()?, Optimization::Default).map_err(|error| error.to_string())?;
    Ok(Vec::from(Backend::of_onnxruntime(runtime, Some(device))))
}

/// ONNX Runtime on the CPU, where its library is found.
///
/// # Panics
/// When it is not found though `AUGRAFT_REQUIRE` names `ort`.
#[must_use]
pub fn onnxruntime(optimization: Optimization) -> Option<OnnxRuntime> {
    let loaded = OnnxRuntime::load(None, Device::Cpu, optimization);
    if let Err(error) = &loaded {
        assert!(!is_required("ort"), "ONNX Runtime is required: {error}");
        eprintln!("skipped ONNX Runtime: {error}");
    }
    loaded.ok()
}

/// Whether `AUGRAFT_REQUIRE`, a list such as `ort,python,shared`, turns the skip of a test that lacks this into a failure.
#[must_use]
pub fn is_required(name: &str) -> bool {
    std::env::var("AUGRAFT_REQUIRE").unwrap_or_default().split(',').any(|required| required.trim() == name)
}

/// Checks `operator` on images (and, for floats, feature maps) of several sizes and returns the broken promises.
#[must_use]
pub fn conformance(operator: &dyn AnyOperator, backends: &[Backend]) -> Vec<String> {
    conformance_on(operator, backends, &fixtures::shapes())
}

/// The same where the operator is known to conform by default: the shapes that differ most, in one runtime each in turn.
#[must_use]
pub fn conformance_of_case(operator: &dyn AnyOperator, backends: &[Backend]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut at = 0;
    for shape in fixtures::shapes() {
        if operator.check(&shape).is_err() {
            continue;
        }
        broken.extend(check_promises(operator, &shape));
        broken.extend(check_identity(operator, &shape));
        if is_lowered(operator, &shape) && !backends.is_empty() {
            broken.extend(compared_on(operator, &shape, &backends[at % backends.len()..=at % backends.len()]));
            at += 1;
        }
    }
    broken.into_iter().map(|problem| format!("{} {}: {problem}", operator.name(), operator.config())).collect()
}

/// What an operator does natively against what it does on backends: pixels, labels, masks, objects and draws.
fn compared_on(operator: &dyn AnyOperator, shape: &Shape, backends: &[Backend]) -> Vec<String> {
    let mut broken = Vec::new();
    let drawn = shape.uniform().ok().map(|()| record_draws(operator, "step under test", shape));
    let drawn = drawn.transpose().map_err(|error| broken.push(error.to_string())).ok().flatten();
    for backend in backends {
        broken.extend(compare_lowering(operator, shape, backend));
        broken.extend(compare_followers(operator, shape, backend));
        let compared = drawn.iter().map(|file| compare_draws(operator, shape, file, backend, 200, &[42]));
        broken.extend(compared.filter_map(Result::err));
    }
    broken
}

fn conformance_on(operator: &dyn AnyOperator, backends: &[Backend], shapes: &[Shape]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut accepted = 0;
    for shape in shapes {
        if operator.check(shape).is_err() {
            continue;
        }
        accepted += 1;
        broken.extend(check_promises(operator, shape));
        broken.extend(check_identity(operator, shape));
        broken.extend(compared_on(operator, shape, backends));
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
pub fn assert_conforms(operator: &impl AnyOperator) {
    let broken = conformance(operator, &backends());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_adds_no_backend_and_a_device_that_is_not_there_says_why() {
        assert!(["", "cpu"].iter().all(|device| on_device(device).is_ok_and(|backends| backends.is_empty())));
        let refused = |device| on_device(device).err().unwrap_or_default();
        assert_eq!(refused("gpu"), "`gpu` is no device; there are `cpu` and `cuda:0`, `cuda:1`, ...");
        let reason = refused("cuda:9999");
        assert!(reason.contains("`cuda:9999` cannot be used") || reason.contains("was not found"), "{reason}");
    }
}
