//! Creates plans, events and shows.
//!
//! Owns: the order of the checks: form, then references, then the slug, then room; and the numbers given. Must never: change
//! what was created: a repeat is answered with the first id or refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_inventory::ids::{Currency, ShowId};
use holdfast_inventory::show::{Area, SaleRules, Seat};
use holdfast_region_config::{GroupId, NodeId};

use super::replicas::check_placement;
use super::{Verdict, room};
use crate::directory::command::{DirectoryOutcome, NewEvent, NewPlan, NewShow};
use crate::directory::records::{EventRecord, Placed, PlanRecord, ShowRecord};
use crate::directory::rejection::DirectoryRejection;
use crate::directory::state::{Changed, DirectoryState};
use crate::directory::{
    DESCRIPTION_BYTES_MAX, EVENTS_MAX, JURISDICTIONS_MAX, NAME_BYTES_MAX, PLAN_BYTES_TOTAL_MAX,
    PLANS_MAX, SHOWS_MAX,
};

impl DirectoryState {
    pub(super) fn import_plan(&mut self, plan: NewPlan) -> Verdict {
        named("slug", &plan.slug)?;
        named("name", &plan.name)?;
        if places(&plan.seats, &plan.areas) == 0 {
            return Err(DirectoryRejection::invalid(
                "seats",
                "the plan has no places",
            ));
        }
        if let Some(plan_id) = self.index.plan_slugs.get(plan.slug.as_str()).copied() {
            let same = self
                .plans
                .get(&plan_id)
                .is_some_and(|kept| kept.plan == plan);
            return existing(
                same,
                &plan.slug,
                DirectoryOutcome::Plan {
                    plan_id,
                    existed: true,
                },
            );
        }
        room("plans", self.plans.len(), PLANS_MAX)?;
        let bytes = encoded_bytes(&plan);
        if self.plan_bytes + bytes > PLAN_BYTES_TOTAL_MAX {
            return Err(DirectoryRejection::Full {
                what: "bytes of plans".to_owned(),
                limit: PLAN_BYTES_TOTAL_MAX,
            });
        }
        self.plan_bytes += bytes;
        let plan_id = next_number(&self.plans);
        let slug = Arc::from(plan.slug.as_str());
        self.index.plan_slugs.insert(slug, plan_id);
        let changed = self.next_version(Changed::Plan(plan_id), 0);
        let record = PlanRecord {
            plan_id,
            plan,
            changed,
        };
        self.plans.insert(plan_id, Arc::new(record));
        Ok(DirectoryOutcome::Plan {
            plan_id,
            existed: false,
        })
    }

