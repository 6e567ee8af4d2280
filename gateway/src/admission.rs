//! Who is let in when the house is full: what is nearest to money goes last.
//!
//! ```text
//!   places   0 %              50 %        70 %      85 %   95 % 100 %
//!   browse   ├─────────────────┤
//!   map      ├─────────────────────────────┤                              browse and map together
//!   hold     ├───────────────────────────────────────┤                    … and so on: a class leaves
//!   order    ├──────────────────────────────────────────────┤             what is above it to those above
//!   pay      ├───────────────────────────────────────────────────┤
//! ```
//!
//! Holds and orders, which may wait for a lost quorum, have a bound of their own on top, so that they never take the places
//! of those who only look.
//!
//! Owns: the classes and their shares. Must never: queue. A queue in front of a full house only adds delay.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;

use crate::chance;

/// What a request is worth, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Looks at events, the page and anything else that can wait.
    Browse,
    /// Looks at seats, or waits for them.
    Map,
    /// Takes seats.
    Hold,
    /// Opens, looks at or cancels an order.
    Order,
    /// Pays.
    Pay,
}

/// Every class, least first.
pub const CLASSES: [Class; 5] = [
    Class::Browse,
    Class::Map,
    Class::Hold,
    Class::Order,
    Class::Pay,
];

impl Class {
    /// The class of a request, by its method and the template of its path.
    #[must_use]
    pub fn of(method: &Method, route: &str) -> Self {
        // A document is worth what the part of the API behind it is.
        let route = route.strip_prefix("/v1").unwrap_or(route);
        if route.ends_with("/pay") {
            Self::Pay
        } else if route.starts_with("/orders") || route.ends_with("/order") {
            Self::Order
        } else if route.ends_with("/holds") || route.starts_with("/holds") {
            if method.is_safe() {
                Self::Map
            } else {
                Self::Hold
            }
        } else if route.ends_with("/queue/claim") {
            Self::Hold
        } else if ["/seats", "/layout", "/nearest", "/queue"]
            .iter()
            .any(|part| route.contains(part))
        {
            Self::Map
        } else if method.is_safe() {
            Self::Browse
        } else {
            // A write that nobody has given a class yet is not one that can wait.
            Self::Hold
        }
    }

    /// Name for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browse => "browse",
            Self::Map => "map",
            Self::Hold => "hold",
            Self::Order => "order",
            Self::Pay => "pay",
        }
    }

    /// Hundredths of all places that this class and those below it may have together.
    const fn share(self) -> usize {
        match self {
            Self::Browse => 50,
            Self::Map => 70,
            Self::Hold => 85,
            Self::Order => 95,
            Self::Pay => 100,
        }
    }

    /// When one that is refused should come back: later, the less it is worth, and spread out.
    #[must_use]
    pub fn retry_after(self) -> Duration {
        let most_s = match self {
            Self::Browse => 8,
            Self::Map => 5,
            Self::Hold => 3,
            Self::Order | Self::Pay => 2,
        };
        Duration::from_secs(chance::within(1..=most_s))
    }
}

/// The places of the house.
#[derive(Debug)]
pub struct Admission {
    places: usize,
    write_places: usize,
    /// In work now, by class. Never held over an await.
    in_work: Mutex<[usize; CLASSES.len()]>,
}

/// A place in the house; leaving gives it back.
#[derive(Debug)]
pub struct Place<'a> {
    house: &'a Admission,
    class: Class,
}

impl Admission {
    /// A house of `places`, of which holds, orders and payments together get `write_places`.
    #[must_use]
    pub fn new(places: usize, write_places: usize) -> Self {
        Self {
            places,
            write_places,
            in_work: Mutex::default(),
        }
    }

    /// A place for a request of `class`, if one is left for it.
    #[must_use]
    pub fn enter(&self, class: Class) -> Option<Place<'_>> {
        let mut in_work = self.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        if !has_room(&in_work, class, self.places, self.write_places) {
            return None;
        }
        in_work[class as usize] += 1;
        Some(Place { house: self, class })
    }

    /// In work now, by class.
    #[must_use]
    pub fn in_work(&self) -> [usize; CLASSES.len()] {
        *self.in_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut in_work = self
            .house
            .in_work
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        in_work[self.class as usize] -= 1;
    }
}

