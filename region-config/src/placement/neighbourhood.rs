//! Neighbourhoods: which regions vote for a group, and with how many voters each.
//!
//! ```text
//! goal      shapes, the leader's region first      what one loss leaves
//! region    2-2-1, 1-1-1                           3 of 5, 2 of 3
//! zone      3, 2-1, 1-2, 1-1-1                     2 of 3
//! nothing   as zone, with min(3, nodes) voters       nothing
//! ```
//!
//! Owns: the list of all neighbourhoods and the figures of each. Must never: know which nodes are chosen in them.

use std::time::Duration;

use super::explain::Refusal;
use super::request::SurvivalGoal;
use super::terrain::Terrain;

/// Voters of a show at most. Five let a successor stand beside the leader; more would only be slower.
pub const VOTERS_MAX: usize = 5;

const _: () = assert!(
    VOTERS_MAX % 2 == 1,
    "an even number of voters tolerates no more than one less"
);

const REGION_SHAPES: [&[usize]; 3] = [&[2, 2, 1], &[2, 1, 2], &[1, 1, 1]];
const THREE_VOTERS: [&[usize]; 4] = [&[3], &[2, 1], &[1, 2], &[1, 1, 1]];
const TWO_VOTERS: [&[usize]; 2] = [&[2], &[1, 1]];
const ONE_VOTER: [&[usize]; 1] = [&[1]];

/// Voters of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) site: usize,
    pub(super) voters: usize,
}

/// Sites with their voters; the first one leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Neighbourhood(pub(super) Vec<Share>);

/// How fast a neighbourhood commits. [`Duration::MAX`]: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Floors {
    /// With everything up.
    pub(super) whole: Duration,
    /// After the worst loss beside the leader: of another region, or of another voter when the goal is weaker.
    pub(super) after_loss: Duration,
    /// After the worst loss of one voter, the leader only where another one stands beside it.
    pub(super) after_node_loss: Duration,
    /// After the loss of the leader's region, or of the leader when the goal is weaker.
    pub(super) after_leader_loss: Duration,
}

/// Every neighbourhood of `sites` led from one of `leads`, fitting or not.
pub(super) fn all(terrain: &Terrain<'_>, leads: &[usize], sites: &[usize]) -> Vec<Neighbourhood> {
    let mut found = Vec::new();
    for shape in shapes(terrain) {
        for lead in leads {
            let others: Vec<usize> = sites.iter().copied().filter(|at| at != lead).collect();
            extend_with_shape(&mut found, shape, *lead, &others);
        }
    }
    found
}

