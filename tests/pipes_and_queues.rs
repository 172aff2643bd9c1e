//! Stories of pipes and queues between processes, which end and are killed at all moments.
#![cfg(all(target_os = "linux", not(miri)))]
#![allow(clippy::needless_pass_by_value, reason = "functions of processes are given what they have")]

use runtime::{
    join_all,
    process::{Descriptor, Pipe, Process, Queue, RecvError, SendError, pipe},
    spawn,
    task::yield_now,
    time::{sleep, timeout},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    fs::{self, File, OpenOptions},
    io::Write,
    os::fd::OwnedFd,
    path::PathBuf,
    time::Duration,
};

const TOO_LONG: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);

/// A message of which no part looks whole.
fn message(number: u32, len: usize) -> Message {
    let mut bytes = vec![number as u8; len];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[len - 4..].copy_from_slice(&number.to_le_bytes());
    Message(bytes)
}

#[track_caller]
fn number_of(Message(bytes): &Message) -> u32 {
    let number = u32::from_le_bytes(bytes[..4].try_into().unwrap());
    assert!(message(number, bytes.len()).0 == *bytes, "torn");
    number
}

/// Bytes that are copied as a whole, not one by one.
#[derive(Clone, PartialEq)]
struct Message(Vec<u8>);

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl de::Visitor<'_> for Whole {
            type Value = Message;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Message, E> {
                Ok(Message(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Whole)
    }
}

/// A file to which processes add lines.
struct Ledger(PathBuf);

impl Ledger {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("runtime-ledger-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        File::create(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Descriptor {
        Descriptor(OpenOptions::new().append(true).open(&self.0).unwrap().into())
    }

