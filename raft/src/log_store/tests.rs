//! The log store on a real disk: openraft's own suite, restarts, failing and killed writers.

mod conformance;
mod crash;
mod failing_disk;
pub(crate) mod flaky_fs;
mod many_groups;
mod restart;
mod writer;
