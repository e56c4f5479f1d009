//! Every command on one model.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::measured::{Limits, Measured, Verdict, measure};
use super::pins::Input;
use super::pipeline::{self, Data};
use super::python::Python;
use super::sites::{self, Difference};
use super::subject::{Reach, Subject, read_reach};
use crate::process;

const REACH: &str = include_str!("reach.py");
const ROWS: &str = include_str!("rows.py");

/// Where the draws of a graft come from.
const DRAWS: [&str; 3] = ["graph", "inputs", "baked"];

/// The columns of the table, in the order in which the commands are run.
pub(super) const COLUMNS: [&str; 11] = [
    "sites",
    "doctor",
    "fix-batch",
    "graft graph",
    "verify graph",
    "graft inputs",
    "verify inputs",
    "graft baked",
    "verify baked",
    "rows",
    "occlusion",
];

/// What models are tried with.
pub(super) struct Bench<'b> {
    pub(super) program: PathBuf,
    /// The library, so that the program need not look for it.
    pub(super) onnxruntime: PathBuf,
    pub(super) python: &'b Python,
    pub(super) data: Data,
    pub(super) limits: Limits,
    /// Where the files of a model are kept, below its name.
    pub(super) work: PathBuf,
    /// Whether `sites` and `doctor` can be told the size of the images.
    pub(super) is_sized: bool,
}

/// What came of a model: a measurement for every column.
pub(super) struct Trial {
    pub(super) subject: Subject,
    pub(super) cells: Vec<(&'static str, Measured)>,
    /// Places of the graft.
    pub(super) places: usize,
    pub(super) difference: Option<Difference>,
    /// What the second opinion could not do.
    pub(super) note: Option<String>,
    /// What doctor says that an engine does not do.
    pub(super) said: Vec<String>,
}

impl Bench<'_> {
    /// Runs every command that makes sense for the model.
    pub(super) fn run(&self, subject: &Subject) -> anyhow::Result<Trial> {
        let work = self.work.join(&subject.name);
        if work.exists() {
            fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
        }
        fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
        let mut trial = Trial {
            subject: subject.clone(),
            cells: Vec::new(),
            places: 0,
            difference: None,
            note: None,
            said: Vec::new(),
        };
        let inspect = |log: &str, flags: &[&str]| {
            let mut arguments = vec![flags[0].as_ref(), subject.file.as_os_str()];
            arguments.extend(flags[1..].iter().map(std::ffi::OsStr::new));
            let size = self.size(subject);
            arguments.extend(size.iter().map(std::ffi::OsStr::new));
            self.augraft(&work, log, &arguments)
        };
        trial.cells.push(("sites", inspect("sites", &["sites"])?));
        let all = inspect("sites-all", &["sites", "--all"])?;
        let doctor = inspect("doctor", &["doctor"])?;
        trial.said = said(&doctor.stdout);
        trial.cells.push(("doctor", doctor));

        let listed = sites::read(&all.stdout);
        let (reach, note) = self.reach(&work, subject)?;
        trial.note = note;
        if all.is_ok() {
            trial.difference = Some(Difference::of(&listed, &reach));
        }

        let (model, freed) = self.freed(&work, subject, reach.is_fixed)?;
        let mut rows = Vec::new();
        if freed.is_ok() {
            rows.push(self.rows(&work, subject, &model, Some(&subject.file))?);
        }
        trial.cells.push(("fix-batch", freed));

        let places = pipeline::chosen(&listed, subject);
        trial.places = places.len();
        let yaml = pipeline::graft(subject, &model, &places, &self.data, reach.classes, &work)?;
        for draws in DRAWS {
            let grafted = work.join(format!("{draws}.onnx"));
            let graft = [
                "graft".as_ref(),
                yaml.as_os_str(),
                "-o".as_ref(),
                grafted.as_os_str(),
                "--draws".as_ref(),
                draws.as_ref(),
            ];
            let graft = self.augraft(&work, &format!("graft-{draws}"), &graft)?;
            let mut verify = Measured::absent();
            if graft.is_ok() {
                verify = self.augraft(
                    &work,
                    &format!("verify-{draws}"),
                    &["verify".as_ref(), grafted.as_os_str(), yaml.as_os_str(), "--batches".as_ref(), "1".as_ref()],
                )?;
                if draws == "graph" {
                    rows.push(self.rows(&work, subject, &grafted, None)?);
                }
            }
            let [graft_title, verify_title] = ["graft", "verify"].map(|command| title(command, draws));
            trial.cells.extend([(graft_title, graft), (verify_title, verify)]);
            // As large as the model, and made again in a second.
            let _ = fs::remove_file(&grafted);
        }
        let worst = rows.iter().position(|rows| !rows.is_ok()).unwrap_or(0);
        trial.cells.push(("rows", rows.into_iter().nth(worst).unwrap_or_else(Measured::absent)));

        let mut occlusion = Measured::absent();
        if let Some(classes) = reach.classes {
            let yaml = pipeline::occlusion(subject, &model, &self.data, classes, &work)?;
            let out = work.join("occlusion");
            occlusion = self.augraft(
                &work,
                "occlusion",
                &["experiment".as_ref(), yaml.as_os_str(), "--out".as_ref(), out.as_os_str()],
            )?;
        }
        trial.cells.push(("occlusion", occlusion));
        if model != subject.file {
            let _ = fs::remove_file(&model);
        }
        Ok(trial)
    }

