//! A browser without a window, driven by the protocol of its developer tools, which is JSON on a WebSocket.

use async_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use futures_lite::StreamExt;
use runtime::net::TcpStream;
use serde_json::{Value, json};
use std::{fs, process::Command};
use support::{Ending, Folder, Program, find};

/// A running browser; dropped, it ends.
pub(crate) struct Browser {
    _program: Program,
    _folder: Folder,
    address: String,
    tools: Tools,
}

impl Browser {
    /// One that answers; none, and a line about it, where it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let chromium = find("chromium", "chromium")?;
        let folder = Folder::new("chromium");
        let mut command = Command::new(chromium);
        // Root may not have a sandbox, and a container hardly any shared memory.
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]);
        command.args(["--remote-debugging-port=0", "--disable-background-networking"]);
        command.arg(format!("--user-data-dir={}", folder.path().display())).arg("about:blank");
        command.env("TMPDIR", folder.path());
        let mut program =
            Program::start(&mut command, &folder.path().join("log")).ending_by(Ending::Terminate);
        let place = folder.path().join("DevToolsActivePort");
        program.wait_until(|| fs::read_to_string(&place).is_ok_and(|text| text.lines().count() == 2));
        let place = fs::read_to_string(&place).unwrap();
        let (port, path) = place.trim().split_once('\n').unwrap();
        let address = format!("127.0.0.1:{port}");
        let tools = Tools::open(&address, path).await;
        Some(Self { _program: program, _folder: folder, address, tools })
    }

    /// A tab that shows `url`.
    pub(crate) async fn open(&mut self, url: &str) -> Page {
        let target = self.tools.call("Target.createTarget", json!({ "url": url })).await.unwrap();
        let path = format!("/devtools/page/{}", target["targetId"].as_str().unwrap());
        Page(Tools::open(&self.address, &path).await)
    }
}

/// A tab.
pub(crate) struct Page(Tools);

impl Page {
    /// The value of an expression once it has one that is neither `null` nor `undefined`; it is asked for again and again.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let patient = format!(
            "new Promise(done => {{
                const look = () => {{
                    const value = {expression};
                    value == null ? setTimeout(look, 20) : done(value);
                }};
                look();
            }})"
        );
        let parameters = json!({ "expression": patient, "awaitPromise": true, "returnByValue": true });
        loop {
            // While the page comes, whoever asks the one before it is told that this is gone.
            let answer = self.0.call("Runtime.evaluate", parameters.clone()).await;
            if let Ok(answer) = answer
                && let Some(value) = answer["result"].get("value")
            {
                return value.clone();
            }
        }
    }
}

/// A conversation with the browser, or with one of its tabs.
struct Tools {
    socket: WebSocketStream<TcpStream>,
    calls: u64,
}

impl Tools {
    async fn open(address: &str, path: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(format!("ws://{address}{path}"), stream).await.unwrap();
        Self { socket, calls: 0 }
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        self.calls += 1;
        let call = json!({ "id": self.calls, "method": method, "params": parameters });
        self.socket.send(Message::text(call.to_string())).await.unwrap();
        loop {
            let message = self.socket.next().await.expect("the browser runs").unwrap();
            let mut answer: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            // The others are news, of which nobody has asked for any.
            if answer["id"] == self.calls {
                return match answer["error"].take() {
                    Value::Null => Ok(answer["result"].take()),
                    error => Err(error),
                };
            }
        }
    }
}
