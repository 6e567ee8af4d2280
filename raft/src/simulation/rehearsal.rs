//! Sets the stage: fills the directory and makes every show sellable, through whichever node leads.
//!
//! Owns: what has been done of it. Must never: begin the next thing before the last is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_inventory::command::{Command, Entry, Envelope};
use holdfast_inventory::ids::{RequestId, ShowId};
use holdfast_region_config::NodeId;

use super::doors;
use super::machine::Machine;
use crate::Host;
use crate::directory::DirectoryCommand;

/// Between two attempts at one thing, ms.
const PATIENCE_MS: u64 = 500;

#[derive(Debug, Clone)]
enum Task {
    Directory(DirectoryCommand),
    SetUp(ShowId),
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Rehearsal {
    tasks: VecDeque<Task>,
    next_ms: u64,
    /// Tasks that have been acknowledged.
    done: Arc<Mutex<usize>>,
    taken: usize,
}

impl Rehearsal {
    pub(super) fn new(catalogue: Vec<DirectoryCommand>, shows: &[ShowId]) -> Self {
        let directory = catalogue.into_iter().map(Task::Directory);
        let set_up = shows.iter().map(|show| Task::SetUp(*show));
        Self {
            tasks: directory.chain(set_up).collect(),
            next_ms: 0,
            done: Arc::default(),
            taken: 0,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn step(&mut self, now_ms: u64, machines: &BTreeMap<NodeId, Machine>) {
        let done = *self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done > self.taken {
            self.taken += 1;
            self.tasks.pop_front();
            // Only the attempts at this task may count for it.
            self.done = Arc::new(Mutex::new(self.taken));
            self.next_ms = now_ms;
        }
        let Some(task) = self.tasks.front() else {
            return;
        };
        if now_ms < self.next_ms {
            return;
        }
        self.next_ms = now_ms + PATIENCE_MS;
        for machine in machines.values() {
            let Some(host) = machine.host().cloned() else {
                continue;
            };
            let (task, done, upto) = (task.clone(), Arc::clone(&self.done), self.taken + 1);
            machine.spawn(async move {
                if carry_out(&host, task).await {
                    *done.lock().unwrap_or_else(PoisonError::into_inner) = upto;
                }
            });
        }
    }
}

/// True when it is done, which only a leader can say.
async fn carry_out(host: &Host, task: Task) -> bool {
    match task {
        Task::Directory(command) => {
            let directory = host.directory();
            let leads = directory.leadership().borrow().leads;
            leads && directory.propose(command).await.is_ok()
        }
        Task::SetUp(show) => {
            let Some(group) = doors::show(host, show).await else {
                return false;
            };
            let (set_up, _) = host.directory().read(|d| d.show_set_up(show));
            let Some(set_up) = set_up else { return false };
            let entry = Entry {
                now_ms: 1,
                commands: vec![Envelope {
                    request: RequestId::internal("set-up", 1),
                    command: Command::SetUpShow(Box::new(set_up)),
                }],
            };
            group.propose(&entry).await.is_ok()
        }
    }
}
