//! Progress of a run: a bar with rate and time left on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Seconds between plain lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Counts the images of a run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// Starts to count up to `total` images.
    pub(crate) fn start(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} images  {per_sec}  {eta} left");
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let now = Instant::now();
        Self { bar, total, done: 0, started: now, said: now }
    }

    /// Adds a finished batch of `images`.
    pub(crate) fn advance(&mut self, images: u64) {
        self.done += images;
        if let Some(bar) = &self.bar {
            bar.inc(images);
        } else if self.said.elapsed() >= INTERVAL {
            self.said = Instant::now();
            let rate = self.done as f64 / self.started.elapsed().as_secs_f64();
            let left = (self.total.saturating_sub(self.done)) as f64 / rate.max(1e-9);
            eprintln!("{}/{} images, {rate:.1} images/s, {left:.0} s left", self.done, self.total);
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
