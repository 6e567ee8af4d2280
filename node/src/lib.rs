//! One replica server and the operator's tool.

pub mod plan;
