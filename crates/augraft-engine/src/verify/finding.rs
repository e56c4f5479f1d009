//! How the steps and outputs of a file compare with their native form.

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// What the step of this id draws, and leaves.
    Step(String),
    /// An output of the file.
    Output(String),
}

impl Subject {
    /// Id of the step, or name of the output.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Step(name) | Self::Output(name) => name,
        }
    }
}

/// How one step or output of a file compares with its native form, over all batches so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is compared.
    pub subject: Subject,
    /// Samples that were compared.
    pub samples: usize,
    /// Samples for which some drawn value differs; none for an output, or where the file is given its draws.
    pub draws: Option<usize>,
    /// Largest difference of an element; none where the file does not show what the step leaves.
    pub largest: Option<f32>,
    /// What the parity of the steps so far allows, in the batch that comes closest to it.
    pub allowed: f32,
    /// Whether the file keeps what the steps promise, in every batch.
    pub holds: bool,
}

impl Finding {
    /// Judges what was compared in one batch.
    pub(super) fn of(
        subject: Subject,
        samples: usize,
        draws: Option<usize>,
        largest: Option<f32>,
        allowed: f32,
    ) -> Self {
        let holds = draws.unwrap_or(0) == 0 && largest.is_none_or(|largest| largest <= allowed);
        Self { subject, samples, draws, largest, allowed, holds }
    }
}
