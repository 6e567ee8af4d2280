//! Whole fleets in one thread: every node runs its own duty, and only the moves are played.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use holdfast_raft::{MoveError, TransferError};
use holdfast_region_config::{GroupId, NodeId, RegionId, Topology};

use super::{
    conditions::Conditions,
    fleet::GroupFacts,
    moves::{GENTLE_FIRST, URGENT_MAX},
    *,
};

/// What a move between far regions takes.
const MOVE_TAKES: Duration = Duration::from_millis(400);
const SHOWS: u64 = 1_000;

const TOPOLOGY: &str = include_str!("tests/five-nodes.toml");

#[derive(Default)]
struct State {
    leaders: BTreeMap<GroupId, NodeId>,
    down: BTreeSet<NodeId>,
    draining: BTreeSet<NodeId>,
    evacuated: BTreeSet<RegionId>,
    under_way: usize,
    under_way_max: usize,
    moved: u64,
    refusing: BTreeSet<NodeId>,
    /// Group 1 follows its buyers, who are all there.
    buyers_in: Option<RegionId>,
}

struct World {
    topology: Arc<Topology>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.send_modify(|count| *count += 1);
    }

    fn led_by(&self, node: u64) -> usize {
        let state = self.state();
        let led = state.leaders.values();
        led.filter(|leader| leader.get() == node).count()
    }
}

#[derive(Clone)]
struct Played {
    node: NodeId,
    world: Arc<World>,
}

/// Even groups prefer node 1, odd ones node 2; then region b, likewise.
fn preference(group: GroupId) -> Vec<NodeId> {
    let ids = if group.get().is_multiple_of(2) {
        [1, 2, 3, 4, 5]
    } else {
        [2, 1, 4, 3, 5]
    };
    ids.map(NodeId::new).to_vec()
}

impl Fleet for Played {
    fn node(&self) -> NodeId {
        self.node
    }

    fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.world.topology)
    }

    fn is_heard(&self, node: NodeId) -> bool {
        !self.world.state().down.contains(&node)
    }

    fn announce_leaving(&self) {
        self.world.change(|state| {
            state.draining.insert(self.node);
        });
    }

    fn mark(&self, conditions: &mut Conditions) {
        let state = self.world.state();
        state
            .draining
            .iter()
            .for_each(|node| conditions.drain(*node));
        let evacuated = state.evacuated.iter().cloned();
        evacuated.for_each(|region| conditions.evacuate(region));
    }

    fn leaders(&self) -> Vec<(GroupId, NodeId)> {
        let state = self.world.state();
        let own_is_down = state.down.contains(&self.node);
        let leaders = state.leaders.iter().map(|(group, node)| (*group, *node));
        // A node that is down decides nothing.
        leaders
            .filter(|(_, node)| !own_is_down || *node != self.node)
            .collect()
    }

    fn facts(&self, groups: &[GroupId]) -> Vec<GroupFacts> {
        let facts = groups.iter().map(|group| GroupFacts {
            group: *group,
            voters: preference(*group),
            preference: preference(*group),
            pin: None,
            follows_buyers: group.get() == 1 && self.world.state().buyers_in.is_some(),
        });
        facts.collect()
    }

    fn take_commands(&self, _: GroupId) -> Vec<(RegionId, u64)> {
        let buyers = self.world.state().buyers_in.clone();
        buyers.into_iter().map(|region| (region, 50)).collect()
    }

    async fn changed(&self) {
        let mut changed = self.world.changed.subscribe();
        changed.borrow_and_update();
        changed.changed().await.unwrap();
    }

    async fn move_leader(&self, group: GroupId, to: NodeId) -> Result<(), MoveError> {
        {
            let mut state = self.world.state();
            state.under_way += 1;
            state.under_way_max = state.under_way_max.max(state.under_way);
        }
        tokio::time::sleep(MOVE_TAKES).await;
        let mut state = self.world.state();
        state.under_way -= 1;
        assert_eq!(
            state.leaders.get(&group),
            Some(&self.node),
            "moved by another than its leader"
        );
        if state.refusing.contains(&to) || state.down.contains(&to) {
            let reason = "it lacks entries";
            return Err(MoveError::from(TransferError::NotReady {
                group,
                target: to,
                reason,
            }));
        }
        state.leaders.insert(group, to);
        state.moved += 1;
        drop(state);
        self.world.changed.send_modify(|count| *count += 1);
        Ok(())
    }
}

