//! Each toxic against bytes and a clock that stands.

use super::*;

const RTT: Duration = Duration::from_millis(60);
const WAY: Duration = Duration::from_millis(30);
const MS: Duration = Duration::from_millis(1);

fn shape(kinds: &[ToxicKind]) -> LinkShape {
    let mut shape = LinkShape::new(RTT);
    for (serial, kind) in (1..).zip(kinds) {
        let mut toxic = Toxic::new(kind.clone(), Direction::Upstream);
        toxic.serial = serial;
        shape.toxics.push(toxic);
    }
    shape
}

fn flow(now: Instant) -> Flow {
    Flow::new(Direction::Upstream, 7, now)
}

fn total(passage: &Passage) -> usize {
    passage.pieces.iter().map(|(_, size)| size).sum()
}

#[test]
fn without_toxics_each_byte_takes_half_a_round_trip_from_its_own_arrival() {
    let now = Instant::now();
    let (mut flow, shape) = (flow(now), shape(&[]));
    for ms in 0..10 {
        let arrived = now + ms * MS;
        let passage = flow.pass(&shape, arrived, 1_000);
        assert_eq!(passage.pieces, [(arrived + WAY, 1_000)]);
    }
}

#[test]
fn a_toxic_of_the_other_way_or_of_other_connections_does_nothing() {
    let now = Instant::now();
    let mut shape = shape(&[ToxicKind::Timeout { timeout: 0 }]);
    shape.toxics[0].stream = Direction::Downstream;
    assert_eq!(flow(now).pass(&shape, now, 5).pieces, [(now + WAY, 5)]);
    shape.toxics[0].stream = Direction::Upstream;
    shape.toxics[0].toxicity = 0.0;
    assert_eq!(flow(now).pass(&shape, now, 5).pieces, [(now + WAY, 5)]);
}

#[test]
fn toxicity_is_the_share_of_connections_that_suffer() {
    let mut toxic = Toxic::new(ToxicKind::Timeout { timeout: 0 }, Direction::Upstream);
    toxic.toxicity = 0.25;
    toxic.serial = 3;
    let hit = (0..4_000).filter(|&seed| suffers(&toxic, seed)).count();
    assert!((800..1_200).contains(&hit), "{hit} of 4000");
}

#[test]
fn latency_stays_within_its_jitter_and_order_is_kept() {
    let now = Instant::now();
    let (latency, jitter) = (100, 20);
    let shape = shape(&[ToxicKind::Latency { latency, jitter }]);
    let mut flow = flow(now);
    let mut last = now;
    for _ in 0..200 {
        let leaves_at = flow.pass(&shape, now, 1).pieces[0].0;
        assert!(leaves_at >= last);
        assert!(leaves_at >= now + WAY + 80 * MS && leaves_at <= now + WAY + 120 * MS);
        last = leaves_at;
    }
}

#[test]
fn the_same_seed_draws_the_same_delays() {
    let now = Instant::now();
    let (latency, jitter) = (50, 50);
    let shape = shape(&[ToxicKind::Latency { latency, jitter }]);
    let run = || {
        let mut flow = flow(now);
        let times = (0..20).map(|_| flow.pass(&shape, now, 1).pieces[0].0);
        times.collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_thin_line_takes_its_time_and_refuses_more_than_its_queue() {
    let now = Instant::now();
    let shape = shape(&[ToxicKind::Bandwidth { rate: 10 }]);
    let mut flow = flow(now);
    // 20,000 bytes at 10 bytes in a millisecond: two seconds.
    let passage = flow.pass(&shape, now, 20_000);
    assert_eq!(total(&passage), 20_000);
    let last = passage.pieces.last().unwrap().0;
    assert_eq!(last, now + 2_000 * MS + WAY);
    assert!(passage.pieces.len() >= 20, "delivered in one lump");
    let room_at = flow.full_until(&shape, now).unwrap();
    assert_eq!(room_at, now + 1_500 * MS);
    assert!(flow.full_until(&shape, room_at).is_none());
}

#[test]
fn a_slicer_cuts_and_paces() {
    let now = Instant::now();
    let kind = ToxicKind::Slicer {
        average_size: 10,
        size_variation: 5,
        delay: 2_000,
    };
    let passage = flow(now).pass(&shape(&[kind]), now, 100);
    assert_eq!(total(&passage), 100);
    let sizes: Vec<usize> = passage.pieces.iter().map(|(_, size)| *size).collect();
    assert!(
        sizes.iter().all(|size| (1..=15).contains(size)),
        "{sizes:?}"
    );
    let gaps = passage.pieces.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.clone().all(|gap| gap == 2 * MS), "{gaps:?}");
}

#[test]
fn a_limit_lets_through_so_much_and_closes() {
    let now = Instant::now();
    let shape = shape(&[ToxicKind::LimitData { bytes: 150 }]);
    let mut flow = flow(now);
    let first = flow.pass(&shape, now, 100);
    assert_eq!((total(&first), first.end), (100, None));
    let second = flow.pass(&shape, now, 100);
    assert_eq!((total(&second), second.end), (50, Some(FlowEnd::Close)));
}

#[test]
fn losses_stall_their_share_of_pieces_and_reset_theirs() {
    let now = Instant::now();
    let loss = |stall_ratio, reset_ratio| {
        shape(&[ToxicKind::Loss {
            stall_ratio,
            stall: 200,
            reset_ratio,
        }])
    };
    let (stalls, resets) = (loss(0.25, 0.0), loss(0.0, 0.5));
    let stalled = (0..2_000_u64).filter(|&seed| {
        let passage = Flow::new(Direction::Upstream, seed, now).pass(&stalls, now, 9);
        passage.pieces[0].0 == now + WAY + 200 * MS
    });
    let stalled = stalled.count();
    assert!((400..600).contains(&stalled), "{stalled} of 2000");
    let reset = (0..2_000_u64).filter(|&seed| {
        let passage = Flow::new(Direction::Upstream, seed, now).pass(&resets, now, 9);
        passage.end == Some(FlowEnd::Reset)
    });
    let reset = reset.count();
    assert!((900..1_100).contains(&reset), "{reset} of 2000");
}

#[test]
fn the_end_of_a_stream_waits_for_a_slow_close() {
    let now = Instant::now();
    let shape = shape(&[ToxicKind::SlowClose { delay: 300 }]);
    assert_eq!(flow(now).end(&shape, now), now + WAY + 300 * MS);
}
