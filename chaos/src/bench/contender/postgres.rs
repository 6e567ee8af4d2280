//! PostgreSQL: `UPDATE ... WHERE status = 'free'` in a transaction, committed when it is flushed; alone, or with two
//! streaming standbys of which one must have flushed, too.
//!
//! A transaction is two round trips: BEGIN and UPDATE go together, COMMIT or ROLLBACK follows from the count.
//!
//! Owns: servers, schema, the transaction. Must never: turn a durability setting off.

mod server;
mod wire;

use anyhow::Context;

use self::server::Server;
use self::wire::{Connection, SqlError};
use super::{Contender, Seller};
use crate::bench::attempt::{Answer, Attempt};

/// Rows are updated once, in place: half of each page is left free for that, as a careful owner of such a table would.
const SCHEMA: &str = "CREATE TABLE seat (show bigint NOT NULL, seat int NOT NULL, status text NOT NULL, \
    buyer bigint, held_until timestamptz, PRIMARY KEY (show, seat)) WITH (fillfactor = 50)";
const UPDATE: &str = "UPDATE seat SET status = 'held', buyer = $4, held_until = now() + interval '10 minutes' \
    WHERE show = $1 AND seat IN ($2, $3) AND status = 'free'";
/// Two holds of two seats may wait for each other; the loser's transaction is repeated.
const DEADLOCK: &str = "40P01";
const TRIES: usize = 5;

/// The running servers: the first is written to.
#[derive(Debug)]
pub(in crate::bench) struct Postgres {
    servers: Vec<Server>,
    control: Connection,
    shows: u64,
}

/// Whether all programs are there.
///
/// # Errors
/// When not; the text says what to install.
pub(in crate::bench) fn installed() -> anyhow::Result<()> {
    server::installed()
}

impl Postgres {
    /// Starts one server, and two synchronous standbys when asked; gives their version, too.
    pub(in crate::bench) async fn start(standbys: bool) -> anyhow::Result<(Self, String)> {
        let version = server::version().await?;
        let primary = Server::primary(standbys).await?;
        let mut control = primary.connect().await?;
        let mut servers = vec![primary];
        if standbys {
            for name in ["s1", "s2"] {
                let standby = servers[0].standby(name).await?;
                servers.push(standby);
            }
            servers[0].wait_streaming(&mut control, 2).await?;
        }
        control.simple(SCHEMA).await?;
        let form = if standbys {
            ", ANY 1 of 2 standbys"
        } else {
            ""
        };
        let postgres = Self {
            servers,
            control,
            shows: 0,
        };
        Ok((postgres, format!("{version}{form}")))
    }
}

impl Contender for Postgres {
    type Seller = PostgresSeller;

    async fn open_show(&mut self, seats: u32) -> anyhow::Result<u64> {
        self.shows += 1;
        let show = self.shows;
        let rows = format!(
            "INSERT INTO seat (show, seat, status) SELECT {show}, n, 'free' FROM generate_series(0, {}) n",
            seats.saturating_sub(1)
        );
        self.control.simple(&rows).await?;
        self.control.simple("VACUUM ANALYZE seat").await?;
        Ok(show)
    }

    async fn sellers(&mut self, show: u64, clients: usize) -> anyhow::Result<Vec<PostgresSeller>> {
        let show = i64::try_from(show)?;
        let mut sellers = Vec::with_capacity(clients);
        for _ in 0..clients {
            let mut connection = self.servers[0].connect().await?;
            for (name, sql) in [
                ("b", "BEGIN"),
                ("u", UPDATE),
                ("c", "COMMIT"),
                ("r", "ROLLBACK"),
            ] {
                connection.prepare(name, sql).await?;
            }
            sellers.push(PostgresSeller { connection, show });
        }
        Ok(sellers)
    }

    async fn stop(self) {
        drop(self.control);
        // Standbys first, or the primary waits for them.
        for server in self.servers.into_iter().rev() {
            server.stop().await;
        }
    }
}

/// One client with a connection of its own.
#[derive(Debug)]
pub(in crate::bench) struct PostgresSeller {
    connection: Connection,
    show: i64,
}

impl PostgresSeller {
    async fn transaction(&mut self, attempt: Attempt) -> Result<Answer, SqlError> {
        let mut wanted: Vec<u32> = attempt.seats().collect();
        // The same order for everybody makes deadlocks rare.
        wanted.sort_unstable();
        let (first, last) = (wanted[0], wanted[wanted.len() - 1]);
        let parameters: [&[u8]; 4] = [
            &self.show.to_be_bytes(),
            &first.to_be_bytes(),
            &last.to_be_bytes(),
            &i64::from(attempt.number).to_be_bytes(),
        ];
        self.connection.queue("b", &[]);
        self.connection.queue("u", &parameters);
        let updated = self.connection.flush().await?;
        if updated == wanted.len() {
            self.connection.queue("c", &[]);
            self.connection.flush().await?;
            return Ok(Answer::Held);
        }
        self.connection.queue("r", &[]);
        self.connection.flush().await?;
        Ok(Answer::Taken)
    }
}

impl Seller for PostgresSeller {
    async fn hold(&mut self, attempt: Attempt) -> anyhow::Result<Answer> {
        for _ in 0..TRIES {
            match self.transaction(attempt).await {
                Ok(answer) => return Ok(answer),
                Err(SqlError::Server { code, .. }) if code == DEADLOCK => {
                    self.connection.queue("r", &[]);
                    self.connection.flush().await?;
                }
                Err(error) => return Err(error).context("hold"),
            }
        }
        anyhow::bail!("{TRIES} deadlocks one after the other")
    }
}
