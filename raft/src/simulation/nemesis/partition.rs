//! Partitions of every shape.
//!
//! Owns: who cannot send to whom. Must never: cut a machine from itself.

use std::collections::BTreeSet;

use holdfast_region_config::NodeId;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

type Cut = BTreeSet<(NodeId, NodeId)>;

/// Draws a shape and what it cuts.
pub(super) fn draw(
    random: &mut StdRng,
    nodes: &[NodeId],
    leader: Option<NodeId>,
) -> (&'static str, Cut) {
    let mut order = nodes.to_vec();
    order.shuffle(random);
    let any = order.first().copied().unwrap_or(NodeId::new(1));
    match random.random_range(0..7) {
        0 => ("partition in halves", halves(&order)),
        1 => ("partition in a ring", ring(&order)),
        2 => ("isolated leader", isolate(&order, leader.unwrap_or(any))),
        3 => ("isolated node", isolate(&order, any)),
        4 => ("partition with a bridge", bridge(&order)),
        5 => {
            let deaf = leader.filter(|_| random.random_bool(0.5)).unwrap_or(any);
            let hears_nothing = random.random_bool(0.5);
            (
                "one-way partition of a node",
                one_way(&order, deaf, hears_nothing),
            )
        }
        _ => {
            let mut pair = order.choose_multiple(random, 2).copied();
            let cut = pair.next().zip(pair.next()).into_iter().collect();
            ("one-way partition of a pair", cut)
        }
    }
}

fn between(one: &[NodeId], other: &[NodeId]) -> Cut {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
    pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect()
}

fn halves(order: &[NodeId]) -> Cut {
    let (one, other) = order.split_at(order.len() / 2);
    between(one, other)
}

fn isolate(order: &[NodeId], node: NodeId) -> Cut {
    let others: Vec<NodeId> = order
        .iter()
        .copied()
        .filter(|other| *other != node)
        .collect();
    between(&[node], &others)
}

/// Everybody reaches a majority, but not the same one: only neighbours on a ring hear each other.
fn ring(order: &[NodeId]) -> Cut {
    let count = order.len();
    let mut cut = Cut::new();
    for (n, a) in order.iter().enumerate() {
        for (m, b) in order.iter().enumerate() {
            let apart = n.abs_diff(m).min(count - n.abs_diff(m));
            // On a ring of three all are neighbours: leave one edge out.
            let edge_left_out = count == 3 && n.abs_diff(m) == 2;
            if apart > 1 || edge_left_out {
                cut.insert((*a, *b));
            }
        }
    }
    cut
}

/// Two halves that only one machine hears both of.
fn bridge(order: &[NodeId]) -> Cut {
    let Some((_, rest)) = order.split_first() else {
        return Cut::new();
    };
    halves(rest)
}

fn one_way(order: &[NodeId], node: NodeId, hears_nothing: bool) -> Cut {
    let others = order.iter().copied().filter(|other| *other != node);
    let direction = |other| {
        if hears_nothing {
            (other, node)
        } else {
            (node, other)
        }
    };
    others.map(direction).collect()
}
