//! A whole history in memory: calls with their answers, by start.
//!
//! Owns: pairing calls with answers, and the numbers that stand for texts. Must never: fill in an answer that did not
//! come. A call without one stays unknown, as if it had been said.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::HistoryError;
use super::event::{Answer, Event, Header, Invoke, Op, Reading, Show};
use super::names::{Name, Names};
use super::observation::{Mark, MoneyMoved, Notice, Replica};
use super::reader::Reader;

/// What the caller knows of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not and will not happen.
    Rejected,
    /// It may have happened, or may yet, or never.
    Unknown,
}

/// How a call ended. Fields as in [`Answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "Answer says what each field means")]
pub struct End {
    /// ns since the origin; `u64::MAX` when no answer came.
    pub at_ns: u64,
    pub outcome: Outcome,
    pub code: Name,
    pub replayed: bool,
    pub hold: Name,
    pub order: Name,
    pub state: Name,
    pub seats: Box<[Name]>,
    pub expires_ms: u64,
    pub now_ms: u64,
    pub index: u64,
    pub age_ms: Option<u64>,
    pub states: Box<str>,
    pub total_minor: Option<u64>,
    pub tickets: Box<[Name]>,
}

impl Default for End {
    fn default() -> Self {
        Self {
            at_ns: u64::MAX,
            outcome: Outcome::Unknown,
            code: Name::NONE,
            replayed: false,
            hold: Name::NONE,
            order: Name::NONE,
            state: Name::NONE,
            seats: Box::default(),
            expires_ms: 0,
            now_ms: 0,
            index: 0,
            age_ms: None,
            states: Box::default(),
            total_minor: None,
            tickets: Box::default(),
        }
    }
}

/// One call and its answer. Fields as in [`Invoke`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "Invoke says what each field means")]
pub struct Call {
    pub id: u64,
    pub process: Name,
    pub op: Op,
    pub show: Name,
    pub buyer: Name,
    pub key: Name,
    pub region: Name,
    pub at: Name,
    pub seats: Box<[Name]>,
    pub quantity: u32,
    pub hold: Name,
    pub order: Name,
    pub reading: Reading,
    pub at_least: u64,
    /// ns since the origin.
    pub invoked_ns: u64,
    pub end: End,
}

impl Call {
    /// The hold that it made or is about, as far as anybody said.
    #[must_use]
    pub fn hold_id(&self) -> Name {
        if self.end.hold.is_some() {
            self.end.hold
        } else {
            self.hold
        }
    }

    /// The order that it made or is about, as far as anybody said.
    #[must_use]
    pub fn order_id(&self) -> Name {
        if self.end.order.is_some() {
            self.end.order
        } else {
            self.order
        }
    }

    /// Whether it was acknowledged.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.end.outcome == Outcome::Ok
    }
}

/// A whole history.
#[derive(Debug, Clone)]
pub struct History {
    /// What holds for all of it.
    pub header: Header,
    /// The texts behind the names.
    pub names: Names,
    /// What was on sale.
    pub shows: Vec<Show>,
    /// By start.
    pub calls: Vec<Call>,
    /// By time.
    pub replicas: Vec<Replica>,
    /// By time.
    pub money: Vec<MoneyMoved>,
    /// By time.
    pub notices: Vec<Notice>,
    /// By time.
    pub marks: Vec<Mark>,
    /// Whether it was written to its end.
    pub complete: bool,
}

impl History {
    /// Reads a file.
    ///
    /// # Errors
    /// Every [`HistoryError`] that is about reading.
    pub fn load(path: &Path) -> Result<Self, HistoryError> {
        Self::of_events(Reader::new(BufReader::with_capacity(
            1 << 20,
            File::open(path)?,
        )))
    }

