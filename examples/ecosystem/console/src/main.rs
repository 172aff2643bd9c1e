//! A bakery, seen from outside: its tasks by tokio-console, its numbers by Prometheus.
//!
//! ```text
//! cd examples/ecosystem/console && cargo run    # here lies the flag that console-subscriber wants
//! tokio-console                                 # in another terminal: who runs, waits for what, and wakes whom
//! curl http://127.0.0.1:9184/metrics            # or whatever address it was given
//! ```
//!
//! `TOKIO_CONSOLE_BIND` says where the console finds the program: at 127.0.0.1:6669 unless it is set.

use hyper::{Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use runtime::{
    http,
    inspect::{self, Exposition},
    net::TcpListener,
    spawn_blocking,
    sync::{Lock, Receiver, Sender, channel},
    task,
    time::{interval, sleep},
};
use std::{
    cell::Cell, convert::Infallible, env, hash::DefaultHasher, hash::Hasher, io, rc::Rc, time::Duration,
};

/// What a customer wants: a cake of that many layers.
struct Order(u32);

/// How many cakes of each number of layers were sold.
#[derive(Default)]
struct Sold([Cell<u64>; 3]);

fn main() -> io::Result<()> {
    if console::HAS_CONSOLE {
        // Before the runtime: so its main task is on show, too.
        console_subscriber::init();
    } else {
        eprintln!(
            "without tokio-console: call Cargo in examples/ecosystem/console, or set the flag that is in .cargo there"
        );
    }
    runtime::run(open(&env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9184".to_owned())))
}

async fn open(address: &str) -> io::Result<()> {
    let (sender, orders) = channel(10);
    let sold = Rc::<Sold>::default();
    for layers in 1..=3 {
        let customer = customer(layers, sender.clone());
        task::Builder::new().name(format!("customer {layers}")).spawn(customer).detach();
    }
    let oven = Rc::new(Lock::new(()));
    task::Builder::new().name("cleaner").spawn(cleaner(oven.clone())).detach();
    task::Builder::new().name("baker").spawn(baker(orders, oven, sold.clone())).detach();
    let listener = TcpListener::bind(address).await?;
    println!("metrics at http://{}/metrics", listener.local_addr()?);
    let answer = service_fn(move |request| {
        let response = answer(&request, &sold);
        async { Ok::<_, Infallible>(response) }
    });
    http::serve(listener, answer).await?;
    Ok(())
}

/// Comes back again and again.
async fn customer(layers: u32, orders: Sender<Order>) {
    let mut hungry = interval(Duration::from_millis(100) * layers);
    loop {
        hungry.tick().await;
        if orders.send(Order(layers)).await.is_err() {
            return; // the bakery has closed
        }
    }
}

/// Bakes one cake after the other, and gives way between two of them.
async fn baker(mut orders: Receiver<Order>, oven: Rc<Lock<()>>, sold: Rc<Sold>) {
    while let Some(Order(layers)) = orders.recv().await {
        let hot = oven.acquire().await;
        spawn_blocking(move || bake(layers)).await.expect("baking does not fail");
        drop(hot);
        let count = &sold.0[layers as usize - 1];
        count.set(count.get() + 1);
        task::yield_now().await;
    }
}

/// Keeps the oven clean, and from the baker.
async fn cleaner(oven: Rc<Lock<()>>) {
    loop {
        sleep(Duration::from_millis(50)).await;
        let _cold = oven.acquire().await;
        sleep(Duration::from_millis(20)).await;
    }
}

/// Hard work.
fn bake(layers: u32) -> u64 {
    let mut dough = DefaultHasher::new();
    (0..layers * 10_000).for_each(|turn| dough.write_u32(turn));
    dough.finish()
}

fn answer(request: &Request<Incoming>, sold: &Sold) -> Response<String> {
    let mut response = Response::default();
    if request.uri().path() == "/metrics" {
        let kind = header::HeaderValue::from_static(Exposition::CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        *response.body_mut() = metrics(sold);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}

/// The numbers of the runtime, and our own.
fn metrics(sold: &Sold) -> String {
    let mut page = Exposition::new();
    page.runtime(&[], &inspect::stats());
    for (count, layers) in sold.0.iter().zip(["1", "2", "3"]) {
        page.counter("bakery_cakes_total", "Cakes that were sold.", &[("layers", layers)], count.get());
    }
    page.to_string()
}