    pub(super) fn create_event(&mut self, event: NewEvent) -> Verdict {
        named("slug", &event.slug)?;
        named("name", &event.name)?;
        named("category", &event.category)?;
        if event.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(DirectoryRejection::invalid(
                "description",
                &format!("longer than {DESCRIPTION_BYTES_MAX} bytes"),
            ));
        }
        if let Some(event_id) = self.index.event_slugs.get(event.slug.as_str()).copied() {
            let same = self
                .events
                .get(&event_id)
                .is_some_and(|kept| kept.event == event);
            return existing(
                same,
                &event.slug,
                DirectoryOutcome::Event {
                    event_id,
                    existed: true,
                },
            );
        }
        room("events", self.events.len(), EVENTS_MAX)?;
        let event_id = next_number(&self.events);
        let slug = Arc::from(event.slug.as_str());
        self.index.event_slugs.insert(slug, event_id);
        let changed = self.next_version(Changed::Event(event_id), 0);
        let record = EventRecord {
            event_id,
            event,
            changed,
        };
        self.events.insert(event_id, Arc::new(record));
        Ok(DirectoryOutcome::Event {
            event_id,
            existed: false,
        })
    }

    pub(super) fn create_show(
        &mut self,
        show: NewShow,
        leader_preference: Vec<NodeId>,
        voters: Vec<NodeId>,
        learners: Vec<NodeId>,
    ) -> Verdict {
        self.check_show(&show)?;
        check_placement(&voters, &learners, &leader_preference)?;
        if let Some(show_id) = self.index.show_slugs.get(show.slug.as_str()).copied() {
            // Where it was placed is not part of its content: a repeat may have been placed otherwise.
            let Some(kept) = self.shows.get(&show_id) else {
                return Err(DirectoryRejection::SlugTaken { slug: show.slug });
            };
            let outcome = DirectoryOutcome::Show {
                show_id,
                group_id: kept.group_id,
                existed: true,
            };
            return existing(kept.show == show, &show.slug, outcome);
        }
        room("shows", self.index.show_slugs.len(), SHOWS_MAX)?;
        let last = self.shows_on_sale().next_back();
        let number = last.map_or(1, |last| last.show_id.get() + 1);
        let (show_id, group_id) = (ShowId(number), GroupId::new(number));
        let slug = Arc::from(show.slug.as_str());
        self.index.show_slugs.insert(slug, show_id);
        self.index.unsettled.insert(show_id);
        let placed = Placed {
            voters,
            learners,
            leader_preference,
        };
        let changed = self.next_version(Changed::Show(show_id), 0);
        let record = ShowRecord::new(show_id, placed, show, changed);
        self.shows.insert(show_id, Arc::new(record));
        Ok(DirectoryOutcome::Show {
            show_id,
            group_id,
            existed: false,
        })
    }

    fn check_show(&self, show: &NewShow) -> Result<(), DirectoryRejection> {
        for (field, value) in [
            ("slug", &show.slug),
            ("venue", &show.venue),
            ("city", &show.city),
            ("country", &show.country),
            ("time_zone", &show.time_zone),
            ("local_date", &show.local_date),
            ("local_time", &show.local_time),
        ] {
            named(field, value)?;
        }
        if !self.events.contains_key(&show.event_id) {
            return Err(DirectoryRejection::EventUnknown {
                event_id: show.event_id,
            });
        }
        let Some(plan) = self.plans.get(&show.plan_id) else {
            return Err(DirectoryRejection::PlanUnknown {
                plan_id: show.plan_id,
            });
        };
        if let Some((name, _)) = plan
            .plan
            .categories
            .iter()
            .find(|(name, _)| !show.price_minor.contains_key(name))
        {
            return Err(DirectoryRejection::invalid(
                "price_minor",
                &format!("no price for category \"{name}\""),
            ));
        }
        let is_category =
            |name: &String| plan.plan.categories.iter().any(|(known, _)| known == name);
        if let Some(name) = show.price_minor.keys().find(|name| !is_category(name)) {
            return Err(DirectoryRejection::invalid(
                "price_minor",
                &format!("the plan has no category \"{name}\""),
            ));
        }
        if show.jurisdictions.len() > JURISDICTIONS_MAX {
            return Err(DirectoryRejection::invalid(
                "jurisdictions",
                &format!("more than {JURISDICTIONS_MAX}"),
            ));
        }
        if !rules_are_sane(show.currency, &show.rules) {
            return Err(DirectoryRejection::invalid(
                "rules",
                "currency, sale window, hold times or limits contradict each other",
            ));
        }
        Ok(())
    }
}

/// What the plan takes in a snapshot. It was decoded from this encoding, so it can be encoded.
fn encoded_bytes(plan: &NewPlan) -> u64 {
    postcard::to_stdvec(plan).map_or(u64::MAX / 2, |bytes| bytes.len() as u64)
}

fn named(field: &str, value: &str) -> Result<(), DirectoryRejection> {
    if value.is_empty() {
        return Err(DirectoryRejection::invalid(field, "empty"));
    }
    if value.len() > NAME_BYTES_MAX {
        return Err(DirectoryRejection::invalid(
            field,
            &format!("longer than {NAME_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}

fn existing(same: bool, slug: &str, outcome: DirectoryOutcome) -> Verdict {
    if same {
        Ok(outcome)
    } else {
        Err(DirectoryRejection::SlugTaken {
            slug: slug.to_owned(),
        })
    }
}

fn next_number<T>(table: &BTreeMap<u64, T>) -> u64 {
    table.last_key_value().map_or(1, |(last, _)| last + 1)
}

/// Seats and general-admission places together.
fn places(seats: &[Seat], areas: &[Area]) -> u64 {
    seats.len() as u64
        + areas
            .iter()
            .map(|area| u64::from(area.capacity))
            .sum::<u64>()
}

/// Checks that need no state: a currency that is one, rules that can be met.
fn rules_are_sane(currency: Currency, rules: &SaleRules) -> bool {
    let rules = rules.with_defaults();
    currency.is_well_formed()
        && rules.opens_at_ms < rules.closes_at_ms
        && rules.hold_ttl_ms <= rules.hold_ttl_max_ms
        && rules.seats_per_order_max <= rules.seats_per_buyer_max
}
