//! The example `console`, watched by a client that asks as tokio-console does, and by a reader of Prometheus' format.

use console_api::{
    Attribute, Field, Location, async_ops,
    field::{Name, Value},
    instrument::{InstrumentRequest, Update, instrument_client::InstrumentClient},
    resources::{self, resource::Kind, resource::kind::Known},
    tasks::{Stats, Task},
};
use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    time::Duration,
};
use support::{Folder, Program, free_address};

/// The program, with its console at `address`; and where its metrics are.
fn open(folder: &Folder, address: SocketAddr) -> (Program, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_console"));
    command.arg("127.0.0.1:0").env("TOKIO_CONSOLE_BIND", address.to_string());
    command.env("TOKIO_CONSOLE_PUBLISH_INTERVAL", "50ms");
    let log = folder.path().join("log");
    let mut program = Program::start(&mut command, &log);
    let mut metrics = None;
    program.wait_until(|| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let said = said.split_once("http://").and_then(|(_, rest)| rest.split_once("/metrics\n"));
        metrics = said.map(|(address, _)| address.parse().expect("an address"));
        metrics.is_some()
    });
    (program, metrics.expect("it was said"))
}

/// What tokio-console knows of tasks, resources and operations, by the numbers that it gives them.
#[derive(Default)]
struct Console {
    tasks: BTreeMap<u64, Task>,
    stats: BTreeMap<u64, Stats>,
    resources: BTreeMap<u64, resources::Resource>,
    operations: BTreeMap<u64, async_ops::AsyncOp>,
    waits: BTreeMap<u64, async_ops::Stats>,
}

impl Console {
    fn take(&mut self, update: Update) {
        let number = |id: &Option<console_api::Id>| id.as_ref().expect("it has a number").id;
        if let Some(update) = update.task_update {
            self.tasks.extend(update.new_tasks.into_iter().map(|task| (number(&task.id), task)));
            self.stats.extend(update.stats_update);
        }
        if let Some(update) = update.resource_update {
            self.resources.extend(update.new_resources.into_iter().map(|one| (number(&one.id), one)));
        }
        if let Some(update) = update.async_op_update {
            self.operations.extend(update.new_async_ops.into_iter().map(|one| (number(&one.id), one)));
            self.waits.extend(update.stats_update);
        }
    }

    /// What the task of that name has waited for: resources of that type, and its waits there.
    fn waits(&self, name: &str, concrete_type: &str) -> Vec<(&resources::Resource, &async_ops::Stats)> {
        let found = self.operations.iter().filter_map(|(number, operation)| {
            let wait = self.waits.get(number)?;
            let task = self.tasks.get(&wait.task_id.as_ref()?.id)?;
            let resource = self.resources.get(&operation.resource_id.as_ref()?.id)?;
            assert_eq!(operation.source, resource.concrete_type);
            let is_meant = text(task, "task.name") == Some(name) && resource.concrete_type == concrete_type;
            is_meant.then_some((resource, wait))
        });
        found.collect()
    }

    /// All tasks of that kind and, if they have one, name; with their statistics.
    fn find(&self, kind: &str, name: Option<&str>) -> Vec<(&Task, &Stats)> {
        let is_meant = |task: &Task| text(task, "kind") == Some(kind) && text(task, "task.name") == name;
        let found = self.tasks.iter().filter(|(_, task)| is_meant(task));
        found.filter_map(|(number, task)| Some((task, self.stats.get(number)?))).collect()
    }
}

fn value<'a>(task: &'a Task, field: &str) -> Option<&'a Value> {
    let is_it = |it: &&Field| it.name == Some(Name::StrName(field.to_owned()));
    task.fields.iter().find(is_it)?.value.as_ref()
}

fn text<'a>(task: &'a Task, field: &str) -> Option<&'a str> {
    match value(task, field)? {
        Value::StrVal(text) => Some(text),
        other => panic!("{field} is a text, not {other:?}"),
    }
}

fn polls(stats: &Stats) -> u64 {
    stats.poll_stats.as_ref().map_or(0, |polls| polls.polls)
}

fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Value> {
    let mut fields = attributes.iter().filter_map(|attribute| attribute.field.as_ref());
    fields.find(|field| field.name == Some(Name::StrName(name.to_owned())))?.value.as_ref()
}

