//! Topologies that come with the program.
//!
//! Owns: the embedded files. Must never: differ from the files in `topologies/`.

use crate::topology::Topology;

const FILES: [(&str, &str); 5] = [
    ("local", include_str!("../topologies/local.toml")),
    (
        "three-regions",
        include_str!("../topologies/three-regions.toml"),
    ),
    (
        "five-regions",
        include_str!("../topologies/five-regions.toml"),
    ),
    (
        "eight-regions",
        include_str!("../topologies/eight-regions.toml"),
    ),
    ("europe", include_str!("../topologies/europe.toml")),
];

/// The names that [`Topology::preset`] knows.
pub const PRESET_NAMES: [&str; 5] = [FILES[0].0, FILES[1].0, FILES[2].0, FILES[3].0, FILES[4].0];

impl Topology {
    /// A topology that comes with the program, by name; `None` for an unknown one. See [`PRESET_NAMES`].
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        let (name, text) = FILES.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse_named(text, name).expect("presets are valid, as tested below"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_survives_its_text_form() {
        for (name, text) in FILES {
            let topology = Topology::parse_named(text, name).unwrap();
            assert_eq!(
                Topology::parse(&topology.to_toml()).unwrap(),
                topology,
                "{name}"
            );
        }
        assert_eq!(Topology::preset("nowhere"), None);
    }

    #[test]
    fn presets_say_where_their_round_trips_come_from() {
        for name in PRESET_NAMES {
            let topology = Topology::preset(name).unwrap();
            let unsourced = topology.warnings().iter().any(|w| w.key == "rtt.source");
            assert!(!unsourced, "{name}");
        }
    }
}
