//! PostgreSQL by `tokio-postgres`, on our streams and tasks; of tokio there is nothing but its traits for streams.
//!
//! `tokio-postgres` has the protocol. Given a stream it makes a client, which asks, and a connection, which has to be driven.
//! A [`Session`] is both, with the connection as a task of ours:
//!
//! ```no_run
//! use pg_query::Session;
//!
//! # #[runtime::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::open(&"host=localhost user=postgres".parse()?).await?;
//! let total: i64 = session.query_one("SELECT sum(n) FROM generate_series(1, $1::bigint) n", &[&10_i64]).await?.get(0);
//! assert_eq!(total, 55);
//! # Ok(())
//! # }
//! ```
//!
//! - **Statements of many tasks share a session**, and none waits for the answer to another before it is sent (pipelining). The
//!   server does them one after the other; what should run side by side needs sessions of its own. One that is given as text is
//!   prepared each time, which is a question of its own: prepare what is used again.
//! - **A statement that is dropped is done all the same**, as nobody can take back what was sent; its answer is passed over. To
//!   have the server stop, ask for that: [`Session::cancel`].
//! - **A session ends** with its connection, and every statement under way fails. Whether the server has done it nobody knows, so
//!   nothing is repeated by itself. A [`Database`] opens the next session.

mod database;
mod session;

pub use database::Database;
pub use session::{OpenError, Session};
