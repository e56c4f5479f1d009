//! All operators as one Markdown page.

use std::fmt::Write;

use augraft_operator::{Entry, Registry};

use crate::catalog::{Parameters, Row, combinator_rows, facts, parameters, presets};
use crate::combinators::COMBINATORS;
use crate::listing::{Listing, listing, listing_of_combinator};

/// Prints the reference of all operators; `strip` says where the picture of each lies.
#[must_use]
pub fn operators_reference(registry: &Registry, strip: impl Fn(&str) -> String) -> String {
    let combinators: Vec<Listing> = COMBINATORS.iter().map(listing_of_combinator).collect();
    let listed: Vec<(&Entry, Listing)> = registry.iter().map(|entry| (entry, listing(entry))).collect();
    let mut text = "# Reference of the operators\n\nWritten by `cargo xtask generate` from the operators themselves; `augraft operators NAME` prints the same.\n\
                    The picture of an operator shows a photo, and what its example made of it in two draws.\n\n"
        .to_owned();
    text.push_str("| operator | kind | acts on | backends agree | what it does |\n|---|---|---|---|---|\n");
    for listing in listed.iter().map(|(_, listing)| listing).chain(&combinators) {
        let Listing { name, kind, acts_on, parity, summary, .. } = listing;
        let _ = writeln!(text, "| [{name}](#{name}) | {kind} | {acts_on} | {parity} | {} |", cell(summary));
    }
    for (entry, listing) in &listed {
        let _ = write!(text, "\n## {}\n\n![{0}]({})\n\n", entry.name, strip(entry.name));
        let _ = writeln!(text, "{}\n", described(&entry.description()));
        text.push_str(&parameter_table(&parameters(entry)));
        let presets = presets(entry);
        if !presets.is_empty() {
            text.push_str("\n| `compat` | stands for |\n|---|---|\n");
            text.extend(presets.iter().map(|(name, options)| format!("| `{name}` | `{}` |\n", cell(options))));
        }
        text.push('\n');
        text.extend(facts(entry, listing).iter().map(|[name, value]| format!("- {name}: {value}\n")));
    }
    for (known, listing) in COMBINATORS.iter().zip(&combinators) {
        let schema = (known.schema)();
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n",
            known.name,
            described(schema["description"].as_str().unwrap_or_default())
        );
        text.push_str(&parameter_table(&Parameters::Fields(combinator_rows(&schema))));
        let _ = write!(text, "\n- since: {}\n- from: {}\n", listing.since, listing.origin);
    }
    text
}

/// The doc comment, its headings as bold lines, because the page has headings of its own.
fn described(description: &str) -> String {
    let mut fenced = false;
    let line = |line: &str| {
        fenced ^= line.starts_with("```");
        let heading = line.trim_start_matches('#').strip_prefix(' ').filter(|_| !fenced && line.starts_with('#'));
        heading.map_or_else(|| line.to_owned(), |heading| format!("**{heading}**\n"))
    };
    description.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}

fn parameter_table(parameters: &Parameters) -> String {
    let table = |rows: &[Row]| {
        let mut text = "| parameter | accepts | default | meaning |\n|---|---|---|---|\n".to_owned();
        for [name, accepts, default, meaning] in rows {
            let default =
                default.strip_prefix("default ").map_or(default.clone(), |value| format!("`{}`", cell(value)));
            let _ = writeln!(text, "| `{name}` | {} | {default} | {} |", cell(accepts), cell(meaning));
        }
        text
    };
    match parameters {
        Parameters::Fields(rows) => table(rows),
        Parameters::Forms(default, forms) => {
            let mut text = format!("One of these; `{default}` without it:\n");
            for (form, meaning, rows) in forms {
                let _ = write!(text, "\n- {form}: {meaning}\n");
                if !rows.is_empty() {
                    let _ = write!(text, "\n{}", table(rows));
                }
            }
            text
        }
        Parameters::Nothing => "It has no parameters.\n".to_owned(),
    }
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_bold_lines_outside_of_code() {
        assert_eq!(
            described("A.\n\n# Example\n```yaml\n# b\n- a\n```\n"),
            "A.\n\n**Example**\n\n```yaml\n# b\n- a\n```"
        );
        assert_eq!(described("#1 is no heading"), "#1 is no heading");
    }

    #[test]
    fn a_bar_stays_in_its_cell() {
        assert_eq!(cell("a | b"), "a \\| b");
    }
}
