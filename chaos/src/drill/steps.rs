//! Does what the drill says, when it says so: faults begin and end, commands are run, the load changes.
//!
//! Owns: the schedule and the abort conditions. Must never: leave a fault on, however it ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::file::{AbortSpec, Step};
use super::probe::Probes;
use super::progress::Progress;
use super::result::{CommandRun, FaultSpan, Moment};
use super::watch::{Watch, seconds};
use crate::fault::{NodeChoice, RegionChoice, Running};
use crate::lab::Lab;
use crate::operator;
use crate::workload::{Crowd, Scene};

/// How often the abort conditions are looked at and the terminal is told.
const LOOK: Duration = Duration::from_millis(250);
/// How long an operator's command may take.
const COMMAND_MAX: Duration = Duration::from_secs(180);

/// What the schedule has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) faults: Vec<FaultSpan>,
    /// Those of them that took a whole region away.
    pub(super) lost: Vec<usize>,
    /// Those of them that are load, with its factor.
    pub(super) spikes: Vec<(usize, f64)>,
    pub(super) commands: Vec<CommandRun>,
    pub(super) moments: Vec<Moment>,
    /// Processes that died without having been killed.
    pub(super) deaths: Vec<String>,
    /// Why it was aborted; empty = it was not.
    pub(super) aborted_because: String,
}

/// Runs a schedule.
pub(super) struct Steps<'a> {
    pub(super) lab: &'a mut Lab,
    pub(super) scene: &'a Arc<Scene>,
    pub(super) crowd: &'a mut Crowd,
    pub(super) probes: &'a mut Probes,
    pub(super) watch: &'a Watch,
    pub(super) progress: &'a Progress,
    pub(super) random: StdRng,
    pub(super) bin_dir: PathBuf,
    pub(super) abort: AbortSpec,
    running: BTreeMap<usize, On>,
    /// `{region}` and `{node}`, once they are known.
    names: Option<(String, String)>,
    tasks: JoinSet<anyhow::Result<(CommandRun, bool)>>,
    done: Done,
}

/// A fault that is on.
struct On {
    /// Place in [`Done::faults`].
    span: usize,
    load_factor: Option<f64>,
    running: Running,
}

/// What to do at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    End(usize),
    Begin(usize),
}

/// Every beginning and end in order of time; of two at one moment the end comes first.
fn schedule(steps: &[Step]) -> Vec<(f64, Act)> {
    let mut acts = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        acts.push((step.at_s, Act::Begin(at)));
        if step.for_s.is_some() {
            acts.push((step.until_s(), Act::End(at)));
        }
    }
    acts.sort_by(|a, b| {
        let rank = |act: &Act| matches!(act, Act::Begin(_));
        a.0.total_cmp(&b.0).then(rank(&a.1).cmp(&rank(&b.1)))
    });
    acts
}

/// The parts that a schedule works on.
pub(super) struct Parts<'a> {
    pub(super) lab: &'a mut Lab,
    pub(super) scene: &'a Arc<Scene>,
    pub(super) crowd: &'a mut Crowd,
    pub(super) probes: &'a mut Probes,
    pub(super) watch: &'a Watch,
    pub(super) progress: &'a Progress,
}

impl<'a> Steps<'a> {
    pub(super) fn new(
        parts: Parts<'a>,
        random: StdRng,
        bin_dir: PathBuf,
        abort: AbortSpec,
    ) -> Self {
        Self {
            lab: parts.lab,
            scene: parts.scene,
            crowd: parts.crowd,
            probes: parts.probes,
            watch: parts.watch,
            progress: parts.progress,
            random,
            bin_dir,
            abort,
            running: BTreeMap::new(),
            names: None,
            tasks: JoinSet::new(),
            done: Done::default(),
        }
    }

    /// Works through the steps, then lets things calm down for `tail_s`. Everything is healed in the end.
    ///
    /// # Errors
    /// When a fault cannot be started or healed.
    pub(super) async fn run(mut self, steps: &[Step], tail_s: f64) -> anyhow::Result<Done> {
        let began = Instant::now();
        let result = self.work(steps, began, tail_s).await;
        for on in std::mem::take(&mut self.running).into_values() {
            on.running.heal(self.lab).await?;
            self.done.faults[on.span].to_s = seconds(self.scene.recorder.now_ns());
        }
        self.crowd.set_factor(1.0);
        result?;
        Ok(self.done)
    }

