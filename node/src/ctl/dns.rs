//! `holdfastctl dns`: what DNS answers for a while, whatever it measures.
//!
//! Owns: the words for it, and durations as people type them. Must never: set something that does not end.

use std::time::Duration;

use clap::{Args, Subcommand};
use holdfast_node_api::v1::{
    ClearSteeringRequest, ListSteeringReply, ListSteeringRequest, SetSteeringRequest, SteeringKind,
    SteeringOverride,
};
use holdfast_region_config::RegionId;
use serde_json::{Value, json};

use super::answer::table;
use super::cluster::as_of_json;
use super::connect::Node;
use super::{Answer, Failure, Target};

/// Stands for every name without a pin of its own.
const ALL: &str = "all";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Overrides that hold now, and until when
    List,
    /// Answer one region to a name, whatever is measured
    Pin {
        /// The name, such as tickets.example.com, or `all`
        #[arg(value_name = "NAME")]
        name: String,
        /// The region that is answered
        region: RegionId,
        #[command(flatten)]
        time: Time,
    },
    /// Send no new users to a region
    Drain {
        /// The region, such as westeurope
        region: RegionId,
        #[command(flatten)]
        time: Time,
        /// Also if no region stays open to new users; DNS then answers as if none were drained
        #[arg(long)]
        break_glass: bool,
    },
    /// Take back a pin or a drain before it ends
    Clear(Clear),
}

/// For how long.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Time {
    /// How long it holds: 90s, 30m, 2h, 1d; a week at most
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    duration: Duration,
}

/// Which one; exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Clear {
    /// The pin of this name, or of `all`
    #[arg(long, value_name = "NAME")]
    pin: Option<String>,
    /// The drain of this region
    #[arg(long, value_name = "REGION")]
    drain: Option<RegionId>,
    /// Everything
    #[arg(long)]
    everything: bool,
}

pub(super) async fn run(command: &Command, target: &Target) -> Result<Answer, Failure> {
    let node = target.node()?;
    match command {
        Command::List => list(&node).await,
        Command::Pin { name, region, time } => {
            set(&node, pin(name, region.as_str()), *time, false).await
        }
        Command::Drain {
            region,
            time,
            break_glass,
        } => set(&node, drain(region), *time, *break_glass).await,
        Command::Clear(which) => {
            let what = match (&which.pin, &which.drain) {
                (Some(name), _) => Some(pin(name, "")),
                (None, Some(region)) => Some(drain(region)),
                (None, None) => None,
            };
            let mut cluster = node.client.cluster();
            let request = ClearSteeringRequest { what };
            let reply = node.ask(cluster.clear_steering(request)).await?;
            let text = if reply.changed {
                "cleared"
            } else {
                "there was nothing to clear"
            };
            Ok(Answer {
                text: text.to_owned(),
                json: json!({ "changed": reply.changed }),
                well: true,
            })
        }
    }
}

fn pin(name: &str, region: &str) -> SteeringOverride {
    SteeringOverride {
        kind: SteeringKind::Pin.into(),
        region: region.to_owned(),
        name: if name == ALL {
            String::new()
        } else {
            name.to_owned()
        },
        until_ms: 0,
    }
}

fn drain(region: &RegionId) -> SteeringOverride {
    SteeringOverride {
        kind: SteeringKind::Drain.into(),
        region: region.to_string(),
        ..SteeringOverride::default()
    }
}

async fn set(
    node: &Node,
    wanted: SteeringOverride,
    time: Time,
    break_glass: bool,
) -> Result<Answer, Failure> {
    let text = match wanted.kind() {
        SteeringKind::Drain => format!("{} gets no new users", wanted.region),
        _ => format!("{} is answered with {}", named(&wanted), wanted.region),
    };
    let for_ms = u64::try_from(time.duration.as_millis()).unwrap_or(u64::MAX);
    let request = SetSteeringRequest {
        wanted: Some(wanted),
        for_ms,
        break_glass,
    };
    let mut cluster = node.client.cluster();
    let reply = node.ask(cluster.set_steering(request)).await?;
    Ok(Answer {
        text: format!("{text} for {} s", time.duration.as_secs()),
        json: json!({ "changed": reply.changed, "for_ms": for_ms }),
        well: true,
    })
}

async fn list(node: &Node) -> Result<Answer, Failure> {
    let mut cluster = node.client.cluster();
    let reply = node
        .ask(cluster.list_steering(ListSteeringRequest {}))
        .await?;
    Ok(listed(&reply))
}

fn listed(reply: &ListSteeringReply) -> Answer {
    let left_s = |wish: &SteeringOverride| wish.until_ms.saturating_sub(reply.now_ms) / 1_000;
    let live: Vec<&SteeringOverride> = reply
        .overrides
        .iter()
        .filter(|wish| wish.until_ms > reply.now_ms)
        .collect();
    let row = |wish: &&SteeringOverride| {
        let what = match wish.kind() {
            SteeringKind::Drain => "drain",
            _ => "pin",
        };
        let left = format!("{} s", left_s(wish));
        [
            what.to_owned(),
            named(wish).to_owned(),
            wish.region.clone(),
            left,
        ]
    };
    let rows: Vec<_> = live.iter().map(row).collect();
    let overrides: Vec<Value> = live
        .iter()
        .map(|wish| {
            let [what, name, region, _] = row(wish);
            json!({"what": what, "name": name, "region": region, "until_ms": wish.until_ms})
        })
        .collect();
    let text = if rows.is_empty() {
        "nothing is overridden: DNS answers by health and place".to_owned()
    } else {
        table(["what", "name", "region", "for another"], &rows)
    };
    Answer {
        text,
        json: json!({
            "directory": as_of_json(&reply.as_of.unwrap_or_default()),
            "overrides": overrides,
        }),
        well: true,
    }
}

fn named(wish: &SteeringOverride) -> &str {
    match (wish.kind(), wish.name.as_str()) {
        (SteeringKind::Drain, _) => "-",
        (_, "") => ALL,
        (_, name) => name,
    }
}

/// `90s`, `30m`, `2h`, `1d`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 90s, 30m, 2h or 1d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let total = count.checked_mul(seconds).filter(|total| *total > 0);
    total.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("2h"), Ok(7_200));
        assert_eq!(seconds("7d"), Ok(604_800));
        for wrong in [
            "",
            "30",
            "m",
            "0s",
            "-1m",
            "1.5h",
            "9999999999999999999d",
            "3é",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_has_ended_is_not_listed() {
        let wish = |until_ms| SteeringOverride {
            until_ms,
            ..pin("all", "eastus")
        };
        let reply = ListSteeringReply {
            as_of: None,
            overrides: vec![wish(1_000), wish(61_000)],
            now_ms: 1_000,
        };
        let answer = listed(&reply);
        assert_eq!(
            answer.text,
            "what  name  region  for another\npin   all   eastus  60 s"
        );
        assert_eq!(answer.json["overrides"].as_array().map(Vec::len), Some(1));
    }
}
