//! Progress of a run: a bar with rate and time left on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Seconds between plain lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Counts the images or other units of a run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    message: String,
    total: u64,
    done: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// Starts to count up to `total` images.
    pub(crate) fn start(total: u64) -> Self {
        Self::start_of(total, "images")
    }

    /// Starts to count up to `total` of something.
    pub(crate) fn start_of(total: u64, what: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = format!("{{bar:40}} {{pos}}/{{len}} {what}  {{per_sec}}  {{eta}} left  {{msg}}");
            let style = ProgressStyle::with_template(&template);
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let now = Instant::now();
        Self { bar, what, message: String::new(), total, done: 0, started: now, said: now }
    }

    /// Says something beside the numbers from now on.
    pub(crate) fn say(&mut self, message: &str) {
        message.clone_into(&mut self.message);
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        }
    }

    /// Adds a finished batch.
    pub(crate) fn advance(&mut self, images: u64) {
        self.done += images;
        if let Some(bar) = &self.bar {
            bar.inc(images);
        } else if self.said.elapsed() >= INTERVAL {
            self.said = Instant::now();
            let rate = self.done as f64 / self.started.elapsed().as_secs_f64();
            let left = (self.total.saturating_sub(self.done)) as f64 / rate.max(1e-9);
            let message = if self.message.is_empty() { String::new() } else { format!(", {}", self.message) };
            eprintln!(
                "{}/{} {what}, {rate:.1} {what}/s, {left:.0} s left{message}",
                self.done,
                self.total,
                what = self.what
            );
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
