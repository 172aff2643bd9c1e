//! The workers as processes, and the jobs as packets: what the desk knows as numbers.

use super::{
    builder::Settings,
    claims::{CELLS, Claims},
    desk::{self, JobId, WorkerId},
    job::Answered,
    wire::{JobHead, Setup},
};
use crate::process::{
    StartError,
    birth::{Birth, Role},
    packet::{Packet, PacketError, Packets},
};
use runtime_io::{packet::shutdown, process::Child};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::Shutdown,
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

/// One process.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) child: Arc<Child>,
    pub(super) line: Arc<Packets>,
    claims: Claims,
    /// Which cells of the claims nobody has, a bit each.
    free: u64,
    /// Jobs for which there was no room in the socket, numbered as they came. Somebody is at it as long as there are any.
    outbox: VecDeque<(u64, JobId)>,
    next_in_outbox: u64,
    /// Since when it has said its last. It is about to end, or should be.
    pub(super) silent_since: Option<Duration>,
}

/// A job that has not ended.
#[derive(Debug)]
pub(super) struct Paper {
    pub(super) number: u64,
    pub(super) function: u32,
    /// What is sent. `None`: it was, and is not needed any more.
    pub(super) packet: Option<Packet>,
    pub(super) is_heavy: bool,
    /// Which of the worker's cells it has.
    pub(super) cell: u16,
    pub(super) answered: Arc<dyn Answered>,
}

/// What became of an attempt to send a job.
#[derive(Debug)]
pub(super) enum Sent {
    /// It is on its way, or will be; or its worker is dying, and that will be told.
    Yes,
    /// It waits for room, and somebody has to see to that.
    Clogged,
    /// It cannot be sent, to nobody.
    Never(PacketError),
}

/// What became of an outbox.
#[derive(Debug)]
pub(super) enum Pushed {
    All,
    /// There was no room for this one.
    UpTo {
        line: Arc<Packets>,
        packet: Packet,
        number: u64,
        job: JobId,
    },
    /// The system does not take this one. There may be more.
    Never(JobId, PacketError),
}

/// All processes and papers of a pool.
#[derive(Debug, Default)]
pub(super) struct Crew {
    pub(super) members: BTreeMap<WorkerId, Member>,
    /// By the job's index.
    papers: Vec<Option<Paper>>,
}

impl Crew {
    /// Starts a worker.
    pub(super) fn launch(&mut self, id: WorkerId, settings: &Settings) -> Result<(), StartError> {
        let claims = Claims::new()?;
        let setup = settings.setup(&claims)?;
        let name = format!("{}-{}", settings.name, id.0 + 1);
        let born = Birth::new(Role::PoolWorker, &name).start()?;
        let line = born.line.with_limit(settings.packet_limit());
        // The first packet finds room. Whoever has ended already does not read it.
        match line.try_send(&setup) {
            Ok(()) | Err(PacketError::Closed) => {}
            Err(error) => return Err(StartError::System(io::Error::other(error))),
        }
        let (child, line) = (Arc::new(born.child), Arc::new(line));
        let member = Member {
            child,
            line,
            claims,
            free: u64::MAX,
            outbox: VecDeque::new(),
            next_in_outbox: 0,
            silent_since: None,
        };
        self.members.insert(id, member);
        Ok(())
    }

    /// Forgets a worker that is dead.
    pub(super) fn bury(&mut self, id: WorkerId) {
        self.members.remove(&id);
    }

    /// Forgets all who are left.
    pub(super) fn dissolve(&mut self) {
        self.members.clear();
    }

    /// Has it find the end of its jobs.
    pub(super) fn dismiss(&self, id: WorkerId) {
        if let Some(member) = self.members.get(&id) {
            // It fails if there is nobody any more.
            let _ = shutdown(member.line.as_fd(), Shutdown::Write);
        }
    }

    pub(super) fn kill(&self, id: WorkerId) {
        if let Some(member) = self.members.get(&id) {
            // It fails if the worker has become another user's; then it ends when it finds the end of its jobs.
            let _ = member.child.kill();
            self.dismiss(id);
        }
    }

    /// A job has its number.
    pub(super) fn file(&mut self, job: JobId, paper: Paper) {
        let index = job.index as usize;
        if self.papers.len() <= index {
            self.papers.resize_with(index + 1, || None);
        }
        self.papers[index] = Some(paper);
    }

    pub(super) fn paper(&mut self, job: JobId) -> Option<&mut Paper> {
        let paper = self.papers.get_mut(job.index as usize)?.as_mut();
        paper.filter(|paper| paper.number == job.number)
    }

    /// The job has ended.
    pub(super) fn close(&mut self, job: JobId) -> Option<Paper> {
        self.paper(job)?;
        self.papers[job.index as usize].take()
    }

    /// The job has been answered by a worker.
    pub(super) fn close_answered(&mut self, by: WorkerId, job: JobId) -> Option<Paper> {
        let paper = self.close(job)?;
        if let Some(member) = self.members.get_mut(&by) {
            member.free |= bit(paper.cell);
        }
        Some(paper)
    }

