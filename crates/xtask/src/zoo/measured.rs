//! A command under a limit of time and of memory, and what came of it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::process;

/// How often a running command is looked at: what it takes at most is read from its own account, so nothing is missed in between.
const PERIOD: Duration = Duration::from_millis(10);

/// What a command may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) time: Duration,
    pub(super) memory: u64,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// It says in one message why it does not do it.
    Refused(String),
    /// It hangs, panics, takes too much, or is wrong.
    Defect(String),
    /// It was not run.
    Absent,
}

/// A command that ran.
#[derive(Clone)]
pub(super) struct Measured {
    pub(super) verdict: Verdict,
    pub(super) line: String,
    pub(super) stdout: String,
    pub(super) time: Duration,
    /// Bytes that were resident at once; none where the system does not tell.
    pub(super) peak: Option<u64>,
}

impl Measured {
    /// A command that was not run.
    pub(super) fn absent() -> Self {
        Self { verdict: Verdict::Absent, line: String::new(), stdout: String::new(), time: Duration::ZERO, peak: None }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }
}

/// Runs a command, with its output in `log.stdout` and `log.stderr`.
pub(super) fn measure(command: &mut Command, limits: Limits, log: &Path) -> anyhow::Result<Measured> {
    let (out, err) = (log.with_extension("stdout"), log.with_extension("stderr"));
    let create = |path: &Path| fs::File::create(path).with_context(|| format!("cannot write {}", path.display()));
    command.stdin(Stdio::null()).stdout(create(&out)?).stderr(create(&err)?);
    let line = process::line(command);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("`{line}` did not start"))?;
    let (mut peak, mut broken) = (None, None);
    let status = loop {
        let (resident, most) = memory(&child);
        peak = peak.max(most);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        broken = if start.elapsed() > limits.time {
            Some(format!("timeout of {} s", limits.time.as_secs()))
        } else if resident > Some(limits.memory) {
            Some(format!("more than {} GB of memory", limits.memory >> 30))
        } else {
            None
        };
        if broken.is_some() {
            // It may have ended by itself in the meantime.
            let _ = child.kill();
            break child.wait()?;
        }
        thread::sleep(PERIOD);
    };
    let time = start.elapsed();
    let [stdout, stderr] =
        [&out, &err].map(|path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned());
    let verdict = match broken {
        Some(limit) => Verdict::Defect(limit),
        None => judge(status.code(), &stdout, &stderr),
    };
    Ok(Measured { verdict, line, stdout, time, peak })
}

/// What the exit code and the messages mean.
fn judge(code: Option<i32>, stdout: &str, stderr: &str) -> Verdict {
    let last =
        |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
    if let Some(panic) = stderr.lines().position(|line| line.contains("panicked at")) {
        let said: Vec<&str> = stderr.lines().skip(panic).take(2).map(str::trim).collect();
        return Verdict::Defect(format!("panic: {}", said.join(" ")));
    }
    match code {
        Some(0) => Verdict::Ok,
        Some(1) => {
            Verdict::Defect(format!("exit 1: {}", if stderr.trim().is_empty() { last(stdout) } else { last(stderr) }))
        }
        Some(2) => {
            refusal(stderr).map_or_else(|| Verdict::Defect("exit 2 without a message".to_owned()), Verdict::Refused)
        }
        Some(code) => Verdict::Defect(format!("exit {code}: {}", last(stderr))),
        None => Verdict::Defect(format!("killed by a signal: {}", last(stderr))),
    }
}

/// The first message, with what it says to do.
fn refusal(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().skip_while(|line| !line.starts_with("error"));
    let said = lines.next()?.trim_start_matches("error").trim_start_matches(": ").trim();
    if said.is_empty() {
        return None;
    }
    let help =
        lines.take_while(|line| !line.starts_with("error")).find_map(|line| line.trim().strip_prefix("= help: "));
    Some(help.map_or_else(|| said.to_owned(), |help| format!("{said} (help: {help})")))
}

/// What a process holds now, and held at most, in bytes.
fn memory(child: &Child) -> (Option<u64>, Option<u64>) {
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", child.id())) else { return (None, None) };
    (kilobytes(&status, "VmRSS:"), kilobytes(&status, "VmHWM:"))
}

fn kilobytes(status: &str, field: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(value.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_messages_are_told_apart() {
        assert_eq!(judge(Some(0), "", ""), Verdict::Ok);
        assert_eq!(judge(Some(2), "", "error: no image\n"), Verdict::Refused("no image".to_owned()));
        let placed = "error[input]: no image\n --> a.yaml:1:2\n  |\n  = help: add one\nerror: another\n  = help: no\n";
        assert_eq!(judge(Some(2), "", placed), Verdict::Refused("[input]: no image (help: add one)".to_owned()));
        assert_eq!(judge(Some(2), "", "\n"), Verdict::Defect("exit 2 without a message".to_owned()));
        assert_eq!(judge(Some(1), "a\nit differs\n", ""), Verdict::Defect("exit 1: it differs".to_owned()));
        let panic = "thread 'main' panicked at a.rs:1:2:\nindex out of bounds\nnote: run\n";
        for code in [0, 2, 101] {
            let expected = "panic: thread 'main' panicked at a.rs:1:2: index out of bounds".to_owned();
            assert_eq!(judge(Some(code), "", panic), Verdict::Defect(expected));
        }
        assert_eq!(judge(None, "", ""), Verdict::Defect("killed by a signal: ".to_owned()));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(kilobytes("Name:\ta\nVmHWM:\t  2048 kB\n", "VmHWM:"), Some(2 << 20));
        assert_eq!(kilobytes("Name:\ta\n", "VmHWM:"), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_takes_too_long_is_stopped() {
        let scratch = crate::wheels::Scratch::new(&std::env::temp_dir().join("augraft-xtask"), "measured").unwrap();
        let limits = Limits { time: Duration::from_millis(50), memory: 1 << 40 };
        let stopped = measure(Command::new("sleep").arg("60"), limits, &scratch.0.join("sleep")).unwrap();
        assert_eq!(stopped.verdict, Verdict::Defect("timeout of 0 s".to_owned()));
        let done = measure(
            Command::new("echo").arg("a"),
            Limits { time: Duration::from_mins(1), ..limits },
            &scratch.0.join("echo"),
        );
        assert_eq!(done.unwrap().stdout, "a\n");
    }
}