struct Play {
    world: Arc<World>,
    duties: BTreeMap<u64, Leaders>,
    metrics: BTreeMap<u64, Metrics>,
    _tasks: JoinSet<()>,
}

impl Play {
    /// Every show led where it is preferred, all five nodes up for a while.
    async fn start() -> Self {
        let leaders = (1..=SHOWS).map(GroupId::new).map(|g| (g, preference(g)[0]));
        let world = Arc::new(World {
            topology: Arc::new(Topology::parse(TOPOLOGY).unwrap()),
            state: Mutex::new(State {
                leaders: leaders.collect(),
                ..State::default()
            }),
            changed: watch::Sender::new(0),
        });
        let (mut duties, mut tasks) = (BTreeMap::new(), JoinSet::new());
        let mut all_metrics = BTreeMap::new();
        for node in 1..=5 {
            let fleet = Played {
                node: NodeId::new(node),
                world: Arc::clone(&world),
            };
            let leaders = Leaders::new();
            let metrics = Metrics::new().unwrap();
            tasks.spawn(
                leaders
                    .clone()
                    .run(fleet, metrics.clone(), CancellationToken::new()),
            );
            duties.insert(node, leaders);
            all_metrics.insert(node, metrics);
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(world.state().moved, 0);
        Self {
            world,
            duties,
            metrics: all_metrics,
            _tasks: tasks,
        }
    }

    /// The time until `done`.
    async fn until(&self, done: impl Fn(&World) -> bool) -> Duration {
        let start = Instant::now();
        while !done(&self.world) {
            assert!(start.elapsed() < Duration::from_secs(300), "never");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        start.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_of_a_thousand_shows_is_evacuated_and_restored_in_five_seconds_each() {
    let play = Play::start().await;
    let a = RegionId::new("a").unwrap();
    play.world.change(|state| {
        state.evacuated.insert(a.clone());
    });
    let took = play
        .until(|world| world.led_by(1) + world.led_by(2) == 0)
        .await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(play.world.state().under_way_max <= 2 * URGENT_MAX);
    assert_eq!((play.world.led_by(3), play.world.led_by(4)), (500, 500));
    play.world.change(|state| {
        state.evacuated.remove(&a);
    });
    let took = play
        .until(|world| world.led_by(1) + world.led_by(2) == 1_000)
        .await;
    assert!(took < Duration::from_secs(7), "{took:?}");
    assert_eq!((play.world.led_by(1), play.world.led_by(2)), (500, 500));
    assert_eq!(play.world.state().moved, 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_drained_node_keeps_nothing_and_its_neighbour_takes_all() {
    let play = Play::start().await;
    play.world.change(|state| {
        state.draining.insert(NodeId::new(1));
    });
    play.until(|world| world.led_by(1) == 0).await;
    assert_eq!(play.world.led_by(2), 1_000);
    play.world.change(|state| state.draining.clear());
    play.until(|world| world.led_by(1) == 500).await;
    assert_eq!(play.world.led_by(2), 500);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_back_gets_its_share_slowly_at_first() {
    let play = Play::start().await;
    let node = NodeId::new(1);
    play.world.change(|state| {
        state.down.insert(node);
        // What its neighbour was elected to.
        let lost = state.leaders.values_mut().filter(|leader| **leader == node);
        lost.for_each(|leader| *leader = NodeId::new(2));
    });
    tokio::time::sleep(Duration::from_secs(20)).await;
    play.world.change(|state| {
        state.down.clear();
    });
    let first = play.until(|world| world.led_by(1) > 0).await;
    assert!(first > steady::HOLD_DOWN_MIN, "{first:?}");
    assert!(play.world.led_by(1) <= GENTLE_FIRST);
    play.until(|world| world.led_by(1) == 500).await;
    assert_eq!(play.world.led_by(2), 500);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_flaps_is_left_alone() {
    let play = Play::start().await;
    let home = [NodeId::new(1), NodeId::new(2)];
    play.world.change(|state| {
        state
            .leaders
            .values_mut()
            .for_each(|leader| *leader = NodeId::new(3));
        state.down.extend(home);
    });
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        play.world.change(|state| state.down.clear());
        tokio::time::sleep(steady::HOLD_DOWN_MIN - Duration::from_millis(200)).await;
        play.world.change(|state| state.down.extend(home));
    }
    // Within region b the load was shared; nothing went home.
    assert_eq!(play.world.led_by(1) + play.world.led_by(2), 0);
    play.world.change(|state| state.down.clear());
    let took = play
        .until(|world| world.led_by(1) + world.led_by(2) == 1_000)
        .await;
    assert!(took > Duration::from_secs(20), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_refuses_is_asked_again_and_in_the_end_takes_over() {
    let play = Play::start().await;
    play.world.change(|state| {
        state.refusing.insert(NodeId::new(2));
        state.draining.insert(NodeId::new(1));
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(play.world.led_by(1), 500);
    play.world.change(|state| state.refusing.clear());
    let took = play.until(|world| world.led_by(1) == 0).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_go_home_is_counted_without_a_gap_until_it_is_home() {
    let play = Play::start().await;
    let (home, away) = (NodeId::new(1), NodeId::new(3));
    let strays = [2, 4, 6].map(GroupId::new);
    play.world.change(|state| {
        state.refusing.insert(home);
        state.leaders.extend(strays.map(|group| (group, away)));
        // Node 2 could take them in its place.
        state.refusing.insert(NodeId::new(2));
    });
    let to_move = || play.metrics[&3].leaders_to_move.get();
    play.until(|_| to_move() == 3).await;
    // As long as the alert needs, looked at as often as a scraper never does.
    let quarter_of_an_hour = Instant::now() + Duration::from_secs(900);
    while Instant::now() < quarter_of_an_hour {
        assert_eq!(to_move(), 3);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    play.world.change(|state| state.refusing.clear());
    play.until(|_| to_move() == 0).await;
    assert_eq!(play.world.led_by(1), 500);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_waits_until_it_leads_nothing() {
    let play = Play::start().await;
    assert!(play.duties[&1].leave(Duration::from_secs(30)).await);
    assert_eq!(play.world.led_by(1), 0);
    // Alone, there is nobody to hand over to and nothing to wait for.
    play.world.change(|state| {
        state.down.extend([1, 3, 4, 5].map(NodeId::new));
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(play.duties[&2].leave(Duration::from_secs(30)).await);
    assert_eq!(play.world.led_by(2), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_show_that_follows_its_buyers_goes_to_them_in_a_minute_and_not_into_an_evacuated_region()
{
    let play = Play::start().await;
    let (group, c) = (GroupId::new(1), RegionId::new("c").unwrap());
    let leader = || play.world.state().leaders[&group];
    play.world.change(|state| state.buyers_in = Some(c.clone()));
    tokio::time::sleep(demand::GAIN_FOR - Duration::from_secs(5)).await;
    assert_eq!(leader(), NodeId::new(2));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(leader(), NodeId::new(5));
    play.world.change(|state| {
        state.evacuated.insert(c.clone());
    });
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(leader(), NodeId::new(2));
    play.world.change(|state| state.evacuated.clear());
    tokio::time::sleep(Duration::from_secs(5)).await;
    // Its buyers were there all the time.
    assert_eq!(leader(), NodeId::new(5));
}
