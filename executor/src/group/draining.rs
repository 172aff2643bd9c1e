//! The groups of a runtime that wait for their last children: for dumps, which would otherwise not know what their parents
//! wait for. While its body runs, what the body awaits says it.

use crate::task::{TaskKey, waker::Waiter};
use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

/// A group, as somebody sees it who looks for waiters.
pub(crate) trait Family {
    /// Calls `visit` with who waits for the group, if somebody does, and with those who may live in it.
    fn visit(&self, visit: &mut dyn FnMut(&Waiter, &[TaskKey]));
}

/// The list of them.
#[derive(Default)]
pub(crate) struct Draining(RefCell<Vec<Weak<dyn Family>>>);

/// Groups beyond which those that are gone are looked for, each time the list would grow.
const MIN_SWEEP: usize = 16;

impl Draining {
    /// The body of that group is done, and children are left.
    #[cold]
    pub(super) fn enter(&self, family: Weak<dyn Family>) {
        let mut families = self.0.borrow_mut();
        if families.len() >= MIN_SWEEP && families.len() == families.capacity() {
            families.retain(|family| family.strong_count() > 0);
        }
        families.push(family);
    }

    /// Visits them all.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&Waiter, &[TaskKey])) {
        let families: Vec<Rc<dyn Family>> = self.0.borrow().iter().filter_map(Weak::upgrade).collect();
        for family in &families {
            family.visit(visit);
        }
        // A group's last owner may be us by now; what it holds of its users is dropped with nothing borrowed.
        drop(families);
    }
}
