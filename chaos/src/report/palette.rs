//! Colours, dashes and marks that tell series apart.
//!
//! The colours are Okabe and Ito's, which people with any common colour vision can tell apart; a dash and a mark go with
//! each, so that a black and white print is read as well.
//!
//! Owns: the order. Must never: let colour alone carry a meaning.

/// How one series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) colour: &'static str,
    /// `stroke-dasharray`; empty = a whole line.
    pub(super) dash: &'static str,
    pub(super) mark: Mark,
}

/// The shape at a series' points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Disc,
    Square,
    Triangle,
    Diamond,
    Cross,
}

const fn style(colour: &'static str, dash: &'static str, mark: Mark) -> Style {
    Style { colour, dash, mark }
}

const SERIES: [Style; 5] = [
    style("#0072b2", "", Mark::Disc),
    style("#d55e00", "7 3", Mark::Square),
    style("#009e73", "2 3", Mark::Triangle),
    style("#cc79a7", "9 3 2 3", Mark::Diamond),
    style("#e69f00", "4 2", Mark::Cross),
];

/// For what should not be there: errors, shows without a leader.
pub(super) const TROUBLE: Style = style("#000000", "1 2", Mark::Cross);
/// For bounds and floors.
pub(super) const BOUND: Style = style("#595959", "5 4", Mark::Diamond);

/// The style of the series at this place; they repeat after the fifth, by when a plot says too much anyway.
pub(super) fn series(at: usize) -> Style {
    SERIES[at % SERIES.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_in_colour_dash_and_mark() {
        for at in 0..SERIES.len() - 1 {
            let (a, b) = (series(at), series(at + 1));
            assert_ne!(a.colour, b.colour);
            assert_ne!(a.dash, b.dash);
            assert_ne!(a.mark, b.mark);
        }
    }
}