    async fn work(&mut self, steps: &[Step], began: Instant, tail_s: f64) -> anyhow::Result<()> {
        for (at_s, act) in schedule(steps) {
            let when = began + Duration::from_secs_f64(at_s);
            if !self.wait_until(when).await? {
                return Ok(());
            }
            match act {
                Act::Begin(at) => self.begin(at, &steps[at]).await?,
                Act::End(at) => self.end(at).await?,
            }
        }
        while !self.tasks.is_empty() {
            if !self.wait_until(Instant::now() + LOOK).await? {
                return Ok(());
            }
        }
        let calm = Instant::now() + Duration::from_secs_f64(tail_s);
        self.wait_until(calm).await?;
        Ok(())
    }

    /// Waits, with an eye on everything; `false` when the drill is to be aborted.
    async fn wait_until(&mut self, when: Instant) -> anyhow::Result<bool> {
        loop {
            self.look()?;
            if !self.done.aborted_because.is_empty() {
                return Ok(false);
            }
            let now = Instant::now();
            if now >= when {
                return Ok(true);
            }
            sleep_until(when.min(now + LOOK)).await;
        }
    }

    fn look(&mut self) -> anyhow::Result<()> {
        while let Some(run) = self.tasks.try_join_next() {
            self.finished(run??);
        }
        if let Err(death) = self.lab.cluster.check_all_alive() {
            let line = death.to_string();
            self.say(line.lines().next().unwrap_or_default().to_owned());
            self.done.deaths.push(line);
        }
        let counted = self.scene.counted();
        let silent_s = seconds(
            self.scene
                .recorder
                .now_ns()
                .saturating_sub(counted.last_answer_ns),
        );
        if silent_s > self.abort.silent_s_max {
            self.done.aborted_because = format!("nobody was answered for {silent_s:.0} s");
        } else if counted.failed > self.abort.failed_tries_max {
            self.done.aborted_because = format!("{} tries failed", counted.failed);
        }
        let newest = self.watch.newest.borrow().clone();
        self.progress.counts(counted, newest.as_ref());
        Ok(())
    }

    async fn begin(&mut self, at: usize, step: &Step) -> anyhow::Result<()> {
        if let Some(fault) = &step.fault {
            let from_s = seconds(self.scene.recorder.now_ns());
            self.progress.step(&fault.describe());
            let running = fault.start(self.lab, &mut self.random).await?;
            let on_s = seconds(self.scene.recorder.now_ns());
            let report = running.report().clone();
            let regions: Vec<String> = report.regions.iter().map(ToString::to_string).collect();
            if let Some(why) = &report.skipped {
                anyhow::bail!("{}: {why}", fault.describe());
            }
            self.say(report.what.clone());
            if !report.nodes.is_empty() {
                self.probes.wake_idle(&regions);
            }
            let span = self.done.faults.len();
            let load_factor = fault.load_factor();
            self.done
                .spikes
                .extend(load_factor.map(|factor| (span, factor)));
            if fault.takes_region() {
                self.done.lost.push(span);
            }
            let on = On {
                span,
                load_factor,
                running,
            };
            self.running.insert(at, on);
            self.set_load();
            self.done.faults.push(FaultSpan {
                text: report.what,
                from_s,
                on_s,
                to_s: on_s,
                regions,
                nodes: report.nodes.iter().map(ToString::to_string).collect(),
            });
        }
        if let Some(words) = &step.ctl {
            self.command(words, step.may_fail).await?;
        }
        Ok(())
    }

    async fn end(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(On { span, running, .. }) = self.running.remove(&at) else {
            return Ok(());
        };
        let text = self.done.faults[span].text.clone();
        self.progress.step(&format!("heal: {text}"));
        running.heal(self.lab).await?;
        self.done.faults[span].to_s = seconds(self.scene.recorder.now_ns());
        self.set_load();
        self.say(format!("healed: {text}"));
        Ok(())
    }

