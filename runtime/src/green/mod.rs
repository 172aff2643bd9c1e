//! The names of the standard library, for code that blocks: in a greenlet they park that and nothing else.
//!
//! A program that was written for threads changes its `use` lines and is concurrent on one thread, beside the tasks of the
//! same runtime: `std::net` becomes [`green::net`](net), `std::thread` [`green::thread`](thread), and so on. Names, signatures
//! and errors are those of the standard library.
//!
//! ```
//! use runtime::green::{
//!     io::{Read, Write},
//!     net::{TcpListener, TcpStream},
//!     thread,
//! };
//!
//! #[runtime::main]
//! fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     thread::spawn(move || {
//!         for stream in listener.incoming() {
//!             let mut stream = stream.unwrap();
//!             let mut buffer = [0; 64];
//!             let n = stream.read(&mut buffer).unwrap(); // lets the others go on
//!             stream.write_all(&buffer[..n]).unwrap();
//!         }
//!     });
//!
//!     let mut client = TcpStream::connect(address)?;
//!     client.write_all(b"hello")?;
//!     let mut echo = [0; 5];
//!     client.read_exact(&mut echo)?;
//!     assert_eq!(&echo, b"hello");
//!     Ok(())
//! }
//! ```
//!
//! # Who is parked
//!
//! Within a greenlet an operation that cannot go on suspends it until it can. Everywhere else, in a task as on a thread
//! without a runtime, the same call blocks its thread, as it would in the standard library; in a task that holds up all
//! others. What only they could end (a join, a lock, a channel) panics there rather than block for ever.
//!
//! # What changing `use` lines does not change
//!
//! Calls that name no module of these block as before: [`std::fs`], [`std::process`], `println!`, a C library. For what takes
//! long there is [`spawn_blocking`](crate::spawn_blocking), whose handle a greenlet waits for.
//!
//! What makes things wait here makes turns: between two waits nobody else of this thread runs.

pub mod io;
pub mod net;
mod options;
pub mod os;
mod parked;
pub mod sync;
pub mod thread;
pub mod time;
mod waiting;
