//! The table of the zoo.

use std::fmt::Write as _;
use std::path::Path;

use super::measured::{Measured, Verdict};
use super::trial::{COLUMNS, Trial};

/// Models below this size take more memory for the program than for themselves, so a ratio says nothing.
const LARGE: u64 = 8 << 20;

/// Models of this size are what the bounds of memory are about.
const HEAVY: u64 = 32 << 20;

/// The table, the messages and defects behind it, and where the models are from.
pub(super) struct Page {
    pub(super) text: String,
    pub(super) defects: usize,
    /// Models whose site list differs from the second opinion.
    pub(super) differing: usize,
}

/// What stands above the table.
pub(super) struct Setting<'s> {
    pub(super) origins: &'s [(String, String)],
    pub(super) seconds: u64,
    pub(super) gigabytes: u64,
    pub(super) root: &'s Path,
    pub(super) target: &'s Path,
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
                cell(measured, bytes, &mut refusals, &mut defects, &|text| plain(text, setting))
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
    text += &heaviest(trials);
    text += LEGEND;
    let _ = writeln!(text, "| model | size | sites | reachability | {} |", COLUMNS[1..].join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(COLUMNS.len() + 1));
    text += &rows;
    section(&mut text, "Defects", "defect", &defects);
    section(&mut text, "Refusals", "refused", &refusals);
    text += &notes(trials, setting);
    let _ = writeln!(text, "\n## Origins\n\n| wheel | license as its metadata name it |\n|---|---|");
    for (wheel, license) in setting.origins {
        let _ = writeln!(text, "| {wheel} | {license} |");
    }
    Page { text, defects: defects.len(), differing }
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
        Some(peak) if bytes >= LARGE => format!(" {}x", tenfold(peak, bytes) as f64 / 10.0),
        Some(peak) => format!(" {} MB", peak >> 20),
        None => String::new(),
    }
}

/// The most that commands take on models beside which the program itself is small.
fn heaviest(trials: &[Trial]) -> String {
    let most = |command: &str| {
        let ratios = trials.iter().filter(|trial| trial.subject.bytes() >= HEAVY).flat_map(|trial| {
            let cells = trial.cells.iter().filter(|(title, measured)| title.starts_with(command) && measured.is_ok());
            cells.filter_map(|(_, measured)| Some(tenfold(measured.peak?, trial.subject.bytes())))
        });
        ratios.max().map(|ratio| format!("{command} {}x", ratio as f64 / 10.0))
    };
    let parts: Vec<String> = ["sites", "doctor", "graft", "verify", "occlusion"].into_iter().filter_map(most).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(
        "The most memory on models of {} MB or more, as a multiple of the file: {}.\n\n",
        HEAVY >> 20,
        parts.join(", ")
    )
}

/// Ten times a ratio, rounded down.
fn tenfold(peak: u64, bytes: u64) -> u64 {
    peak * 10 / bytes
}

/// The number of a message, which is added unless it is there.
fn number(messages: &mut Vec<String>, message: String) -> usize {
    let known = messages.iter().position(|known| *known == message);
    known.unwrap_or_else(|| {
        messages.push(message);
        messages.len() - 1
    }) + 1
}

/// A message with paths from the root of the workspace, fit for a line of a page.
fn plain(text: &str, setting: &Setting<'_>) -> String {
    let text = text.replace(&setting.target.display().to_string(), "target");
    text.replace(&format!("{}/", setting.root.display()), "").replace('|', "\\|").replace('\n', " ")
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
fn notes(trials: &[Trial], setting: &Setting<'_>) -> String {
    let mut text = String::from("\n## Notes\n\n");
    for trial in trials {
        let name = &trial.subject.name;
        for said in &trial.said {
            let _ = writeln!(text, "- {name}: doctor says: {}", plain(said, setting));
        }
        if let Some(note) = &trial.note {
            let _ = writeln!(text, "- {name}: {}", plain(note, setting));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::pins::Input;
    use super::super::subject::Subject;
    use super::*;

    fn trial(name: &str, verdicts: &[(&'static str, Verdict)]) -> Trial {
        let measured = |verdict: &Verdict| Measured {
            verdict: verdict.clone(),
            line: format!("augraft graft /zoo/models/{name}.onnx a.yaml"),
            stdout: String::new(),
            time: Duration::from_millis(1300),
            peak: Some(30 << 20),
        };
        Trial {
            subject: Subject {
                name: name.to_owned(),
                file: format!("/zoo/models/{name}.onnx").into(),
                input: Input::Color(8, 8),
                tokens: None,
                origin: "timm".to_owned(),
            },
            cells: verdicts.iter().map(|(title, verdict)| (*title, measured(verdict))).collect(),
            places: 3,
            difference: None,
            note: None,
            said: vec!["tract does not run it: two rows".to_owned()],
        }
    }

    #[test]
    fn equal_messages_have_one_number_and_defects_their_command() {
        let refused = || Verdict::Refused("/zoo/models has | no image".to_owned());
        let trials = [
            trial("a", &[("sites", Verdict::Ok), ("graft graph", refused())]),
            trial("b", &[("sites", refused()), ("graft graph", Verdict::Defect("exit 101: x".to_owned()))]),
        ];
        let setting =
            Setting { origins: &[], seconds: 1, gigabytes: 1, root: Path::new("/root"), target: Path::new("/zoo") };
        let page = page(&trials, &setting);
        assert_eq!(page.defects, 1);
        for line in [
            "| a | 0 kB | ok 1.3 s 30 MB | - |  |  | refused 1 |",
            "| b | 0 kB | refused 1 | - |",
            "**defect 1** 1.3 s 30 MB",
            "- refused 1: target/models has \\| no image\n",
            "- defect 1: exit 101: x (`augraft graft target/models/b.onnx a.yaml`)",
            "- a: doctor says: tract does not run it: two rows",
        ] {
            assert!(page.text.contains(line), "{line}\n{}", page.text);
        }
    }
}