    /// The strongest of the spikes that are on.
    fn set_load(&mut self) {
        let factors = self.running.values().filter_map(|on| on.load_factor);
        self.crowd
            .set_factor(factors.reduce(f64::max).unwrap_or(1.0));
    }

    async fn command(&mut self, words: &[String], may_fail: bool) -> anyhow::Result<()> {
        let (region, node) = self.names().await?;
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("{region}", &region).replace("{node}", &node))
            .collect();
        let text = format!("holdfastctl {}", words.join(" "));
        self.say(text.clone());
        let door = self.safe_node(&region)?;
        let (bin_dir, recorder) = (self.bin_dir.clone(), self.scene.recorder.clone());
        self.tasks.spawn(async move {
            let mut all: Vec<&str> = words.iter().map(String::as_str).collect();
            all.extend(["--node", &door]);
            let began_ns = recorder.now_ns();
            let output = timeout(COMMAND_MAX, operator::run(&bin_dir, &all)).await;
            let exit = match output {
                Ok(output) => output?.status.code(),
                Err(_) => None,
            };
            let run = CommandRun {
                text,
                at_s: seconds(began_ns),
                took_s: seconds(recorder.now_ns() - began_ns),
                exit,
            };
            Ok((run, may_fail))
        });
        Ok(())
    }

    fn finished(&mut self, (run, may_fail): (CommandRun, bool)) {
        let exit = run
            .exit
            .map_or_else(|| "no exit code".to_owned(), |code| format!("exit {code}"));
        self.say(format!("{}: {exit} after {:.1} s", run.text, run.took_s));
        if run.exit != Some(0) && !may_fail {
            self.done.aborted_because = format!("{}: {exit}", run.text);
        }
        self.done.commands.push(run);
    }

    /// Where the first show is led from, and by whom, when it is first asked.
    async fn names(&mut self) -> anyhow::Result<(String, String)> {
        if let Some(names) = &self.names {
            return Ok(names.clone());
        }
        let region = RegionChoice::Leader(0);
        let region = region.resolve(self.lab, &mut self.random).await?;
        let node = NodeChoice::Leader(0);
        let node = node.resolve(self.lab, &mut self.random).await?;
        let names = (region.to_string(), node.to_string());
        self.names = Some(names.clone());
        Ok(names)
    }

    /// Address of a node that no fault touches and that is not in the region that commands are about.
    fn safe_node(&self, region: &str) -> anyhow::Result<String> {
        let hit = |name: &str| {
            let faults = self.running.values().map(|on| &self.done.faults[on.span]);
            faults
                .into_iter()
                .any(|fault| fault.nodes.iter().any(|node| node == name))
        };
        let nodes = &self.lab.cluster.topology().nodes;
        let safe = nodes
            .iter()
            .filter(|node| node.region.as_str() != region)
            .find(|node| !hit(&node.id.to_string()));
        let safe = safe.ok_or_else(|| anyhow::anyhow!("no node is left to be asked"))?;
        Ok(safe.addr.clone())
    }

    fn say(&mut self, text: String) {
        self.progress.happened(&text);
        self.scene.recorder.mark(text.as_str(), None);
        self.done.moments.push(Moment {
            at_s: seconds(self.scene.recorder.now_ns()),
            text,
        });
    }
}

/// Waits for a while, with an eye on the processes, before anything is broken.
pub(super) async fn calm(lab: &mut Lab, how_long: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + how_long;
    while Instant::now() < until {
        lab.cluster.check_all_alive()?;
        sleep(LOOK.min(until.saturating_duration_since(Instant::now()))).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_acts_at_one_moment_the_end_comes_first() {
        let step = |at_s: f64, for_s: Option<f64>| Step {
            at_s,
            for_s,
            fault: None,
            ctl: None,
            may_fail: false,
        };
        let steps = [step(5.0, Some(3.0)), step(0.0, Some(5.0)), step(8.0, None)];
        let acts: Vec<Act> = schedule(&steps).into_iter().map(|(_, act)| act).collect();
        let expected = [
            Act::Begin(1),
            Act::End(1),
            Act::Begin(0),
            Act::End(0),
            Act::Begin(2),
        ];
        assert_eq!(acts, expected);
    }
}
