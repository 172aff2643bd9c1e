//! Task-locals: what is seen where, what is inherited, and that nothing leaks from one future into another.

mod common;

use common::{Log, OnDrop, executor, poll_once};
use runtime_executor::{
    join, spawn,
    task::{self, TaskGroup, inherit, yield_now},
    task_local,
};
use std::{
    cell::Cell,
    convert::Infallible,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

task_local! {
    static USER: &'static str;
    static COUNT: Cell<u32>;
    static TRACKED: Rc<()>;
}

fn user() -> Option<&'static str> {
    USER.try_with(|user| *user).ok()
}

#[test]
fn a_binding_is_seen_inside_its_scope_across_awaits_and_nowhere_else() {
    executor().block_on(async {
        assert_eq!(user(), None);
        USER.scope("eve", async {
            assert_eq!(user(), Some("eve"));
            yield_now().await;
            assert_eq!(user(), Some("eve"));
            USER.scope("adam", async {
                yield_now().await;
                assert_eq!(user(), Some("adam"));
            })
            .await;
            assert_eq!(user(), Some("eve"));
            assert_eq!(USER.sync_scope("lilith", user), Some("lilith"));
            assert_eq!(user(), Some("eve"));
        })
        .await;
        assert_eq!(user(), None);
    });
    assert_eq!(user(), None);
}

#[test]
fn branches_and_tasks_do_not_see_each_others_bindings() {
    executor().block_on(async {
        let see = async |name| {
            for _ in 0..3 {
                assert_eq!(user(), Some(name));
                yield_now().await;
            }
        };
        let task = spawn(USER.scope("task", async move { see("task").await }));
        join!(USER.scope("left", see("left")), USER.scope("right", see("right")), async {
            yield_now().await;
            assert_eq!(user(), None);
        });
        task.await.unwrap();
    });
}

#[test]
fn a_task_begins_with_nothing_and_inherits_when_asked() {
    executor().block_on(async {
        USER.scope("eve", async {
            assert_eq!(spawn(async { user() }).await.unwrap(), None);
            // Bound where `inherit` is called, not where the future runs.
            let inherited = inherit(async {
                let before = user();
                yield_now().await;
                (before, user())
            });
            let seen = USER.scope("adam", async { spawn(inherited).await.unwrap() }).await;
            assert_eq!(seen, (Some("eve"), Some("eve")));
            // Through several generations, rebinding on the way.
            let grandchild = spawn(inherit(async {
                COUNT
                    .scope(Cell::new(1), async {
                        spawn(inherit(async { (user(), COUNT.get_count()) })).await
                    })
                    .await
                    .unwrap()
            }));
            assert_eq!(grandchild.await.unwrap(), (Some("eve"), 1));
        })
        .await;
        assert_eq!(inherit(async { user() }).await, None);
    });
}

trait Count {
    fn get_count(&'static self) -> u32;
}

impl Count for task::LocalKey<Cell<u32>> {
    fn get_count(&'static self) -> u32 {
        self.with(Cell::get)
    }
}

#[test]
fn children_of_groups_and_scopes_inherit_too() {
    executor().block_on(USER.scope("eve", async {
        let group = TaskGroup::<Infallible>::run(async |group| {
            let plain = group.spawn(async { Ok(user()) });
            let inherited = group.spawn(inherit(async { Ok(user()) }));
            Ok((plain.await.unwrap(), inherited.await.unwrap()))
        });
        assert_eq!(group.await, Ok((None, Some("eve"))));

        let scope = task::scope(async |s| {
            let around = s.spawn(async { user() });
            let (inside, inherited) =
                USER.sync_scope("adam", || (s.spawn(async { user() }), s.spawn(inherit(async { user() }))));
            (around.await, inside.await, inherited.await)
        });
        assert_eq!(scope.await, (Some("eve"), Some("eve"), Some("adam")));
    }));
}

#[test]
fn a_cell_is_shared_by_all_who_inherit_it() {
    executor().block_on(COUNT.scope(Cell::new(0), async {
        let tasks: Vec<_> = (0..3)
            .map(|_| spawn(inherit(async { COUNT.with(|count| count.set(count.get() + 1)) })))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(COUNT.get_count(), 3);
    }));
}

#[test]
fn a_future_is_dropped_with_its_bindings() {
    let log = Log::default();
    executor().block_on(async {
        let note = || {
            let log = log.clone();
            OnDrop::new(move || log.add(format!("{:?}", user())))
        };
        let dropped = note();
        let mut waits = Box::pin(USER.scope("waits", async move {
            let _dropped = dropped;
            pending::<()>().await;
        }));
        assert!(poll_once(&mut waits).await.is_pending());
        let dropped = note();
        let never_polled = USER.scope("never polled", async move { drop(dropped) });
        let dropped = note();
        let done = USER.scope(
            "done",
            std::future::poll_fn(move |_| {
                let _dropped = &dropped;
                std::task::Poll::Ready(())
            }),
        );
        done.await;
        USER.scope("elsewhere", async { drop((waits, never_polled)) }).await;
    });
    assert_eq!(log.take(), [r#"Some("done")"#, r#"Some("waits")"#, r#"Some("never polled")"#]);
}

#[test]
fn a_panic_leaves_the_bindings_as_they_were() {
    executor().block_on(USER.scope("eve", async {
        let panics = USER.scope("adam", async { panic!("inside") });
        let caught = catch_unwind(AssertUnwindSafe(|| {
            USER.sync_scope("lilith", || panic!("inside"));
        }));
        assert!(caught.is_err());
        assert_eq!(user(), Some("eve"));
        assert!(spawn(panics).await.is_err());
        assert_eq!(spawn(async { user() }).await.unwrap(), None);
    }));
}

#[test]
fn a_value_is_dropped_with_the_last_future_that_sees_it() {
    let value = Rc::new(());
    executor().block_on(async {
        let task = TRACKED.sync_scope(value.clone(), || {
            spawn(inherit(async {
                yield_now().await;
                TRACKED.with(Rc::strong_count)
            }))
        });
        assert_eq!(Rc::strong_count(&value), 2);
        assert_eq!(task.await.unwrap(), 2);
        assert_eq!(Rc::strong_count(&value), 1);
        // One generation after the other, each rebinding: no chain grows.
        for _ in 0..100 {
            TRACKED.scope(value.clone(), inherit(async {})).await;
        }
        assert_eq!(Rc::strong_count(&value), 1);
    });
}

#[test]
fn without_a_value_a_sentence_says_what_to_do() {
    let error = USER.try_with(|_| ()).unwrap_err();
    assert!(
        error.to_string().starts_with("the task-local USER has no value here: run this inside `USER.scope(")
    );
    executor().block_on(async {
        let caught = spawn(async { USER.get() }).await.unwrap_err();
        assert!(caught.to_string().contains("`task::inherit`"));
    });
    assert_eq!(format!("{USER:?}"), r#"LocalKey("USER")"#);
}
