//! Looking at a show's seats as octets: what a gateway has in its live copy.
//!
//! Owns: the request and what its headers say. Must never: believe more of a map than its headers do.

use reqwest::header::ACCEPT;
use reqwest::{Response, StatusCode};

use super::Buyer;
use super::said::unpacked;
use crate::history::{self, Op, Reading};

const MEDIA_TYPE: &str = "application/vnd.holdfast.seats+octets";

impl Buyer {
    /// Looks at every seat of a show, of which there are `seats`, in the order of its layout; one letter a seat in the history.
    /// The letters, when there was a map.
    pub async fn look_at_octets(&self, show: &str, seats: usize) -> Option<String> {
        let asked = self.asked_to_read(Op::ReadSeats, show, Reading::Near, 0);
        let url = format!("{}/v1/shows/{show}/seats", self.url);
        let request = self.http.get(url).bearer_auth(&self.token);
        let answer = request.header(ACCEPT, MEDIA_TYPE).send().await;
        let said = match answer {
            Ok(answer) => said(answer).await.filter(|said| said.states.len() == seats),
            Err(_) => None,
        };
        // Whoever was shown this must not be shown less by a session read.
        if let Some(said) = &said {
            self.saw_index(show, said.index);
        }
        let states = said.as_ref().map(|said| said.states.clone());
        if let Some((recorder, asked)) = asked {
            match said {
                Some(said) => recorder.ok(asked, said),
                None => recorder.unknown(asked, history::Answer::default()),
            }
        }
        states
    }
}

async fn said(answer: Response) -> Option<history::Answer> {
    let number = |name: &str| {
        let value = answer.headers().get(name)?.to_str().ok()?;
        value.parse::<u64>().ok()
    };
    let whole = answer.status() == StatusCode::OK;
    let (index, age_ms) = (number("holdfast-index")?, number("holdfast-age-ms")?);
    let now_ms = number("holdfast-time-ms")?;
    let octets = answer.bytes().await.ok()?;
    whole.then_some(history::Answer {
        index,
        age_ms: Some(age_ms),
        now_ms,
        states: unpacked(&octets)?,
        ..history::Answer::default()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::buyer::{Carried, http_client};

    #[test]
    fn a_session_read_asks_for_all_that_its_guest_was_shown() {
        let guest = Buyer {
            http: http_client(),
            url: String::new(),
            token: String::new(),
            name: String::new(),
            recorder: None,
            sure: false,
            carried: Carried::default(),
            seen: Arc::default(),
        };
        guest.saw_index("s1", 7);
        guest.through("elsewhere").saw_index("s1", 5);
        assert_eq!(guest.floor("s1", Reading::Session), 7);
        assert_eq!(guest.floor("s2", Reading::Session), 0);
        assert_eq!(guest.floor("s1", Reading::Near), 0);
    }
}