    /// Sends a job, or lays it out to be sent.
    pub(super) fn send(&mut self, to: WorkerId, job: JobId) -> Sent {
        let Some(member) = self.members.get_mut(&to) else { return Sent::Yes };
        let paper = self.papers.get_mut(job.index as usize).and_then(Option::as_mut);
        let Some(paper) = paper.filter(|paper| paper.number == job.number) else { return Sent::Yes };
        debug_assert!(member.free != 0, "the desk sends fewer than there are cells");
        paper.cell = (member.free.trailing_zeros() as u16).min(CELLS as u16 - 1);
        member.free &= !bit(paper.cell);
        member.claims.post(usize::from(paper.cell), job);
        let head = JobHead { is_heavy: paper.is_heavy, cell: paper.cell, job, function: paper.function };
        let Some(packet) = &mut paper.packet else {
            debug_assert!(false, "what has begun is not sent again");
            return Sent::Yes;
        };
        head.write(packet);
        let was_empty = member.outbox.is_empty();
        let sent = if was_empty { member.line.try_send(&*packet) } else { Err(PacketError::WouldBlock) };
        match sent {
            Ok(()) | Err(PacketError::Closed) => Sent::Yes,
            Err(PacketError::WouldBlock) => {
                member.outbox.push_back((member.next_in_outbox, job));
                member.next_in_outbox += 1;
                if was_empty { Sent::Clogged } else { Sent::Yes }
            }
            Err(error) => Sent::Never(error),
        }
    }

    #[cfg(all(test, not(miri), feature = "macros"))]
    pub(super) fn open_jobs(&self) -> impl Iterator<Item = JobId> {
        let papers = self.papers.iter().zip(0..);
        papers.filter_map(|(paper, index)| Some(JobId { number: paper.as_ref()?.number, index }))
    }

    /// Sends what lies in an outbox, as far as there is room.
    pub(super) fn push(&mut self, to: WorkerId) -> Pushed {
        loop {
            let Some(member) = self.members.get_mut(&to) else { return Pushed::All };
            let Some(&(number, job)) = member.outbox.front() else { return Pushed::All };
            let paper = self.papers.get(job.index as usize).and_then(Option::as_ref);
            // It may have ended meanwhile, or have been taken back and be elsewhere: then the worker passes over it.
            let paper = paper.filter(|paper| paper.number == job.number);
            if let Some(packet) = paper.and_then(|paper| paper.packet.as_ref()) {
                let sent = match member.line.try_send(packet) {
                    Err(PacketError::WouldBlock) => match copy(packet) {
                        Ok(packet) => {
                            return Pushed::UpTo { line: Arc::clone(&member.line), packet, number, job };
                        }
                        Err(error) => Err(error.into()),
                    },
                    sent => sent,
                };
                if let Err(error) = sent
                    && !matches!(error, PacketError::Closed)
                {
                    member.outbox.pop_front();
                    return Pushed::Never(job, error);
                }
            }
            member.outbox.pop_front();
        }
    }

    /// What there was no room for was sent.
    pub(super) fn pushed(&mut self, to: WorkerId, number: u64) {
        if let Some(member) = self.members.get_mut(&to) {
            member.outbox.retain(|&(other, _)| other != number);
        }
    }
}

fn copy(packet: &Packet) -> io::Result<Packet> {
    let descriptors =
        packet.descriptors.iter().map(|descriptor| descriptor.try_clone()).collect::<io::Result<_>>()?;
    Ok(Packet { bytes: packet.bytes.clone(), descriptors })
}

impl desk::Claims for Crew {
    fn revoke(&mut self, worker: WorkerId, job: JobId) -> bool {
        let Some(cell) = self.paper(job).map(|paper| paper.cell) else { return false };
        let Some(member) = self.members.get_mut(&worker) else { return false };
        let is_ours = member.claims.revoke(usize::from(cell), job);
        if is_ours {
            member.free |= bit(cell);
            member.outbox.retain(|&(_, other)| other != job);
        }
        is_ours
    }
}

fn bit(cell: u16) -> u64 {
    1 << (u64::from(cell) % CELLS as u64)
}

impl Settings {
    /// The first packet for a worker.
    fn setup(&self, claims: &Claims) -> io::Result<Packet> {
        let mut descriptors = vec![claims.fd()?];
        let function = self.initializer.as_ref().map(|initializer| initializer.function);
        let mut bytes = Setup { initializer: function, limit_bytes: self.packet_limit() as u64 }.head();
        if let Some(initializer) = &self.initializer {
            bytes.extend_from_slice(&initializer.arguments.bytes);
            for descriptor in &initializer.arguments.descriptors {
                descriptors.push(descriptor.try_clone()?);
            }
        }
        Ok(Packet { bytes, descriptors })
    }
}
