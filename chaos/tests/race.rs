//! A thousand buyers, a hundred seats, three gateways.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_chaos::buyer::{Buyer, insist};
use holdfast_chaos::checker::{self, Options};
use holdfast_chaos::history::{Header, Reading, Recorder, Show};
use holdfast_chaos::lab::{Lab, LabOptions};
use holdfast_chaos::season::GridShow;
use tokio::task::JoinSet;

const BUYERS: usize = 1_000;
const SEATS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(60);

/// Each wants one certain seat, ten want each, and keeps at it until the answer is definite.
async fn compete(buyer: Buyer, show: String, seat: String) -> (String, u16, String) {
    let wanted = [seat.as_str()];
    let attempt = || buyer.hold(&show, &wanted, "the-one");
    let answer = insist(PATIENCE, attempt).await;
    (seat.clone(), answer.status, answer.code().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_of_a_thousand_buyers_win_and_the_rest_are_told_so() {
    let hall = GridShow::new("race", "westeurope", 10, 10);
    let seats = hall.seats();
    let shows = vec![hall];
    let lab = Lab::start(LabOptions::wide(shows)).await.unwrap();
    let recorder = Recorder::in_memory(Header::new("race"));
    recorder.show(Show {
        show: lab.show(0),
        seats: seats.clone(),
        ..Show::default()
    });
    let mut buyers = Vec::new();
    for number in 0..BUYERS {
        buyers.push(lab.guest(number % 3).await.unwrap().recorded(&recorder));
    }
    let mut race = JoinSet::new();
    for (number, buyer) in buyers.into_iter().enumerate() {
        race.spawn(compete(buyer, lab.show(0), seats[number % SEATS].clone()));
    }
    let mut winners = BTreeSet::new();
    let mut losers = 0;
    while let Some(result) = race.join_next().await {
        match result.unwrap() {
            (seat, 201, _) => assert!(winners.insert(seat.clone()), "{seat} was given twice"),
            (_, 409, code) if code == "seats_taken" => losers += 1,
            other => panic!("not a definite answer: {other:?}"),
        }
    }
    assert_eq!((winners.len(), losers), (SEATS, BUYERS - SEATS));
    let looker = lab.guest(1).await.unwrap().recorded(&recorder);
    looker
        .read_seats(&lab.show(0), &seats, Reading::Linearizable)
        .await;
    recorder.finish().unwrap();
    let verdict = checker::check_history(&recorder.history().unwrap(), &Options::default());
    assert!(verdict.is_valid(), "{verdict}");
    let state = lab.final_state(2, &lab.show(0), &[]).await.unwrap();
    assert!(
        state.seats.values().all(|now| now == "held"),
        "{:?}",
        state.seats
    );
    lab.stop().await;
}
