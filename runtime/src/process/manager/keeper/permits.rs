//! Locks, semaphores and conditions: so many permits, and who holds them.

use super::{super::wire::Owner, Answer, Answers, Ask, Leave, LineId, Object, Parcel, Refusal, Reply};
use std::collections::{BTreeMap, VecDeque};

/// ```text
///            free, nobody before it              Release, LetGo, or the line ends
/// acquire ───────────────────────────▶ holds ──────────────────────────────────────▶ free again, to the next in the queue
///    │                                 ▲   │ Wait
///    └─────────▶ queue ────────────────┘   ▼
///                  ▲   Notify, TimeIsUp  sleepers
///                  └──────────────────────┘
/// ```
#[derive(Debug)]
pub(super) struct Permits {
    free: u64,
    most: Option<u64>,
    /// One permit, of which its owner may have more, on several lines.
    is_reentrant: bool,
    holds: BTreeMap<LineId, Hold>,
    queue: VecDeque<Claim>,
    /// Who waits to be notified.
    sleepers: VecDeque<LineId>,
    /// Somebody died holding some, and nobody has mended what it left.
    is_abandoned: bool,
}

#[derive(Debug)]
struct Hold {
    many: u64,
    by: Option<Owner>,
    /// It woke to a notification, and has not been heard of since. If it never took notice, somebody else has to.
    is_notified: bool,
}

#[derive(Debug)]
struct Claim {
    line: LineId,
    many: u64,
    by: Option<Owner>,
    is_notified: bool,
}

impl Permits {
    pub(super) fn new(free: u64, most: Option<u64>, is_reentrant: bool) -> Result<Self, Refusal> {
        let is_sound = most.is_none_or(|most| free <= most) && (!is_reentrant || most == Some(1));
        if !is_sound {
            return Err(Refusal::Nonsense);
        }
        let (holds, queue, sleepers) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Ok(Self { free, most, is_reentrant, holds, queue, sleepers, is_abandoned: false })
    }

    fn acquire(&mut self, claim: Claim, wait: bool) -> Result<Reply, Refusal> {
        let Claim { line, many, .. } = claim;
        let is_possible = many > 0 && self.most.is_none_or(|most| many <= most);
        if !is_possible || self.holds.contains_key(&line) {
            return Err(Refusal::Nonsense);
        }
        if self.lets_in_again(&claim) || (self.queue.is_empty() && many <= self.free) {
            return Ok(self.grant(&claim).into());
        }
        if wait {
            self.queue.push_back(claim);
            return Ok(Reply::Later);
        }
        Ok(Answer::No.into())
    }

    fn lets_in_again(&self, claim: &Claim) -> bool {
        self.is_reentrant && claim.by.is_some() && self.holds.values().any(|hold| hold.by == claim.by)
    }

    fn grant(&mut self, claim: &Claim) -> Answer {
        let Claim { line, many, by, is_notified } = *claim;
        // Of one that is re-entrant there is one permit, whoever has it how often.
        self.free = if self.is_reentrant { 0 } else { self.free - many };
        self.holds.insert(line, Hold { many, by, is_notified });
        Answer::Granted { abandoned: self.is_abandoned, notified: is_notified }
    }

    /// Whoever can go on now, in the order in which they asked: nobody passes one who wants more.
    fn serve(&mut self, out: &mut Answers) {
        while let Some(claim) = self.queue.pop_front() {
            if claim.many > self.free && !self.lets_in_again(&claim) {
                self.queue.push_front(claim);
                break;
            }
            out.push((claim.line, self.grant(&claim), Vec::new()));
        }
        self.let_owner_in_again(out);
    }

    /// A task may have asked several times at once, and got only the first.
    fn let_owner_in_again(&mut self, out: &mut Answers) {
        while let Some(at) = self.queue.iter().position(|claim| self.lets_in_again(claim))
            && let Some(claim) = self.queue.remove(at)
        {
            out.push((claim.line, self.grant(&claim), Vec::new()));
        }
    }