/// The line of the program in which that stands, as the console tells it.
fn line(code: &str) -> u32 {
    let mut lines = include_str!("../src/main.rs").lines();
    lines.position(|line| line.contains(code)).expect("it stands there") as u32 + 1
}

fn is_at(location: Option<&Location>, code: &str) -> bool {
    location.is_some_and(|location| {
        location.file.as_ref().is_some_and(|file| file.ends_with("main.rs"))
            && location.line == Some(line(code))
    })
}

const NAMES: [&str; 5] = ["customer 1", "customer 2", "customer 3", "baker", "cleaner"];

/// Follows the updates until everybody in the bakery has been seen at work.
async fn watch(address: SocketAddr) -> Console {
    let mut client = loop {
        // Its server starts beside the program.
        match InstrumentClient::connect(format!("http://{address}")).await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let updates = client.watch_updates(InstrumentRequest {}).await.expect("the server answers");
    let mut updates = updates.into_inner();
    let mut console = Console::default();
    while let Some(update) = updates.message().await.expect("the server goes on") {
        console.take(update);
        let has_worked = |name| console.find("task", Some(name)).iter().any(|(_, stats)| polls(stats) >= 3);
        let has_ended = |job: &(&Task, &Stats)| job.1.dropped_at.is_some();
        let has_waited = |name, concrete_type| {
            console.waits(name, concrete_type).iter().any(|(_, wait)| wait.dropped_at.is_some())
        };
        let has_happened = console.find("blocking", None).iter().any(has_ended)
            && has_waited("baker", "Lock")
            && has_waited("cleaner", "Sleep");
        if has_happened && NAMES.into_iter().all(has_worked) {
            return console;
        }
    }
    panic!("the program has ended");
}

/// The bakery, as the console has seen it after a while; nothing, if it cannot.
fn see() -> Option<Console> {
    if !console::HAS_CONSOLE {
        support::skip(
            "the tasks as tokio-console sees them: the flag of console/.cargo/config.toml is not set",
        );
        return None;
    }
    let folder = Folder::new("console");
    let address = free_address();
    let _program = open(&folder, address);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    Some(tokio.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), watch(address)).await.expect("within a minute")
    }))
}

#[test]
fn tokio_console_sees_what_a_task_waits_for_and_who_has_it() {
    let Some(console) = see() else { return };

    let waits = console.waits("baker", "Lock");
    let (oven, wait) = waits.iter().find(|(_, wait)| wait.dropped_at.is_some()).expect("he has waited");
    assert!(is_at(oven.location.as_ref(), "Rc::new(Lock::new(()))"), "{oven:?}");
    assert_eq!(
        oven.kind,
        Some(Kind { kind: Some(resources::resource::kind::Kind::Other("Sync".to_owned())) })
    );
    assert!(!oven.is_internal);
    let Some(Value::DebugVal(holder)) = attribute(&wait.attributes, "holder") else { panic!("{wait:?}") };
    let [(cleaner, _)] = console.find("task", Some("cleaner"))[..] else { panic!("one cleaner") };
    let Some(Value::U64Val(cleaner)) = value(cleaner, "task.id") else { panic!("{cleaner:?}") };
    let since = format!("main.rs:{}:", line("let _cold = "));
    assert!(holder.starts_with(&format!("task {cleaner} since ")) && holder.contains(&since), "{holder}");
    let Some(Value::DebugVal(asked)) = attribute(&wait.attributes, "asked") else { panic!("{wait:?}") };
    assert!(asked.contains(&format!("main.rs:{}:", line("let hot = "))), "{asked}");
    let polls = wait.poll_stats.as_ref().expect("it was polled");
    assert!(polls.polls >= 2, "at its beginning and at its end: {polls:?}");
    // All waits for the oven are waits for one and the same.
    let ovens = console.resources.values().filter(|resource| resource.concrete_type == "Lock");
    assert_eq!(ovens.count(), 1);

    let sleeps = console.waits("cleaner", "Sleep");
    let is_night =
        |(sleep, _): &&(&resources::Resource, _)| is_at(sleep.location.as_ref(), "from_millis(50)");
    let (night, _) = sleeps.iter().find(is_night).expect("the cleaner sleeps");
    let timer = resources::resource::kind::Kind::Known(Known::Timer as i32);
    assert_eq!(night.kind, Some(Kind { kind: Some(timer) }));
    let [(hungry, _)] = console.waits("customer 1", "Sleep")[..] else { panic!("one for all ticks") };
    assert!(is_at(hungry.location.as_ref(), "interval(Duration"), "{hungry:?}");
}

