//! `holdfastctl plan`: is a seating plan sound, and bring it in.
//!
//! Owns: how problems are shown. Must never: send a plan that this very program finds fault with.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use holdfast_node_api::v1::ImportPlanRequest;
use serde_json::json;

use super::{Answer, Failure, Target};
use crate::plan::{self, Checked, PLAN_BYTES_MAX, Problem};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Explain everything that is wrong with a seating plan; needs no node
    Check {
        /// A seating plan in pretix's JSON format (docs/seating-plans.md)
        file: PathBuf,
    },
    /// Check a seating plan and give it to the cluster; the same plan under the same slug is imported once
    Import {
        /// A seating plan in pretix's JSON format (docs/seating-plans.md)
        file: PathBuf,
        /// Name by which shows refer to the plan [default: the file's name without its ending]
        #[arg(long)]
        slug: Option<String>,
    },
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    match command {
        Command::Check { file } => Ok(explain(file, &plan::check(&read(file)?))),
        Command::Import { file, slug } => import(file, slug.as_deref(), target).await,
    }
}

async fn import(file: &Path, slug: Option<&str>, target: &Target) -> Result<Answer, Failure> {
    let text = read(file)?;
    let checked = plan::check(&text);
    let Some(plan) = &checked.plan else {
        return Ok(explain(file, &checked));
    };
    let stem = || file.file_stem().and_then(|stem| stem.to_str());
    let slug = slug.or_else(stem).ok_or_else(|| Failure::Argument {
        argument: "--slug".to_owned(),
        reason: "needed, because the file's name is not plain text".to_owned(),
    })?;
    let node = target.node()?;
    let mut directory = node.client.directory();
    let request = ImportPlanRequest {
        slug: slug.to_owned(),
        plan_json: text,
    };
    let reply = node.ask(directory.import_plan(request)).await?;
    if !reply.problems.is_empty() {
        let problems = reply.problems.into_iter().map(|problem| Problem {
            path: problem.path,
            problem: problem.problem,
            expected: problem.expected,
        });
        let refused = Checked {
            plan: None,
            problems: problems.collect(),
            remarks: Vec::new(),
        };
        return Ok(explain(file, &refused));
    }
    let text = format!(
        "{} plan {} ({slug}): {} seats, {} areas, {} places",
        if reply.existed {
            "had already"
        } else {
            "imported"
        },
        reply.plan_id,
        plan.seats.len(),
        plan.areas.len(),
        plan.places(),
    );
    let json = json!({
        "plan_id": reply.plan_id, "slug": slug, "existed": reply.existed, "seats": plan.seats.len(),
        "areas": plan.areas.len(), "places": plan.places(), "remarks": checked.remarks,
    });
    Ok(Answer {
        text,
        json,
        well: true,
    })
}

fn explain(file: &Path, checked: &Checked) -> Answer {
    let mut lines = Vec::new();
    match &checked.plan {
        Some(plan) => lines.push(format!(
            "{}: sound: {:?}, {} seats, {} areas, {} places, {} categories",
            file.display(),
            plan.name,
            plan.seats.len(),
            plan.areas.len(),
            plan.places(),
            plan.categories.len(),
        )),
        None => lines.push(format!(
            "{}: {} problems",
            file.display(),
            checked.problems.len()
        )),
    }
    lines.extend(
        checked
            .problems
            .iter()
            .map(|problem| format!("  problem  {problem}")),
    );
    lines.extend(
        checked
            .remarks
            .iter()
            .map(|remark| format!("  remark   {remark}")),
    );
    let summary = checked.plan.as_ref().map(|plan| {
        json!({
            "name": plan.name, "seats": plan.seats.len(), "areas": plan.areas.len(), "places": plan.places(),
            "categories": plan.categories,
        })
    });
    let well = checked.plan.is_some();
    let json = json!({
        "file": file.display().to_string(), "ok": well, "plan": summary, "problems": checked.problems,
        "remarks": checked.remarks,
    });
    Answer {
        text: lines.join("\n"),
        json,
        well,
    }
}

/// Refuses to load what is too long to be a plan anyway.
fn read(file: &Path) -> Result<String, Failure> {
    let fail = |reason: &dyn std::fmt::Display| Failure::file(file.display().to_string(), reason);
    let length = std::fs::metadata(file).map_err(|error| fail(&error))?.len();
    if length > PLAN_BYTES_MAX as u64 {
        return Err(fail(&format!(
            "is {length} bytes long; a plan has at most {PLAN_BYTES_MAX}"
        )));
    }
    let bytes = std::fs::read(file).map_err(|error| fail(&error))?;
    String::from_utf8(bytes)
        .map_err(|error| fail(&format!("is not UTF-8 text: {}", error.utf8_error())))
}
