//! Stories over sockets of the system, where descriptors travel.

use super::super::{
    codec::Wire,
    control::{ToSupervisor, ToWorker},
    frame::{MAX_CONTROL_BYTES, ReadError, Reader, frame},
    outbox::outbox,
};
use crate::{Runtime, net::UnixStream, spawn};
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::fd::AsFd,
    rc::Rc,
};

fn run<F: Future>(future: F) -> F::Output {
    Runtime::new().unwrap().block_on(future)
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no SCM_RIGHTS")]
fn listeners_travel_to_a_worker_between_other_messages() {
    run(async {
        let (supervisor, worker) = UnixStream::pair().unwrap();
        let (outbox, outgoing) = outbox(1 << 20);
        spawn(async move { outgoing.write_to(&supervisor).await.unwrap() }).detach();
        let mut ends = Vec::new();
        for key in 0..5 {
            let (mine, theirs) = io::pipe().unwrap();
            ends.push(mine);
            outbox.send(&ToWorker::Hurry, Vec::new()).await.unwrap();
            outbox.send(&ToWorker::Adopt { listener: 1, key }, vec![theirs.into()]).await.unwrap();
            outbox.send(&ToWorker::Release { listener: 1, key }, Vec::new()).await.unwrap();
        }
        drop(outbox);
        let mut reader = Reader::new(worker, MAX_CONTROL_BYTES).with_descriptors();
        let mut adopted = 0;
        while let Some((message, descriptors)) = reader.next_message::<ToWorker>().await.unwrap() {
            if let ToWorker::Adopt { key, .. } = message {
                let [pipe] = <[_; 1]>::try_from(descriptors).unwrap();
                writeln!(std::fs::File::from(pipe), "{key}").unwrap();
                adopted += 1;
            }
        }
        assert_eq!(adopted, 5);
        for (key, mut end) in ends.into_iter().enumerate() {
            let mut said = String::new();
            end.read_to_string(&mut said).unwrap();
            assert_eq!(said, format!("{key}\n"), "and nobody else has the other end");
        }
    });
}

/// A worker has nothing to send, and a supervisor takes nothing.
#[test]
#[cfg_attr(miri, ignore = "Miri has no SCM_RIGHTS")]
fn descriptors_from_a_worker_are_not_even_received() {
    run(async {
        let (supervisor, worker) = UnixStream::pair().unwrap();
        let (mut mine, theirs) = io::pipe().unwrap();
        let ready = frame(|to| ToSupervisor::Ready.put(to));
        worker.send_with_fds(&ready, &[theirs.as_fd(), theirs.as_fd()]).await.unwrap();
        drop(theirs);
        worker.shutdown(Shutdown::Write).unwrap();
        let mut reader = Reader::new(Rc::new(supervisor), MAX_CONTROL_BYTES);
        let (message, descriptors) = reader.next_message::<ToSupervisor>().await.unwrap().unwrap();
        assert_eq!((message, descriptors.len()), (ToSupervisor::Ready, 0));
        assert_eq!(mine.read(&mut [0]).unwrap(), 0, "the kernel has closed them");
        assert!(reader.next_message::<ToSupervisor>().await.unwrap().is_none());
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no socket pairs of ours")]
fn a_peer_that_is_gone_in_the_middle_is_truncated_and_one_that_has_gone_unread_is_an_end() {
    run(async {
        let bytes = frame(|to| ToSupervisor::Ending { forced: 1 }.put(to));
        for cut in 0..bytes.len() {
            let (supervisor, worker) = UnixStream::pair().unwrap();
            worker.write_all(&bytes[..cut]).await.unwrap();
            drop(worker);
            let end = Reader::new(supervisor, MAX_CONTROL_BYTES).next_message::<ToSupervisor>().await;
            match cut {
                0 => assert!(matches!(end, Ok(None))),
                _ => assert!(matches!(end, Err(ReadError::Truncated)), "{cut}: {end:?}"),
            }
        }
    });
}
