//! `axum_app`.

use crate::{
    browser::{Browser, Page},
    program::Example,
};
use runtime::{
    process::Command,
    signal::SignalKind,
    time::{Duration, timeout},
};
use support::find;

/// The longest that anything may take on the slowest machine; only failures ever wait so long.
const LIMIT: Duration = Duration::from_secs(60);

async fn start() -> (Example, String) {
    let mut app = Example::start("axum_app", &["127.0.0.1:0"]);
    let line = app.line().await;
    let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
    (app, url)
}

async fn curl(arguments: &[&str]) -> String {
    let curl = find("curl", "curl").expect("it was there");
    let output = Command::new(curl).args(["--silent", "--max-time", "30"]).args(arguments).output().await;
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// Types as a user does.
async fn say(page: &mut Page, name: &str, text: &str) {
    page.value("document.getElementById('state')?.textContent === 'connected' ? true : null").await;
    let said = format!(
        "(() => {{
            document.getElementById('name').value = '{name}';
            document.getElementById('text').value = '{text}';
            document.getElementById('form').requestSubmit();
            return true;
        }})()"
    );
    page.value(&said).await;
}

/// What is on the page once there are so many messages.
async fn posts(page: &mut Page, count: usize) -> String {
    let items = format!(
        "(items => items.length < {count} ? null : Array.from(items, item => item.innerHTML).join('|'))\
         (document.querySelectorAll('#posts li'))"
    );
    page.value(&items).await.as_str().unwrap().to_owned()
}

#[runtime::test]
async fn people_chat_in_a_browser_until_the_server_says_goodbye() {
    let Some(mut browser) = Browser::start().await else { return };
    let story = async {
        let (mut app, url) = start().await;
        let mut ada = browser.open(&url).await;
        let mut bob = browser.open(&url).await;
        say(&mut ada, "Ada", "hello").await;
        assert_eq!(posts(&mut bob, 1).await, "<b>Ada</b>hello");
        say(&mut bob, "Bob", "<b>hi</b>").await;
        let all = "<b>Ada</b>hello|<b>Bob</b>&lt;b&gt;hi&lt;/b&gt;";
        assert_eq!(posts(&mut ada, 2).await, all);
        // Who comes later sees what was said before.
        let mut cleo = browser.open(&url).await;
        assert_eq!(posts(&mut cleo, 2).await, all);

        app.child.signal(SignalKind::interrupt()).unwrap();
        for page in [&mut ada, &mut bob, &mut cleo] {
            let state = "(state => state.startsWith('gone') ? state : null)\
                         (document.getElementById('state').textContent)";
            assert_eq!(page.value(state).await, "gone 1001 the server is going down");
        }
        assert!(app.child.wait().await.unwrap().success());
    };
    timeout(LIMIT, story).await.expect("nobody waits so long");
}

#[runtime::test]
async fn messages_come_and_go_as_json_too() {
    if find("curl", "curl").is_none() {
        return;
    }
    let (mut app, url) = start().await;
    let messages = format!("{url}/messages");
    assert_eq!(curl(&[&messages]).await, "[]");
    let post = r#"{"name":"Ada","text":"hello"}"#;
    let status = ["--header", "content-type: application/json", "--write-out", "%{http_code}", "--data"];
    assert_eq!(curl(&[&status[..], &[post, &messages]].concat()).await, "201");
    assert_eq!(curl(&[&messages]).await, format!("[{post}]"));
    assert!(curl(&[&url]).await.contains("<title>Chat</title>"));
    app.child.signal(SignalKind::interrupt()).unwrap();
    assert!(app.child.wait().await.unwrap().success());
}
