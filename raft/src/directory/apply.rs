//! Applies one directory command.
//!
//! Owns: the order of the checks: form, then references, then the slug, then room. Must never: read a clock or do I/O.

use std::collections::BTreeMap;

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::{GroupId, NodeId};

use super::command::{
    DirectoryCommand, DirectoryOutcome, DirectoryRejection, NewEvent, NewPlan, NewShow,
};
use super::{
    DESCRIPTION_BYTES_MAX, DirectoryState, EVENTS_MAX, EventRecord, NAME_BYTES_MAX, NodeRecord,
    PLAN_BYTES_TOTAL_MAX, PLANS_MAX, PlanRecord, SHOWS_MAX, ShowRecord, places, rules_are_sane,
};

type Verdict = Result<DirectoryOutcome, DirectoryRejection>;

impl DirectoryState {
    /// Applies one command; the same on every replica.
    pub(crate) fn apply(&mut self, command: DirectoryCommand) -> DirectoryOutcome {
        let verdict = match command {
            DirectoryCommand::RegisterNode { node, record } => Ok(self.register_node(node, record)),
            DirectoryCommand::ImportPlan(plan) => self.import_plan(*plan),
            DirectoryCommand::CreateEvent(event) => self.create_event(event),
            DirectoryCommand::CreateShow {
                show,
                leader_preference,
                voters,
                learners,
            } => self.create_show(*show, leader_preference, voters, learners),
        };
        verdict.unwrap_or_else(DirectoryOutcome::Rejected)
    }

    fn register_node(&mut self, node: NodeId, record: NodeRecord) -> DirectoryOutcome {
        if self.nodes.get(&node) != Some(&record) {
            self.nodes.insert(node, record);
            self.version += 1;
        }
        DirectoryOutcome::NodeRegistered
    }

    fn import_plan(&mut self, plan: NewPlan) -> Verdict {
        named("slug", &plan.slug)?;
        named("name", &plan.name)?;
        if places(&plan.seats, &plan.areas) == 0 {
            return Err(invalid("seats", "the plan has no places"));
        }
        if let Some(plan_id) = self.plan_slugs.get(&plan.slug).copied() {
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
        self.plan_slugs.insert(plan.slug.clone(), plan_id);
        self.plans.insert(plan_id, PlanRecord { plan_id, plan });
        self.version += 1;
        Ok(DirectoryOutcome::Plan {
            plan_id,
            existed: false,
        })
    }

    fn create_event(&mut self, event: NewEvent) -> Verdict {
        named("slug", &event.slug)?;
        named("name", &event.name)?;
        named("category", &event.category)?;
        if event.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(invalid(
                "description",
                &format!("longer than {DESCRIPTION_BYTES_MAX} bytes"),
            ));
        }
        if let Some(event_id) = self.event_slugs.get(&event.slug).copied() {
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
        self.event_slugs.insert(event.slug.clone(), event_id);
        self.events
            .insert(event_id, EventRecord { event_id, event });
        self.version += 1;
        Ok(DirectoryOutcome::Event {
            event_id,
            existed: false,
        })
    }

    fn create_show(
        &mut self,
        show: NewShow,
        leader_preference: Vec<NodeId>,
        voters: Vec<NodeId>,
        learners: Vec<NodeId>,
    ) -> Verdict {
        self.check_show(&show)?;
        if voters.is_empty() || leader_preference.iter().any(|node| !voters.contains(node)) {
            return Err(invalid(
                "voters",
                "none, or a preferred leader is not one of them",
            ));
        }
        if let Some(show_id) = self.show_slugs.get(&show.slug).copied() {
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
        room("shows", self.shows.len(), SHOWS_MAX)?;
        let number = self
            .shows
            .last_key_value()
            .map_or(1, |(last, _)| last.get() + 1);
        let (show_id, group_id) = (ShowId(number), GroupId::new(number));
        self.show_slugs.insert(show.slug.clone(), show_id);
        let record = ShowRecord {
            show_id,
            group_id,
            voters,
            learners,
            leader_preference,
            show,
        };
        self.shows.insert(show_id, record);
        self.version += 1;
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
            return Err(invalid(
                "price_minor",
                &format!("no price for category \"{name}\""),
            ));
        }
        let is_category =
            |name: &String| plan.plan.categories.iter().any(|(known, _)| known == name);
        if let Some(name) = show.price_minor.keys().find(|name| !is_category(name)) {
            return Err(invalid(
                "price_minor",
                &format!("the plan has no category \"{name}\""),
            ));
        }
        if !rules_are_sane(show.currency, &show.rules) {
            return Err(invalid(
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
        return Err(invalid(field, "empty"));
    }
    if value.len() > NAME_BYTES_MAX {
        return Err(invalid(
            field,
            &format!("longer than {NAME_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}

fn invalid(field: &str, reason: &str) -> DirectoryRejection {
    DirectoryRejection::Invalid {
        field: field.to_owned(),
        reason: reason.to_owned(),
    }
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

fn room(what: &str, used: usize, limit: usize) -> Result<(), DirectoryRejection> {
    if used < limit {
        return Ok(());
    }
    Err(DirectoryRejection::Full {
        what: what.to_owned(),
        limit: limit as u64,
    })
}

fn next_number<T>(table: &BTreeMap<u64, T>) -> u64 {
    table.last_key_value().map_or(1, |(last, _)| last + 1)
}
