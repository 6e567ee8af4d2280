//! Begins indexes of buyers.
//!
//! Owns: one index for each jurisdiction, and the numbers of their groups. Must never: begin a second one because the first was
//! asked for with another home.
//!
//! An index is a shard like a show's: its record lies among the shows', under a number that no show gets, so that placing,
//! membership, leaders and re-seeding treat it as they treat a show. What its record says about a sale is empty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_inventory::ids::{Currency, ShowId};
use holdfast_inventory::show::SaleRules;
use holdfast_region_config::{GroupId, Jurisdiction, NodeId, RegionId, SurvivalGoal};

use super::replicas::check_placement;
use super::{Verdict, room};
use crate::buyer_index::INDEXES_MAX;
use crate::directory::command::{DirectoryOutcome, NewShow};
use crate::directory::records::{Placed, ShowRecord};
use crate::directory::state::{Changed, DirectoryState};

impl DirectoryState {
    pub(super) fn create_buyer_index(
        &mut self,
        jurisdiction: Option<Jurisdiction>,
        home_region: RegionId,
        leader_preference: Vec<NodeId>,
        voters: Vec<NodeId>,
        learners: Vec<NodeId>,
    ) -> Verdict {
        check_placement(&voters, &learners, &leader_preference)?;
        if let Some(kept) = self.buyer_index_of(jurisdiction.as_ref()) {
            return Ok(DirectoryOutcome::Show {
                show_id: kept.show_id,
                group_id: kept.group_id,
                existed: true,
            });
        }
        let begun = self.buyer_indexes().count();
        room("indexes of buyers", begun, INDEXES_MAX)?;
        let number = GroupId::BUYER_INDEXES_FROM.get() + begun as u64;
        let (show_id, group_id) = (ShowId(number), GroupId::new(number));
        self.index.unsettled.insert(show_id);
        let placed = Placed {
            voters,
            learners,
            leader_preference,
        };
        let show = nothing_to_sell(home_region, jurisdiction.into_iter().collect());
        let changed = self.next_version(Changed::Show(show_id), 0);
        let record = ShowRecord {
            // Nobody's commands tell where it would be better.
            follow_buyers: Some(false),
            ..ShowRecord::new(show_id, placed, show, changed)
        };
        self.shows.insert(show_id, Arc::new(record));
        Ok(DirectoryOutcome::Show {
            show_id,
            group_id,
            existed: false,
        })
    }
}

/// What placing asks of a record, and nothing of a sale. The goal is the strongest there is; placing asks for less where the
/// topology never had so much to give.
fn nothing_to_sell(home_region: RegionId, jurisdictions: BTreeSet<Jurisdiction>) -> NewShow {
    NewShow {
        slug: String::new(),
        event_id: 0,
        plan_id: 0,
        venue: String::new(),
        city: String::new(),
        country: String::new(),
        starts_at_ms: 0,
        time_zone: String::new(),
        local_date: String::new(),
        local_time: String::new(),
        home_region,
        currency: Currency::NONE,
        price_minor: BTreeMap::new(),
        rules: SaleRules::default(),
        goal: SurvivalGoal::Region,
        jurisdictions,
    }
}