/// Hundredths of `of`, and one at least, so that a small house is open to all.
fn part(of: usize, share: usize) -> usize {
    (of.saturating_mul(share) / 100).max(1)
}

/// Whether one more of `class` leaves every class above it what is theirs. Pure.
fn has_room(in_work: &[usize; 5], class: Class, places: usize, write_places: usize) -> bool {
    let upto = |from: Class, to: Class| -> usize {
        let both = CLASSES.iter().filter(|c| (from..=to).contains(*c));
        both.map(|c| in_work[*c as usize]).sum()
    };
    let mut above = CLASSES.iter().filter(|c| **c >= class);
    above.all(|at| {
        let total = upto(Class::Browse, *at) < part(places, at.share());
        let writes = class < Class::Hold || upto(Class::Hold, *at) < part(write_places, at.share());
        total && writes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(house: &Admission, class: Class) -> Vec<Place<'_>> {
        std::iter::from_fn(|| house.enter(class)).collect()
    }

    #[test]
    fn each_class_leaves_the_rest_to_those_above_it() {
        let house = Admission::new(100, 100);
        let mut inside = Vec::new();
        for (class, taken) in [
            (Class::Browse, 50),
            (Class::Map, 20),
            (Class::Hold, 15),
            (Class::Order, 10),
            (Class::Pay, 5),
        ] {
            let more = fill(&house, class);
            assert_eq!(more.len(), taken, "{class:?}");
            inside.push(more);
        }
        inside.remove(0);
        assert_eq!(fill(&house, Class::Map).len(), 50, "what browsers left");
    }

    #[test]
    fn writes_that_wait_do_not_take_the_places_of_those_who_look() {
        let house = Admission::new(100, 50);
        let holds = fill(&house, Class::Hold);
        assert_eq!(holds.len(), 42);
        let orders = fill(&house, Class::Order);
        assert_eq!(orders.len(), 5);
        let paying = fill(&house, Class::Pay);
        assert_eq!(paying.len(), 3);
        assert_eq!(fill(&house, Class::Map).len(), 43);
    }

    #[test]
    fn while_browsers_storm_the_house_a_payment_gets_in() {
        let house = Admission::new(4_096, 2_048);
        let browsers = fill(&house, Class::Browse);
        assert!(house.enter(Class::Browse).is_none());
        for class in [Class::Map, Class::Hold, Class::Order, Class::Pay] {
            assert!(house.enter(class).is_some(), "{class:?}");
        }
        drop(browsers);
        assert_eq!(house.in_work(), [0; 5]);
    }

    #[test]
    fn a_house_of_one_place_is_open_to_all_in_turn() {
        let house = Admission::new(1, 1);
        for class in CLASSES {
            let inside = house.enter(class);
            assert!(inside.is_some(), "{class:?}");
            assert!(house.enter(Class::Pay).is_none());
        }
    }

    #[test]
    fn requests_are_classed_by_what_they_lead_to() {
        for (method, route, class) in [
            (Method::POST, "/v1/orders/{order}/pay", Class::Pay),
            (Method::GET, "/v1/orders/{order}", Class::Order),
            (Method::POST, "/v1/orders", Class::Order),
            (Method::POST, "/v1/shows/{show}/holds", Class::Hold),
            (Method::DELETE, "/v1/holds/{hold}", Class::Hold),
            (Method::GET, "/v1/holds/{hold}", Class::Map),
            (Method::GET, "/v1/shows/{show}/seats", Class::Map),
            (Method::GET, "/v1/shows/{show}/seats/live", Class::Map),
            (Method::POST, "/v1/shows/{show}/queue", Class::Map),
            (Method::POST, "/v1/shows/{show}/queue/claim", Class::Hold),
            (Method::POST, "/shows/{show}/hold", Class::Hold),
            (Method::POST, "/holds/{hold}/order", Class::Order),
            (Method::POST, "/orders/{order}/pay", Class::Pay),
            (Method::GET, "/v1/events", Class::Browse),
            (Method::GET, "unmatched", Class::Browse),
        ] {
            assert_eq!(Class::of(&method, route), class, "{method} {route}");
        }
    }
}