    fn augraft(&self, work: &Path, log: &str, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<Measured> {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(work);
        let line = process::line(&command);
        command.env("ORT_DYLIB_PATH", &self.onnxruntime).env("RUST_BACKTRACE", "0");
        let measured = Measured { line, ..measure(&mut command, self.limits, &work.join(log))? };
        println!("    {log}: {:?} after {:.1} s", measured.verdict, measured.time.as_secs_f64());
        Ok(measured)
    }

    /// The flag that says how large the images are, where there are images and the program knows it.
    fn size(&self, subject: &Subject) -> Vec<String> {
        if !self.is_sized || subject.input == Input::Other {
            return Vec::new();
        }
        let (height, width) = subject.size();
        vec!["--size".to_owned(), height.to_string(), width.to_string()]
    }

    /// The model with a free batch, where its batch is fixed and doctor frees it; otherwise the model.
    fn freed(&self, work: &Path, subject: &Subject, is_fixed: bool) -> anyhow::Result<(PathBuf, Measured)> {
        if !is_fixed {
            return Ok((subject.file.clone(), Measured::absent()));
        }
        let freed = work.join("freed.onnx");
        let size = self.size(subject);
        let mut arguments =
            vec!["doctor".as_ref(), subject.file.as_os_str(), "--fix-batch".as_ref(), freed.as_os_str()];
        arguments.extend(size.iter().map(std::ffi::OsStr::new));
        let mut measured = self.augraft(work, "fix-batch", &arguments)?;
        if measured.is_ok() && !freed.is_file() {
            measured.verdict = Verdict::Defect("exit 0 without a file".to_owned());
        }
        Ok((if measured.is_ok() { freed } else { subject.file.clone() }, measured))
    }

    /// Runs a file on three images in Python; what is wrong with its rows is a defect of the file.
    fn rows(&self, work: &Path, subject: &Subject, file: &Path, original: Option<&Path>) -> anyhow::Result<Measured> {
        let script = work.join("rows.py");
        fs::write(&script, ROWS)?;
        let (height, width) = subject.size();
        let mut command = self.python.script(&script);
        command.arg(file).args([height.to_string(), width.to_string()]).args(original);
        let log = if original.is_some() { "rows-freed" } else { "rows-graft" };
        let mut measured = measure(&mut command, self.limits, &work.join(log))?;
        if measured.is_ok() && measured.stdout.trim() != "ok" {
            measured.verdict = Verdict::Defect(measured.stdout.trim().to_owned());
        }
        Ok(measured)
    }

    /// Asks the second opinion; what it cannot do is no defect of ours.
    fn reach(&self, work: &Path, subject: &Subject) -> anyhow::Result<(Reach, Option<String>)> {
        let script = work.join("reach.py");
        fs::write(&script, REACH)?;
        let (height, width) = subject.size();
        let mut command = self.python.script(&script);
        command.arg(&subject.file).args([height.to_string(), width.to_string()]);
        let limits = Limits { time: self.limits.time * 5, memory: self.limits.memory * 4 };
        let measured = measure(&mut command, limits, &work.join("reach"))?;
        if measured.is_ok() {
            let reach = read_reach(&measured.stdout)?;
            let note = reach.note.clone();
            return Ok((reach, note));
        }
        let why = format!("reach.py: {:?}", measured.verdict);
        Ok((Reach::default(), Some(why)))
    }
}

fn title(command: &str, draws: &str) -> &'static str {
    let wanted = format!("{command} {draws}");
    COLUMNS.into_iter().find(|column| *column == wanted).unwrap_or_default()
}

/// The lines in which doctor says what an engine does not do.
fn said(report: &str) -> Vec<String> {
    let lines = report.lines().filter(|line| line.contains("does not run it"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draws_has_its_columns() {
        for draws in DRAWS {
            assert!(!title("graft", draws).is_empty() && !title("verify", draws).is_empty());
        }
    }

    #[test]
    fn what_an_engine_does_not_do_is_said() {
        let report = "model        a.onnx\ntract        does not run it: two rows\nonnxruntime  runs it\n";
        assert_eq!(said(report), ["tract does not run it: two rows"]);
    }
}
