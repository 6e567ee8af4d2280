//! What only a show's leader does.
//!
//! | worker | watches | does |
//! |---|---|---|
//! | [`show_set_up`] | a state without a layout | proposes the set-up from the directory's record |
//! | [`hold_expiry`] | the next moment at which something lapses | proposes a tick |
//! | [`payment`] | outbox records of money | calls the provider, records what it said |
//! | [`outbox`] | notices and events | delivers; acknowledges events |
//! | [`buyer_index`] | notices that are delivered | tells the index of buyers, acknowledges |
//! | [`waiting_room`] | the room, once a second | reveals the draw, raises the threshold |
//!
//! Must never: keep anything that cannot be read again from the state; know a wire format.

pub mod buyer_index;
pub mod hold_expiry;
mod line_file;
pub mod notice_journal;
pub mod outbox;
pub mod payment;
pub mod show_set_up;
pub mod waiting_room;
