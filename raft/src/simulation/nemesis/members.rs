//! Membership changes: other voters and learners for a show, in mid-sale, as an operator or the policy would have it.
//!
//! Owns: the draw of the new members and the command to whoever leads the directory. Must never: wait for the change, or see to
//! it that it can be carried out now; that is what is tried.

use holdfast_inventory::ids::ShowId;
use holdfast_region_config::NodeId;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::Victims;
use crate::Host;
use crate::directory::DirectoryCommand;
use crate::simulation::stage;

/// Who shall be a member of a show.
#[derive(Debug, Clone)]
struct Wish {
    show: ShowId,
    voters: Vec<NodeId>,
    learners: Vec<NodeId>,
}

/// Asks every machine for one change; the one that leads the directory has it committed. Returns what was asked for.
pub(super) fn change(random: &mut StdRng, nodes: &[NodeId], victims: &Victims<'_>) -> String {
    let show = victims.shows.choose(random).copied().unwrap_or(ShowId(1));
    let (mut voters, mut learners) = stage::replicas(nodes, random);
    voters.shuffle(random);
    learners.retain(|_| random.random_bool(0.5));
    let wish = Wish {
        show,
        voters,
        learners,
    };
    for machine in victims.machines.values() {
        if let Some(host) = machine.host().cloned() {
            let wish = wish.clone();
            machine.spawn(async move { carry_out(&host, wish).await });
        }
    }
    format!("{wish:?}")
}

async fn carry_out(host: &Host, wish: Wish) {
    let directory = host.directory();
    if !directory.leadership().borrow().leads {
        return;
    }
    let (generation, _) = directory.read(|state| Some(state.shows().get(&wish.show)?.generation));
    let Some(expected) = generation else { return };
    let command = DirectoryCommand::SetReplicas {
        show: wish.show,
        expected,
        leader_preference: wish.voters.clone(),
        voters: wish.voters,
        learners: wish.learners,
    };
    // Refused while a node that is wanted is still on its way out; then nothing has happened.
    let _ = directory.propose(command).await;
}
