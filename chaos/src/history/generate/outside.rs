//! What is seen of the made-up system besides answers to writes: looks, replicas, money, mail, and the truth at the end.
//!
//! Owns: those lines. Must never: change a shard.

use std::io::Write;

use rand::Rng;

use super::plant::Plant;
use super::shard::{Effects, Reply};
use super::{BUYERS, MS, World};
use crate::history::{
    Answer, Event, HistoryError, Mark, Money, MoneyMoved, Notice, NoticeKind, Op, Reading, Replica,
};

impl<W: Write> World<W> {
    /// Money and mail.
    pub(super) fn outside(&mut self, show: usize, effects: Effects) -> Result<(), HistoryError> {
        let (t_ns, show) = (self.now_ns, self.shards[show].name.clone());
        if let Some((order, times, amount_minor)) = effects.paid {
            for attempt in 1..=times {
                for moved in [Money::Authorised, Money::Captured] {
                    let (show, order) = (show.clone(), order.clone());
                    self.write(&Event::Money(MoneyMoved {
                        t_ns,
                        show,
                        order,
                        attempt,
                        moved,
                        amount_minor,
                    }))?;
                }
            }
        }
        if let Some((seq, order)) = effects.announced {
            let kind = NoticeKind::OrderConfirmed;
            let notice = Notice {
                t_ns,
                show,
                order,
                seq,
                kind,
            };
            self.write(&Event::Notice(notice.clone()))?;
            if self.one_in(20) {
                self.write(&Event::Notice(notice))?;
            }
        }
        Ok(())
    }

    pub(super) fn replicas(&mut self, show: usize) -> Result<(), HistoryError> {
        let shard = &self.shards[show];
        let states = shard.states();
        let count = |letter: char| states.chars().filter(|c| *c == letter).count() as u64;
        let differs = shard.plant == Some(Plant::ReplicaDiffers);
        let seen = |node: u64| Replica {
            t_ns: self.now_ns,
            show: shard.name.clone(),
            node,
            index: shard.index,
            hash: format!(
                "{:016x}",
                shard.index ^ if differs && node == 3 { 1 } else { 0 }
            ),
            available: count('a'),
            held: count('h'),
            sold: count('s'),
            ..Replica::default()
        };
        for seen in [1, 2, 3].map(seen) {
            self.write(&Event::Replica(seen))?;
        }
        Ok(())
    }

    pub(super) fn look(
        &mut self,
        buyer: usize,
        show: usize,
        reading: Reading,
        order: Option<usize>,
    ) -> Reply {
        let (now_ns, shard) = (self.now_ns, &self.shards[show]);
        if let Some(order) = order {
            return Ok(shard.order_view(order));
        }
        let newest = Answer {
            index: shard.index,
            now_ms: shard.now_ms,
            states: shard.states(),
            age_ms: Some(0),
            ..Answer::default()
        };
        let floor = match reading {
            Reading::Linearizable => return Ok(newest),
            Reading::Session if shard.plant != Some(Plant::SessionBack) => {
                self.buyers[buyer].seen(show)
            }
            Reading::Session | Reading::Near => 0,
        };
        let old: Vec<_> = shard
            .snapshots
            .iter()
            .filter(|snapshot| snapshot.index >= floor)
            .collect();
        if old.is_empty() {
            return Ok(newest);
        }
        let chosen = old[self.random.random_range(0..old.len())];
        let age_ms = (now_ns - chosen.at_ns) / MS;
        let plain = reading == Reading::Near;
        Ok(Answer {
            index: if plain && shard.plant == Some(Plant::StaleAsFresh) {
                shard.index
            } else {
                chosen.index
            },
            now_ms: chosen.now_ms,
            states: chosen.states.clone(),
            age_ms: Some(if plain && shard.plant == Some(Plant::AgeUnderstated) {
                age_ms / 50
            } else {
                age_ms
            }),
            ..Answer::default()
        })
    }

    /// Peace, then the truth.
    pub(super) fn end(mut self) -> Result<(), HistoryError> {
        self.now_ns += 1_000 * MS;
        let mark = Mark {
            t_ns: self.now_ns,
            what: "settled".to_owned(),
            until_ns: 0,
        };
        self.write(&Event::Mark(mark))?;
        for show in 0..self.shards.len() {
            self.replicas(show)?;
            self.calls += 1;
            let mut asked = self.asked(BUYERS, self.calls, show, Op::ReadSeats);
            asked.reading = Reading::Linearizable;
            self.write(&Event::Invoke(asked))?;
            let reply = self.look(0, show, Reading::Linearizable, None);
            self.now_ns += MS;
            if let Ok(answer) = reply {
                let (t_ns, call) = (self.now_ns, self.calls);
                self.write(&Event::Ok(Answer {
                    t_ns,
                    call,
                    ..answer
                }))?;
            }
        }
        let (t_ns, events) = (self.now_ns, self.events);
        self.write(&Event::End { t_ns, events })?;
        Ok(self.to.flush()?)
    }
}
