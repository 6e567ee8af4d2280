//! One page of `runbooks/`: its front matter and the commands in it.
//!
//! ````text
//! +++
//! alerts = ["RegionSilent"]
//! +++
//! # Lose a region
//! ## Diagnose
//! ```sh run exit=1 within=30s
//! holdfastctl cluster status
//! ----
//! seen from node <n> in eastus; directory at index <n>, <age> old, led by node <n>
//! ...
//! ```
//! <!-- lab: heal -->
//! ````
//!
//! Owns: this form, and what is wrong with a page as a text. Must never: run anything.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::front_matter::FrontMatter;

/// Marks the beginning and the end of the front matter.
const FENCE: &str = "+++";
/// Between the commands of a block and their output.
const OUTPUT: &str = "----";
/// How long a command may take when its block does not say.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The sections of every page, in order. A planned page has the same ones: nothing paged, but something is to be known.
pub const SECTIONS: [&str; 11] = [
    "What paged you",
    "Look-alikes",
    "Impact on buyers",
    "Stop the bleeding",
    "Diagnose",
    "Decide",
    "Fix",
    "Verify",
    "Roll back",
    "Escalate",
    "Never do",
];
/// Commands that one can still carry out in the first minute.
const FIRST_COMMANDS_MAX: usize = 3;

/// A page, read.
#[derive(Debug, Clone)]
pub struct Page {
    /// File name without `.md`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it says about itself.
    pub front: FrontMatter,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Headings of the second level, in order.
    pub sections: Vec<String>,
}

/// Something to do, at a line of the page.
#[derive(Debug, Clone)]
pub struct Step {
    /// Line of the file, from 1.
    pub line: usize,
    /// The section that it is in.
    pub section: String,
    /// What is to be done.
    pub what: What,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum What {
    /// Commands that a person types.
    Run(Block),
    /// Something that happens around them and is no part of the page: the fault begins, the fault ends.
    Lab(LabStep),
}

/// Commands and what is expected of them.
#[derive(Debug, Clone)]
pub struct Block {
    /// Shell text; fails at the first command that fails.
    pub script: String,
    /// Expected exit code.
    pub exit: i32,
    /// Expected output lines; `None` = any output.
    pub expected: Option<Vec<String>>,
    /// Repeated until it is as expected, for this long; zero = once.
    pub within: Duration,
    /// How long one try may take.
    pub timeout: Duration,
}

/// What the surroundings do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabStep {
    /// The faults of the front matter begin. Without this step: before the first block.
    Inject,
    /// They end: the power is back, the disk is a new one.
    Heal,
    /// More people come to the first region's gateway than it takes; they leave with the next `heal`.
    Overload,
    /// Payments are begun that the provider does not answer.
    StallPayments,
    /// The second region comes back from a loss with a disk that hangs, and is asked to lead again; mended by the next `heal`.
    LeadersAway,
    /// A crowd waits in the first show's waiting room, and somebody has paused it.
    StandingRoom,
    /// A rush for sold seats at the first region's gateway, which gets too little processor time; both end with the next `heal`.
    Starve,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// What cannot be read, with its line.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text).with_context(|| path.display().to_string())
    }

    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let (front, body, first_line) = split(text)?;
        let front = FrontMatter::parse(front)?;
        let mut page = Self {
            name: path
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            path: path.to_owned(),
            front,
            steps: Vec::new(),
            sections: Vec::new(),
        };
        page.take_body(body, first_line)?;
        Ok(page)
    }

    fn take_body(&mut self, body: &str, first_line: usize) -> anyhow::Result<()> {
        let mut section = String::new();
        let mut lines = (first_line..).zip(body.lines());
        while let Some((line, text)) = lines.next() {
            if let Some(heading) = text.strip_prefix("## ") {
                heading.trim().clone_into(&mut section);
                self.sections.push(section.clone());
            } else if let Some(lab) = text.trim().strip_prefix("<!-- lab:") {
                let lab = lab.trim_end_matches("-->").trim();
                let what = What::Lab(lab_step(lab).with_context(|| format!("line {line}"))?);
                self.push(line, &section, what);
            } else if let Some(info) = text.strip_prefix("```") {
                let content: Vec<&str> = lines
                    .by_ref()
                    .map(|(_, text)| text)
                    .take_while(|text| !text.starts_with("```"))
                    .collect();
                if let Some(options) = info.strip_prefix("sh run") {
                    let block = block(options, &content).with_context(|| format!("line {line}"))?;
                    self.push(line + 1, &section, What::Run(block));
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, line: usize, section: &str, what: What) {
        self.steps.push(Step {
            line,
            section: section.to_owned(),
            what,
        });
    }

    /// What is wrong with the page although it can be read; empty when nothing is.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.sections != SECTIONS {
            faults.push(format!(
                "has the sections {:?}, not {SECTIONS:?}",
                self.sections
            ));
        }
        let first: usize = self
            .blocks()
            .filter(|(step, _)| step.section == "Stop the bleeding")
            .map(|(_, block)| block.script.lines().count())
            .sum();
        if first > FIRST_COMMANDS_MAX {
            faults.push(format!(
                "stops the bleeding in {first} commands, more than {FIRST_COMMANDS_MAX}"
            ));
        }
        if !self.blocks().any(|(step, _)| step.section == "Verify") {
            faults.push("has no command under Verify".to_owned());
        }
        faults
    }

    /// The commands, with where they are.
    pub fn blocks(&self) -> impl Iterator<Item = (&Step, &Block)> {
        self.steps.iter().filter_map(|step| match &step.what {
            What::Run(block) => Some((step, block)),
            What::Lab(_) => None,
        })
    }
}

