//! Problems of a file, each at its place.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

/// A place in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

impl Span {
    /// The place of the bytes `range` of `text`, which are cut to what there is.
    #[must_use]
    pub fn of(text: &str, range: Range<usize>) -> Self {
        let start = floor_boundary(text, range.start);
        let end = floor_boundary(text, range.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[..start].matches('\n').count() + 1;
        Self { start, end, line, column: text[line_start..start].chars().count() + 1 }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The pipeline cannot run.
    Error,
    /// The pipeline runs, but probably not as meant.
    Warning,
}

/// One problem at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name in kebab-case, such as `unknown-operator`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// File as the user named it.
    pub file: String,
    /// Where.
    pub span: Span,
    /// Words at the caret.
    pub label: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn error(code: &'static str, file: &str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            file: file.to_owned(),
            span,
            label: None,
            help: None,
        }
    }

    pub(crate) fn warning(code: &'static str, file: &str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, file, span, message) }
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help: help.or(self.help), ..self }
    }

    /// Prints the problem with the line it is in, as compilers do.
    #[must_use]
    pub fn render(&self, text: &str, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let range = floor_boundary(text, self.span.start)..floor_boundary(text, self.span.end.max(self.span.start));
        let caret = AnnotationKind::Primary.span(range).label(self.label.as_deref());
        let title = level.primary_title(&self.message).id(self.code);
        let mut group = if text.is_empty() {
            title.element(Origin::path(self.file.as_str()))
        } else {
            title.element(Snippet::source(text).path(self.file.as_str()).annotation(caret))
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

/// All problems of one file, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The problems.
    pub diagnostics: Vec<Diagnostic>,
    text: String,
}

impl Report {
    pub(crate) fn new(text: &str, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        Self { diagnostics, text: text.to_owned() }
    }

    /// The problems of several reports of one file.
    #[must_use]
    pub fn join(reports: Vec<Self>) -> Self {
        let text = reports.iter().map(|report| report.text.as_str()).max_by_key(|text| text.len()).unwrap_or_default();
        let mut found: Vec<Diagnostic> = Vec::new();
        for diagnostic in reports.iter().flat_map(|report| &report.diagnostics) {
            if !found.contains(diagnostic) {
                found.push(diagnostic.clone());
            }
        }
        Self::new(text, found)
    }

    /// Prints all problems, with an empty line between them.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        render_all(&self.diagnostics, &self.text, color)
    }
}

pub(crate) fn render_all(diagnostics: &[Diagnostic], text: &str, color: bool) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.render(text, color)).collect::<Vec<_>>().join("\n\n")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
