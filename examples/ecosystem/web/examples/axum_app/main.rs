//! A small site in axum: a page on which people chat by WebSocket, and the same messages as JSON, on one thread.
//!
//! ```text
//! $ cargo run --example axum_app
//! listening on http://127.0.0.1:8080
//! $ curl http://127.0.0.1:8080/messages
//! [{"name":"Ada","text":"hello"}]
//! $ curl http://127.0.0.1:8080/messages -H 'content-type: application/json' -d '{"name":"Bob","text":"hello, Ada"}'
//! ```
//!
//! Axum wants what its handlers share to be `Send`; that is why the state has a `Mutex` in it. What a WebSocket does once it
//! is open is a matter of this runtime alone.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse},
    routing::{any, get},
};
use futures_lite::StreamExt;
use runtime::{
    http::{
        self,
        websocket::{CloseCode, CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    net::TcpListener,
    select, signal,
    sync::shared::{self, broadcast},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    env,
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Messages that whoever comes later gets to see.
const REMEMBERED: usize = 100;
/// Messages that are kept for somebody who is slow to take them; who is slower misses some.
const UNREAD: usize = 100;
/// The longest message of a WebSocket: nobody writes more in a chat.
const MAX_MESSAGE: usize = 4 << 10;
/// What those have who are here, to see the end.
const GOODBYE: Duration = Duration::from_secs(5);

/// What somebody has said.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Post {
    name: String,
    text: String,
}

/// What all handlers share.
struct Chat {
    /// Newest last.
    history: Mutex<VecDeque<Post>>,
    news: broadcast::Sender<Post>,
    closing: shared::Event,
}

impl Chat {
    fn new() -> Self {
        let (news, _) = broadcast::channel(UNREAD);
        Self { history: Mutex::default(), news, closing: shared::Event::new() }
    }

    /// All that was said, and from now on what will be: nothing between the two is lost, or told twice.
    fn listen(&self) -> (Vec<Post>, broadcast::Receiver<Post>) {
        let history = self.history.lock().unwrap();
        (history.iter().cloned().collect(), self.news.subscribe())
    }

    fn say(&self, post: Post) {
        let mut history = self.history.lock().unwrap();
        if history.len() == REMEMBERED {
            history.pop_front();
        }
        history.push_back(post.clone());
        let _ = self.news.send(post); // nobody may be listening
    }
}

#[runtime::main]
async fn main() -> std::io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;

    let chat = Arc::new(Chat::new());
    let router = Router::new()
        .route("/", get(async || Html(include_str!("chat.html"))))
        .route("/messages", get(messages).post(post))
        // Not only GET: in HTTP/2 a WebSocket is opened by CONNECT.
        .route("/chat", any(enter))
        .with_state(chat.clone());
    let told_to_end = async move {
        let _ = signal::ctrl_c().await;
        // The server waits for WebSockets too, so somebody has to tell them.
        chat.closing.set();
    };
    http::serve(listener, router).with_graceful_shutdown(told_to_end).shutdown_timeout(GOODBYE).await?;
    Ok(())
}

async fn messages(State(chat): State<Arc<Chat>>) -> Json<Vec<Post>> {
    Json(chat.listen().0)
}

async fn post(State(chat): State<Arc<Chat>>, Json(post): Json<Post>) -> StatusCode {
    chat.say(post);
    StatusCode::CREATED
}

async fn enter(State(chat): State<Arc<Chat>>, upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.max_message_size(MAX_MESSAGE).on_upgrade(async move |socket| {
        // Who just closes the page does not say goodbye: no reason to complain.
        let _ = talk(&chat, socket).await;
    })
}

/// What this one says goes to all, and what all say goes to this one.
async fn talk(chat: &Chat, mut socket: WebSocket) -> Result<(), Box<dyn std::error::Error>> {
    let (history, mut news) = chat.listen();
    for post in &history {
        socket.send(Message::text(serde_json::to_string(post)?)).await?;
    }
    loop {
        select! {
            heard = socket.next() => match heard.transpose()? {
                Some(Message::Text(text)) => chat.say(serde_json::from_str(&text)?),
                Some(_) => {}
                None => return Ok(()),
            },
            post = news.recv() => match post {
                Ok(post) => socket.send(Message::text(serde_json::to_string(&post)?)).await?,
                Err(broadcast::RecvError::Lagged(_)) => {}
                Err(broadcast::RecvError::Closed) => return Ok(()),
            },
            () = chat.closing.wait() => {
                let reason = "the server is going down".into();
                return Ok(socket.close(Some(CloseFrame { code: CloseCode::Away, reason })).await?);
            }
        }
    }
}
