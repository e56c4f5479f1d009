//! Steps as they are written.

use std::sync::Arc;

use augraft_operator::{AnyOperator, Gate};
use serde_json::Value as Json;

use crate::combinators::Held;
use crate::layout::WrittenLayout;

/// A step: an operator and its id.
#[derive(Debug, Clone)]
pub struct StepSpec {
    /// The explicit `id:`, or the operator's name with its occurrence.
    pub id: String,
    /// The operator with its configuration.
    pub operator: Arc<dyn AnyOperator>,
    /// JSON pointer to the operator's configuration in the file, such as `/steps/2/cutmix`.
    pub path: String,
    /// The combinators around it, the outermost first.
    pub gates: Vec<Gate>,
    /// Options whose values come from the epoch.
    pub(crate) strengths: Vec<Strength>,
}

impl StepSpec {
    /// The operator with its strengths at `epoch`.
    ///
    /// # Errors
    /// When the operator does not take a value.
    pub(crate) fn at_epoch(&self, epoch: u32) -> Result<Arc<dyn AnyOperator>, serde_json::Error> {
        let mut config = self.operator.config();
        for Strength { field, ends, schedule } in &self.strengths {
            let (Held::Schedule(schedule), Some(value)) = (&**schedule, config.get_mut(field)) else { continue };
            let strength = schedule.strength(*ends, epoch);
            let whole = value.is_i64() || value.is_u64();
            *value = if whole { Json::from(strength.round() as i64) } else { Json::from(strength) };
        }
        if self.strengths.is_empty() {
            Ok(self.operator.clone())
        } else {
            self.operator.with_config(config).map(Arc::from)
        }
    }
}

/// A step at a tensor of the model.
#[derive(Debug, Clone)]
pub struct SiteStepSpec {
    /// Alias, tensor name or pattern.
    pub at: String,
    /// JSON pointer to `at` in the file.
    pub at_path: String,
    /// What the step says of the axes of its tensor.
    pub layout: WrittenLayout,
    /// The step.
    pub step: StepSpec,
}

/// An option of a step that changes with the epoch.
#[derive(Debug, Clone)]
pub(crate) struct Strength {
    pub(crate) field: String,
    pub(crate) ends: [f64; 2],
    pub(crate) schedule: Arc<Held>,
}

/// A step, or a combinator, which only has a name; the rest of a step may have problems.
pub(crate) struct Written {
    /// What its id is made of: the name of the operator, behind those of the macros around it.
    pub(crate) label: String,
    pub(crate) id: Option<String>,
    pub(crate) at: Option<(String, String)>,
    pub(crate) layout: WrittenLayout,
    /// Where the operator's configuration is.
    pub(crate) path: String,
    /// None for a combinator, and for a step with problems.
    pub(crate) operator: Option<Arc<dyn AnyOperator>>,
    pub(crate) around: Around,
}

/// What is around a step: combinators (by their position in the list of what is written), and what they pass on.
#[derive(Clone, Default)]
pub(crate) struct Around {
    pub(crate) held: Vec<(Arc<Held>, usize, [usize; 2])>,
    pub(crate) strengths: Vec<Strength>,
    pub(crate) label: String,
    pub(crate) at: Option<(String, String)>,
    pub(crate) layout: WrittenLayout,
    pub(crate) macros: Vec<String>,
    pub(crate) copy: u32,
}

impl Written {
    /// The combinators around it, given the ids of all that is written, and its strengths.
    pub(crate) fn gates(&self, ids: &[String]) -> (Vec<Gate>, Vec<Strength>) {
        let gate = |(held, combinator, [position, steps]): &(Arc<Held>, usize, [usize; 2])| {
            held.gate(&ids[*combinator], *position, *steps)
        };
        (self.around.held.iter().filter_map(gate).collect(), self.around.strengths.clone())
    }
}
