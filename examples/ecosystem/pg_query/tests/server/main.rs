//! With a real server: what its clients may rely on, and what becomes of them when it restarts.

mod relay;

use futures_util::{SinkExt, TryStreamExt};
use pg_query::{Database, OpenError, Session};
use relay::Relay;
use runtime::{
    join_all,
    net::TcpListener,
    spawn, spawn_blocking,
    time::{Duration, Instant, sleep, timeout},
    try_join_all,
};
use std::{
    cell::Cell,
    error::Error,
    io::{Cursor, ErrorKind},
    process::Command,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use support::Postgres;
use tokio_postgres::{Config, error::SqlState};

type Outcome = Result<(), Box<dyn Error>>;

/// One server for all tests that run at the same time, and do not end it: to make its files takes longer than they do.
fn server() -> Option<Arc<Postgres>> {
    static SERVER: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(Postgres::start()?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// How to get to it by TCP.
fn by_tcp(server: &Postgres) -> Config {
    let mut config = config();
    config.host(server.address().ip().to_string()).port(server.address().port());
    config
}

/// And by its Unix socket.
fn by_path(server: &Postgres) -> Config {
    let mut config = config();
    config.host_path(server.socket().parent().expect("it is in a folder")).port(server.address().port());
    config
}

fn config() -> Config {
    let mut config = Config::new();
    config.user(Postgres::USER).dbname(Postgres::DATABASE).connect_timeout(Duration::from_secs(30));
    config
}

/// Asks again and again, where nobody tells when it is so.
async fn until(mut is_so: impl AsyncFnMut() -> Result<bool, tokio_postgres::Error>) -> Outcome {
    let asking = async {
        while !is_so().await? {
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    };
    timeout(Duration::from_secs(60), asking).await.expect("it never came to that")
}

/// A hundred statements have been sent before the first of them is answered.
#[runtime::test]
async fn statements_do_not_wait_for_the_answers_to_others() -> Outcome {
    const STATEMENTS: usize = 100;
    let Some(server) = server() else { return Ok(()) };
    let mut relay = Relay::to(server.address()).await?;
    let mut config = config();
    config.host("127.0.0.1").port(relay.address().port());
    let session = Rc::new(Session::open(&config).await?);
    let double = session.prepare("SELECT $1::bigint * 2").await?;

    let before = relay.statements();
    relay.hold();
    let tasks: Vec<_> = (0..STATEMENTS as i64)
        .map(|n| {
            let (session, double) = (Rc::clone(&session), double.clone());
            spawn(async move { session.query_one(&double, &[&n]).await.map(|row| row.get::<_, i64>(0)) })
        })
        .collect();
    relay.passed(before + STATEMENTS).await;
    assert!(tasks.iter().all(|task| !task.is_finished()));
    relay.release();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await??, 2 * n as i64);
    }
    Ok(())
}

#[runtime::test]
async fn a_server_is_reached_by_its_unix_socket_too() -> Outcome {
    let Some(server) = server() else { return Ok(()) };
    let session = Session::open(&by_path(&server)).await?;
    // It has no address then.
    let row = session.query_one("SELECT inet_server_addr()::text", &[]).await?;
    assert_eq!(row.get::<_, Option<&str>>(0), None);
    session.close().await?;
    Ok(())
}

/// Both ways, and much more than any buffer holds.
#[runtime::test]
async fn megabytes_are_copied_in_and_out() -> Outcome {
    const LINES: usize = 60_000;
    let Some(server) = server() else { return Ok(()) };
    for config in [by_tcp(&server), by_path(&server)] {
        let session = Session::open(&config).await?;
        session.batch_execute("CREATE TEMPORARY TABLE lines (n int, line text)").await?;
        let mut sink = std::pin::pin!(session.copy_in("COPY lines FROM STDIN").await?);
        for first in (0..LINES).step_by(1000) {
            let chunk: String =
                (first..first + 1000).map(|n| format!("{n}\tthe line of number {n}\n")).collect();
            sink.send(Cursor::new(chunk)).await?;
        }
        assert_eq!(sink.finish().await?, LINES as u64);

        let stream = session.copy_out("COPY (SELECT line FROM lines ORDER BY n) TO STDOUT").await?;
        let mut stream = std::pin::pin!(stream);
        let mut text = Vec::new();
        while let Some(chunk) = stream.try_next().await? {
            text.extend_from_slice(&chunk);
        }
        let lines = String::from_utf8(text)?;
        assert!(lines.lines().eq((0..LINES).map(|n| format!("the line of number {n}"))));
    }
    Ok(())
}

#[runtime::test]
async fn everybody_who_listens_hears_every_notification() -> Outcome {
    let Some(server) = server() else { return Ok(()) };
    let session = Session::open(&by_tcp(&server)).await?;
    let mut listeners = [session.notifications(), session.notifications()];
    session.batch_execute("LISTEN lunch; LISTEN dinner").await?;
    let other = Session::open(&by_path(&server)).await?;
    for n in 0..100 {
        other.execute("SELECT pg_notify('lunch', $1)", &[&n.to_string()]).await?;
    }
    other.batch_execute("NOTIFY dinner").await?;
    for listener in &mut listeners {
        for n in 0..100 {
            let notification = listener.recv().await?;
            assert_eq!((notification.channel(), notification.payload()), ("lunch", &*n.to_string()));
        }
        assert_eq!(listener.recv().await?.channel(), "dinner");
    }
    session.close().await?;
    for listener in &mut listeners {
        listener.recv().await.unwrap_err(); // there will be no more
    }
    Ok(())
}

/// The server would work on it for a minute.
#[runtime::test]
async fn a_statement_that_takes_too_long_is_cancelled_and_the_session_goes_on() -> Outcome {
    let Some(server) = server() else { return Ok(()) };
    for config in [by_tcp(&server), by_path(&server)] {
        let session = Rc::new(Session::open(&config).await?);
        let slow = {
            let session = Rc::clone(&session);
            spawn(async move { session.query("SELECT pg_sleep(60)", &[]).await.map(drop) })
        };
        // A statement that has not begun yet would not hear of it.
        let watcher = Session::open(&config).await?;
        let begun = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        until(async || Ok(watcher.query_one(begun, &[]).await?.get::<_, i64>(0) == 1)).await?;
        session.cancel().await?;
        assert_eq!(slow.await?.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
        assert_eq!(session.query_one("SELECT 1", &[]).await?.get::<_, i32>(0), 1);
    }
    Ok(())
}

/// It is done all the same, and its answer is not taken for that of the next one.
#[runtime::test]
async fn a_statement_that_is_dropped_disturbs_no_other() -> Outcome {
    let Some(server) = server() else { return Ok(()) };
    let session = Session::open(&by_tcp(&server)).await?;
    session.batch_execute("CREATE TEMPORARY TABLE done (n int)").await?;
    // Given as text it would be prepared first, and nothing more would have been sent.
    let insert = session.prepare("INSERT INTO done SELECT 1 FROM pg_sleep(0.05)").await?;
    timeout(Duration::from_millis(1), session.execute(&insert, &[])).await.unwrap_err();
    let rows = session.query("SELECT 'next'", &[]).await?;
    assert_eq!(rows[0].get::<_, &str>(0), "next");
    assert_eq!(session.query_one("SELECT count(*) FROM done", &[]).await?.get::<_, i64>(0), 1);
    Ok(())
}

#[runtime::test]
async fn a_transaction_that_is_dropped_has_not_happened() -> Outcome {
    let Some(server) = server() else { return Ok(()) };
    let mut session = Session::open(&by_tcp(&server)).await?;
    session.batch_execute("CREATE TEMPORARY TABLE kept (n int)").await?;
    let transaction = session.transaction().await?;
    transaction.execute("INSERT INTO kept VALUES (1)", &[]).await?;
    drop(transaction);
    let transaction = session.transaction().await?;
    transaction.execute("INSERT INTO kept VALUES (2)", &[]).await?;
    transaction.commit().await?;
    let rows = session.query("SELECT n FROM kept", &[]).await?;
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [2]);
    Ok(())
}

#[runtime::test]
async fn a_session_that_is_dropped_is_gone_at_the_server_too() -> Outcome {
    let Some(server) = server() else { return Ok(()) };
    let watcher = Session::open(&by_tcp(&server)).await?;
    let mut config = by_tcp(&server);
    config.application_name("short-lived");
    let sessions = try_join_all((0..10).map(|_| Session::open(&config))).await?;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'short-lived'";
    assert_eq!(watcher.query_one(count, &[]).await?.get::<_, i64>(0), 10);
    drop(sessions);
    until(async || Ok(watcher.query_one(count, &[]).await?.get::<_, i64>(0) == 0)).await?;
    Ok(())
}

#[runtime::test]
async fn whoever_is_not_let_in_is_told_why() -> Outcome {
    let Some(server) = server() else { return Ok(()) };
    let mut elsewhere = by_tcp(&server);
    elsewhere.dbname("no_such_database");
    let refused = Session::open(&elsewhere).await.unwrap_err();
    assert!(!refused.is_passing());
    assert_eq!(
        refused.to_string(),
        "the server does not let us in: database \"no_such_database\" does not exist"
    );
    // A `Database` has no patience with that.
    Database::new(elsewhere).session().await.unwrap_err();
    assert!(matches!(Session::open(&config()).await, Err(OpenError::Nowhere)));
    Ok(())
}

#[runtime::test]
async fn a_server_that_is_not_there_is_waited_for_with_patience() -> Outcome {
    let mut config = config();
    config.host("127.0.0.1").port(support::free_address().port());
    let OpenError::Unreachable(error) = Session::open(&config).await.unwrap_err() else { panic!() };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let database = Database::new(config).patience(Duration::from_millis(50));
    let (one, other) = runtime::join!(database.session(), database.session());
    assert!(one.unwrap_err().is_passing() && other.unwrap_err().is_passing());
    Ok(())
}

/// However many wait: not the one for the other, each with a patience of its own.
#[runtime::test(start_paused = true)]
async fn many_have_no_more_patience_than_one() -> Outcome {
    let mut config = config();
    config.host("127.0.0.1").port(support::free_address().port());
    let database = Database::new(config).patience(Duration::from_secs(30));
    let start = Instant::now();
    let sessions = join_all((0..10).map(|_| database.session())).await;
    assert!(sessions.into_iter().all(|session| session.unwrap_err().is_passing()));
    assert!(start.elapsed() <= Duration::from_secs(30), "{:?}", start.elapsed());
    Ok(())
}

/// Its connections are accepted, by the system, and that is all.
#[runtime::test]
async fn a_server_that_says_nothing_is_not_waited_for_without_end() -> Outcome {
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let mut config = config();
    config.host("127.0.0.1").port(silent.local_addr()?.port());
    let database = Database::new(config).patience(Duration::from_millis(50));
    let OpenError::Unreachable(error) = database.session().await.unwrap_err() else { panic!() };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    Ok(())
}

/// Ten tasks write, the server is ended without any order, and is back later. All statements fail or are done, none waits for
/// ever; who repeats what has failed has written everything in the end.
#[runtime::test]
async fn clients_outlive_a_restart_of_the_server() -> Outcome {
    const TASKS: i32 = 10;
    const ROWS: i32 = 100;
    let Some(mut server) = Postgres::start() else { return Ok(()) };
    let database = Rc::new(Database::new(by_tcp(&server)));
    database
        .session()
        .await?
        .batch_execute("CREATE TABLE rows (task int, n int, PRIMARY KEY (task, n))")
        .await?;

    let (written, failures) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (database, written, failures) =
                (Rc::clone(&database), Rc::clone(&written), Rc::clone(&failures));
            spawn(async move {
                for n in 0..ROWS {
                    // It may be done twice, so it may be repeated.
                    let insert = "INSERT INTO rows VALUES ($1, $2) ON CONFLICT DO NOTHING";
                    while let Err(error) = database.session().await?.execute(insert, &[&task, &n]).await {
                        // The server itself says so to some, before it goes.
                        let is_expected = error.is_closed()
                            || error.code().is_some_and(|code| code.code().starts_with("57P"))
                            || error.as_db_error().is_none();
                        assert!(is_expected, "{error:?}");
                        failures.set(failures.get() + 1);
                    }
                    written.set(written.get() + 1);
                }
                Ok::<_, OpenError>(())
            })
        })
        .collect();
    until(async || Ok(written.get() >= TASKS * ROWS / 10)).await?;
    assert!(written.get() < TASKS * ROWS, "it comes too late");
    let restart = move || {
        server.kill();
        server.restart();
        server
    };
    let server = spawn_blocking(restart).await?;
    for task in join_all(tasks).await {
        task??;
    }
    assert!(failures.get() > 0, "nobody noticed");
    let count = database.session().await?.query_one("SELECT count(*) FROM rows", &[]).await?;
    assert_eq!(count.get::<_, i64>(0), i64::from(TASKS * ROWS));
    drop(server);
    Ok(())
}

/// What is shown at its top is what it does.
#[test]
fn the_program_does_what_it_says() {
    let Some(server) = server() else { return };
    let configuration = format!(
        "host={} port={} user={} dbname={}",
        server.socket().parent().unwrap().display(),
        server.address().port(),
        Postgres::USER,
        Postgres::DATABASE
    );
    let program = || Command::new(env!("CARGO_BIN_EXE_pg_query"));
    let output = program().arg(configuration).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with("PostgreSQL "), "{text}");
    assert!(text.ends_with("is 333833500\na notification by `news`: \"it works\"\n"), "{text}");
    assert_eq!(program().output().unwrap().status.code(), Some(2));
    assert_eq!(program().arg("nonsense").output().unwrap().status.code(), Some(1));
}

#[test]
fn what_went_wrong_is_told_once() {
    let configuration = format!("host=127.0.0.1 port={} user=me", support::free_address().port());
    let output = Command::new(env!("CARGO_BIN_EXE_pg_query")).arg(configuration).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("pg_query: the server is not to be reached: cannot connect to "), "{told}");
    assert_eq!(told.matches("refused").count(), 1, "{told}");
}
