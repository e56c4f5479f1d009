//! The table of the zoo.

use std::fmt::Write as _;
use std::path::Path;

use super::measured::{Measured, Verdict};
use super::trial::{COLUMNS, Trial};

/// Models below this size take more memory for the program than for themselves, so a ratio says nothing.
const LARGE: u64 = 8 << 20;

/// The table, the messages and defects behind it, and where the models are from.
pub(super) struct Page {
    pub(super) text: String,
    pub(super) defects: usize,
}

/// What stands above the table.
pub(super) struct Setting<'s> {
    pub(super) origins: &'s [(String, String)],
    pub(super) seconds: u64,
    pub(super) gigabytes: u64,
    pub(super) root: &'s Path,
}

/// Writes the table, with numbers for messages so that equal ones are said once.
pub(super) fn page(trials: &[Trial], setting: &Setting<'_>) -> Page {
    let mut refusals = Vec::new();
    let mut defects = Vec::new();
    let mut rows = String::new();
    for trial in trials {
        let bytes = trial.subject.bytes();
        let _ = write!(rows, "| {} | {} |", trial.subject.name, size(bytes));
        for column in COLUMNS {
            let measured = trial.cells.iter().find(|(title, _)| *title == column).map(|(_, measured)| measured);
            let cell = measured.map_or_else(String::new, |measured| {
                cell(measured, bytes, &mut refusals, &mut defects, &|text| plain(text, trial, setting.root))
            });
            let _ = write!(rows, " {cell} |");
            if column == "sites" {
                let _ = write!(rows, " {} |", reached(trial));
            }
        }
        rows.push('\n');
    }
    let differing =
        trials.iter().filter(|trial| trial.difference.as_ref().is_some_and(|difference| !difference.is_none())).count();
    let mut text = String::from("# A zoo of models\n\n");
    let _ = writeln!(
        text,
        "Written by `cargo xtask zoo`, which fetches and exports the models; none of them is in the repository.\n"
    );
    let _ = writeln!(
        text,
        "{} models, {} defects, {differing} models whose site list differs from the reachability check. A command may take {} s and {} GB.\n",
        trials.len(),
        defects.len(),
        setting.seconds,
        setting.gigabytes
    );
    text += LEGEND;
    let _ = writeln!(text, "| model | size | sites | reachability | {} |", COLUMNS[1..].join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(COLUMNS.len() + 1));
    text += &rows;
    section(&mut text, "Defects", "defect", &defects);
    section(&mut text, "Refusals", "refused", &refusals);
    text += &notes(trials, setting.root);
    let _ = writeln!(text, "\n## Origins\n\n| wheel | license as its metadata name it |\n|---|---|");
    for (wheel, license) in setting.origins {
        let _ = writeln!(text, "| {wheel} | {license} |");
    }
    Page { text, defects: defects.len() }
}

const LEGEND: &str = "\
- `ok` with the time, and the peak of resident memory as a multiple of the file or, below 8 MB, in MB.
- `refused` is exit code 2 with one message, which stands below under its number.
- A **defect** is a panic, a timeout, too much memory, another exit code, a difference that `verify` finds, or wrong rows.
- reachability: a script in Python takes every tensor away and looks whether the image still reaches an output through values; \
  `N equal` are the clean sites on which both agree.
- fix-batch: where the batch is fixed, `doctor --fix-batch` frees it, and the freed file is what is grafted and measured.
- graft: CutMix with projected boxes at three clean sites; the number of places stands behind it where there are fewer.
- rows: the freed file and the graft answer three images with three rows in ONNX Runtime, the freed one with those of the model itself.

";

fn cell(
    measured: &Measured,
    bytes: u64,
    refusals: &mut Vec<String>,
    defects: &mut Vec<String>,
    plain: &dyn Fn(&str) -> String,
) -> String {
    let cost = || format!("{:.1} s{}", measured.time.as_secs_f64(), memory(measured.peak, bytes));
    match &measured.verdict {
        Verdict::Ok => format!("ok {}", cost()),
        Verdict::Refused(reason) => format!("refused {}", number(refusals, plain(reason))),
        // With its command, to see it again.
        Verdict::Defect(what) => {
            let line = plain(&measured.line);
            format!("**defect {}** {}", number(defects, format!("{} (`{line}`)", plain(what))), cost())
        }
        Verdict::Absent => "-".to_owned(),
    }
}

fn memory(peak: Option<u64>, bytes: u64) -> String {
    match peak {
        Some(peak) if bytes >= LARGE => format!(" {}x", (peak * 10 / bytes) as f64 / 10.0),
        Some(peak) => format!(" {} MB", peak >> 20),
        None => String::new(),
    }
}

/// The number of a message, which is added unless it is there.
fn number(messages: &mut Vec<String>, message: String) -> usize {
    let known = messages.iter().position(|known| *known == message);
    known.unwrap_or_else(|| {
        messages.push(message);
        messages.len() - 1
    }) + 1
}

/// A message without what differs from machine to machine, fit for a line of a page.
fn plain(text: &str, trial: &Trial, root: &Path) -> String {
    let models = trial.subject.file.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let text = text.replace(&models, "").replace(&root.display().to_string(), "");
    text.replace('|', "\\|").replace('\n', " ")
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 { format!("{} MB", (bytes + (1 << 19)) >> 20) } else { format!("{} kB", bytes.div_ceil(1024)) }
}

fn reached(trial: &Trial) -> String {
    trial.difference.as_ref().map_or_else(|| "-".to_owned(), super::sites::Difference::cell)
}

fn section(text: &mut String, heading: &str, word: &str, messages: &[String]) {
    let _ = writeln!(text, "\n## {heading}\n");
    if messages.is_empty() {
        text.push_str("None.\n");
    }
    for (at, message) in messages.iter().enumerate() {
        let _ = writeln!(text, "- {word} {}: {message}", at + 1);
    }
}

/// What doctor says of engines, and where the second opinion had no shapes.
fn notes(trials: &[Trial], root: &Path) -> String {
    let mut text = String::from("\n## Notes\n\n");
    for trial in trials {
        let name = &trial.subject.name;
        for said in &trial.said {
            let _ = writeln!(text, "- {name}: doctor says: {}", plain(said, trial, root));
        }
        if let Some(note) = &trial.note {
            let _ = writeln!(text, "- {name}: {}", plain(note, trial, root));
        }
        let is_grafted = trial.cells.iter().any(|(title, measured)| title.starts_with("graft") && measured.is_ok());
        if is_grafted && trial.places < 3 {
            let _ = writeln!(
                text,
                "- {name}: {} clean sites with room for a box, so the graft has as many places",
                trial.places
            );
        }
    }
    text
}
