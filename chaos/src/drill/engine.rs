//! Runs one drill from a cold cluster to a verdict.
//!
//! ```text
//! cluster → workloads, probes, watches → steady state (or abort) → steps → tail → workloads end
//!         → everything ready → open outcomes asked again → acknowledged looked up → replicas compared
//!         → history ends → checker → figures → verdict → report
//! ```
//!
//! Owns: that order. Must never: judge before the history is complete, or leave a cluster behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::OptionFuture;
use holdfast_region_config::Topology;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use super::aftermath;
use super::blame;
use super::catalogue::Entry;
use super::file::{DrillFile, SteadySpec};
use super::measure::Facts;
use super::names::Names;
use super::notices;
use super::payments;
use super::probe::Probes;
use super::progress::Progress;
use super::readiness::{Came, Readiness};
use super::result::{
    Check, DnsSeen, DrillResult, FORMAT, FaultSpan, LeaderChange, Moment, Quantiles, Recovery,
    Replicas, RoomSeen, Rpo, Run, Steady,
};
use super::rooms::Rooms;
use super::setting;
use super::spike;
use super::steps::{Done, Parts, Steps, calm};
use super::tries::wishes;
use super::verdict;
use super::watch::{Seen, Watch, seconds};
use crate::checker::{self, Conclusion};
use crate::history::{History, Recorder};
use crate::lab::Lab;
use crate::workload::look::Looked;
use crate::workload::scene::Counted;
use crate::workload::{Checked, Crowd, Scene};

/// Name of the raw history beside the report.
pub const HISTORY: &str = "history.jsonl";
/// Directory beside the report: the smallest part of each violation and a picture of it, when there is any.
pub const VIOLATIONS: &str = "violations";
/// How long processes may take to be ready after everything was healed.
const READY_MAX: Duration = Duration::from_secs(90);
const READY_POLL: Duration = Duration::from_millis(100);
/// Of the steady state this share warms up and does not count.
const WARM_UP: f64 = 1.0 / 3.0;

/// What to run.
#[derive(Debug)]
pub struct Order {
    /// Which drill.
    pub entry: Entry,
    /// Fixes everything that is drawn by lot.
    pub seed: u64,
    /// Another topology than the drill's own, and its name.
    pub topology: Option<(String, Topology)>,
    /// Where the binaries are; `None` builds them.
    pub bin_dir: Option<PathBuf>,
    /// Where report and history go; made when missing.
    pub out: PathBuf,
}

/// What happened while the cluster ran.
struct Ran {
    done: Done,
    steady_s: (f64, f64),
    end_s: f64,
    checked: Vec<Checked>,
    seen: Seen,
    came: Came,
    rpo: Rpo,
    replicas: Replicas,
    dns: Option<DnsSeen>,
    rooms: Vec<RoomSeen>,
    looks: Vec<Looked>,
}

/// Runs a drill and judges it; report and history are in `order.out` afterwards.
///
/// # Errors
/// When the cluster cannot be started or asked, or a file cannot be written. A drill that does not hold is no error.
pub async fn run(order: Order) -> anyhow::Result<DrillResult> {
    let began = Instant::now();
    let file = &order.entry.file;
    let (topology_name, topology) = setting::topology(&file.lab, order.topology.as_ref())?;
    file.fits(&topology)?;
    std::fs::create_dir_all(&order.out)
        .with_context(|| format!("cannot make {}", order.out.display()))?;
    let progress = Progress::new();
    progress.step("starting the cluster and putting the shows on sale");
    let run_of = setting::run_of(&order, &topology_name, &topology);
    let bin_dir = match &order.bin_dir {
        Some(dir) => dir.clone(),
        None => tokio::task::spawn_blocking(crate::lab::build_siblings).await??,
    };
    let options = setting::lab_options(file, &topology, order.seed, &bin_dir)?;
    let mut lab = Lab::start(options).await?;
    Names::settle(&lab).await?;
    let history = order.out.join(HISTORY);
    let ran = Box::pin(drill(
        &mut lab, &order, &run_of, &history, &progress, bin_dir,
    ))
    .await;
    if ran.is_err()
        && let Some(kept) = lab.keep_files()
    {
        progress.happened(&format!("the cluster's files are in {}", kept.display()));
    }
    let topology = lab.cluster.topology().clone();
    let scene_parts = (setting::doors(&lab)?, setting::stalls(&lab, file));
    let ran = match ran {
        Ok(ran) => ran,
        Err(error) => {
            lab.stop().await;
            return Err(error);
        }
    };
    progress.step("judging the history");
    let mut result = judged(ran, file, &topology, &scene_parts, &history)?;
    result.run = Run {
        duration_s: began.elapsed().as_secs_f64(),
        ..run_of
    };
    verdict::judge(&mut result, &file.expect);
    if result.verdict != super::result::Verdict::Held {
        keep_logs(&lab, &order.out);
    }
    lab.stop().await;
    crate::report::write(&result, &order.out)?;
    Ok(result)
}

