//! `holdfast-chaos queue verify`: is the draw of a waiting room what was promised, and where does my ticket stand?
//!
//! Needs nothing but the published proof and the ticket; computes everything anew. Owns: that check. Must never: ask the
//! service anything but the proof, or believe a key that it did not compute.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use holdfast_node_api::queue::{
    LATE_START, Qid, commit, draw_key, hex, parse_hex, parse_key, show_key,
};
use serde::Deserialize;

/// Longest file or answer that is read, bytes.
const BYTES_MAX: usize = 64 * 1024;

/// What can be done about a waiting room from outside.
#[derive(Debug, Clone, Subcommand)]
pub enum QueueCommand {
    /// Check a room's draw, and a ticket's place in it
    Verify(VerifyArgs),
}

/// Options of `queue verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The proof: the answer of GET /v1/shows/{show}/queue/proof as a file, or its http:// address
    #[arg(long, value_name = "FILE|URL")]
    pub proof: String,
    /// The ticket as it was given when joining: its text, or the whole JSON answer
    #[arg(long, value_name = "FILE")]
    pub ticket: Option<PathBuf>,
    /// A proof kept from before the sale: its promise must be the same
    #[arg(long, value_name = "FILE")]
    pub earlier: Option<PathBuf>,
}

/// What is published.
#[derive(Debug, Deserialize)]
struct Proof {
    show: String,
    commit: String,
    revealed: bool,
    seed: Option<String>,
    threshold: String,
}

/// What a ticket says of itself. Its signature is the gateways' to check; what matters here can be read by anyone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    show_id: u64,
    pub(crate) qid: Qid,
    /// `None` = drawn; else the key that late comers get.
    pub(crate) late: Option<u128>,
}

/// Runs the command and prints what was found.
///
/// # Errors
/// When the draw is not what was promised, or something cannot be read.
pub async fn run(command: QueueCommand) -> anyhow::Result<()> {
    let QueueCommand::Verify(args) = command;
    let text = if args.proof.starts_with("http://") {
        fetch(&args.proof).await?
    } else {
        read(Path::new(&args.proof))?
    };
    let ticket = args.ticket.as_deref().map(read).transpose()?;
    let earlier = args.earlier.as_deref().map(read).transpose()?;
    println!("{}", verify(&text, ticket.as_deref(), earlier.as_deref())?);
    Ok(())
}

async fn fetch(url: &str) -> anyhow::Result<String> {
    let answer = crate::buyer::http_client().get(url).send().await?;
    let text = answer.error_for_status()?.text().await?;
    ensure!(text.len() <= BYTES_MAX, "{url} answers too much");
    Ok(text)
}

fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
    ensure!(text.len() <= BYTES_MAX, "{shown} is too long");
    Ok(text)
}

/// What is true of the proof, the ticket and the earlier proof together.
fn verify(proof: &str, ticket: Option<&str>, earlier: Option<&str>) -> anyhow::Result<String> {
    let proof: Proof = serde_json::from_str(proof).context("this is no proof of a waiting room")?;
    let promised = parse_hex::<32>(&proof.commit).context("commit")?;
    let mut said = vec![format!("show       {}", proof.show)];
    if let Some(earlier) = earlier {
        let earlier: Proof = serde_json::from_str(earlier).context("the earlier proof is none")?;
        ensure!(
            earlier.commit == proof.commit && earlier.show == proof.show,
            "the promise was changed: it was {}, it is {}",
            earlier.commit,
            proof.commit
        );
        said.push("promise    the same as before".to_owned());
    }
    let seed = match (&proof.seed, proof.revealed) {
        (Some(seed), true) => Some(parse_hex::<32>(seed).context("seed")?),
        (None, false) => None,
        _ => anyhow::bail!("the proof contradicts itself about its seed"),
    };
    match seed {
        None => said.push(format!(
            "seed       secret until the sale; its hash is {}",
            proof.commit
        )),
        Some(seed) => {
            ensure!(
                commit(&seed) == promised,
                "the seed is not the promised one: its hash is {}, promised was {}",
                hex(&commit(&seed)),
                proof.commit
            );
            said.push(format!("seed       {}, as promised", hex(&seed)));
        }
    }
    if let Some(text) = ticket {
        let ticket = parse_ticket(text)?;
        let name = format!("s{}", ticket.show_id);
        ensure!(name == proof.show, "the ticket is for {name}");
        said.push(format!("ticket     {}", hex(&ticket.qid)));
        let threshold = parse_key(&proof.threshold).context("threshold")?;
        said.push(place(&ticket, seed.as_ref(), threshold));
    }
    Ok(said.join("\n"))
}

