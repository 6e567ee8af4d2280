//! `holdfast-store-bench`: what the log store and the snapshot store of a node cost on this disk, beside one alternative each.
//!
//! Owns: the arguments and the order of the parts. Must never: measure two parts in one process; memory, the kernel's
//! counts and opening a store would then show what the part before left behind. Each part is this program started again.

mod args;
mod parts;
mod report;
mod run;

use std::process::ExitCode;

use self::args::{Arguments, HELP, Mode};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\n\nTry --help.");
            return ExitCode::from(2);
        }
    };
    let outcome = match arguments.mode {
        Mode::Help => {
            println!("{HELP}");
            Ok(())
        }
        Mode::Part(part) => parts::run(&part),
        Mode::Bench => run::all(&arguments.plan).map(|report| {
            println!(
                "{}",
                if arguments.json {
                    report.json()
                } else {
                    report.table()
                }
            );
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("holdfast-store-bench: {problem}");
            ExitCode::FAILURE
        }
    }
}
