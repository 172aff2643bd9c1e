//! A chat with an operator: each client has a task of its own, so that one who waits for an answer holds up nobody.

use runtime::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
    spawn,
    sync::{Queue, oneshot},
};
use std::{io, net::SocketAddr, rc::Rc};

/// A line that a client wrote, and where the answer goes.
struct Question {
    line: String,
    answer: oneshot::Sender<String>,
}

/// Takes clients, and puts what they ask before the operator.
async fn serve(listener: TcpListener, desk: Rc<Queue<Question>>) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let desk = desk.clone();
        spawn(
            async move { talk(&client, &desk).await.expect("the client is there until it has its answers") },
        )
        .detach();
    }
}

async fn talk(client: &TcpStream, desk: &Queue<Question>) -> io::Result<()> {
    let mut line = String::new();
    let mut lines = BufReader::new(client);
    while lines.read_line(&mut line).await? > 0 {
        let (answer, answered) = oneshot::channel();
        let question = Question { line: line.trim_end().to_owned(), answer };
        desk.put(question).await.expect("the operator stays");
        let answer = answered.await.expect("the operator answers everybody");
        client.write_all(format!("{answer}\n").as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

/// What a client types at its `>>: `. Empty lines are not sent, as they would not be answered.
async fn ask(server: SocketAddr, typed: &[&str]) -> io::Result<Vec<String>> {
    let stream = TcpStream::connect(server).await?;
    let mut answers = Vec::new();
    let mut lines = BufReader::new(&stream);
    for line in typed.iter().filter(|line| !line.is_empty()) {
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = String::new();
        lines.read_line(&mut answer).await?;
        answers.push(answer.trim_end().to_owned());
    }
    Ok(answers)
}

#[runtime::test]
async fn a_client_that_waits_for_the_operator_holds_up_no_other_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let desk = Rc::new(Queue::unbounded());
    spawn(serve(listener, desk.clone())).detach();

    let mut first = spawn(ask(server, &["hello", "", "and again"]));
    let waits_long = desk.get().await.unwrap();
    assert_eq!(waits_long.line, "hello");
    let second = spawn(ask(server, &["", "me too", "bye"]));
    for expected in ["me too", "bye"] {
        let Question { line, answer } = desk.get().await.unwrap();
        assert_eq!(line, expected, "an empty line asks nothing");
        answer.send(format!("{line}, says the operator")).unwrap();
    }
    assert_eq!(second.await.unwrap().unwrap(), ["me too, says the operator", "bye, says the operator"]);
    assert!(!first.is_finished(), "it waits still");
    waits_long.answer.send("at last".into()).unwrap();
    desk.get().await.unwrap().answer.send("now at once".into()).unwrap();
    assert_eq!((&mut first).await.unwrap().unwrap(), ["at last", "now at once"]);
}
