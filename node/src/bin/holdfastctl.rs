//! The operator's tool. Everything it does is in `holdfast_node::ctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast_node::ctl::main()
}
