//! Where a greenlet is in its life, and how main takes it from place to place.

use super::{
    super::{
        killed::Killed,
        stacks,
        switch::{self, Kind, SWALLOWS, Step, Strand},
    },
    Greenlet,
};
use runtime_executor::report_abandoned;
use std::{
    any::Any,
    borrow::Cow,
    cell::{Cell, RefCell},
    mem,
    panic::catch_unwind,
    rc::{Rc, Weak},
    task::Waker,
};

pub(super) struct Life<T: 'static> {
    /// Borrowed by who drives it, for as long as it runs: that it is borrowed *is* the state "running".
    pub(super) stage: RefCell<Stage<T>>,
    pub(super) mailbox: Rc<Mailbox<T>>,
    pub(super) parent: RefCell<Greenlet<T>>,
    pub(super) stack_size: Cell<Option<usize>>,
}

pub(super) enum Stage<T: 'static> {
    Fresh(Box<dyn FnOnce(T) -> T>),
    Begun(Strand<T>),
    Dead,
}

/// What lies between a greenlet and who drives it. The stack's part: it must not own the stack.
pub(super) struct Mailbox<T: 'static> {
    pub(super) life: Weak<Life<T>>,
    /// It leaves that behind when it switches.
    order: Cell<Option<Order<T>>>,
    /// And finds that when it is switched to.
    arrived: Cell<Option<Parcel<T>>>,
    /// Its result, when it unwinds as it was told to.
    exit: Cell<Option<T>>,
    /// On its stack another one is being dropped, and may switch here: that ends the drop.
    is_host: Cell<bool>,
}

/// Who is to run next, and what it is handed.
pub(super) struct Order<T: 'static> {
    pub(super) to: Greenlet<T>,
    pub(super) parcel: Parcel<T>,
}

pub(super) type Panic = Box<dyn Any + Send>;

pub(super) enum Parcel<T> {
    Value(T),
    Panic(Panic),
    /// Unwind; this will be the result.
    Exit(T),
}

/// Why a greenlet cannot be switched to.
pub(super) type Refusal = Cow<'static, str>;

const BUSY: &str = "this greenlet cannot be switched to now: it has not switched away. It waits for something in a spawned \
                    greenlet, or has called what runs here; it goes on when that has come, or returned";
const ELSEWHERE: &str = "this greenlet has run inside a runtime, to which it may refer, and that does not run here now: \
                         switch to it there";
const LEFT_FOR_GOOD: &str = "a destructor on it has switched away while the last handle was dropped, so nobody can switch \
                             back. Keep a handle, or do not switch in destructors";

/// Main's part: goes where it is told to, until it is told to go here, or to the greenlet on whose stack this is. Gives what it
/// is handed. `None`: who ran last is being dropped, and does not come to an end.
///
/// Whoever leaves an order has settled and checked it.
pub(super) fn drive<T>(
    mut to: Greenlet<T>,
    mut parcel: Option<Parcel<T>>,
    host: Option<&Mailbox<T>>,
) -> Option<Parcel<T>> {
    while let Some(life) = &to.0
        && !(host.is_some() && to.is_at(host))
    {
        let order = match life.run(parcel) {
            Ok(order) => order?,
            // Not by `panic!`: it may be a destructor that drives.
            Err(refusal) => return Some(Parcel::Panic(catch_unwind(|| panic!("{refusal}")).unwrap_err())),
        };
        (to, parcel) = (order.to, Some(order.parcel));
    }
    parcel
}

impl<T> Order<T> {
    /// Not to the dead, and no panic where it could not be caught.
    #[inline]
    pub(super) fn settle(self) -> Self {
        if matches!(self.parcel, Parcel::Value(_)) && self.to.0.as_ref().is_some_and(|life| life.has_begun())
        {
            return self;
        }
        self.settle_elsewhere()
    }

    fn settle_elsewhere(self) -> Self {
        let Self { mut to, mut parcel } = self;
        while let Some(life) = &to.0 {
            match life.admit(parcel) {
                Ok(admitted) => return Self { parcel: admitted, to },
                Err(refused) => (to, parcel) = (life.parent(), refused),
            }
        }
        Self { to, parcel }
    }
}

impl<T> Parcel<T> {
    /// What comes out of a greenlet that this was to end.
    fn passed_on(self) -> Self {
        match self {
            Self::Exit(value) => Self::Value(value),
            parcel => parcel,
        }
    }

    /// On the stack to which it was sent.
    #[inline]
    pub(super) fn open(self, me: Option<&Mailbox<T>>) -> T {
        match self {
            Self::Value(value) => value,
            Self::Panic(panic) => switch::throw(panic),
            Self::Exit(value) => {
                let mailbox = me.expect("main is not told to end");
                drop(mailbox.exit.replace(Some(value)));
                switch::throw(Box::new(Killed::new()))
            }
        }
    }
}

impl<T> Mailbox<T> {
    /// Leaves the stack, until it is switched to. Nothing on the stack may own the stack meanwhile.
    #[inline(always)]
    pub(super) fn leave(&self, order: Order<T>) -> T {
        // What may be there is dropped when this is not needed any more.
        let _undone = self.order.replace(Some(order));
        loop {
            let is_left = switch::pause(self);
            debug_assert!(is_left, "it runs here");
            if let Some(parcel) = self.arrived.take() {
                return parcel.open(Some(self));
            }
            // It is being dropped, and this is a destructor: nobody will switch here.
        }
    }

    /// Once the stack has ended.
    fn clear(&self) {
        drop((self.order.take(), self.arrived.take(), self.exit.take()));
    }
}

