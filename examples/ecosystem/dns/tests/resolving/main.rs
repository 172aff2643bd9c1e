//! Names asked for by datagrams and by streams, of a name server in the same program.

mod server;

use hickory_net::NetError;
use runtime::{join_all, net::TcpListener, spawn, sync::Event, task, time::timeout};
use server::{NameServer, Reply, Way};
use std::{
    cell::Cell,
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr},
    rc::Rc,
    time::Duration,
};

type Outcome = Result<(), Box<dyn Error>>;

#[runtime::test]
async fn a_name_is_asked_for_once_while_the_answer_is_valid() -> Outcome {
    let server = NameServer::start(|_, _| Reply::Address([192, 0, 2, 1])).await?;
    let resolver = server.resolver().build()?;
    for _ in 0..3 {
        let found: Vec<IpAddr> = resolver.lookup_ip("one.test.").await?.into_iter().collect();
        assert_eq!(found, [Ipv4Addr::new(192, 0, 2, 1)]);
    }
    assert_eq!(server.asked(), [("one.test.".to_owned(), Way::Datagram)]);
    Ok(())
}

#[runtime::test]
async fn what_a_datagram_has_no_room_for_comes_by_a_stream() -> Outcome {
    let server = NameServer::start(|_, _| Reply::TooLong([192, 0, 2, 2])).await?;
    let resolver = server.resolver().build()?;
    let found: Vec<IpAddr> = resolver.lookup_ip("long.test.").await?.into_iter().collect();
    assert_eq!(found, [Ipv4Addr::new(192, 0, 2, 2)]);
    let ways: Vec<Way> = server.asked().into_iter().map(|(_, way)| way).collect();
    assert_eq!(ways, [Way::Datagram, Way::Stream]);
    Ok(())
}

#[runtime::test]
async fn a_question_that_was_lost_is_asked_again() -> Outcome {
    let server = NameServer::start(|number, _| match number {
        0 => Reply::Silence,
        _ => Reply::Address([192, 0, 2, 3]),
    })
    .await?;
    let resolver = server.resolver().build()?;
    resolver.lookup_ip("lost.test.").await?;
    assert_eq!(server.asked().len(), 2);
    Ok(())
}

#[runtime::test]
async fn a_server_that_says_nothing_is_given_up() -> Outcome {
    let server = NameServer::start(|_, _| Reply::Silence).await?;
    let mut builder = server.resolver();
    builder.options_mut().timeout = Duration::from_millis(50);
    let resolver = builder.build()?;
    let nothing = resolver.lookup_ip("silence.test.").await;
    assert!(matches!(nothing, Err(NetError::Timeout)), "{nothing:?}");
    assert_eq!(
        dns::connect(&resolver, "silence.test.", 80).await.unwrap_err().kind(),
        io::ErrorKind::TimedOut
    );
    Ok(())
}

#[runtime::test]
async fn a_name_that_does_not_exist_is_told_from_a_failure() -> Outcome {
    let server = NameServer::start(|_, _| Reply::NoSuchName).await?;
    let resolver = server.resolver().build()?;
    let nothing = resolver.lookup_ip("nowhere.test.").await.unwrap_err();
    assert!(nothing.is_nx_domain(), "{nothing}");
    assert_eq!(
        dns::connect(&resolver, "nowhere.test.", 80).await.unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    Ok(())
}

/// Nobody is answered before all have asked: one after the other would hang.
#[runtime::test]
async fn many_names_are_asked_for_at_a_time() -> Outcome {
    const NAMES: usize = 30;
    let (count, all) = (Cell::new(0), Rc::new(Event::new()));
    let server = {
        let all = Rc::clone(&all);
        NameServer::start(move |_, _| {
            count.set(count.get() + 1);
            if count.get() == NAMES {
                all.set();
            }
            Reply::Later(Rc::clone(&all), [192, 0, 2, 4])
        })
        .await?
    };
    let resolver = server.resolver().build()?;
    let found = join_all((0..NAMES).map(|number| resolver.lookup_ip(format!("{number}.test.")))).await;
    assert!(all.is_set() && found.iter().all(Result::is_ok));
    Ok(())
}

#[runtime::test]
async fn a_question_that_is_given_up_leaves_nothing_behind() -> Outcome {
    let server = NameServer::start(|_, _| Reply::Silence).await?;
    let before = task::count();
    let resolver = server.resolver().build()?;
    let patience = Duration::from_millis(20);
    timeout(patience, resolver.lookup_ip("silence.test.")).await.unwrap_err();
    drop(resolver);
    let gone = async {
        while task::count() > before {
            task::yield_now().await;
        }
    };
    Ok(timeout(Duration::from_secs(60), gone).await?)
}

#[runtime::test]
async fn hosts_are_connected_to_by_name() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let server = NameServer::start(|_, _| Reply::Address([127, 0, 0, 1])).await?;
    let accepted = spawn(async move { listener.accept().await.map(|(_, peer)| peer) });
    let stream = dns::connect(&server.resolver().build()?, "host.test.", port).await?;
    assert_eq!(accepted.await??, stream.local_addr()?);
    Ok(())
}
