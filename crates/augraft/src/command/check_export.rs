//! Whether the file that a run writes does what the run did.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use augraft_engine::{EngineError, Finding, Tract, Use, Verifier};
use augraft_onnx::Model;

use super::prepare::{Prepared, load};

/// Samples that the file is run on.
const SAMPLES: usize = 4;

/// What is wrong with the exported file when the embedded engine runs it on the first samples of the run; none when it keeps what the steps promise.
pub(super) fn unkept(prepared: &Prepared, file: &Path, indices: &[u64]) -> Option<String> {
    let first = &indices[..indices.len().min(SAMPLES)];
    // A run that is complete is worth more than this check, so that not even a panic of the engine ends it.
    match catch_unwind(AssertUnwindSafe(|| compared(prepared, file, first))) {
        Ok(Ok(findings)) => differing(&findings),
        Ok(Err(EngineError::Runtime { reason, .. })) => Some(refused(&reason)),
        Ok(Err(error)) => Some(format!("it could not be compared with the native steps: {error}")),
        Err(panic) => Some(refused(said(&*panic))),
    }
}

fn refused(reason: &str) -> String {
    let reason = reason.lines().next().unwrap_or_default();
    format!("the embedded engine cannot run it: {reason}; run it on ONNX Runtime, and see `augraft verify` on the file")
}

fn compared(prepared: &Prepared, file: &Path, indices: &[u64]) -> Result<Vec<Finding>, EngineError> {
    // What cannot be read was reported by the run itself.
    let Ok((dataset, data, _)) = prepared.data() else { return Ok(Vec::new()) };
    let Ok((batch, _)) = load(&prepared.plan, dataset, data, indices) else { return Ok(Vec::new()) };
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let model = Model::load(file)?;
    let mut verifier = Verifier::bind(&prepared.plan, &model, None, &Tract, Use::OptimizedGraph)?;
    verifier.compare(batch)?;
    Ok(verifier.findings().to_vec())
}

/// Names the first thing that is beyond what the steps promise, which those behind it may follow from.
fn differing(findings: &[Finding]) -> Option<String> {
    let first = findings.iter().find(|finding| !finding.holds)?;
    let how = match (first.draws, first.largest) {
        (Some(draws @ 1..), _) => format!("draws something else for {draws} of {} samples", first.samples),
        (_, Some(largest)) => format!("is off by up to {largest:e}, and {:e} is allowed", first.allowed),
        _ => "is not there".to_owned(),
    };
    let name = first.subject.name();
    Some(format!("it is not what ran natively: `{name}` {how}; `augraft verify` on the file shows all"))
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use augraft_engine::{ExportOptions, export};
    use augraft_operator::Registry;
    use tempfile::TempDir;

    use super::super::arguments::{EngineArgs, PipelineArgs};
    use super::super::prepare::prepare;
    use super::*;

    /// A pipeline over the photos of the repository that erases squares of this side.
    fn erasing(folder: &TempDir, side: usize) -> Prepared {
        let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/data/photos");
        let file = folder.path().join(format!("{side}.yaml"));
        let data = format!("augraft: 1\ndata: {{ folder: {:?} }}\n", photos.display().to_string());
        let steps = format!("steps:\n  - resize: {{ size: 32 }}\n  - cutout: {{ length: {side} }}\n");
        std::fs::write(&file, data + &steps).expect("a file");
        let engine = EngineArgs { engine: None, device: None, onnxruntime: None };
        let rest =
            PipelineArgs { pipeline: file, out: None, seed: None, epoch: None, batch: None, limit: None, engine };
        prepare(&rest, &Registry::linked(), false).expect("a plan")
    }

    fn written(folder: &TempDir, model: &Model) -> PathBuf {
        let file = folder.path().join("model.onnx");
        std::fs::write(&file, model.to_bytes()).expect("a file");
        file
    }

    #[test]
    fn a_file_that_is_not_what_ran_is_told() {
        let folder = TempDir::new().expect("a folder");
        let [ran, other] = [8, 12].map(|side| erasing(&folder, side));
        let told = |model: &Model| unkept(&ran, &written(&folder, model), &[0, 1, 2, 3, 4]);
        let own = export(&ran.plan, &ExportOptions::default()).expect("a model");
        assert_eq!(told(&own), None);

        let other = export(&other.plan, &ExportOptions::default()).expect("a model");
        let draws = "it is not what ran natively: `cutout` draws something else for 4 of 4 samples; `augraft verify` on the file shows all";
        assert_eq!(told(&other).as_deref(), Some(draws));

        let mut proto = own.proto().clone();
        let mut nodes = proto.graph.iter_mut().flat_map(|graph| &mut graph.node);
        nodes.next().expect("a node").op_type = Some("NoSuchOperator".to_owned());
        let broken = told(&Model::from_proto(proto).expect("a model")).unwrap_or_default();
        assert!(broken.starts_with("the embedded engine cannot run it: "), "{broken}");
        assert!(broken.contains("NoSuchOperator") && broken.ends_with("`augraft verify` on the file"), "{broken}");
    }
}
