//! Progress on standard error: a moving line on a terminal, plain lines elsewhere.
//!
//! Owns: how progress looks. Must never: write to standard output.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

/// Redraw interval of the moving line.
const TICK: Duration = Duration::from_millis(100);

/// One line of progress.
#[derive(Debug)]
pub(crate) struct Status {
    bar: Option<ProgressBar>,
}

impl Status {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar }
    }

    /// Whether there is a moving line.
    pub(crate) const fn moves(&self) -> bool {
        self.bar.is_some()
    }

    /// What is being done now.
    pub(crate) fn begin(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => eprintln!("... {what}"),
        }
    }

    /// What is finished and stays to be read.
    pub(crate) fn done(&self, what: &str) {
        self.line(&format!("ok  {what}"));
    }

    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