/// The processes' logs beside the report: whoever reads of a failure wants them next.
fn keep_logs(lab: &Lab, out: &Path) {
    let (from, to) = (lab.cluster.data_dir().join("logs"), out.join("logs"));
    let copied = std::fs::create_dir_all(&to).and_then(|()| {
        for entry in std::fs::read_dir(&from)? {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    });
    if let Err(error) = copied {
        tracing::warn!(%error, "logs were not kept");
    }
}

/// What all clients share.
fn scene(lab: &Lab, file: &DrillFile, recorder: &Recorder) -> anyhow::Result<Arc<Scene>> {
    let stalls = setting::stalls(lab, file);
    setting::record_shows(recorder, &stalls);
    let (http, doors) = (lab.http.clone(), setting::doors(lab)?);
    Ok(Arc::new(Scene::new(http, doors, stalls, recorder.clone())))
}

/// Everything that needs the running cluster.
async fn drill(
    lab: &mut Lab,
    order: &Order,
    run: &Run,
    history: &Path,
    progress: &Progress,
    bin_dir: PathBuf,
) -> anyhow::Result<Ran> {
    let file = &order.entry.file;
    let recorder = Recorder::create(history, setting::header(file, run))?;
    let scene = scene(lab, file, &recorder)?;
    let rooms = Rooms::open(lab, &scene).await?;
    let names = Names::start(lab, &recorder)?;
    let watch = Watch::start(lab, &recorder)?;
    let readiness = Readiness::start(lab, &recorder)?;
    let mut crowd = Crowd::start(&scene, &file.workloads, order.seed);
    let mut probes = Probes::start(&scene);
    let (steady_s, unsteady) = steady_state(lab, &scene, &file.steady, progress).await?;
    let done = if unsteady.is_empty() {
        let parts = Parts {
            lab,
            scene: &scene,
            crowd: &mut crowd,
            probes: &mut probes,
            watch: &watch,
            progress,
        };
        let random = StdRng::seed_from_u64(order.seed);
        let steps = Steps::new(parts, random, bin_dir, file.abort);
        steps.run(&file.steps, file.tail_s).await?
    } else {
        Done {
            aborted_because: unsteady,
            ..Done::default()
        }
    };
    let end_ns = recorder.now_ns();
    recorder.mark("workloads end", None);
    progress.step("workloads end, processes come back");
    let checked = crowd.end().await;
    probes.end().await;
    wait_ready(&readiness, READY_MAX).await;
    let dns = OptionFuture::from(names.map(|names| names.end(&done.faults, &done.lost))).await;
    let rooms = rooms.end(&scene, seconds(end_ns)).await;
    progress.step("asking again what is open, looking up what was acknowledged");
    aftermath::resolve(&scene).await;
    let rpo = aftermath::look_up(&scene).await;
    aftermath::read_maps(&scene).await;
    progress.step("waiting for the outboxes, comparing replicas");
    aftermath::settle(lab, &scene).await;
    let replicas = aftermath::compare_replicas(lab, &scene, end_ns).await;
    notices::record(lab, &recorder);
    payments::record(lab, &recorder);
    let (seen, came) = (watch.end().await, readiness.end().await);
    recorder.finish()?;
    Ok(Ran {
        done,
        steady_s,
        end_s: seconds(end_ns),
        checked,
        seen,
        came,
        rpo,
        replicas,
        dns,
        rooms,
        looks: scene.looks.take(),
    })
}

/// Lets the workloads run undisturbed; from when to when it counts, and why it is not steady, if it is not.
async fn steady_state(
    lab: &mut Lab,
    scene: &Scene,
    spec: &SteadySpec,
    progress: &Progress,
) -> anyhow::Result<((f64, f64), String)> {
    progress.step("steady state");
    calm(lab, Duration::from_secs_f64(spec.for_s * WARM_UP)).await?;
    let (from_s, before) = (seconds(scene.recorder.now_ns()), scene.counted());
    calm(lab, Duration::from_secs_f64(spec.for_s * (1.0 - WARM_UP))).await?;
    let (to_s, after) = (seconds(scene.recorder.now_ns()), scene.counted());
    let unsteady = unsteady(spec, before, after, to_s - from_s);
    if unsteady.is_empty() {
        progress.happened("steady");
    } else {
        progress.happened(&unsteady);
    }
    Ok(((from_s, to_s), unsteady))
}

fn unsteady(spec: &SteadySpec, before: Counted, after: Counted, for_s: f64) -> String {
    let answered = super::measure::figure(after.answered.saturating_sub(before.answered));
    let failed = super::measure::figure(after.failed.saturating_sub(before.failed));
    let rate = answered / for_s;
    let errors = failed / (answered + failed).max(1.0);
    if rate < spec.ops_rate_min {
        let least = spec.ops_rate_min;
        return format!("no steady state: {rate:.1} answers a second, fewer than {least}");
    }
    if errors > spec.error_ratio_max {
        let most = spec.error_ratio_max;
        return format!("no steady state: {errors:.4} of all tries failed, more than {most}");
    }
    String::new()
}

async fn wait_ready(readiness: &Readiness, patience: Duration) {
    let until = Instant::now() + patience;
    while !readiness.all() && Instant::now() < until {
        sleep(READY_POLL).await;
    }
}

/// The checker's verdict; of a violated history also the parts, beside it: whoever reads of a violation wants them next.
fn verdict_on(history: &History, path: &Path) -> checker::Verdict {
    let options = checker::Options::default();
    let verdict = checker::check_history(history, &options);
    if verdict.conclusion() == Conclusion::Violated {
        let dir = path.with_file_name(VIOLATIONS);
        // The report matters more than its pictures.
        if let Err(error) = checker::write_parts(history, &options, &verdict, &dir) {
            tracing::warn!(%error, "the parts of the violations were not written");
        }
    }
    verdict
}

/// From what happened to figures; no verdict yet.
fn judged(
    ran: Ran,
    file: &DrillFile,
    topology: &Topology,
    scene: &(
        Vec<crate::workload::scene::Door>,
        Vec<crate::workload::scene::Stall>,
    ),
    path: &Path,
) -> anyhow::Result<DrillResult> {
    let history = History::load(path)?;
    let verdict = verdict_on(&history, path);
    let (doors, stalls) = scene;
    let wishes = wishes(&history, doors);
    let faults = ran.done.faults;
    let facts = Facts {
        wishes: &wishes,
        doors,
        stalls,
        faults: &faults,
        seen: &ran.seen,
        topology,
        wan: file.lab.wan,
        steady_s: ran.steady_s,
        end_s: ran.end_s,
    };
    let commands = ran.done.commands;
    let changes = blame::reasons(&ran.seen, &faults, &commands, stalls, topology);
    let predicted = setting::predicted(&file.blast, &faults, topology);
    let stranded = setting::spelled_out(&file.blast.stranded, &faults, topology);
    let blast = blame::blast(&facts, &changes, predicted);
    let steady = Steady {
        false_failovers: falsely_before(&changes, ran.steady_s.1),
        ..facts.steady()
    };
    let recovery = facts.recovery();
    let healed_s = last_heal_s(&faults, ran.end_s);
    Ok(DrillResult {
        format: FORMAT,
        watched_s: ran.end_s,
        aborted_because: ran.done.aborted_because,
        steady,
        users: facts.users_saw(&stranded),
        ambiguous: facts.ambiguous(),
        series: facts.series(),
        rto_hot: rto(&recovery, true),
        rto_idle: rto(&recovery, false),
        checks: checks(&verdict, ran.checked, ran.done.deaths),
        replicas: Replicas {
            back_s: ran.came.back_s(healed_s),
            ..ran.replicas
        },
        leaders: ran.seen.samples.clone(),
        history: HISTORY.to_owned(),
        rpo: ran.rpo,
        faults: faults.clone(),
        leader_changes: changes,
        recovery,
        timeline: timeline(ran.done.moments, &ran.came),
        commands,
        blast,
        spikes: spike::seen(&facts, &ran.done.spikes, &ran.looks),
        dns: ran.dns,
        rooms: ran.rooms,
        ..DrillResult::default()
    })
}

/// Recovery times of hot shows, or of idle ones.
fn rto(recovery: &[Recovery], hot: bool) -> Quantiles {
    let such = recovery.iter().filter(|r| r.hot == hot);
    Quantiles::of(such.map(|r| r.rto_s))
}

/// Changes of leader before `until_s` that nobody caused.
fn falsely_before(changes: &[LeaderChange], until_s: f64) -> u64 {
    let calm = changes.iter().filter(|change| change.at_s < until_s);
    let falsely = calm.filter(|change| change.because.is_empty()).count();
    u64::try_from(falsely).unwrap_or(u64::MAX)
}

/// What was said and what processes did, in order of time.
fn timeline(mut moments: Vec<Moment>, came: &Came) -> Vec<Moment> {
    moments.extend(came.moments());
    moments.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    moments
}

fn last_heal_s(faults: &[FaultSpan], end_s: f64) -> f64 {
    let heals = faults.iter().map(|fault| fault.to_s);
    heals.reduce(f64::max).unwrap_or(end_s)
}

/// The checker's, the workloads' own, and whether any process died by itself.
fn checks(verdict: &checker::Verdict, own: Vec<Checked>, deaths: Vec<String>) -> Vec<Check> {
    let mut checks: Vec<Check> = verdict
        .checks
        .iter()
        .map(|report| Check {
            name: format!("{}: {}", report.name, report.promise),
            looked_at: report.examined,
            violations: report.violations.iter().map(ToString::to_string).collect(),
            complete: report.conclusion != Conclusion::Undecided,
        })
        .collect();
    checks.extend(own.into_iter().map(|checked| Check {
        name: format!("workload {}", checked.kind.name()),
        looked_at: checked.looked_at,
        violations: checked.problems,
        complete: true,
    }));
    checks.push(Check {
        name: "processes: nobody dies who was not killed".to_owned(),
        looked_at: 1,
        violations: deaths,
        complete: true,
    });
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_leaves_its_smallest_part_and_a_picture_beside_the_history() {
        let histories = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/histories/bad");
        let history = History::load(&histories.join("linearizable--outlived.jsonl")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let verdict = verdict_on(&history, &dir.path().join(HISTORY));
        assert_eq!(verdict.conclusion(), Conclusion::Violated);
        let names: Vec<String> = std::fs::read_dir(dir.path().join(VIOLATIONS))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        for ending in ["verdict.txt", ".jsonl", ".svg"] {
            let found = names.iter().any(|name| name.ends_with(ending));
            assert!(found, "{ending}: {names:?}");
        }
    }
}
