//! Stories of `Lock`.

use futures_lite::future::{block_on, poll_once, zip};
use runtime_sync::Lock;

#[test]
fn who_waited_longest_is_next() {
    block_on(async {
        let lock = Lock::new(Vec::new());
        let guard = lock.acquire().await;
        let (mut first, mut second) = (Box::pin(lock.acquire()), Box::pin(lock.acquire()));
        assert!(poll_once(&mut first).await.is_none());
        assert!(poll_once(&mut second).await.is_none());
        drop(guard);
        assert!(lock.try_acquire().is_none(), "it is the first's already");
        assert!(poll_once(&mut second).await.is_none());
        drop(first); // without ever noticing its grant
        second.await.push(2);
        zip(async { lock.acquire().await.push(3) }, async { lock.acquire().await.push(4) }).await;
        assert_eq!(*lock.acquire().await, [2, 3, 4]);
    });
}
