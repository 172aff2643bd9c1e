//! What a scope's children borrow must outlive its future, and is theirs while it lives.
use runtime::task::{self, Scope, ScopedHandle, yield_now};
use std::cell::RefCell;

#[runtime::main]
async fn main() {
    // Made in the body, which may end before its children.
    task::scope(async |s| {
        let text = String::from("too short-lived");
        s.spawn(async { println!("{text}") });
    })
    .await;

    // The scope lives longer than what the child borrows.
    let kept: RefCell<Option<Scope<'_>>> = RefCell::new(None);
    task::scope(async |s| *kept.borrow_mut() = Some(s)).await;
    {
        let text = String::from("too short-lived");
        kept.borrow().as_ref().unwrap().spawn(async { println!("{text}") });
    }
    drop(kept);

    // The output borrows, and is taken out.
    let escaped: ScopedHandle<&str>;
    {
        let text = String::from("too short-lived");
        escaped = task::scope(async |s| s.spawn(async { &*text })).await;
    }
    println!("{}", escaped.await);

    // What a child borrows uniquely is not free while the scope lives.
    let mut count = 0;
    let scope = task::scope(async |s| {
        s.spawn(async {
            yield_now().await;
            count += 1;
        });
    });
    count += 1;
    scope.await;
}