    /// Reads all events.
    ///
    /// # Errors
    /// As the reader, and [`HistoryError::Contradiction`].
    pub fn of_events<R: BufRead>(mut reader: Reader<R>) -> Result<Self, HistoryError> {
        let Some(Event::Header(header)) = reader.next().transpose()? else {
            return Err(HistoryError::HeaderMissing);
        };
        let mut history = Self {
            header,
            names: Names::default(),
            shows: Vec::new(),
            calls: Vec::new(),
            replicas: Vec::new(),
            money: Vec::new(),
            notices: Vec::new(),
            marks: Vec::new(),
            complete: false,
        };
        let mut open: HashMap<u64, usize> = HashMap::new();
        while let Some(event) = reader.next() {
            let problem = history.take(event?, &mut open).err();
            if let Some(problem) = problem {
                let line = reader.line();
                return Err(HistoryError::Contradiction { line, problem });
            }
        }
        history.calls.sort_by_key(|call| (call.invoked_ns, call.id));
        history.replicas.sort_by_key(|seen| seen.t_ns);
        history.money.sort_by_key(|seen| seen.t_ns);
        history.notices.sort_by_key(|seen| seen.t_ns);
        history.marks.sort_by_key(|seen| seen.t_ns);
        Ok(history)
    }

    /// The text of a name.
    #[must_use]
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// ms since the Unix epoch by the recorder's clock.
    #[must_use]
    pub const fn wall_ms(&self, t_ns: u64) -> u64 {
        self.header.wall_origin_ms.saturating_add(t_ns / 1_000_000)
    }

    fn take(&mut self, event: Event, open: &mut HashMap<u64, usize>) -> Result<(), String> {
        match event {
            Event::Header(_) => return Err("a second header".to_owned()),
            Event::Show(show) => {
                if !show.price_minor.is_empty() && show.price_minor.len() != show.seats.len() {
                    return Err(format!("{} has other prices than seats", show.show));
                }
                self.shows.push(show);
            }
            Event::Invoke(invoke) => {
                if open.insert(invoke.call, self.calls.len()).is_some() {
                    return Err(format!("call {} is asked twice", invoke.call));
                }
                let call = self.call(invoke);
                self.calls.push(call);
            }
            Event::Ok(answer) => self.answer(answer, Outcome::Ok, open)?,
            Event::Rejected(answer) => self.answer(answer, Outcome::Rejected, open)?,
            Event::Unknown(answer) => self.answer(answer, Outcome::Unknown, open)?,
            Event::Replica(replica) => self.replicas.push(replica),
            Event::Money(moved) => self.money.push(moved),
            Event::Notice(notice) => self.notices.push(notice),
            Event::Mark(mark) => self.marks.push(mark),
            Event::End { .. } => self.complete = true,
        }
        Ok(())
    }

    fn all(&mut self, texts: &[String]) -> Box<[Name]> {
        texts.iter().map(|text| self.names.add(text)).collect()
    }

    fn call(&mut self, asked: Invoke) -> Call {
        Call {
            id: asked.call,
            process: self.names.add(&asked.process),
            op: asked.op,
            show: self.names.add(&asked.show),
            buyer: self.names.add(&asked.buyer),
            key: self.names.add(&asked.key),
            region: self.names.add(&asked.region),
            at: self.names.add(&asked.at),
            seats: self.all(&asked.seats),
            quantity: asked.quantity,
            hold: self.names.add(&asked.hold),
            order: self.names.add(&asked.order),
            reading: asked.reading,
            at_least: asked.at_least,
            invoked_ns: asked.t_ns,
            end: End::default(),
        }
    }

    fn answer(
        &mut self,
        answer: Answer,
        outcome: Outcome,
        open: &HashMap<u64, usize>,
    ) -> Result<(), String> {
        let end = End {
            at_ns: answer.t_ns,
            outcome,
            code: self.names.add(&answer.code),
            replayed: answer.replayed,
            hold: self.names.add(&answer.hold),
            order: self.names.add(&answer.order),
            state: self.names.add(&answer.state),
            seats: self.all(&answer.seats),
            expires_ms: answer.expires_ms,
            now_ms: answer.now_ms,
            index: answer.index,
            age_ms: answer.age_ms,
            states: answer.states.into(),
            total_minor: answer.total_minor,
            tickets: self.all(&answer.tickets),
        };
        let call = open
            .get(&answer.call)
            .and_then(|at| self.calls.get_mut(*at));
        let Some(call) = call else {
            return Err(format!(
                "an answer to call {}, which was not asked",
                answer.call
            ));
        };
        if call.end.at_ns != u64::MAX {
            return Err(format!("call {} is answered twice", answer.call));
        }
        if answer.t_ns < call.invoked_ns {
            return Err(format!(
                "call {} is answered before it is asked",
                answer.call
            ));
        }
        call.end = end;
        Ok(())
    }
}