fn shapes(terrain: &Terrain<'_>) -> &'static [&'static [usize]] {
    match terrain.request.goal {
        SurvivalGoal::Region => &REGION_SHAPES,
        SurvivalGoal::Zone => &THREE_VOTERS,
        SurvivalGoal::Nothing => match terrain.voters_without_goal() {
            0 | 1 => &ONE_VOTER,
            2 => &TWO_VOTERS,
            _ => &THREE_VOTERS,
        },
    }
}

fn extend_with_shape(
    found: &mut Vec<Neighbourhood>,
    shape: &[usize],
    lead: usize,
    others: &[usize],
) {
    let share = |site: usize, place: usize| Share {
        site,
        voters: shape[place],
    };
    match shape.len() {
        1 => found.push(Neighbourhood(vec![share(lead, 0)])),
        2 => found.extend(
            others
                .iter()
                .map(|other| Neighbourhood(vec![share(lead, 0), share(*other, 1)])),
        ),
        // 2-2-1 and 2-1-2 are both among the shapes, so unordered pairs meet every case once.
        _ => {
            for (at, second) in others.iter().enumerate() {
                for third in &others[at + 1..] {
                    found.push(Neighbourhood(vec![
                        share(lead, 0),
                        share(*second, 1),
                        share(*third, 2),
                    ]));
                }
            }
        }
    }
}

impl Neighbourhood {
    /// Where the leader stands.
    pub(super) fn lead(&self) -> usize {
        self.0.first().map_or(0, |share| share.site)
    }

    /// Whether a voter beside the leader can take over without leaving the region.
    pub(super) fn has_successor_at_lead(&self) -> bool {
        self.0.first().is_some_and(|share| share.voters > 1)
    }

    fn voters(&self) -> usize {
        self.0.iter().map(|share| share.voters).sum()
    }

    /// Everything that forbids it; empty when it may be used.
    pub(super) fn refusals(&self, terrain: &Terrain<'_>) -> Vec<Refusal> {
        let zone_goal = terrain.request.goal == SurvivalGoal::Zone;
        let mut found = Vec::new();
        for share in &self.0 {
            let site = &terrain.sites[share.site];
            let region = site.region.id.clone();
            if !site.allowed {
                let stands_in = site.region.jurisdiction.clone();
                found.push(Refusal::OutsideJurisdiction { region, stands_in });
            } else if !site.region.voting {
                found.push(Refusal::NotVoting { region });
            } else if site.nodes.len() < share.voters {
                found.push(Refusal::TooFewNodes {
                    region,
                    needed: share.voters,
                    usable: site.nodes.len(),
                    unavailable: site.unavailable,
                });
            } else if zone_goal && site.zones < share.voters {
                found.push(Refusal::TooFewZones {
                    region,
                    needed: share.voters,
                    zones: site.zones,
                });
            }
        }
        found
    }

    /// How fast it commits, whole and after a loss.
    pub(super) fn floors(&self, terrain: &Terrain<'_>) -> Floors {
        let by_region = terrain.request.goal == SurvivalGoal::Region;
        let lead = self.lead();
        let after = |left: &Self| self.floor_of(left, lead, terrain);
        let others = 1..self.0.len();
        let after_region_loss = others.map(|at| after(&self.without_region(at)));
        // The leader itself stays; where another voter stands beside it, one of the two may go.
        let first = usize::from(self.0[0].voters == 1);
        let after_node_loss = (first..self.0.len()).map(|at| after(&self.without_voter(at)));
        let after_node_loss = after_node_loss.max().unwrap_or(Duration::MAX);
        let headless = if by_region {
            self.without_region(0)
        } else {
            self.without_voter(0)
        };
        Floors {
            whole: after(self),
            after_loss: if by_region {
                after_region_loss.max().unwrap_or(Duration::MAX)
            } else {
                after_node_loss
            },
            after_node_loss,
            after_leader_loss: self.next_floor(&headless, terrain),
        }
    }

    fn without_region(&self, at: usize) -> Self {
        let mut left = self.clone();
        left.0[at].voters = 0;
        left
    }

    fn without_voter(&self, at: usize) -> Self {
        let mut left = self.clone();
        left.0[at].voters = left.0[at].voters.saturating_sub(1);
        left
    }

    /// The floor of whoever leads `left`: one in the leader's region if there still is one, else the region that the leader
    /// preference names next.
    fn next_floor(&self, left: &Self, terrain: &Terrain<'_>) -> Duration {
        let lead = self.lead();
        if left.0[0].voters > 0 {
            return self.floor_of(left, lead, terrain);
        }
        let successors = left.0.iter().filter(|share| share.voters > 0);
        let next = successors.map(|share| share.site).min_by_key(|&site| {
            (
                self.floor_by(self, site, |from, to| terrain.balanced_trip(from, to)),
                terrain.trip(lead, site),
                &terrain.sites[site].region.id,
            )
        });
        next.map_or(Duration::MAX, |site| self.floor_of(left, site, terrain))
    }

    /// The least time in which a leader at `leader` commits when only `left` of this neighbourhood is up.
    fn floor_of(&self, left: &Self, leader: usize, terrain: &Terrain<'_>) -> Duration {
        self.floor_by(left, leader, |from, to| terrain.trip(from, to))
    }

    fn floor_by(
        &self,
        left: &Self,
        leader: usize,
        trip: impl Fn(usize, usize) -> Duration,
    ) -> Duration {
        let mut trips: Vec<Duration> = Vec::with_capacity(VOTERS_MAX);
        for share in &left.0 {
            let others = share.voters - usize::from(share.site == leader && share.voters > 0);
            let trip = trip(leader, share.site);
            trips.extend(std::iter::repeat_n(trip, others));
        }
        trips.sort_unstable();
        // Lost voters still count: a majority is one of all of them.
        let acknowledgements = self.voters() / 2;
        match acknowledgements.checked_sub(1) {
            None => Duration::ZERO,
            Some(slowest) => trips.get(slowest).copied().unwrap_or(Duration::MAX),
        }
    }
}
