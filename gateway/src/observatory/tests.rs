//! Three regions and what each of them sees.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const WELL: Sight = Sight {
    nodes: true,
    gateways: true,
};
const GONE: Sight = Sight {
    nodes: false,
    gateways: false,
};

fn id(text: &str) -> RegionId {
    RegionId::new(text).unwrap()
}

fn sees(a: Sight, b: Sight, c: Sight) -> BTreeMap<RegionId, Sight> {
    BTreeMap::from([(id("a"), a), (id("b"), b), (id("c"), c)])
}

fn names(set: &BTreeSet<RegionId>) -> Vec<&str> {
    set.iter().map(RegionId::as_str).collect()
}

#[test]
fn a_lost_region_is_down_after_three_seconds_and_only_then() {
    let (all, mut now) = (Observatory::default(), clock());
    for second in 1..=3 {
        assert_eq!(names(&all.down()), [] as [&str; 0], "{second}");
        now += SECOND;
        all.heard(id("b"), sees(WELL, WELL, GONE), now);
        let changed = all.judge(&id("a"), sees(WELL, WELL, GONE), now);
        assert_eq!(changed.len(), usize::from(second == 3));
        assert_eq!(all.is_unsettled(), second < 3);
    }
    assert_eq!(names(&all.down()), ["c"]);
    let verdict = all.observations(id("a"), true).verdicts[&id("c")];
    assert_eq!(
        (verdict.up, verdict.seen_ill_by, verdict.flaps),
        (false, 2, 1)
    );
}

#[test]
fn whoever_is_cut_off_changes_nothing() {
    let (all, mut now) = (Observatory::default(), clock());
    for _ in 0..100 {
        now += SECOND;
        all.judge(&id("a"), sees(WELL, GONE, GONE), now);
        assert!(all.down().is_empty());
    }
}

#[test]
fn one_way_that_is_broken_is_not_a_lost_region() {
    let (all, mut now) = (Observatory::default(), clock());
    for _ in 0..100 {
        now += SECOND;
        all.heard(id("b"), sees(WELL, WELL, WELL), now);
        all.judge(&id("a"), sees(WELL, WELL, GONE), now);
        assert!(all.down().is_empty());
    }
}

#[test]
fn a_gateway_without_nodes_and_nodes_without_a_gateway_are_both_not_well() {
    for half in [
        Sight {
            nodes: true,
            gateways: false,
        },
        Sight {
            nodes: false,
            gateways: true,
        },
    ] {
        let (all, mut now) = (Observatory::default(), clock());
        for _ in 0..3 {
            now += SECOND;
            all.heard(id("b"), sees(WELL, WELL, half), now);
            all.judge(&id("a"), sees(WELL, WELL, half), now);
        }
        assert_eq!(names(&all.down()), ["c"]);
    }
}

#[test]
fn what_was_said_long_ago_does_not_count() {
    let (all, mut now) = (Observatory::default(), clock());
    all.heard(id("b"), sees(WELL, WELL, GONE), now);
    now += HEARD_MAX_AGE + SECOND;
    for _ in 0..10 {
        now += SECOND;
        all.judge(&id("a"), sees(WELL, WELL, GONE), now);
    }
    assert!(all.down().is_empty());
}

/// What a region says of itself counts for nothing, and neither does what this one thinks of itself.
#[test]
fn nobody_judges_themselves() {
    let (all, mut now) = (Observatory::default(), clock());
    for _ in 0..3 {
        now += SECOND;
        all.heard(id("b"), sees(GONE, WELL, WELL), now);
        all.heard(id("c"), sees(GONE, WELL, WELL), now);
        all.judge(&id("a"), sees(WELL, WELL, WELL), now);
    }
    assert_eq!(
        names(&all.down()),
        ["a"],
        "also the one who asks can be down"
    );
}

fn clock() -> Instant {
    crate::clock::now()
}
