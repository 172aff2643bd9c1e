//! The parts of a reply, until they are sent.
//!
//! On a connection of HTTP/1 a body is asked for its next part when there is room for it, so the connection itself shows who
//! takes nothing. On one of HTTP/2 each stream has a window, which its client opens as it likes, while the connection goes on
//! with others and with pings. What the window has no room for is kept, so it is here that we see whether it is taken.

use super::life::{Life, Ticket};
use hyper::body::{Buf, Frame};
use std::{io::IoSlice, rc::Rc};

/// What becomes of the parts of a reply, by what is spoken.
pub(super) trait Handing {
    type Part<D: Buf>: Buf;

    fn hand<D: Buf>(frame: Frame<D>, ticket: &Ticket) -> Frame<Self::Part<D>>;
}

/// HTTP/1.
pub(super) struct OneByOne;

impl Handing for OneByOne {
    type Part<D: Buf> = D;

    #[inline]
    fn hand<D: Buf>(frame: Frame<D>, _: &Ticket) -> Frame<D> {
        frame
    }
}

/// HTTP/2.
pub(super) struct AtOnce;

impl Handing for AtOnce {
    type Part<D: Buf> = Part<D>;

    #[inline]
    fn hand<D: Buf>(frame: Frame<D>, ticket: &Ticket) -> Frame<Part<D>> {
        frame.map_data(|data| Part { data, life: ticket.owe() })
    }
}

/// Data that the client has not taken yet. Dropped when it has, or does not want it any more.
pub(super) struct Part<D> {
    data: D,
    life: Rc<Life>,
}

impl<D> Drop for Part<D> {
    #[inline]
    fn drop(&mut self) {
        self.life.paid();
    }
}

impl<D: Buf> Buf for Part<D> {
    #[inline]
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    #[inline]
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.life.moved();
        self.data.advance(count);
    }
}