#[test]
fn tokio_console_sees_who_runs_waits_and_wakes_whom() {
    let Some(console) = see() else { return };

    let [(main, stats)] = console.find("block_on", Some("main"))[..] else { panic!("one main task") };
    assert_eq!(value(main, "task.id"), Some(&Value::U64Val(0)));
    assert!(stats.dropped_at.is_none() && polls(stats) >= 1);
    for name in NAMES {
        let [(task, stats)] = console.find("task", Some(name))[..] else { panic!("one {name}") };
        let location = task.location.as_ref().expect("it was spawned somewhere");
        assert!(location.file.as_ref().is_some_and(|file| file.ends_with("main.rs")), "{location:?}");
        assert!(location.line.is_some() && location.column.is_some(), "{location:?}");
        assert!(matches!(value(task, "size.bytes"), Some(Value::U64Val(64..2048))), "{task:?}");
        assert!(polls(stats) >= 2 && stats.wakes >= 1, "{name}: {stats:?}");
        // By these the console finds that a task has lost its waker. They are read one after the other while the program
        // goes on, and may be a wake apart.
        assert!(stats.waker_clones.abs_diff(stats.waker_drops) <= 2, "{name}: {stats:?}");
        assert!(stats.waker_drops.abs_diff(stats.wakes - stats.self_wakes) <= 2, "{name}: {stats:?}");
    }
    let [(_, baker)] = console.find("task", Some("baker"))[..] else { panic!("one baker") };
    assert!(baker.self_wakes >= 1, "he gives way: {baker:?}");
    let jobs = console.find("blocking", None);
    let (job, stats) = jobs.iter().find(|(_, stats)| stats.dropped_at.is_some()).expect("a cake was baked");
    assert!(text(job, "fn").is_some_and(|name| name.contains("console::baker")), "{job:?}");
    assert_eq!(polls(stats), 1);
}

/// The answer to a GET, head and body.
fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: bakery\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

/// Reads a page as Prometheus' own library for Python does, and prints what it has found.
const READER: &str = r"
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.name, family.type, len(family.samples), bool(family.documentation))
";

/// Whether this Python has the library; that of Debian may not be the first one.
fn has_reader(python: &&str) -> bool {
    let status = Command::new(python).args(["-c", "import prometheus_client"]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn prometheus_reads_the_page() {
    let folder = Folder::new("metrics");
    let (mut program, address) = open(&folder, free_address());
    let sold = |page: &str| page.lines().any(|line| line == "bakery_cakes_total{layers=\"3\"} 1");
    program.wait_until(|| sold(&get(address, "/metrics").1));
    assert!(get(address, "/").0.starts_with("HTTP/1.1 404 "));
    let (head, page) = get(address, "/metrics");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");

    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_reader) else {
        support::skip("prometheus_client is not installed (apt-get install python3-prometheus-client)");
        return;
    };
    let mut reader = Command::new(python);
    let reader = reader.args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut reader = reader.expect("python3 is there");
    reader.stdin.take().expect("a pipe").write_all(page.as_bytes()).expect("it reads");
    let read = reader.wait_with_output().expect("it ends");
    assert!(read.status.success(), "{page}");
    let expected = "\
runtime_turns counter 1 True
runtime_polls counter 1 True
runtime_sleeps counter 1 True
runtime_tasks_spawned counter 1 True
runtime_tasks gauge 1 True
runtime_tasks_ready gauge 1 True
runtime_remote_wakes counter 1 True
runtime_lag_seconds histogram 17 True
runtime_timers gauge 1 True
runtime_sources gauge 1 True
runtime_source_waiters gauge 1 True
runtime_blocking_jobs_queued gauge 1 True
runtime_blocking_jobs_running gauge 1 True
runtime_blocking_threads gauge 1 True
bakery_cakes counter 3 True
";
    assert_eq!(String::from_utf8_lossy(&read.stdout), expected);
}
