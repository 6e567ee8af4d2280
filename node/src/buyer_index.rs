//! The way to the indexes of buyers: which index an order belongs to, who leads it, and how it is told.
//!
//! ```text
//!  show's leader ─ events of orders ─► leader of the index of its home's jurisdiction ─► committed ─► answered
//!  operator ─ begin the index of a jurisdiction ─► the directory's leader
//! ```
//!
//! Owns: that choice, and the bound on what is told at a time. Must never: answer before the entry is committed, or tell an index
//! outside the jurisdiction of the show's home.

use std::{sync::Arc, time::Duration};

use holdfast_inventory::ids::ShowId;
use holdfast_node_api::{
    client::NodeClient,
    v1::{self, EnsureIndexReply, EnsureIndexRequest, RecordOrdersRequest},
};
use holdfast_raft::{
    Clock as _, Host, OpenError, ProposeError,
    buyer_index::{IndexEntry, OrderEvent},
    directory::{DirectoryCommand, DirectoryOutcome, NodeState, ShowRecord},
};
use holdfast_region_config::{
    GroupId, Jurisdiction, NodeId, PlacementError, PlacementRequest, RegionId, strongest_goal,
};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::{
    backlog::{Backlog, Deliveries, backlog},
    directory_client::{ChangeError, Changed, DirectoryDesk},
    grpc::{index_event, outcome_of, passed_on, place_now},
};

/// Longest wait for one entry of an index, or for another node's word that it is committed.
const COMMIT_LIMIT: Duration = Duration::from_secs(5);
/// Entries of indexes under way on one node, at most: each is a page of a show's outbox.
const UNDER_WAY_MAX: usize = 256;
/// How often a replica that was just put away is opened again for one entry.
const OPENS_MAX: u32 = 3;
/// Nodes that are asked in one try: the one that claims to lead, and two that may.
const ASKED_MAX: usize = 3;

/// Why an index did not take events. They may be told again: the same event changes nothing.
#[derive(Debug, Error)]
pub enum NotTold {
    /// Too many entries are under way here.
    #[error("too many entries of indexes are under way on this node")]
    Busy,
    /// The replica cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The entry was not committed, or may not have been.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// No word within the time.
    #[error("no word of the index in time")]
    Late,
    /// Another node said no.
    #[error("{node}: {reason}")]
    Refused {
        /// Which.
        node: NodeId,
        /// What it said.
        reason: String,
    },
    /// Nobody who may lead it can be asked.
    #[error("no node of the index can be asked")]
    Nobody,
}

