//! A barrier: so many wait for each other.

use super::{Answer, Answers, Ask, Leave, LineId, Object, Parcel, Refusal, Reply};
use std::mem;

#[derive(Debug)]
pub(super) struct Barrier {
    parties: usize,
    /// Those of this round, in the order in which they came.
    waiting: Vec<LineId>,
    is_broken: bool,
}

impl Barrier {
    pub(super) fn new(parties: u64) -> Result<Self, Refusal> {
        let parties =
            usize::try_from(parties).ok().filter(|&parties| parties > 0).ok_or(Refusal::Nonsense)?;
        Ok(Self { parties, waiting: Vec::new(), is_broken: false })
    }

    /// Nobody waits for those who will not come.
    fn turn_away(&mut self, out: &mut Answers) {
        out.extend(mem::take(&mut self.waiting).into_iter().map(|line| (line, Answer::Broken, Vec::new())));
    }
}

impl Object for Barrier {
    fn ask(&mut self, line: LineId, ask: Ask, _: Vec<Parcel>, out: &mut Answers) -> Result<Reply, Refusal> {
        match ask {
            Ask::Arrive | Ask::Waiting if self.is_broken => Ok(Answer::Broken.into()),
            Ask::Waiting => Ok(Reply::number(self.waiting.len())),
            Ask::Arrive => {
                self.waiting.push(line);
                if self.waiting.len() == self.parties {
                    let all = mem::take(&mut self.waiting).into_iter().enumerate();
                    out.extend(
                        all.map(|(at, line)| (line, Answer::Number { number: at as u64 }, Vec::new())),
                    );
                }
                Ok(Reply::Later)
            }
            Ask::Abort | Ask::TimeIsUp => {
                self.is_broken = true;
                self.turn_away(out);
                Ok(if ask == Ask::Abort { Answer::Done.into() } else { Reply::Never })
            }
            Ask::Reset => {
                self.is_broken = false;
                self.turn_away(out);
                Ok(Answer::Done.into())
            }
            _ => Err(Refusal::Nonsense),
        }
    }

    /// Who withdraws may come again, and his place is free until then. Who died will not.
    fn leave(&mut self, line: LineId, how: Leave, out: &mut Answers) {
        let Some(at) = self.waiting.iter().position(|&waiting| waiting == line) else { return };
        self.waiting.remove(at);
        if how == Leave::Died {
            self.is_broken = true;
            self.turn_away(out);
        }
    }
}
