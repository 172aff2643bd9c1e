//! At least once, with a ledger: workers are killed in the middle of their work, the server is killed as by a power cut, and in
//! the end there is a bill for every order that was accepted.
//!
//! `QUEUE_ORDERS` and `QUEUE_KILLS` make it longer.

use runtime::{
    broker::{Broker as _, Counts, Error, Options, Redis},
    process::{Child, Command, Stdio},
    random_u64, spawn,
    time::{Instant, sleep},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    env,
    ffi::OsString,
    fs,
    ops::Range,
    path::Path,
    rc::Rc,
    time::Duration,
};

const LEASE: Duration = Duration::from_millis(500);

/// As many as a worker has in hand at once, at most.
const CONCURRENCY: usize = 8;

const CUSTOMERS: usize = 8;

fn number(name: &str, otherwise: usize) -> usize {
    env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}

fn queue(server: &support::Redis) -> Redis {
    let options = Options::default().max_deliveries(100).lease(LEASE);
    Redis::new(&format!("redis://{}", server.address()), "orders", options).unwrap()
}

/// Everything a worker writes is in files of its own: what was written before a SIGKILL is there.
fn worker(server: &support::Redis, folder: &Path, ledgers: &Path) -> Child {
    let ledger = fs::File::options().create(true).append(true).open(ledgers).unwrap();
    Command::new(env!("CARGO_BIN_EXE_redis_queue"))
        .args(["work", folder.to_str().unwrap()])
        .env("REDIS_URL", format!("redis://{}", server.address()))
        .env("LEASE_MS", LEASE.as_millis().to_string())
        .stdout(std::os::fd::OwnedFd::from(ledger))
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What was accepted, by the names of the jobs, and how often that was not clear.
#[derive(Default)]
struct Receipts {
    orders: BTreeMap<String, String>,
    unclear: usize,
}

/// Takes orders until there are no more; what was not clear is pushed again, as a customer would.
async fn customer(jobs: Redis, orders: Rc<RefCell<Range<usize>>>, receipts: Rc<RefCell<Receipts>>) {
    loop {
        let Some(order) = orders.borrow_mut().next() else { return };
        let body = format!("order {order}");
        let id = loop {
            match jobs.push(body.as_bytes()).await {
                Ok(id) => break id,
                Err(Error::Unreachable(_)) => receipts.borrow_mut().unclear += 1,
                Err(error) => panic!("{error}"),
            }
        };
        receipts.borrow_mut().orders.insert(id.to_string(), body);
    }
}

#[runtime::test]
async fn every_accepted_order_has_its_bill_whoever_is_killed() {
    let Some(mut server) = support::Redis::start() else { return };
    let (orders, kills) = (number("QUEUE_ORDERS", 2_000), number("QUEUE_KILLS", 12));
    let folder = support::Folder::new("bills");
    let (bills, ledger) = (folder.path().join("bills"), folder.path().join("ledger"));
    fs::create_dir(&bills).unwrap();
    let (to_come, receipts) = (Rc::new(RefCell::new(0..orders)), Rc::<RefCell<Receipts>>::default());
    let jobs = queue(&server).patience(Duration::from_secs(60));
    let customers = (0..CUSTOMERS).map(|_| spawn(customer(jobs.clone(), to_come.clone(), receipts.clone())));
    let customers: Vec<_> = customers.collect();
    let mut workers: Vec<Child> = (0..3).map(|_| worker(&server, &bills, &ledger)).collect();
    // Spread over the orders, so that all of it happens under load.
    for kill in 1..=kills {
        while receipts.borrow().orders.len() < orders * kill / (kills + 1) {
            sleep(Duration::from_millis(5)).await;
        }
        if kill % 4 == 0 {
            server.kill();
            server.restart();
        } else {
            let index = random_u64() as usize % workers.len();
            workers[index].kill().unwrap();
            workers[index].wait().await.unwrap();
            workers[index] = worker(&server, &bills, &ledger);
        }
    }
    for customer in customers {
        customer.await.unwrap();
    }
    let start = Instant::now();
    while jobs.counts().await.unwrap() != Counts::default() {
        assert!(start.elapsed() < Duration::from_secs(60), "not done: {:?}", jobs.counts().await);
        sleep(Duration::from_millis(50)).await;
    }
    for child in &mut workers {
        assert!(child.terminate(Duration::from_secs(30)).await.unwrap().success());
    }
    assert_eq!(receipts.borrow().orders.len(), orders);
    audit(&bills, &ledger, &receipts.borrow(), kills);
}

/// The books are balanced.
fn audit(bills: &Path, ledger: &Path, receipts: &Receipts, kills: usize) {
    let orders = &receipts.orders;
    for (id, body) in orders {
        let bill = fs::read_to_string(bills.join(format!("{id}.bill")));
        assert_eq!(bill.ok().as_ref(), Some(body), "the bill of {id}");
    }
    // Bills that nobody has a receipt for are of orders that were pushed and whose answer was lost.
    let name = |file: OsString| file.into_string().ok()?.strip_suffix(".bill").map(str::to_owned);
    let billed: HashSet<String> =
        fs::read_dir(bills).unwrap().filter_map(|entry| name(entry.unwrap().file_name())).collect();
    let strangers = billed.iter().filter(|id| !orders.contains_key(*id)).count();
    let unclear = receipts.unclear;
    assert!(strangers <= unclear, "{strangers} bills of orders that nobody made, {unclear} unclear ones");
    let ledger = fs::read_to_string(ledger).unwrap();
    let (lines, again) =
        (ledger.lines().count(), ledger.lines().filter(|line| !line.ends_with(" 1")).count());
    let twice = lines - billed.len();
    println!(
        "{} orders, {kills} kills: {unclear} unclear, {strangers} of them accepted, \
         {again} done by another than who had them first, {twice} done twice",
        orders.len()
    );
    assert!(again > 0, "all were killed while they had nothing to do: this proves nothing");
    // A kill of the server may cost every lease that is out, and a lost answer one batch more.
    let most = kills * 3 * 2 * CONCURRENCY;
    assert!(twice <= most, "{twice} jobs were done more than once, where {most} may be");
}
