//! Recognises our own sockets behind the type parameters of functions that take any stream.
//!
//! Types are told apart by [`TypeId`]s, which exist for types without lifetimes only; the `typeid` crate has shown how to
//! get one for any type, lifetimes left out, by a trait object that forgets them.

#![expect(unsafe_code, reason = "a type that is known by its id is cast")]

use crate::{
    io::splicing::Splicing,
    net::{ByteStream, OwnedReadHalf, OwnedWriteHalf, TcpStream, UnixStream},
};
use std::{any::TypeId, marker::PhantomData, mem, ptr};

/// The connection in a stream, if it is one of ours, or a reference to one.
pub(crate) fn connection<T: ?Sized>(stream: &T) -> Option<&dyn Splicing> {
    of_family::<T, TcpStream>(stream).or_else(|| of_family::<T, UnixStream>(stream))
}

fn of_family<T: ?Sized, S: ByteStream>(stream: &T) -> Option<&dyn Splicing> {
    let id = id_of::<T>();
    let place = ptr::from_ref(stream);
    let stream = if id == TypeId::of::<S>() {
        // SAFETY: S9.
        unsafe { &*place.cast::<S>() }
    } else if id == TypeId::of::<&S>() {
        // SAFETY: S9; it is borrowed for as long as `stream`, and no longer.
        unsafe { *place.cast::<&S>() }
    } else if id == TypeId::of::<&mut S>() {
        // SAFETY: S9; it is borrowed for as long as `stream`, and no longer.
        unsafe { &**place.cast::<&mut S>() }
    } else if id == TypeId::of::<OwnedReadHalf<S>>() {
        // SAFETY: S9.
        &unsafe { &*place.cast::<OwnedReadHalf<S>>() }.stream
    } else if id == TypeId::of::<OwnedWriteHalf<S>>() {
        // SAFETY: S9.
        &unsafe { &*place.cast::<OwnedWriteHalf<S>>() }.stream
    } else if id == TypeId::of::<&mut OwnedReadHalf<S>>() {
        // SAFETY: S9; it is borrowed for as long as `stream`, and no longer.
        &unsafe { &**place.cast::<&mut OwnedReadHalf<S>>() }.stream
    } else if id == TypeId::of::<&mut OwnedWriteHalf<S>>() {
        // SAFETY: S9; it is borrowed for as long as `stream`, and no longer.
        &unsafe { &**place.cast::<&mut OwnedWriteHalf<S>>() }.stream
    } else {
        return None;
    };
    Some(stream.connection())
}

/// The id of a type, the same for all lifetimes in it.
fn id_of<T: ?Sized>() -> TypeId {
    trait Named {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }

    impl<T: ?Sized> Named for PhantomData<T> {
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }

    let named: &dyn Named = &PhantomData::<T>;
    // SAFETY: the object is a `PhantomData`, in which nothing is borrowed, and its one method touches no value.
    let named = unsafe { mem::transmute::<&dyn Named, &(dyn Named + 'static)>(named) };
    named.id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Reactor,
        io::{BufReader, duplex},
        net::TcpListener,
    };
    use runtime_executor::Executor;

    #[test]
    fn a_stream_is_recognised_in_what_wraps_nothing_but_it() {
        struct Cipher(#[expect(dead_code, reason = "as large as what it wraps, and at its place")] TcpStream);

        // The connection lies in the stream, wherever that is.
        let is_in = |found: Option<&dyn Splicing>, stream: usize| {
            let place = ptr::from_ref(found.unwrap()).addr();
            (stream..stream + size_of::<TcpStream>()).contains(&place)
        };
        let reactor = Reactor::new().unwrap();
        let executor = Executor::builder().park(reactor.clone()).extension(reactor).build();
        executor.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let place = ptr::from_ref(&stream).addr();
            assert!(is_in(connection(&stream), place));
            assert!(is_in(connection(&&stream), place));
            assert!(is_in(connection(&&mut stream), place));
            let (mut reader, mut writer) = stream.into_split();
            let place = ptr::from_ref(&*reader.stream).addr();
            assert!(is_in(connection(&reader), place));
            assert!(is_in(connection(&writer), place));
            assert!(is_in(connection(&&mut reader), place));
            assert!(is_in(connection(&&mut writer), place));
            let stream = reader.reunite(writer).unwrap();
            assert!(connection(&Cipher(stream)).is_none());
        });
        assert!(connection(&duplex(1).0).is_none());
        assert!(connection("text").is_none());
        assert!(connection(&BufReader::new(&b"bytes"[..])).is_none());
    }
}
