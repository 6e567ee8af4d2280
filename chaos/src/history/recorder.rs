//! Writes events down while they happen.
//!
//! Owns: the clock and the file of one history. Must never: drop an event silently. What cannot be written fails
//! [`Recorder::finish`], because a history with holes proves nothing.
//!
//! An event is serialised by its caller and appended to a buffer under a lock that is never held over an await; the
//! buffer goes to the page cache. That costs about a microsecond and a fixed amount of memory, whatever the rate.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::HistoryError;
use super::event::{Answer, Event, Header, Invoke, Show};
use super::load::History;
use super::observation::{Mark, MoneyMoved, Notice, Replica};
use super::reader::Reader;

/// Buffer in front of the file, bytes: hundreds of events a system call.
const BUFFER_BYTES: usize = 256 << 10;
/// A history in memory is for tests of minutes; longer ones go to a file.
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// A call that was written down and waits for its answer. Dropped, its outcome stays unknown.
#[derive(Debug)]
#[must_use = "without its answer the outcome of a call is unknown"]
pub struct Asked(u64);

/// Writes one history. Clones write the same one.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    call_next: AtomicU64,
    /// Guards order and contents of the file. Never held over an await.
    sink: Mutex<Sink>,
}

#[derive(Debug)]
struct Sink {
    to: To,
    events: u64,
    failed: Option<HistoryError>,
}

#[derive(Debug)]
enum To {
    File(BufWriter<File>),
    Memory(Vec<u8>),
}

impl Sink {
    fn append(&mut self, line: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let written = match &mut self.to {
            To::File(file) => file.write_all(line).map_err(HistoryError::from),
            To::Memory(bytes) if bytes.len() + line.len() > MEMORY_BYTES_MAX => {
                Err(HistoryError::Full {
                    bytes_max: MEMORY_BYTES_MAX,
                })
            }
            To::Memory(bytes) => {
                bytes.extend_from_slice(line);
                Ok(())
            }
        };
        match written {
            Ok(()) => self.events += 1,
            Err(error) => self.failed = Some(error),
        }
    }
}

impl Recorder {
    /// Begins a history in a new file.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, header: Header) -> Result<Self, HistoryError> {
        let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
        Ok(Self::begin(To::File(file), header))
    }

    /// Begins a history in memory, for a test.
    #[must_use]
    pub fn in_memory(header: Header) -> Self {
        Self::begin(To::Memory(Vec::new()), header)
    }

    fn begin(to: To, mut header: Header) -> Self {
        let origin = Instant::now();
        header.wall_origin_ms = wall_ms();
        let sink = Sink {
            to,
            events: 0,
            failed: None,
        };
        let recorder = Self(Arc::new(Inner {
            origin,
            call_next: AtomicU64::new(1),
            sink: Mutex::new(sink),
        }));
        recorder.write(&Event::Header(header));
        recorder
    }

    /// ns since the origin.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.0.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A show that the calls will be about.
    pub fn show(&self, show: Show) {
        self.write(&Event::Show(show));
    }

    /// A request is about to leave.
    pub fn invoke(&self, mut invoke: Invoke) -> Asked {
        let call = self.0.call_next.fetch_add(1, Ordering::Relaxed);
        invoke.call = call;
        invoke.t_ns = self.now_ns();
        self.write(&Event::Invoke(invoke));
        Asked(call)
    }

    /// It happened.
    pub fn ok(&self, asked: Asked, answer: Answer) {
        self.write(&Event::Ok(self.stamped(asked, answer)));
    }

    /// It did not happen and never will: a definite "no" with its code.
    pub fn rejected(&self, asked: Asked, answer: Answer) {
        self.write(&Event::Rejected(self.stamped(asked, answer)));
    }

    /// It may have happened, or may yet: a time-out, a lost connection, every answer that does not decide.
    pub fn unknown(&self, asked: Asked, answer: Answer) {
        self.write(&Event::Unknown(self.stamped(asked, answer)));
    }

    fn stamped(&self, asked: Asked, answer: Answer) -> Answer {
        Answer {
            call: asked.0,
            t_ns: self.now_ns(),
            ..answer
        }
    }

    /// What a replica said just now.
    pub fn replica(&self, replica: Replica) {
        let t_ns = self.now_ns();
        self.write(&Event::Replica(Replica { t_ns, ..replica }));
    }

    /// Money was seen to move just now.
    pub fn money(&self, moved: MoneyMoved) {
        let t_ns = self.now_ns();
        self.write(&Event::Money(MoneyMoved { t_ns, ..moved }));
    }

    /// A notice arrived just now.
    pub fn notice(&self, notice: Notice) {
        let t_ns = self.now_ns();
        self.write(&Event::Notice(Notice { t_ns, ..notice }));
    }

    /// Something was done to the system: from `since_ns` ([`Recorder::now_ns`]) until now, or just now.
    pub fn mark(&self, what: impl Into<String>, since_ns: Option<u64>) {
        let now_ns = self.now_ns();
        let what = what.into();
        let mark = match since_ns {
            Some(t_ns) => Mark {
                t_ns,
                what,
                until_ns: now_ns,
            },
            None => Mark {
                t_ns: now_ns,
                what,
                until_ns: 0,
            },
        };
        self.write(&Event::Mark(mark));
    }

    /// Ends the history and makes sure that all of it is in the file. Answers that come later are not in it.
    ///
    /// # Errors
    /// When any event could not be written.
    pub fn finish(&self) -> Result<(), HistoryError> {
        let events = self.sink().events;
        let t_ns = self.now_ns();
        self.write(&Event::End { t_ns, events });
        let mut sink = self.sink();
        if let Some(error) = sink.failed.take() {
            return Err(error);
        }
        if let To::File(file) = &mut sink.to {
            file.flush()?;
            file.get_ref().sync_all()?;
        }
        Ok(())
    }

    /// Everything so far, of a history in memory; of a file, what is in it once everything written is there.
    ///
    /// # Errors
    /// When an event could not be written, or [`HistoryError::File`] for a history in a file: read that file.
    pub fn history(&self) -> Result<History, HistoryError> {
        let bytes = {
            let mut sink = self.sink();
            if let Some(error) = sink.failed.take() {
                return Err(error);
            }
            match &mut sink.to {
                To::Memory(bytes) => bytes.clone(),
                To::File(_) => {
                    return Err(std::io::Error::other("the history is in a file: read that").into());
                }
            }
        };
        History::of_events(Reader::new(bytes.as_slice()))
    }

    fn write(&self, event: &Event) {
        match serde_json::to_vec(event) {
            Ok(mut line) => {
                line.push(b'\n');
                self.sink().append(&line);
            }
            Err(error) => self.sink().failed = Some(std::io::Error::from(error).into()),
        }
    }

    fn sink(&self) -> std::sync::MutexGuard<'_, Sink> {
        self.0.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wall_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a history says when it began by the machine's own clock, which no drill skews"
    )]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