    /// What a line has held is free; `false` if it held nothing.
    fn release(&mut self, line: LineId, out: &mut Answers) -> bool {
        let Some(hold) = self.holds.remove(&line) else { return false };
        match self.is_reentrant {
            false => self.free += hold.many,
            true => self.free = u64::from(self.holds.is_empty()),
        }
        self.serve(out);
        true
    }

    fn add(&mut self, many: u64) -> Result<(), Refusal> {
        let held: u64 = self.holds.values().map(|hold| hold.many).sum();
        let sum = self.free.checked_add(many).filter(|sum| sum.checked_add(held).is_some());
        let sum = sum.filter(|sum| self.most.is_none_or(|most| sum + held <= most) && !self.is_reentrant);
        self.free = sum.ok_or(Refusal::OverRelease)?;
        Ok(())
    }

    /// A sleeper wakes, and needs the lock.
    fn wake(&mut self, line: LineId, is_notified: bool) {
        self.queue.push_back(Claim { line, many: 1, by: None, is_notified });
    }

    fn notify(&mut self, many: u64, out: &mut Answers) {
        for _ in 0..many {
            let Some(line) = self.sleepers.pop_front() else { break };
            self.wake(line, true);
        }
        self.serve(out);
    }

    fn time_is_up(&mut self, line: LineId, out: &mut Answers) -> Result<Reply, Refusal> {
        if let Some(at) = self.sleepers.iter().position(|&sleeper| sleeper == line) {
            self.sleepers.remove(at);
            self.wake(line, false);
            self.serve(out);
        }
        // Whoever was woken gets the lock all the same. But only those who wait for a condition may say it.
        let is_woken = self.queue.iter().any(|claim| claim.line == line && claim.by.is_none());
        if is_woken || self.holds.contains_key(&line) { Ok(Reply::Never) } else { Err(Refusal::Nonsense) }
    }
}

impl Object for Permits {
    fn ask(&mut self, line: LineId, ask: Ask, _: Vec<Parcel>, out: &mut Answers) -> Result<Reply, Refusal> {
        if let Some(hold) = self.holds.get_mut(&line) {
            hold.is_notified = false;
        }
        let done = |is_done| if is_done { Ok(Answer::Done.into()) } else { Err(Refusal::Nonsense) };
        match ask {
            Ask::Acquire { many, by, wait } => {
                self.acquire(Claim { line, many, by: Some(by), is_notified: false }, wait)
            }
            Ask::Release => done(self.release(line, out)),
            Ask::LetGo => done(self.release(line, out)).map(|_| Reply::Never),
            Ask::Forget => done(!self.is_reentrant && self.holds.remove(&line).is_some()),
            Ask::AddPermits { many } => {
                self.add(many)?;
                self.serve(out);
                Ok(Answer::Done.into())
            }
            Ask::Mend if self.holds.contains_key(&line) => {
                self.is_abandoned = false;
                Ok(Reply::Never)
            }
            Ask::Permits => Ok(Reply::number(usize::try_from(self.free).unwrap_or(usize::MAX))),
            Ask::Wait if self.holds.get(&line).is_some_and(|hold| hold.many == 1) && !self.is_reentrant => {
                self.sleepers.push_back(line);
                self.release(line, out);
                Ok(Reply::Later)
            }
            Ask::TimeIsUp => self.time_is_up(line, out),
            Ask::Notify { many } => {
                self.notify(many, out);
                Ok(Answer::Done.into())
            }
            _ => Err(Refusal::Nonsense),
        }
    }

    fn leave(&mut self, line: LineId, how: Leave, out: &mut Answers) {
        self.sleepers.retain(|&sleeper| sleeper != line);
        let claimed = self.queue.iter().position(|claim| claim.line == line);
        let claim = claimed.and_then(|at| self.queue.remove(at));
        let held = self.holds.get(&line).map(|hold| hold.is_notified);
        let was_notified = claim.is_some_and(|claim| claim.is_notified) || held == Some(true);
        // Who has withdrawn never learned that it held anything.
        self.is_abandoned |= held.is_some() && how == Leave::Died;
        if !self.release(line, out) {
            self.serve(out);
        }
        if was_notified {
            self.notify(1, out);
        }
    }
}
