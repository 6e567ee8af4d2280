//! Finds events by city, date, category and words. Pure.
//!
//! Owns: what matches and in what order. Must never: look anything up.

use holdfast_node_api::v1::{Event, Show};

use super::Snapshot;

/// What is looked for; every part that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// A show in this city, in any case.
    pub city: Option<String>,
    /// A show on this local date, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// A show on this local date or later.
    pub from: Option<String>,
    /// A show on this local date or earlier.
    pub to: Option<String>,
    /// The event's category, in any case.
    pub category: Option<String>,
    /// Every one of these words occurs in the event's or a matching show's text, in any case.
    pub q: Option<String>,
}

/// An event that matches, with those of its shows that do, soonest first.
#[derive(Debug)]
pub struct Found<'a> {
    /// The event.
    pub event: &'a Event,
    /// Its shows that match; all of them when the search says nothing about shows.
    pub shows: Vec<&'a Show>,
}

/// All shows of an event, soonest first.
#[must_use]
pub fn shows_of(snapshot: &Snapshot, event_id: u64) -> Vec<&Show> {
    let mut shows: Vec<&Show> = snapshot.shows_of(event_id).collect();
    shows.sort_by_key(|show| (show.starts_at_ms, show.show_id));
    shows
}

impl Search {
    /// What matches in `snapshot`: by first matching show, events without shows last.
    #[must_use]
    pub fn run<'a>(&self, snapshot: &'a Snapshot) -> Vec<Found<'a>> {
        let mut found: Vec<Found<'a>> = snapshot
            .events
            .values()
            .filter_map(|event| self.matches(snapshot, event.as_ref()))
            .collect();
        found.sort_by_key(|hit| {
            (
                hit.shows.first().map_or(u64::MAX, |show| show.starts_at_ms),
                hit.event.event_id,
            )
        });
        found
    }

    /// Dates are written so that the order of their texts is the order of time.
    fn is_in_time(&self, date: &String) -> bool {
        self.date.as_ref().is_none_or(|day| day == date)
            && self.from.as_ref().is_none_or(|from| from <= date)
            && self.to.as_ref().is_none_or(|to| date <= to)
    }

    fn asks_for_shows(&self) -> bool {
        [&self.city, &self.date, &self.from, &self.to]
            .iter()
            .any(|part| part.is_some())
    }

    fn matches<'a>(&self, snapshot: &'a Snapshot, event: &'a Event) -> Option<Found<'a>> {
        if !equal_or_unasked(self.category.as_deref(), &event.category) {
            return None;
        }
        let mut shows = shows_of(snapshot, event.event_id);
        shows.retain(|show| {
            equal_or_unasked(self.city.as_deref(), &show.city) && self.is_in_time(&show.local_date)
        });
        if shows.is_empty() && self.asks_for_shows() {
            return None;
        }
        let words = self.q.as_deref().unwrap_or("").to_lowercase();
        if !words.trim().is_empty() {
            let mut text = format!("{} {} {}", event.name, event.description, event.category);
            for show in &shows {
                text.extend([" ", &show.city, " ", &show.venue, " ", &show.country]);
            }
            let text = text.to_lowercase();
            if !words.split_whitespace().all(|word| text.contains(word)) {
                return None;
            }
        }
        Some(Found { event, shows })
    }
}

fn equal_or_unasked(asked: Option<&str>, value: &str) -> bool {
    asked.is_none_or(|asked| asked.trim().to_lowercase() == value.to_lowercase())
}

#[cfg(test)]
mod tests {
    use holdfast_node_api::v1::Catalogue;

    use super::*;

    fn snapshot() -> Snapshot {
        let event = |event_id, name: &str, category: &str| Event {
            event_id,
            name: name.to_owned(),
            category: category.to_owned(),
            ..Event::default()
        };
        let show = |show_id, event_id, city: &str, date: &str, starts_at_ms| Show {
            show_id,
            event_id,
            city: city.to_owned(),
            local_date: date.to_owned(),
            starts_at_ms,
            ..Show::default()
        };
        Snapshot::new(Catalogue {
            events: vec![
                event(1, "Night Music", "concert"),
                event(2, "Cup Final", "match"),
            ],
            shows: vec![
                show(1, 1, "Århus", "2027-05-01", 300),
                show(2, 1, "Porto", "2027-05-03", 500),
                show(3, 2, "Porto", "2027-05-01", 100),
            ],
            ..Catalogue::default()
        })
    }

    fn ids(search: &Search) -> Vec<(u64, Vec<u64>)> {
        let snapshot = snapshot();
        let found = search.run(&snapshot);
        found
            .iter()
            .map(|hit| {
                (
                    hit.event.event_id,
                    hit.shows.iter().map(|show| show.show_id).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn everything_is_listed_soonest_first() {
        assert_eq!(ids(&Search::default()), [(2, vec![3]), (1, vec![1, 2])]);
    }

    #[test]
    fn city_and_date_must_hold_for_one_and_the_same_show() {
        let mut search = Search {
            city: Some("ÅRHUS".to_owned()),
            ..Search::default()
        };
        assert_eq!(ids(&search), [(1, vec![1])]);
        search.date = Some("2027-05-03".to_owned());
        assert_eq!(ids(&search), []);
    }

    #[test]
    fn a_range_of_dates_includes_both_ends() {
        let range = |from: &str, to: &str| {
            let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            ids(&Search {
                from: part(from),
                to: part(to),
                ..Search::default()
            })
        };
        assert_eq!(range("2027-05-02", ""), [(1, vec![2])]);
        assert_eq!(range("", "2027-05-01"), [(2, vec![3]), (1, vec![1])]);
        assert_eq!(range("2027-05-03", "2027-05-03"), [(1, vec![2])]);
        assert_eq!(range("2027-05-04", ""), []);
    }

    #[test]
    fn every_word_must_occur_somewhere() {
        let q = |q: &str| {
            ids(&Search {
                q: Some(q.to_owned()),
                ..Search::default()
            })
        };
        assert_eq!(q("music porto"), [(1, vec![1, 2])]);
        assert_eq!(q("cup århus"), []);
        assert_eq!(q("  ").len(), 2);
    }

    #[test]
    fn category_is_the_events_own() {
        let search = Search {
            category: Some("Match".to_owned()),
            ..Search::default()
        };
        assert_eq!(ids(&search), [(2, vec![3])]);
    }
}
