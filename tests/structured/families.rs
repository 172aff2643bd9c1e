//! Parents and children: who waits for whom, who ends with whom, and daemons, for whom nobody waits.

use std::{cell::Cell, rc::Rc};

use crate::support::{Crowd, Transcript, secs};
use runtime::{
    Builder, OnExit, inspect, spawn,
    task::{self, GroupError, TaskGroup, TaskPool, scope, yield_now},
    task_local,
    time::{Instant, sleep},
};

/// Runs a program by the rule of threads: it ends with its last task that is no daemon. How long it took, in seconds.
fn threads_rule(main: impl Future<Output = ()>) -> f64 {
    let runtime =
        Builder::new().start_paused(true).on_exit(OnExit::Wait).build().expect("there are descriptors");
    let start = runtime.block_on(async { Instant::now() });
    runtime.block_on(main);
    let end = runtime.block_on(async { Instant::now() });
    (end - start).as_secs_f64()
}

struct SaysWhenDropped(Transcript, &'static str);

impl Drop for SaysWhenDropped {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

#[test]
fn a_daemon_does_not_keep_the_program_running_and_is_dropped_all_the_same() {
    let said = Rc::new(Cell::new(None));
    let seconds = threads_rule(async {
        let transcript = Transcript::new();
        let dropped = SaysWhenDropped(transcript.clone(), "dropped");
        let daemon = task::Builder::new().daemon(true).spawn({
            let transcript = transcript.clone();
            async move {
                let _dropped = dropped;
                sleep(secs(2)).await;
                transcript.say("say hello");
            }
        });
        yield_now().await;
        transcript.say("main");
        transcript.say(format!("{}", !daemon.is_finished()));
        said.set(Some(transcript));
    });
    assert_eq!(seconds, 0.0);
    said.take().unwrap().expect_lines(["main", "true", "dropped"].map(String::from));
}

#[test]
fn a_daemon_goes_on_until_the_last_of_the_others_has_ended() {
    let said = Rc::new(Cell::new(None));
    let seconds = threads_rule(async {
        let transcript = Transcript::new();
        let ticker = transcript.clone();
        task::Builder::new()
            .daemon(true)
            .spawn(async move {
                loop {
                    ticker.say("666");
                    sleep(secs(1) / 2).await;
                }
            })
            .detach();
        let worker = transcript.clone();
        spawn(async move {
            sleep(secs(3)).await;
            worker.say("worker");
        })
        .detach();
        transcript.say("main");
        said.set(Some(transcript));
    });
    assert_eq!(seconds, 3.0);
    // The last tick comes in the turn in which the worker ends; there is no turn after it.
    said.take()
        .unwrap()
        .expect(["0 main", "0 666", "0.5 666", "1 666", "1.5 666", "2 666", "2.5 666", "3 worker", "3 666"]);
}

/// Nobody joins the child, and the program does not end before it.
#[test]
fn main_speaks_first_and_the_program_waits_for_its_child() {
    let said = Rc::new(Cell::new(None));
    let seconds = threads_rule(async {
        let transcript = Transcript::new();
        let child = transcript.clone();
        spawn(async move {
            sleep(secs(2)).await;
            child.say("child says hello");
        })
        .detach();
        transcript.say("main task");
        said.set(Some(transcript));
    });
    assert_eq!(seconds, 2.0);
    said.take().unwrap().expect(["0 main task", "2 child says hello"]);
}

/// Threads of one process have one memory and one process number; tasks have the thread in common as well.
#[runtime::test]
async fn a_child_changes_what_its_parent_sees_in_the_same_process_and_thread() {
    let number = Rc::new(Cell::new(100));
    let (same, home) = (number.clone(), (std::process::id(), std::thread::current().id()));
    spawn(async move {
        assert_eq!((std::process::id(), std::thread::current().id()), home);
        same.set(0);
    })
    .await
    .unwrap();
    assert_eq!(number.get(), 0);
}

/// `current_thread`, `get_ident`, `enumerate`, `active_count`.
#[runtime::test(start_paused = true)]
async fn who_am_i_who_is_there_and_how_many_are_we() {
    let transcript = Transcript::new();
    let said = transcript.clone();
    let child = task::Builder::new().name("Thread-1").spawn(async move {
        sleep(secs(3)).await;
        said.say(task::current().name().unwrap_or("nobody").to_owned());
    });
    transcript.say(task::current().id().to_string());
    transcript.say(format!("{} beside me", task::count()));
    let [listed] = &task::list()[..] else { panic!("there is one") };
    assert_eq!((listed.task.id(), listed.task.name()), (child.id(), Some("Thread-1")));
    child.await.unwrap();
    assert_eq!((task::count(), task::list().len()), (0, 0));
    transcript.expect(["0 main task", "0 1 beside me", "3 Thread-1"]);
}

#[runtime::test(start_paused = true)]
async fn main_speaks_first_and_a_child_sees_that_it_is_another() {
    let transcript = Transcript::new();
    let said = transcript.clone();
    let child = task::Builder::new().name("child").spawn(async move {
        sleep(secs(1)).await;
        said.say(task::current().name().unwrap_or("nobody").to_owned());
    });
    transcript.say(task::current().id().to_string());
    child.await.unwrap();
    transcript.expect(["0 main task", "1 child"]);
}

#[runtime::test(start_paused = true)]
async fn what_is_known_of_a_task_is_state_name_parent_and_what_it_waits_for() {
    TaskGroup::<()>::run(async |group| {
        task::Builder::new().name("display").spawn_in(&group, sleep(secs(1)));
        yield_now().await;
        let dump = inspect::dump().to_string();
        let line = dump.lines().find(|line| line.contains("'display'")).expect("every task is listed");
        assert!(line.contains("families.rs") && line.contains("waited"), "{line}");
        // Below its parent.
        assert!(line.trim_start().starts_with(['├', '└']), "{line}");
        Ok(())
    })
    .await
    .unwrap();
}

/// Input, display and autosave share a text: three activities of one word processor, which end together.
#[runtime::test(start_paused = true)]
async fn a_word_processor_ends_when_its_input_does_and_saves_once_more() {
    let transcript = Transcript::new();
    let text = Rc::new(Cell::new(0));
    let outcome: Result<(), GroupError<&str>> = TaskGroup::run(async |group| {
        let (said, saved) = (transcript.clone(), text.clone());
        let _last_save = group.defer(async move {
            sleep(secs(1)).await;
            said.say(format!("saved {} for good", saved.get()));
        });
        let (said, saved) = (transcript.clone(), text.clone());
        group.spawn(async move {
            loop {
                sleep(secs(2)).await;
                said.say(format!("saved {}", saved.get()));
            }
        });
        let typed = text.clone();
        group.spawn(async move {
            for _ in 0..5 {
                sleep(secs(1)).await;
                typed.set(typed.get() + 1);
            }
            Err::<(), _>("the keyboard was unplugged")
        });
        std::future::pending().await
    })
    .await;
    transcript.say(outcome.unwrap_err().to_string());
    transcript.expect(["2 saved 1", "4 saved 3", "6 saved 5 for good", "6 the keyboard was unplugged"]);
}

/// The first address that answers wins: each attempt begins when the former has failed or a second has passed.
#[runtime::test(start_paused = true)]
async fn of_several_addresses_the_first_that_answers_wins() {
    async fn connect(address: (&'static str, u64, bool)) -> Option<&'static str> {
        let (name, seconds, answers) = address;
        sleep(secs(seconds)).await;
        answers.then_some(name)
    }
    let transcript = Transcript::new();
    let addresses = [("slow", 5, true), ("broken", 0, false), ("quick", 2, true), ("late", 9, true)];
    let winner = TaskGroup::<&str>::run(async |group| {
        for address in addresses {
            let said = transcript.clone();
            let attempt = group.spawn(async move {
                said.say(format!("trying {}", address.0));
                // The first to have an answer ends them all with it.
                connect(address).await.map_or(Ok(()), Err)
            });
            let mut attempt = attempt;
            let _ = attempt.join_timeout(secs(1)).await;
        }
        Ok(())
    })
    .await;
    transcript.say(format!("connected to {}", winner.unwrap_err().into_first().unwrap()));
    assert_eq!(task::count(), 0);
    transcript.expect([
        "0 trying slow",
        "1 trying broken",
        "1 trying quick",
        "2 trying late",
        "3 connected to quick",
    ]);
}

#[runtime::test(start_paused = true)]
async fn a_hundred_jobs_of_a_second_take_a_pool_of_five_twenty_seconds() {
    let transcript = Transcript::new();
    let crowd = Crowd::default();
    let pool = TaskPool::new(5);
    let outcomes = pool
        .map(0..100, |n| {
            let crowd = crowd.clone();
            async move {
                let _inside = crowd.enter();
                sleep(secs(1)).await;
                n * n
            }
        })
        .await;
    assert!(outcomes.into_iter().map(|outcome| outcome.unwrap()).eq((0..100).map(|n| n * n)));
    assert_eq!(crowd.most(), 5);
    transcript.expect_time(secs(20));
}

#[runtime::test(start_paused = true)]
async fn words_are_counted_by_children_that_borrow_the_text() {
    let text = String::from("to be or not to be");
    let longest = Cell::new("");
    let count = scope(async |s| {
        for word in text.split(' ') {
            let longest = &longest;
            s.spawn(async move {
                sleep(secs(word.len() as u64)).await;
                if word.len() > longest.get().len() {
                    longest.set(word);
                }
            });
        }
        text.split(' ').count()
    })
    .await;
    assert_eq!((count, longest.get()), (6, "not"));
}

task_local! {
    static REQUEST: u32;
}

#[runtime::test(start_paused = true)]
async fn every_line_of_a_log_names_its_request() {
    let transcript = Transcript::new();
    async fn step(transcript: Transcript, name: &'static str) {
        sleep(secs(1)).await;
        transcript.say(format!("request {}: {name}", REQUEST.get()));
    }
    let serve = async |request: u32| {
        let said = transcript.clone();
        let handle = async move {
            step(said.clone(), "parsed").await;
            spawn(task::inherit(step(said, "stored"))).await.unwrap();
        };
        REQUEST.scope(request, handle).await;
    };
    runtime::join!(serve(1), serve(2));
    transcript.expect([
        "1 request 1: parsed",
        "1 request 2: parsed",
        "2 request 1: stored",
        "2 request 2: stored",
    ]);
}
