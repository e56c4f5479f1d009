//! Shapes along a sequence of steps.

use augraft_operator::{Shape, StepKey};

use crate::plan::Step;
use crate::problems::Problems;
use crate::step::StepSpec;

/// The shape as it passes from step to step.
pub(crate) struct StepRun {
    seed: u64,
    epoch: u32,
    shape: Shape,
    failed: bool,
}

impl StepRun {
    pub(crate) fn new(seed: u64, epoch: u32, shape: Shape) -> Self {
        Self { seed, epoch, shape, failed: false }
    }

    /// The shape after the steps so far.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether a step did not fit, so that the shape is a guess.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    /// Puts the next step behind the ones so far, under the name `id`.
    pub(crate) fn check(&mut self, spec: &StepSpec, id: String, problems: &mut Problems<'_>) -> Option<Step> {
        let name = spec.operator.name();
        let operator = match spec.at_epoch(self.epoch) {
            Ok(operator) => operator,
            Err(reason) => {
                let message = format!("`{name}` cannot take its scheduled strength of epoch {}: {reason}", self.epoch);
                problems.error(&spec.path, "wrong-value", message, None);
                return None;
            }
        };
        match operator.check(&self.shape) {
            Ok(after) => {
                let before = std::mem::replace(&mut self.shape, after.clone());
                let key = StepKey::new(self.seed, &id).within(&spec.gates);
                let scheduled = !spec.strengths.is_empty();
                Some(Step { scheduled, ..Step::new(id, key, operator, before, after) })
            }
            Err(issue) => {
                // After a failure the shape is a guess: only what concerns one parameter is still worth telling.
                if !self.failed || !issue.path.is_empty() {
                    problems.issue(&spec.path, "step-does-not-fit", name, issue);
                }
                self.failed = true;
                None
            }
        }
    }
}
