//! How many stand where: a summary of many keys that can be added to others.
//!
//! Owns: counting along the line, between the points by a straight line. Must never: be taken for exact.

/// About so many people, as a whole number; none for less than none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to what fits just before"
)]
#[must_use]
pub fn people(about: f64) -> u64 {
    about.round().clamp(0.0, 1e15) as u64
}

/// Live tickets of one gateway: cumulative counts at ascending keys. The first point says where the first stretch begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    points: Vec<(u128, u64)>,
}

impl Line {
    /// A summary of `keys`, which are sorted here, in at most `points_max` points.
    #[must_use]
    pub fn of(mut keys: Vec<u128>, points_max: usize) -> Self {
        keys.sort_unstable();
        let Some(first) = keys.first() else {
            return Self::default();
        };
        // The last key is always a point, and the beginning is one more.
        let step = keys.len().div_ceil(points_max.saturating_sub(1).max(1));
        let mut points = vec![(first.saturating_sub(1), 0)];
        let mut count = 0;
        for stretch in keys.chunks(step) {
            count += stretch.len() as u64;
            if let Some(key) = stretch.last() {
                match points.last_mut() {
                    // Equal keys cannot be told apart.
                    Some(last) if last.0 >= *key => last.1 = count,
                    _ => points.push((*key, count)),
                }
            }
        }
        Self { points }
    }

    /// A summary from elsewhere; `None` unless keys ascend and counts do not fall.
    #[must_use]
    pub fn from_points(points: Vec<(u128, u64)>) -> Option<Self> {
        points
            .is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1)
            .then_some(Self { points })
    }

    /// The points, cumulative.
    #[must_use]
    pub fn points(&self) -> &[(u128, u64)] {
        &self.points
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.points.last().map_or(0, |(_, count)| *count)
    }

    /// About how many stand up to and with `key`.
    #[must_use]
    pub fn upto(&self, key: u128) -> f64 {
        let at = self.points.partition_point(|(point, _)| *point <= key);
        let before = at.checked_sub(1).and_then(|at| self.points.get(at));
        match (before, self.points.get(at)) {
            (None, _) => 0.0,
            (Some((_, count)), None) => *count as f64,
            (Some((from, low)), Some((to, high))) => {
                let share = (key - from) as f64 / (to - from) as f64;
                *low as f64 + (high - low) as f64 * share
            }
        }
    }

    /// About how many stand before `key`; whoever is known to stand at it is not one of them.
    #[must_use]
    pub fn before(&self, key: u128) -> f64 {
        let at = self.points.binary_search_by_key(&key, |(point, _)| *point);
        // The first point is nobody's.
        let own = at.is_ok_and(|at| at > 0);
        self.upto(key) - f64::from(u8::from(own))
    }
}

/// The lines of all gateways together.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    lines: Vec<Line>,
}

impl FromIterator<Line> for Lines {
    fn from_iter<T: IntoIterator<Item = Line>>(lines: T) -> Self {
        Self {
            lines: lines.into_iter().collect(),
        }
    }
}

impl Lines {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lines.iter().map(Line::total).sum()
    }

    /// About how many stand up to and with `key`.
    #[must_use]
    pub fn upto(&self, key: u128) -> f64 {
        self.lines.iter().map(|line| line.upto(key)).sum()
    }

    /// About how many stand before `key`; whoever is known to stand at it is not one of them.
    #[must_use]
    pub fn before(&self, key: u128) -> f64 {
        self.lines.iter().map(|line| line.before(key)).sum()
    }

    /// The last key anybody stands at; 0 when nobody does.
    #[must_use]
    pub fn end(&self) -> u128 {
        let ends = self.lines.iter().filter_map(|line| line.points.last());
        ends.map(|(key, _)| *key).max().unwrap_or(0)
    }

    /// The largest key such that no more than about `people` stand between `from` and it. Never beyond the last ticket.
    #[must_use]
    pub fn after(&self, from: u128, people: f64) -> u128 {
        let end = self.end();
        if end <= from {
            return from;
        }
        let most = self.upto(from) + people;
        if self.upto(end) <= most {
            return end;
        }
        let (mut low, mut high) = (from, end);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.upto(middle) <= most {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The line behind `from` in at most `points_max` points of about equally many tickets; counts begin at 0 there.
    #[must_use]
    pub fn behind(&self, from: u128, points_max: usize) -> Vec<(u128, u64)> {
        let base = self.upto(from);
        let waiting = self.total() as f64 - base;
        if waiting < 1.0 {
            return Vec::new();
        }
        let keys = self.lines.iter().flat_map(|line| &line.points);
        let mut keys: Vec<u128> = keys
            .map(|(key, _)| *key)
            .filter(|key| *key > from)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        // The beginning and the end are two of them.
        let step = (waiting / points_max.saturating_sub(2).max(1) as f64).max(1.0);
        let mut points = vec![(from, 0)];
        let mut next = step;
        let end = self.end();
        for key in keys {
            let count = self.upto(key) - base;
            if count >= next || key == end {
                points.push((key, people(count)));
                next = count + step;
            }
        }
        points
    }
}
