//! The diagnostics of a document while it is read.

use augraft_operator::Issue;

use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::document::{Document, pointer_below};
use crate::validate::Problem;

/// Collects problems; paths are JSON pointers.
pub(crate) struct Problems<'d> {
    pub(crate) document: &'d Document,
    found: Vec<Diagnostic>,
}

impl<'d> Problems<'d> {
    pub(crate) fn new(document: &'d Document) -> Self {
        Self { document, found: Vec::new() }
    }

    /// A problem of the value at `pointer`.
    pub(crate) fn error(
        &mut self,
        pointer: &str,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let span = self.document.locate(pointer);
        self.found.push(Diagnostic::error(code, &self.document.file, span, message).maybe_help(help));
    }

    /// A problem of the key at `pointer`.
    pub(crate) fn key_error(
        &mut self,
        pointer: &str,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let span = self.document.locate_key(pointer);
        self.found.push(Diagnostic::error(code, &self.document.file, span, message).maybe_help(help));
    }

    /// Something at `pointer` that is probably not meant so.
    pub(crate) fn warning(&mut self, pointer: &str, code: &'static str, message: impl Into<String>, help: &str) {
        let span = self.document.locate(pointer);
        self.found.push(Diagnostic::warning(code, &self.document.file, span, message).help(help));
    }

    /// The same of the key at `pointer`.
    pub(crate) fn key_warning(&mut self, pointer: &str, code: &'static str, message: impl Into<String>, help: &str) {
        let span = self.document.locate_key(pointer);
        self.found.push(Diagnostic::warning(code, &self.document.file, span, message).help(help));
    }

    /// Adds what was found before.
    pub(crate) fn recall(&mut self, found: &[Diagnostic]) {
        self.found.extend_from_slice(found);
    }

    /// Problems of the value at `pointer` against its schema.
    pub(crate) fn extend(&mut self, pointer: &str, problems: Vec<Problem>) {
        for problem in problems {
            let place = format!("{pointer}{}", problem.pointer);
            if problem.at_key {
                self.key_error(&place, problem.code, problem.message, problem.help);
            } else {
                self.error(&place, problem.code, problem.message, problem.help);
            }
        }
    }

    /// A problem that an operator reports of its configuration at `pointer`.
    pub(crate) fn issue(&mut self, pointer: &str, code: &'static str, name: &str, issue: Issue) {
        let subject = if issue.path.is_empty() { format!("`{name}`") } else { format!("`{name}.{}`:", issue.path) };
        let place = pointer_below(pointer, &issue.path);
        let label = (self.document.node(&place).is_none()).then(|| "by default".to_owned());
        let mut diagnostic = Diagnostic::error(
            code,
            &self.document.file,
            self.document.locate(&place),
            format!("{subject} {}", issue.message),
        );
        diagnostic.label = label;
        self.found.push(diagnostic.maybe_help(issue.help));
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Everything as a report when there is an error, else the warnings.
    pub(crate) fn finish(self) -> Result<Vec<Diagnostic>, Report> {
        let failed = self.has_errors();
        let report = Report::new(&self.document.text, self.found);
        if failed { Err(report) } else { Ok(report.diagnostics) }
    }
}

impl From<Problems<'_>> for Report {
    fn from(problems: Problems<'_>) -> Self {
        Report::new(&problems.document.text, problems.found)
    }
}