/// Why an index was not begun.
#[derive(Debug, Error)]
pub enum NotBegun {
    /// The region is in no topology here.
    #[error("region {0} is not in this node's topology")]
    UnknownRegion(RegionId),
    /// There is no place for it under its jurisdiction.
    #[error(transparent)]
    Unplaceable(#[from] PlacementError),
    /// A node runs another release, which may not know what an index is.
    #[error("{0} does not run this release yet")]
    MixedReleases(NodeId),
    /// No leader of the directory decided.
    #[error(transparent)]
    Undecided(#[from] ChangeError),
    /// The directory's leader refused.
    #[error("{0}")]
    Refused(String),
}

/// A cheap handle to the indexes of the cluster.
#[derive(Clone)]
pub struct BuyerIndexes {
    host: Host,
    desk: DirectoryDesk,
    under_way: Arc<Semaphore>,
    deliveries: Deliveries,
}

impl BuyerIndexes {
    /// The indexes as the node of `host` gets to them.
    #[must_use]
    pub fn new(host: Host, desk: DirectoryDesk) -> Self {
        Self {
            host,
            desk,
            under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
            deliveries: Deliveries::default(),
        }
    }

    /// This node's groups.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The way to the directory's leader.
    #[must_use]
    pub const fn desk(&self) -> &DirectoryDesk {
        &self.desk
    }

    /// How far notices are delivered; only then an index is told.
    #[must_use]
    pub const fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// What waits behind the shows that this node leads, for a sink and for an index.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        backlog(&self.host, &self.deliveries, self.host.clock().now_ms())
    }

    /// The region whose jurisdiction the orders of `show` are kept under: its home, or where this node stands when the
    /// topology has lost that.
    #[must_use]
    pub fn region_of(&self, show: ShowId) -> Option<RegionId> {
        let topology = self.host.topology();
        let (home, _) = self.host.directory().read(|directory| {
            let record = directory.shows().get(&show)?;
            Some(record.show.home_region.clone())
        });
        home.filter(|home| topology.region(home).is_some())
            .or_else(|| topology.region_of(self.host.node()).cloned())
    }

    fn jurisdiction_of(&self, region: &RegionId) -> Option<Jurisdiction> {
        let topology = self.host.topology();
        topology.region(region)?.jurisdiction.clone()
    }

    /// The index for orders of shows at home in `region`; `None` when it was not begun, as far as is known here.
    #[must_use]
    pub fn index_of(&self, region: &RegionId) -> Option<Arc<ShowRecord>> {
        let jurisdiction = self.jurisdiction_of(region);
        let (index, _) = self
            .host
            .directory()
            .read(|directory| directory.buyer_index_of(jurisdiction.as_ref()).cloned());
        index
    }

    /// Begins the index of a region's jurisdiction unless there is one; `forwarded` = another node passed the request on.
    ///
    /// # Errors
    /// [`NotBegun`]; it may be tried again.
    pub async fn ensure(
        &self,
        region: &RegionId,
        forwarded: bool,
    ) -> Result<EnsureIndexReply, NotBegun> {
        let command = self.begin(region)?;
        let request = EnsureIndexRequest {
            region: region.to_string(),
        };
        let pass_on = (!forwarded).then_some(|client: NodeClient| {
            let request = passed_on(request.clone());
            async move { outcome_of(client.buyer_indexes().ensure_index(request).await) }
        });
        match self.desk.change(command, pass_on).await? {
            Ok(Changed::There(reply)) => Ok(reply),
            Ok(Changed::Here(DirectoryOutcome::Show {
                group_id, existed, ..
            })) => Ok(EnsureIndexReply {
                group_id: group_id.get(),
                existed,
            }),
            Ok(Changed::Here(other)) => Err(NotBegun::Refused(format!("{other:?}"))),
            Err(refusal) => Err(NotBegun::Refused(refusal.message().to_owned())),
        }
    }

    /// The command that begins it. An older release would stop at that entry of the directory, so it waits for the last node.
    fn begin(&self, region: &RegionId) -> Result<DirectoryCommand, NotBegun> {
        let topology = self.host.topology();
        if topology.region(region).is_none() {
            return Err(NotBegun::UnknownRegion(region.clone()));
        }
        let ((number, older), _) = self.host.directory().read(|directory| {
            let here = directory.nodes().iter();
            let mut here = here.filter(|(_, record)| record.state != NodeState::Removed);
            let other = here.find(|(_, node)| node.registered.release != env!("CARGO_PKG_VERSION"));
            let number =
                GroupId::BUYER_INDEXES_FROM.get() + directory.buyer_indexes().count() as u64;
            (number, other.map(|(node, _)| *node))
        });
        if let Some(node) = older {
            return Err(NotBegun::MixedReleases(node));
        }
        let jurisdiction = self.jurisdiction_of(region);
        let mut wanted = PlacementRequest {
            jurisdictions: jurisdiction.iter().cloned().collect(),
            ..PlacementRequest::new(region.clone(), GroupId::new(number))
        };
        // What the topology can promise when all is well, also while a node is out.
        wanted.goal = strongest_goal(&topology, &wanted)?;
        wanted.unavailable = self.host.unavailable_nodes();
        let placement = place_now(&topology, &mut wanted)?;
        Ok(DirectoryCommand::CreateBuyerIndex {
            jurisdiction,
            home_region: region.clone(),
            leader_preference: placement.leader_preference,
            voters: placement.voters,
            learners: placement.learners,
        })
    }

    /// Commits events on this node, which leads the index; the entry's log index.
    ///
    /// # Errors
    /// [`NotTold`].
    pub async fn record_here(
        &self,
        group: GroupId,
        events: Vec<OrderEvent>,
    ) -> Result<u64, NotTold> {
        let _place = self.under_way.try_acquire().map_err(|_| NotTold::Busy)?;
        let entry = IndexEntry {
            now_ms: self.host.clock().now_ms(),
            events,
        };
        let committing = async {
            let mut opens = 1;
            loop {
                let index = self.host.open_buyer_index(group).await?;
                match index.propose(&entry).await {
                    Err(ProposeError::PutAway { .. }) if opens < OPENS_MAX => opens += 1,
                    proposed => return proposed.map(|(at, _)| at).map_err(NotTold::from),
                }
            }
        };
        let committed = tokio::time::timeout(COMMIT_LIMIT, committing).await;
        committed.unwrap_or(Err(NotTold::Late))
    }

    /// Tells `index` events of a show; returns once they are committed there.
    ///
    /// # Errors
    /// [`NotTold`]; tell them again.
    pub async fn tell(&self, index: &ShowRecord, events: &[OrderEvent]) -> Result<(), NotTold> {
        let group = index.group_id;
        let claimed = self.host.leader_of_group(group);
        let mut order: Vec<NodeId> = claimed.into_iter().collect();
        order.extend(index.leader_order());
        order.retain(|node| self.host.is_alive(*node));
        let mut last = NotTold::Nobody;
        let mut asked = Vec::new();
        for node in order {
            if asked.contains(&node) || asked.len() >= ASKED_MAX {
                continue;
            }
            asked.push(node);
            let told = if node == self.host.node() {
                self.record_here(group, events.to_vec()).await.map(drop)
            } else {
                self.tell_node(node, group, events).await
            };
            match told {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn tell_node(
        &self,
        node: NodeId,
        group: GroupId,
        events: &[OrderEvent],
    ) -> Result<(), NotTold> {
        let client = self.desk.client(node).ok_or(NotTold::Nobody)?;
        let request = RecordOrdersRequest {
            group_id: group.get(),
            events: events.iter().map(index_event).collect(),
        };
        let mut indexes = client.buyer_indexes();
        let telling = indexes.record_orders(request);
        match tokio::time::timeout(COMMIT_LIMIT, telling).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(NotTold::Refused {
                node,
                reason: status.message().to_owned(),
            }),
            Err(_) => Err(NotTold::Late),
        }
    }

    /// Every index as this node sees it, and how far its own shows have told theirs.
    #[must_use]
    pub fn survey(&self) -> v1::ListIndexesReply {
        let (records, _) = self
            .host
            .directory()
            .read(|directory| directory.buyer_indexes().cloned().collect::<Vec<_>>());
        let waiting = self.backlog().index;
        v1::ListIndexesReply {
            node_id: self.host.node().get(),
            indexes: records.iter().map(|record| self.info(record)).collect(),
            waiting: waiting.records as u64,
            oldest_ms: waiting.oldest_ms,
        }
    }

    fn info(&self, record: &ShowRecord) -> v1::IndexInfo {
        let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.get()).collect();
        let leader = self.host.leader_of_group(record.group_id);
        let replica = self.host.loaded_buyer_index(record.group_id).map(|index| {
            let ((buyers, orders), as_of) =
                index.read(|state| (state.buyers_len(), state.orders_len()));
            v1::IndexReplica {
                as_of: Some(v1::AsOf {
                    index: as_of.index,
                    age_ms: as_of.age_ms,
                    linearizable: false,
                }),
                role: index.status().role.as_str().to_owned(),
                buyers: buyers as u64,
                orders: orders as u64,
            }
        });
        v1::IndexInfo {
            group_id: record.group_id.get(),
            jurisdiction: record
                .jurisdiction()
                .map(ToString::to_string)
                .unwrap_or_default(),
            home_region: record.show.home_region.to_string(),
            voters: ids(&record.voters),
            learners: ids(&record.learners),
            leader: leader.map_or(0, NodeId::get),
            leader_alive: leader.is_some_and(|leader| self.host.is_alive(leader)),
            replica,
        }
    }
}
