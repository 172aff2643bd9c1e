//! Fetches pages, all at once, by `reqwest`, and says how long they are: `cargo run --example fetch http://localhost:8080/ …`

use runtime::{join_all, tokio_context::in_tokio};
use std::env;

#[runtime::main]
async fn main() {
    let client = reqwest::Client::new();
    let pages = join_all(env::args().skip(1).map(|url| {
        let request = client.get(&url);
        // What asks for tokio is in there, and nothing else has to be.
        let page = in_tokio(async { request.send().await?.error_for_status()?.text().await });
        async move { (page.await, url) }
    }));
    for (page, url) in pages.await {
        match page {
            Ok(text) => println!("{url}: {} characters", text.chars().count()),
            Err(error) => println!("{url}: {error}"),
        }
    }
}