fn place(ticket: &Ticket, seed: Option<&[u8; 32]>, threshold: u128) -> String {
    let drawn = seed.map(|seed| draw_key(seed, &ticket.qid));
    let Some(key) = ticket.late.or(drawn) else {
        return "place      not drawn yet".to_owned();
    };
    let how = if key < LATE_START {
        // The draw is uniform, so the key itself says about how many of a hundred stand ahead.
        let share = key as f64 / LATE_START as f64;
        format!(
            "ahead of about {:.1} % of all who were drawn",
            100.0 * (1.0 - share)
        )
    } else {
        "behind everybody who was drawn, in order of arrival".to_owned()
    };
    let reached = if key <= threshold {
        "reached"
    } else {
        "not reached yet"
    };
    format!("place      {}, {how}; {reached}", show_key(key))
}

/// A ticket's text, or the JSON answer that it came in. The form is in `docs/waiting-room.md`.
pub(crate) fn parse_ticket(text: &str) -> anyhow::Result<Ticket> {
    #[derive(Deserialize)]
    struct Joined {
        ticket: String,
    }
    let joined: Option<Joined> = serde_json::from_str(text).ok();
    let text = joined.map_or_else(|| text.trim().to_owned(), |joined| joined.ticket);
    let bytes = URL_SAFE_NO_PAD.decode(&text).context("this is no ticket")?;
    let field = |at: usize, length: usize| bytes.get(at..at + length).context("this is no ticket");
    ensure!(
        bytes.first() == Some(&1),
        "this ticket is of another release"
    );
    let phase = field(42, 1)?;
    let late = u128::from_be_bytes(field(44, 16)?.try_into()?);
    Ok(Ticket {
        show_id: u64::from_be_bytes(field(2, 8)?.try_into()?),
        qid: field(26, 16)?.try_into()?,
        late: (phase == [1]).then_some(late),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SEED: [u8; 32] = [3; 32];

    fn proof(revealed: bool) -> serde_json::Value {
        json!({
            "show": "s7", "commit": hex(&commit(&SEED)), "revealed": revealed,
            "seed": revealed.then(|| hex(&SEED)), "threshold": show_key(LATE_START / 2), "age_ms": 1,
        })
    }

    fn ticket(show_id: u64, late: Option<u128>) -> String {
        let mut bytes = vec![1, 77];
        bytes.extend_from_slice(&show_id.to_be_bytes());
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(&[9; 16]);
        bytes.extend_from_slice(&[u8::from(late.is_some()), 0]);
        bytes.extend_from_slice(&late.unwrap_or(0).to_be_bytes());
        bytes.extend_from_slice(&[0; 40]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn an_honest_draw_is_confirmed_and_the_ticket_gets_its_place() {
        let said = verify(&proof(true).to_string(), Some(&ticket(7, None)), None).unwrap();
        let key = show_key(draw_key(&SEED, &[9; 16]));
        assert!(
            said.contains("as promised") && said.contains(&key),
            "{said}"
        );
        let joined = json!({"ticket": ticket(7, Some(LATE_START + 5)), "state": "serving"});
        let said = verify(&proof(true).to_string(), Some(&joined.to_string()), None).unwrap();
        assert!(said.contains("behind everybody"), "{said}");
        let before = proof(false).to_string();
        let said = verify(&before, Some(&ticket(7, None)), None).unwrap();
        assert!(said.contains("not drawn yet"), "{said}");
        assert!(verify(&proof(true).to_string(), None, Some(&before)).is_ok());
    }

    #[test]
    fn every_lie_is_found_out() {
        let with = |name: &str, value: serde_json::Value| {
            let mut proof = proof(true);
            proof[name] = value;
            proof.to_string()
        };
        let other = hex(&[4; 32]);
        for lie in [
            with("seed", json!(other)),
            with("commit", json!(other)),
            with("seed", json!(null)),
            with("revealed", json!(false)),
            with("commit", json!("short")),
        ] {
            assert!(verify(&lie, None, None).is_err(), "{lie}");
        }
        // The promise was exchanged for another, with its own seed.
        let changed = json!({
            "show": "s7", "commit": hex(&commit(&[4; 32])), "revealed": true, "seed": other,
            "threshold": show_key(0),
        });
        let before = proof(false).to_string();
        assert!(verify(&changed.to_string(), None, Some(&before)).is_err());
        let honest = proof(true).to_string();
        for bad in [ticket(8, None), "x".to_owned(), String::new()] {
            assert!(verify(&honest, Some(&bad), None).is_err(), "{bad}");
        }
    }
}
