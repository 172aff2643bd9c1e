//! A chat by way of a Redis server: what one types, all others in the same room read.
//!
//! ```text
//! $ cargo run --example redis_chat -- redis://localhost kitchen anna
//! anna has come
//! bert has come
//! bert: is there any coffee left?
//! ```

use redis::AsyncCommands;
use redis_client::{Subscriber, connect};
use runtime::{io::stdin, select, sync::shared::broadcast::RecvError};
use std::{env, error::Error, process::ExitCode};

#[runtime::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [server, room, name] = &arguments[..] else {
        eprintln!(
            "usage: redis_chat SERVER ROOM NAME    where SERVER is redis://host:port or redis+unix:///path"
        );
        return ExitCode::from(2);
    };
    match chat(server, room, name).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redis_chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn chat(server: &str, room: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut subscriber = Subscriber::open(server).await?;
    subscriber.subscribe(room).await?;
    let mut redis = connect(server).await?;
    redis.publish::<_, _, ()>(room, format!("{name} has come")).await?;
    let hearing = async {
        loop {
            match subscriber.recv().await {
                Ok(message) => println!("{}", String::from_utf8_lossy(message.get_payload_bytes())),
                Err(RecvError::Lagged(lines)) => println!("({lines} lines were missed)"),
                Err(closed @ RecvError::Closed) => return Err(closed.into()),
            }
        }
    };
    let saying = async {
        let mut lines = stdin().lines();
        while let Some(line) = lines.next_line().await? {
            redis.publish::<_, _, ()>(room, format!("{name}: {line}")).await?;
        }
        redis.publish::<_, _, ()>(room, format!("{name} has gone")).await?;
        Ok(())
    };
    select! {
        end = saying => end,
        end = hearing => end,
    }
}