impl<T> Life<T> {
    pub(super) fn new(f: impl FnOnce(T) -> T + 'static, parent: Greenlet<T>) -> Rc<Self> {
        Rc::new_cyclic(|life| Self {
            stage: RefCell::new(Stage::Fresh(Box::new(f))),
            mailbox: Rc::new(Mailbox {
                life: life.clone(),
                order: Cell::new(None),
                arrived: Cell::new(None),
                exit: Cell::new(None),
                is_host: Cell::new(false),
            }),
            parent: RefCell::new(parent),
            stack_size: Cell::new(None),
        })
    }

    pub(super) fn parent(&self) -> Greenlet<T> {
        self.parent.borrow().clone()
    }

    /// What it is handed when it is switched to with this. `Err`: nothing, and that goes to its parent.
    fn admit(&self, parcel: Parcel<T>) -> Result<Parcel<T>, Parcel<T>> {
        let Ok(mut stage) = self.stage.try_borrow_mut() else { return Ok(parcel) };
        match (&*stage, parcel) {
            (Stage::Fresh(_) | Stage::Begun(_), parcel @ Parcel::Value(_)) => Ok(parcel),
            (Stage::Begun(strand), parcel) if strand.may_be_thrown_at() => Ok(parcel),
            (Stage::Begun(_), Parcel::Exit(value)) => Ok(Parcel::Value(value)),
            (Stage::Begun(_), panic) => Err(panic),
            (Stage::Dead, parcel) => Err(parcel.passed_on()),
            (Stage::Fresh(_), parcel) => {
                let function = mem::replace(&mut *stage, Stage::Dead);
                drop(stage);
                drop(function);
                Err(parcel.passed_on())
            }
        }
    }

    /// Whether it can be switched to, as far as can be told before; it has a stack then.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let is_ready = match self.stage.try_borrow().as_deref() {
            Ok(Stage::Begun(strand)) => !strand.is_elsewhere(),
            Ok(Stage::Fresh(_) | Stage::Dead) => false,
            Err(_) => self.mailbox.is_host.get(),
        };
        if is_ready { Ok(()) } else { self.make_ready() }
    }

    #[cold]
    fn make_ready(&self) -> Result<(), Refusal> {
        let Ok(mut stage) = self.stage.try_borrow_mut() else { return Err(BUSY.into()) };
        if let Stage::Begun(_) = *stage {
            return Err(ELSEWHERE.into());
        }
        let stack = stacks::take(self.stack_size.get())
            .map_err(|error| Refusal::from(format!("no stack for a greenlet: {error}")))?;
        if let Stage::Fresh(f) = mem::replace(&mut *stage, Stage::Dead) {
            let mailbox = self.mailbox.clone();
            *stage = Stage::Begun(Strand::new(Kind::Plain(self.mailbox.clone()), stack, move || {
                let first = mailbox.arrived.take().expect("it is begun by a switch").open(Some(&mailbox));
                f(first)
            }));
        }
        Ok(())
    }

    /// Begun, and suspended.
    #[inline]
    fn has_begun(&self) -> bool {
        matches!(self.stage.try_borrow().as_deref(), Ok(Stage::Begun(_)))
    }

    /// Lets it run until it switches, or ends; gives where to go on. `None`: it was told to end, and does not come to that.
    #[inline(always)]
    fn run(&self, parcel: Option<Parcel<T>>) -> Result<Option<Order<T>>, Refusal> {
        let Ok(mut stage) = self.stage.try_borrow_mut() else { return Err(BUSY.into()) };
        let Stage::Begun(strand) = &mut *stage else { unreachable!("orders go to those that live") };
        self.mailbox.arrived.set(parcel);
        let step = strand.resume(Waker::noop());
        if let Step::Suspended = step {
            return Ok(self.mailbox.order.take());
        }
        *stage = Stage::Dead;
        drop(stage);
        self.end(step).map(Some)
    }

    /// Where its result goes.
    fn end(&self, step: Step<T>) -> Result<Order<T>, Refusal> {
        let parcel = match step {
            Step::Suspended => unreachable!("it has ended"),
            Step::Returned(value) => Parcel::Value(value),
            Step::Panicked(panic) => match self.mailbox.exit.take() {
                Some(value) if panic.is::<Killed>() => Parcel::Value(value),
                _ => Parcel::Panic(panic),
            },
        };
        self.mailbox.clear();
        let order = Order { to: self.parent(), parcel }.settle();
        order.to.0.as_ref().map_or(Ok(()), |life| life.check())?;
        Ok(order)
    }

    /// Unwinds the stack, when the last handle is dropped. Gives the panic that came out of that, if it was another one.
    pub(super) fn wind_up(self: &Rc<Self>) -> Option<Panic> {
        match &*self.stage.borrow() {
            // What cannot be resumed here, the strand's own drop reports.
            Stage::Begun(strand)
                if strand.is_suspended() && !strand.is_elsewhere() && !cfg!(panic = "abort") =>
            {
                strand.kill();
            }
            _ => return None,
        }
        // Its result is nobody's.
        let parent = self.parent.replace(Greenlet::main());
        // By the time it has ended, who is here may be above another one.
        let host = switch::owner::<Mailbox<T>>();
        let was_host = host.as_ref().map(|host| host.is_host.replace(true));
        let result = drive(Greenlet(Some(self.clone())), None, host.as_deref());
        host.iter().zip(was_host).for_each(|(host, was_host)| host.is_host.set(was_host));
        drop(host);
        drop(self.parent.replace(parent));
        if Rc::strong_count(self) == 1
            && let Stage::Begun(strand) = &mut *self.stage.borrow_mut()
        {
            strand.abandon();
            report_abandoned(if strand.is_incorrigible() { SWALLOWS } else { LEFT_FOR_GOOD });
        }
        match result {
            Some(Parcel::Panic(panic)) if !panic.is::<Killed>() => Some(panic),
            _ => None,
        }
    }
}
