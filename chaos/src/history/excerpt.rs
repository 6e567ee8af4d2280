//! A part of a history as a history of its own, cut to one seat.
//!
//! Owns: turning loaded calls back into lines. Must never: add anything that was not said.

use std::io::Write;

use super::HistoryError;
use super::event::{Answer, Event, Invoke, Show};
use super::load::{Call, History, Outcome};
use super::names::Name;

/// Which part.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'a> {
    /// Places in [`History::calls`].
    pub calls: &'a [usize],
    /// The show.
    pub show: Name,
    /// The only seat that the excerpt speaks of.
    pub seat: Name,
    /// Answers that came later are left out: ns since the origin.
    pub until_ns: u64,
}

impl Excerpt<'_> {
    /// Writes it, with `why` as a comment on top.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(
        &self,
        history: &History,
        why: &str,
        mut to: impl Write,
    ) -> Result<(), HistoryError> {
        let line = |event: &Event, to: &mut dyn Write| -> Result<(), HistoryError> {
            serde_json::to_writer(&mut *to, event).map_err(std::io::Error::from)?;
            Ok(to.write_all(b"\n")?)
        };
        for text in why.lines() {
            writeln!(to, "# {text}")?;
        }
        let mut header = history.header.clone();
        header.title = format!("{}: seat {}", header.title, history.text(self.seat));
        // Whoever watched notices and money watched all of it; a part shows none.
        (header.notices_watched, header.money_watched) = (false, false);
        line(&Event::Header(header), &mut to)?;
        let known = history
            .shows
            .iter()
            .find(|show| show.show == history.text(self.show));
        let mut show = known.cloned().unwrap_or_else(|| Show {
            show: history.text(self.show).to_owned(),
            ..Show::default()
        });
        let position = show
            .seats
            .iter()
            .position(|seat| seat == history.text(self.seat));
        (show.seats, show.price_minor) = (vec![history.text(self.seat).to_owned()], Vec::new());
        line(&Event::Show(show), &mut to)?;
        let mut calls = self.calls.to_vec();
        calls.sort_unstable();
        calls.dedup();
        for call in calls.iter().map(|at| &history.calls[*at]) {
            line(&Event::Invoke(self.asked(history, call)), &mut to)?;
            if call.end.at_ns <= self.until_ns && call.end.at_ns != u64::MAX {
                let answer = self.answered(history, call, position);
                let event = match call.end.outcome {
                    Outcome::Ok => Event::Ok(answer),
                    Outcome::Rejected => Event::Rejected(answer),
                    Outcome::Unknown => Event::Unknown(answer),
                };
                line(&event, &mut to)?;
            }
        }
        to.flush()?;
        Ok(())
    }

    fn only_seat(&self, history: &History, seats: &[Name]) -> Vec<String> {
        let kept = seats.iter().filter(|seat| **seat == self.seat);
        kept.map(|seat| history.text(*seat).to_owned()).collect()
    }

    fn asked(&self, history: &History, call: &Call) -> Invoke {
        let text = |name: Name| history.text(name).to_owned();
        Invoke {
            t_ns: call.invoked_ns,
            call: call.id,
            process: text(call.process),
            op: call.op,
            show: text(call.show),
            buyer: text(call.buyer),
            key: text(call.key),
            region: text(call.region),
            at: text(call.at),
            seats: self.only_seat(history, &call.seats),
            quantity: 0,
            hold: text(call.hold),
            order: text(call.order),
            reading: call.reading,
            at_least: call.at_least,
        }
    }

    fn answered(&self, history: &History, call: &Call, position: Option<usize>) -> Answer {
        let text = |name: Name| history.text(name).to_owned();
        let end = &call.end;
        let letter = position.and_then(|at| end.states.get(at..=at));
        Answer {
            t_ns: end.at_ns,
            call: call.id,
            code: text(end.code),
            why: String::new(),
            replayed: end.replayed,
            hold: text(end.hold),
            order: text(end.order),
            state: text(end.state),
            seats: self.only_seat(history, &end.seats),
            expires_ms: end.expires_ms,
            now_ms: end.now_ms,
            index: end.index,
            age_ms: end.age_ms,
            states: letter.unwrap_or_default().to_owned(),
            total_minor: None,
            tickets: Vec::new(),
        }
    }
}
