//! The log store on a real disk: openraft's own suite, restarts, failing and killed writers.

mod conformance;
mod crash;
mod failing_disk;
mod many_groups;
mod restart;
mod writer;
