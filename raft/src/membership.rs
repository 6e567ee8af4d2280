//! Changes of who replicates a group: from what it is to what the directory says, while it sells.
//!
//! Owns: the steps of a change ([`plan`]), carrying them out where this node leads ([`drive`]), deciding on new targets when
//! nodes die or leave ([`policy`], on the directory's leader only), deleting what this node no longer keeps ([`retire`]), and
//! telling the directory what has been reached ([`report`]). Must never: remember a change: every step is derived from what
//! the group and the directory say now, so whoever leads next, after whatever crash, goes on from there.
//!
//! ```text
//!   directory: target ─► add learners ─► they catch up ─► change voters (joint) ─► remove learners ─► settled
//!                              └─ at any point: the leader dies, the target changes: plan again ─┘
//! ```

pub(crate) mod drive;
pub(crate) mod news;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod report;
pub(crate) mod retire;
