//! What a worker is born with: two sockets, the life-line, the counters; and how a process finds out that it is one.

use runtime_io::process::{Kind, Launch, take_inherited};
use std::{
    env, io,
    os::{
        fd::{OwnedFd, RawFd},
        unix::{net::UnixStream, process::parent_id},
    },
    process,
    sync::atomic::AtomicU64,
};

/// Names the descriptors of a worker process, and the process that gave them. There is nothing secret in it: without the
/// descriptors it is of no use to anybody.
const VARIABLE: &str = "RUNTIME_WORKER";

/// The descriptors of one worker's life.
#[derive(Debug)]
pub(in crate::cluster) struct Seat {
    /// Frames of control, and descriptors with them.
    pub(in crate::cluster) control: OwnedFd,
    /// Messages of the user.
    pub(in crate::cluster) data: OwnedFd,
    /// At its end when the supervisor is gone.
    pub(in crate::cluster) life_line: OwnedFd,
    /// What is counted, by all workers.
    pub(in crate::cluster) counters: Memory,
    /// Which of the seats in it is this worker's.
    pub(in crate::cluster) number: usize,
    /// The process that has given it.
    pub(in crate::cluster) supervisor: u32,
}

/// Memory that all workers share.
#[derive(Debug)]
pub(in crate::cluster) enum Memory {
    /// To be mapped, of so many cells.
    Elsewhere(OwnedFd, usize),
    /// Of this process.
    Here(&'static [AtomicU64]),
}

impl Seat {
    /// A seat, and the other ends of its sockets: control and data.
    pub(in crate::cluster) fn new(
        life_line: OwnedFd,
        counters: Memory,
        number: usize,
    ) -> io::Result<(Self, UnixStream, UnixStream)> {
        let (our_control, control) = UnixStream::pair()?;
        let (our_data, data) = UnixStream::pair()?;
        let supervisor = process::id();
        let seat =
            Self { control: control.into(), data: data.into(), life_line, counters, number, supervisor };
        Ok((seat, our_control, our_data))
    }

    /// Gives it to a process that is to be started. What that has to find in its environment: name and value.
    ///
    /// # Panics
    /// If its memory is of this process alone.
    pub(in crate::cluster) fn hand_over(self, launch: &mut Launch) -> (&'static str, String) {
        let Memory::Elsewhere(counters, cells) = self.counters else {
            unreachable!("processes share what has a descriptor")
        };
        let [control, data, life_line, counters] =
            [self.control, self.data, self.life_line, counters].map(|given| launch.descriptor(given));
        let Self { number, supervisor, .. } = self;
        (VARIABLE, format!("{supervisor}:{control}:{data}:{life_line}:{counters}:{cells}:{number}"))
    }

    /// The seat of this process, if it is a worker: its environment names descriptors, its parent is who has given them,
    /// and they are what they should be. Children of a worker inherit the environment, but neither parent nor descriptors.
    ///
    /// # Errors
    /// If it was to be a worker, and the descriptors are something else, or its supervisor is gone already.
    pub(in crate::cluster) fn of_this_process() -> io::Result<Option<Self>> {
        let Some(value) = env::var_os(VARIABLE) else { return Ok(None) };
        let Some((supervisor, numbers)) = value.to_str().and_then(parse) else { return Ok(None) };
        let [control, data, life_line, counters, cells, number] = numbers;
        if supervisor != parent_id() {
            let has_seat =
                [control, data, life_line].iter().all(|&given| take_inherited(given, Kind::Socket).is_ok());
            // Its parent has died before it got here: what it should do is nothing.
            return if has_seat {
                Err(io::Error::other("the supervisor of this worker is gone"))
            } else {
                Ok(None)
            };
        }
        let counters = take_inherited(counters, Kind::File)?;
        Ok(Some(Self {
            control: take_inherited(control, Kind::Socket)?,
            data: take_inherited(data, Kind::Socket)?,
            life_line: take_inherited(life_line, Kind::Socket)?,
            counters: Memory::Elsewhere(counters, usize::try_from(cells).map_err(io::Error::other)?),
            number: usize::try_from(number).map_err(io::Error::other)?,
            supervisor,
        }))
    }
}

/// The process and the six numbers in the value of the variable.
fn parse(value: &str) -> Option<(u32, [RawFd; 6])> {
    let mut parts = value.split(':');
    let supervisor = parts.next()?.parse().ok()?;
    let numbers: Vec<RawFd> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    Some((supervisor, numbers.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_seven_numbers_are_a_seat() {
        assert_eq!(parse("17:3:4:5:6:70:0"), Some((17, [3, 4, 5, 6, 70, 0])));
        for nonsense in [
            "",
            "17",
            "17:3:4:5:6:70",
            "17:3:4:5:6:70:0:1",
            "x:3:4:5:6:70:0",
            "17:3:4:5:6:70:",
            "-1:3:4:5:6:70:0",
        ] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
