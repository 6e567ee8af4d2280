//! What clients asked, when, and what they were told: the evidence that a checker judges.
//!
//! A history is a file of JSON lines: a header, then events in the order in which they were written down. The format is
//! described for other people's tools in `docs/history-format.md`.
//!
//! ```
//! use holdfast_chaos::history::{Answer, Header, History, Invoke, Op, Recorder};
//!
//! let recorder = Recorder::in_memory(Header::new("doctest"));
//! let asked = Invoke { show: "s1".into(), seats: vec!["A-1".into()], ..Invoke::new("west/0", Op::Hold) };
//! let call = recorder.invoke(asked);
//! recorder.ok(call, Answer { hold: "h1-1".into(), seats: vec!["A-1".into()], ..Answer::default() });
//! let history = recorder.history()?;
//! assert_eq!(history.calls.len(), 1);
//! # Ok::<(), holdfast_chaos::history::HistoryError>(())
//! ```
//!
//! Owns: the format, writing and reading it. Must never: judge.

mod error;
mod event;
mod excerpt;
mod generate;
mod load;
mod names;
mod observation;
mod reader;
mod recorder;

pub use error::HistoryError;
pub use event::{Answer, Event, Header, Invoke, Op, Reading, Show, VERSION};
pub use excerpt::Excerpt;
pub use generate::{Generate, Plant, generate};
pub use load::{Call, End, History, Outcome};
pub use names::{Name, Names};
pub use observation::{Mark, Money, MoneyMoved, Notice, NoticeKind, Replica};
pub use reader::Reader;
pub use recorder::{Asked, Recorder};