    fn lines(&self) -> Vec<u64> {
        fs::read_to_string(&self.0).unwrap().lines().map(|line| line.parse().unwrap()).collect()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn note(ledger: &mut File, item: u64) {
    ledger.write_all(format!("{item}\n").as_bytes()).unwrap();
}

fn file(descriptor: Descriptor) -> File {
    OwnedFd::from(descriptor).into()
}

/// Sends back what comes, until the end.
fn echo_by_thread(end: Pipe<Message>) -> u32 {
    let mut count = 0;
    while let Ok(bytes) = end.blocking_recv() {
        end.blocking_send(&bytes).unwrap();
        count += 1;
    }
    count
}

async fn echo(end: Pipe<Message>) -> u32 {
    let mut count = 0;
    loop {
        match end.recv().await {
            Ok(bytes) => end.send(&bytes).await.unwrap(),
            Err(RecvError::Closed) => return count,
            Err(error) => panic!("{error}"),
        }
        count += 1;
    }
}

#[runtime::test]
async fn messages_of_all_sizes_come_back_and_the_end_arrives() {
    for by_thread in [true, false] {
        let (ours, theirs) = pipe().unwrap();
        let process = match by_thread {
            true => Process::spawn(echo_by_thread, theirs).unwrap(),
            false => Process::spawn(echo, theirs).unwrap(),
        };
        for (number, len) in [8, 100, 65_536, 65_537, 16 << 20].into_iter().enumerate() {
            let bytes = message(number as u32, len);
            ours.send(&bytes).await.unwrap();
            assert!(ours.recv_timeout(TOO_LONG).await.unwrap() == bytes, "{len}");
        }
        drop(ours);
        assert_eq!(timeout(TOO_LONG, process.join()).await.unwrap().unwrap(), 5);
    }
}

fn wait_for_the_end(end: Pipe<u8>) {
    assert!(matches!(end.blocking_recv(), Err(RecvError::Closed)));
}

#[runtime::test]
async fn the_end_arrives_although_siblings_live() {
    let (first, firsts) = pipe::<u8>().unwrap();
    let (second, seconds) = pipe::<u8>().unwrap();
    let one = Process::spawn(wait_for_the_end, firsts).unwrap();
    let two = Process::spawn(wait_for_the_end, seconds).unwrap();
    drop(first);
    timeout(TOO_LONG, one.join()).await.unwrap().unwrap();
    assert!(two.is_alive());
    two.kill().unwrap();
    assert!(matches!(second.recv_timeout(TOO_LONG).await, Err(RecvError::Closed)), "its only other end died");
    assert!(matches!(second.send(&1).await, Err(SendError::Closed)));
}

/// Sends numbered messages without end, short ones and of that length.
fn pour(end: Pipe<Message>, long: usize) {
    for number in 0.. {
        let len = if number % 2 == 1 { long } else { 16 };
        if end.blocking_send(&message(number, len)).is_err() {
            return;
        }
    }
}

#[runtime::test]
async fn a_writer_that_is_killed_while_it_sends_64_mb_leaves_no_part_of_a_message() {
    for round in 0..24_u64 {
        let (ours, theirs) = pipe().unwrap();
        let ours = ours.max_message(80 << 20);
        let process = Process::spawn(pour, (theirs.max_message(80 << 20), (64 << 20) - 64)).unwrap();
        let mut next = 0;
        if round % 2 == 0 {
            assert_eq!(number_of(&ours.recv_timeout(TOO_LONG).await.unwrap()), 0);
            next = 1;
        }
        sleep(Duration::from_millis(round * 7)).await;
        process.kill().unwrap();
        loop {
            match ours.recv_timeout(TOO_LONG).await {
                Ok(bytes) => assert_eq!(number_of(&bytes), next),
                Err(RecvError::Closed) => break,
                Err(error) => panic!("{error}"),
            }
            next += 1;
        }
    }
}

#[runtime::test]
async fn a_reader_that_is_killed_is_noticed_by_who_waits_for_room() {
    for waits in ["task", "thread"] {
        let (ours, theirs) = pipe::<Vec<u8>>().unwrap();
        let process = Process::spawn(
            async |end: Pipe<Vec<u8>>| {
                let _end = end;
                sleep(TOO_LONG * 60).await;
            },
            theirs,
        )
        .unwrap();
        while ours.try_send(&vec![0; 60_000]).is_ok() {}
        if waits == "task" {
            let sending = spawn(async move { ours.send(&vec![0; 60_000]).await });
            yield_now().await;
            process.kill().unwrap();
            assert!(matches!(timeout(TOO_LONG, sending).await.unwrap().unwrap(), Err(SendError::Closed)));
        } else {
            process.kill().unwrap();
            assert!(matches!(ours.blocking_send_timeout(&vec![0; 60_000], TOO_LONG), Err(SendError::Closed)));
        }
    }
}

/// Puts so many items and is gone.
fn put_and_leave(queue: Queue<Message>, first: u32, count: u32) {
    for number in first..first + count {
        queue.blocking_put(message(number, if number % 7 == 0 { 200_000 } else { 12 })).unwrap();
    }
}

#[runtime::test]
async fn what_was_put_arrives_although_who_has_put_it_is_gone() {
    let queue = Queue::unbounded().unwrap();
    let process = Process::spawn(put_and_leave, (queue.clone(), 0, 50)).unwrap();
    timeout(TOO_LONG, process.join()).await.unwrap().unwrap();
    assert_eq!(queue.len(), 50);
    for number in 0..50 {
        assert_eq!(number_of(&queue.get().await.unwrap()), number);
    }
}

fn count_by_thread(queue: Queue<Message>) -> BTreeSet<u32> {
    std::iter::from_fn(|| queue.blocking_get().ok()).map(|bytes| number_of(&bytes)).collect()
}

async fn count(queue: Queue<Message>) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    while let Ok(bytes) = queue.get().await {
        assert!(all.insert(number_of(&bytes)), "twice");
        queue.task_done();
    }
    all
}

#[runtime::test]
async fn of_many_producers_and_consumers_in_processes_nothing_is_lost_and_nothing_comes_twice() {
    const EACH: u32 = 300;
    let queue = Queue::bounded(10).unwrap();
    let consumers = [
        Process::spawn(count, queue.clone()).unwrap(),
        Process::spawn(count_by_thread, queue.clone()).unwrap(),
        Process::spawn(count, queue.clone()).unwrap(),
    ];
    let producers = (0..3).map(|n| Process::spawn(put_and_leave, (queue.clone(), n * EACH, EACH)).unwrap());
    let producers: Vec<_> = producers.collect();
    for producer in producers {
        timeout(TOO_LONG, producer.join()).await.unwrap().unwrap();
    }
    queue.close().unwrap();
    let sets = timeout(TOO_LONG, join_all(consumers.iter().map(Process::join))).await.unwrap();
    let sets: Vec<_> = sets.into_iter().map(Result::unwrap).collect();
    assert_eq!(sets.iter().map(BTreeSet::len).sum::<usize>(), 3 * EACH as usize);
    assert_eq!(sets.into_iter().flatten().collect::<BTreeSet<_>>(), (0..3 * EACH).collect());
    assert!(queue.is_empty() && queue.is_closed());
}

async fn work(tasks: Queue<u64>, results: Queue<u64>) {
    while let Ok(task) = tasks.get().await {
        results.put(task * task).await.unwrap();
        tasks.task_done();
    }
}

#[runtime::test]
async fn join_passes_when_workers_in_processes_have_done_all() {
    let (tasks, results) = (Queue::bounded(3).unwrap(), Queue::unbounded().unwrap());
    let workers: Vec<_> =
        (0..2).map(|_| Process::spawn(work, (tasks.clone(), results.clone())).unwrap()).collect();
    for round in 0..3 {
        for task in 0..20 {
            tasks.put(round * 20 + task).await.unwrap();
        }
        timeout(TOO_LONG, tasks.join()).await.unwrap().unwrap();
        assert_eq!(results.len(), 20, "all of them, at that moment");
        let squares: BTreeSet<_> = (0..20).map(|_| results.try_get().unwrap()).collect();
        assert_eq!(squares, (round * 20..round * 20 + 20).map(|task| task * task).collect());
    }
    tasks.close().unwrap();
    for worker in workers {
        timeout(TOO_LONG, worker.join()).await.unwrap().unwrap();
    }
}

/// Ends of pipes go through pipes and queues like anything else.
async fn answer(requests: Queue<(u32, Pipe<u32>)>) {
    while let Ok((number, reply)) = requests.get().await {
        reply.send(&(number + 1)).await.unwrap();
    }
}

#[runtime::test]
async fn a_request_brings_the_pipe_for_its_answer() {
    let requests = Queue::bounded(4).unwrap();
    let server = Process::spawn(answer, requests.clone()).unwrap();
    for number in 0..10 {
        let (ours, theirs) = pipe().unwrap();
        requests.put((number, theirs)).await.unwrap();
        assert_eq!(ours.recv_timeout(TOO_LONG).await.unwrap(), number + 1);
        assert!(matches!(ours.recv_timeout(TOO_LONG).await, Err(RecvError::Closed)), "answered, and let go");
    }
    requests.close().unwrap();
    timeout(TOO_LONG, server.join()).await.unwrap().unwrap();
}

/// Puts items that nobody else puts, each noted once it is in.
fn produce(queue: Queue<u64>, ledger: Descriptor, first: u64) {
    let mut ledger = file(ledger);
    for item in first.. {
        if queue.blocking_put(item).is_err() {
            return;
        }
        note(&mut ledger, item);
    }
}

/// Takes items, and notes each.
fn consume(queue: Queue<u64>, ledger: Descriptor) {
    let mut ledger = file(ledger);
    while let Ok(item) = queue.blocking_get() {
        note(&mut ledger, item);
    }
}

#[runtime::test]
async fn a_queue_survives_whoever_is_killed_with_it() {
    const ROUNDS: u64 = 40;
    let queue = Queue::bounded(3).unwrap();
    let (put, got) = (Ledger::new("put"), Ledger::new("got"));
    let producer = |n: u64| Process::spawn(produce, (queue.clone(), put.open(), n << 32)).unwrap();
    let consumer = || Process::spawn(consume, (queue.clone(), got.open())).unwrap();
    let (mut producers, mut consumers) = (vec![producer(0), producer(1)], vec![consumer(), consumer()]);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..ROUNDS {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sleep(Duration::from_micros(random % 20_000)).await;
        let victim = random as usize >> 16 & 1;
        if round % 2 == 0 {
            producers[victim].kill().unwrap();
            producers[victim] = producer(2 + round);
        } else {
            consumers[victim].kill().unwrap();
            consumers[victim] = consumer();
        }
    }
    for producer in &producers {
        producer.kill().unwrap();
        let _ = producer.join().await;
    }
    queue.close().unwrap();
    for consumer in &consumers {
        timeout(TOO_LONG, consumer.join()).await.unwrap().unwrap();
    }

    let (put, got) = (put.lines(), got.lines());
    let set: BTreeSet<u64> = got.iter().copied().collect();
    assert_eq!(set.len(), got.len(), "nothing comes twice");
    assert!(put.len() > 500, "{} items", put.len());
    // A consumer that is killed may have an item that it has not noted.
    let lost = put.iter().filter(|item| !set.contains(item)).count();
    assert!(lost <= ROUNDS as usize / 2, "{lost} of {} are lost", put.len());
    // A producer that is killed may have put an item that it has not noted.
    let noted: BTreeSet<u64> = put.into_iter().collect();
    let mut unnoted: BTreeMap<u64, usize> = BTreeMap::new();
    for item in set.difference(&noted) {
        *unnoted.entry(item >> 32).or_default() += 1;
    }
    assert!(unnoted.values().all(|&count| count <= 1), "{unnoted:?}");
}

#[runtime::test]
async fn all_places_are_there_again_after_many_deaths() {
    let queue = Queue::bounded(2).unwrap();
    let ledger = Ledger::new("places");
    for round in 0..30_u64 {
        let producer = Process::spawn(produce, (queue.clone(), ledger.open(), round << 32)).unwrap();
        let consumer = Process::spawn(consume, (queue.clone(), ledger.open())).unwrap();
        sleep(Duration::from_micros(6_000 + round * 373)).await;
        producer.kill().unwrap();
        consumer.kill().unwrap();
        let (_, _) = (producer.join().await, consumer.join().await);
    }
    while queue.try_get().is_ok() {}
    for item in 0..2 {
        queue.put_timeout(item, SOON).await.unwrap();
    }
    assert!(queue.is_full());
}

#[runtime::test]
async fn a_stranger_at_the_other_end_is_told_from_us() {
    let (ours, theirs) = pipe::<(u64, String)>().unwrap();
    let stranger = std::os::unix::net::UnixDatagram::from(OwnedFd::from(theirs));
    for bytes in [&b"x"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xB1; 12], &[0; 60_000]] {
        stranger.send(bytes).unwrap();
        let refused = ours.recv_timeout(TOO_LONG).await.unwrap_err();
        assert!(matches!(refused, RecvError::Unreadable(_)), "{refused}");
    }
    drop(stranger);
    assert!(matches!(ours.recv_timeout(TOO_LONG).await, Err(RecvError::Closed)));
    let other = File::open("/dev/null").unwrap();
    assert!(Pipe::<u8>::try_from(OwnedFd::from(other)).is_err());
}

/// What this process has of memory that queues share, and of descriptors.
fn belongings() -> (usize, usize) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    (maps.matches("memfd:runtime").count(), fs::read_dir("/proc/self/fd").unwrap().count())
}

#[runtime::test]
async fn queues_and_pipes_that_are_dropped_leave_nothing_behind() {
    // In a process of its own, where nobody else comes and goes.
    let (before, after) = Process::spawn(
        || {
            let before = belongings();
            for item in 0..100 {
                let queue = Queue::bounded(1).unwrap();
                let other = queue.try_clone().unwrap();
                let (ours, theirs) = pipe().unwrap();
                queue.blocking_put((item, theirs)).unwrap();
                let (number, theirs) = other.blocking_get().unwrap();
                theirs.blocking_send(&Queue::<u8>::unbounded().unwrap()).unwrap();
                assert_eq!((number, ours.blocking_recv().unwrap().len()), (item, 0));
            }
            (before, belongings())
        },
        (),
    )
    .unwrap()
    .join()
    .await
    .unwrap();
    assert_eq!(before, after);
}