/// Front matter, the rest, and the line that the rest begins at.
pub(super) fn split(text: &str) -> anyhow::Result<(&str, &str, usize)> {
    let rest = text.strip_prefix("+++\n");
    let rest = rest.with_context(|| format!("line 1: a page begins with {FENCE}"))?;
    let end = rest
        .find("\n+++\n")
        .with_context(|| format!("the front matter has no end: a line {FENCE}"))?;
    let front = &rest[..=end];
    let body = &rest[end + "\n+++\n".len()..];
    Ok((front, body, front.lines().count() + 3))
}

fn lab_step(text: &str) -> anyhow::Result<LabStep> {
    match text {
        "inject" => Ok(LabStep::Inject),
        "heal" => Ok(LabStep::Heal),
        "overload" => Ok(LabStep::Overload),
        "stall-payments" => Ok(LabStep::StallPayments),
        "leaders-away" => Ok(LabStep::LeadersAway),
        "standing-room" => Ok(LabStep::StandingRoom),
        "starve" => Ok(LabStep::Starve),
        other => bail!(
            "the lab knows inject, heal, overload, stall-payments, leaders-away, standing-room and starve, not {other:?}"
        ),
    }
}

fn block(options: &str, content: &[&str]) -> anyhow::Result<Block> {
    let cut = content.iter().position(|line| *line == OUTPUT);
    let (script, expected) = match cut {
        Some(at) => (&content[..at], Some(&content[at + 1..])),
        None => (content, None),
    };
    ensure!(!script.is_empty(), "a block without a command");
    let mut block = Block {
        script: script.join("\n"),
        exit: 0,
        expected: expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()),
        within: Duration::ZERO,
        timeout: TIMEOUT,
    };
    for option in options.split_whitespace() {
        match option.split_once('=') {
            Some(("exit", code)) => {
                block.exit = code.parse().with_context(|| option.to_owned())?;
            }
            Some(("within", time)) => block.within = seconds(time)?,
            Some(("timeout", time)) => block.timeout = seconds(time)?,
            _ => bail!("a block knows exit=N, within=Ns and timeout=Ns, not {option:?}"),
        }
    }
    Ok(block)
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let number = text.strip_suffix('s').context("a time is written 30s")?;
    Ok(Duration::from_secs(number.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "+++\nalerts = []\nspeed = \"fast\"\nbudget_minutes = 1\n+++\n# One\n\n## Diagnose\n\n\
        ```sh run exit=1 within=5s\nfalse\n----\n...\n```\n\n```text\nnot run\n```\n<!-- lab: heal -->\n";

    #[test]
    fn blocks_and_lab_steps_are_found_with_their_lines_and_sections() {
        let page = Page::parse(Path::new("one.md"), PAGE).unwrap();
        assert_eq!(page.name, "one");
        let (step, block) = page.blocks().next().unwrap();
        assert_eq!((step.line, step.section.as_str()), (11, "Diagnose"));
        assert_eq!((block.script.as_str(), block.exit), ("false", 1));
        assert_eq!(block.within, Duration::from_secs(5));
        assert_eq!(block.expected.as_deref(), Some(&["...".to_owned()][..]));
        assert!(matches!(page.steps[1].what, What::Lab(LabStep::Heal)));
        assert_eq!(page.steps.len(), 2);
    }

    #[test]
    fn a_page_without_its_sections_says_so() {
        let page = Page::parse(Path::new("one.md"), PAGE).unwrap();
        let faults = page.faults().join("\n");
        assert!(
            faults.contains("sections") && faults.contains("Verify"),
            "{faults}"
        );
    }

    #[test]
    fn an_option_or_a_lab_step_that_nobody_knows_is_refused() {
        let wrong = PAGE.replace("exit=1", "exot=1");
        let error = Page::parse(Path::new("one.md"), &wrong).unwrap_err();
        assert!(format!("{error:#}").contains("exot=1"), "{error:#}");
        let wrong = PAGE.replace("lab: heal", "lab: pray");
        assert!(Page::parse(Path::new("one.md"), &wrong).is_err());
    }
}
