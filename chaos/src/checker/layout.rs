//! Where each seat is in its show.
//!
//! Owns: positions. Must never: know of a seat that the history's `show` lines do not name.

use std::collections::HashMap;

use super::dossier::Dossier;
use crate::history::{Name, Show};

/// Where each seat is in its show's `states`.
#[derive(Debug)]
pub(super) struct Layout {
    positions: HashMap<(Name, Name), usize>,
}

impl Layout {
    pub(super) fn of(dossier: &Dossier<'_>) -> Self {
        let names = &dossier.history.names;
        let mut positions = HashMap::new();
        for show in &dossier.history.shows {
            let Some(name) = names.find(&show.show) else {
                continue;
            };
            let seats = show.seats.iter().enumerate();
            positions.extend(seats.filter_map(|(at, seat)| Some(((name, names.find(seat)?), at))));
        }
        Self { positions }
    }

    pub(super) fn position(&self, show: Name, seat: Name) -> Option<usize> {
        self.positions.get(&(show, seat)).copied()
    }
}

/// What the history says of a show.
pub(super) fn show_of<'h>(dossier: &Dossier<'h>, show: Name) -> Option<&'h Show> {
    let text = dossier.text(show);
    dossier
        .history
        .shows
        .iter()
        .find(|known| known.show == text)
}
