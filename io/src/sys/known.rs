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
