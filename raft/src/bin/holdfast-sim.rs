//! `holdfast-sim`: the deterministic simulation of the consensus layer.
//!
//! Owns: nothing; see `holdfast_raft::simulation`. Must never: be shipped.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    holdfast_raft::simulation::main(&arguments)
}
