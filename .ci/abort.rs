//! Greenlets in a program with `panic = "abort"`: they run, end and are waited for as ever. One that is killed when it has
//! begun cannot be unwound: its stack is abandoned, which is reported, and all else goes on.

use runtime::{
    Builder, Report,
    greenlet::{self, Pool},
    sync::Lock,
    task::yield_now,
};
use std::{cell::RefCell, future::pending, mem, rc::Rc};

struct Dropped(Rc<RefCell<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        *self.0.borrow_mut() += 1;
    }
}

fn main() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let (seen, drops) = (reports.clone(), Rc::new(RefCell::new(0)));
    let runtime = Builder::new()
        .start_paused(true)
        .on_report(move |report: &Report| seen.borrow_mut().push(report.to_string()))
        .build()
        .unwrap();
    let held = || Dropped(drops.clone());

    runtime.block_on(async {
        // Whoever returns has nothing to do with it.
        let lock = Rc::new(Lock::new(0));
        let greenlets = (1..=3).map(|n| {
            let (lock, held) = (lock.clone(), held());
            greenlet::spawn(move || {
                let _held = held;
                greenlet::yield_now();
                *greenlet::wait(lock.acquire()) += n;
            })
        });
        let all: Vec<_> = greenlets.collect();
        runtime::join_all(all).await.into_iter().for_each(|joined| joined.unwrap());
        assert_eq!((*lock.acquire().await, mem::take(&mut *drops.borrow_mut())), (6, 3));

        // Nor has one that never begins.
        let held_by_early = held();
        let early = greenlet::spawn(move || drop(held_by_early));
        assert!(early.cancel_and_wait().await.unwrap_err().is_cancelled());
        assert_eq!((mem::take(&mut *drops.borrow_mut()), reports.borrow().len()), (1, 0));

        // What is on the stack of one that has begun stays there.
        let held_by_late = held();
        let late = greenlet::Builder::new().name("late").spawn(move || {
            let _held = held_by_late;
            greenlet::wait(pending::<()>());
        });
        yield_now().await;
        assert!(late.cancel_and_wait().await.unwrap_err().is_cancelled());
        assert_eq!(*drops.borrow(), 0);
        {
            let reports = reports.borrow();
            let [report] = &reports[..] else { panic!("one report, not {reports:?}") };
            assert!(report.starts_with("the stack of greenlet 5 'late' "), "{report}");
            assert!(report.contains("with `panic = \"abort\"` a stack cannot be unwound"), "{report}");
        }

        // A pool has room for others then; who kills itself is left where it stands.
        let pool = greenlet::run(|| {
            let pool = Rc::new(Pool::new(1));
            let own = pool.clone();
            let suicidal = pool.spawn(move || {
                own.kill();
                unreachable!("it goes no further");
            });
            assert_eq!(pool.apply(|| 42).unwrap(), 42);
            assert!(suicidal.get().unwrap_err().is_cancelled());
            drop(pool);
        });
        pool.await;
        assert_eq!(reports.borrow().len(), 2);

        // As are those that are left at the end.
        greenlet::spawn(|| greenlet::wait(pending::<()>())).detach();
        yield_now().await;
    });
    drop(runtime);
    assert_eq!(reports.borrow().len(), 3);
    println!("3 stacks were abandoned");
}
