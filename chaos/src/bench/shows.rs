//! Many shows of one hall, put on sale through the directory as an organiser's tool would, several at a time.
//!
//! Owns: making them and waiting until each is led from where it should be. Must never: go around the directory.

use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use holdfast_node_api::client::NodeClient;
use holdfast_node_api::v1::{CreateShowRequest, ShowStatusRequest};
use holdfast_region_config::{NodeId, RegionId, Topology};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use crate::lab::Lab;
use crate::season::{GridShow, Season, load};

/// Shows being made at one time: each takes several commits between regions, so a second has room for many.
const IN_FLIGHT: usize = 128;
/// How long one show may take until it is led from home.
const READY_MAX: Duration = Duration::from_secs(120);
/// Time between two looks at a show that is not ready; a replica has no other way to tell.
const READY_POLL: Duration = Duration::from_millis(50);

/// A show on sale.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) show_id: u64,
    /// Who leads it, at home.
    pub(super) leader: NodeId,
}

/// Makes shows of one hall.
pub(super) struct Maker {
    nodes: Vec<(NodeId, NodeClient)>,
    topology: Topology,
    request: CreateShowRequest,
    made: u64,
}

impl Maker {
    /// Imports the hall's plan and creates one event for all its shows.
    pub(super) async fn new(lab: &Lab, hall: &GridShow) -> anyhow::Result<Self> {
        let topology = lab.cluster.topology().clone();
        let mut nodes = Vec::new();
        for node in &topology.nodes {
            nodes.push((node.id, lab.node(node.id)?));
        }
        let season = Season::of_grids(std::slice::from_ref(hall));
        let any = &nodes.first().context("no nodes")?.1;
        let plan_id = load::import_plan(any, &season.plans[0]).await?;
        let event_id = load::create_event(any, &season.events[0]).await?;
        let request = load::show_request(&season.shows[0], event_id, plan_id, &topology);
        Ok(Self {
            nodes,
            topology,
            request,
            made: 0,
        })
    }

    /// Makes `count` shows, their homes taking turns, and waits until each is led from home. Shows its progress on a
    /// terminal when there are many.
    pub(super) async fn make(
        &mut self,
        count: usize,
        homes: &[RegionId],
    ) -> anyhow::Result<Vec<Made>> {
        let bar = progress(count);
        let first = self.made;
        self.made += u64::try_from(count)?;
        let numbers = (first..self.made).zip(homes.iter().cycle());
        let made = stream::iter(numbers)
            .map(|(number, home)| self.one(number, home))
            .buffer_unordered(IN_FLIGHT)
            .inspect(|_| bar.inc(1))
            .try_collect()
            .await;
        bar.finish_and_clear();
        made
    }

    async fn one(&self, number: u64, home: &RegionId) -> anyhow::Result<Made> {
        let request = CreateShowRequest {
            slug: format!("{}-{number}", self.request.slug),
            home_region: home.to_string(),
            ..self.request.clone()
        };
        let any = &self.nodes[usize::try_from(number)? % self.nodes.len()].1;
        let reply = load::patiently(&format!("create {}", request.slug), || {
            let (request, mut directory) = (request.clone(), any.directory());
            async move { directory.create_show(request).await }
        })
        .await?;
        let leader = self.wait_led(reply.show_id, home).await?;
        Ok(Made {
            show_id: reply.show_id,
            leader,
        })
    }

    /// Waits until the show is set up and led from home; says by whom.
    async fn wait_led(&self, show_id: u64, home: &RegionId) -> anyhow::Result<NodeId> {
        let nodes = self.topology.nodes.iter().filter(|n| n.region == *home);
        let at_home: Vec<NodeId> = nodes.map(|node| node.id).collect();
        let until = Instant::now() + READY_MAX;
        loop {
            let mut said = None;
            for (_, node) in self.nodes.iter().filter(|(id, _)| at_home.contains(id)) {
                let request = ShowStatusRequest {
                    show_id,
                    read: None,
                };
                let status = node.operator().show_status(request).await;
                if let Ok(status) = &status
                    && status.get_ref().ready
                    && let Some(group) = &status.get_ref().group
                    && at_home.contains(&NodeId::new(group.leader))
                {
                    return Ok(NodeId::new(group.leader));
                }
                said = Some(status);
            }
            anyhow::ensure!(
                Instant::now() < until,
                "show {show_id} is not led from {home}: {said:?}"
            );
            sleep(READY_POLL).await;
        }
    }
}

fn progress(count: usize) -> ProgressBar {
    if count < 50 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(count).unwrap_or(0));
    let style = ProgressStyle::with_template("... shows {pos}/{len} {per_sec} {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
