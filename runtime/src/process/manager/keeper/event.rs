//! An event.

use super::{Answer, Answers, Ask, Leave, LineId, Object, Parcel, Refusal, Reply};

#[derive(Debug, Default)]
pub(super) struct Event {
    is_set: bool,
    waiting: Vec<LineId>,
}

impl Object for Event {
    fn ask(&mut self, line: LineId, ask: Ask, _: Vec<Parcel>, out: &mut Answers) -> Result<Reply, Refusal> {
        match ask {
            Ask::Set => {
                self.is_set = true;
                out.extend(self.waiting.drain(..).map(|line| (line, Answer::Done, Vec::new())));
                Ok(Answer::Done.into())
            }
            Ask::Unset => {
                self.is_set = false;
                Ok(Answer::Done.into())
            }
            Ask::IsSet => Ok(Reply::is(self.is_set)),
            Ask::WaitSet if self.is_set => Ok(Answer::Done.into()),
            Ask::WaitSet => {
                self.waiting.push(line);
                Ok(Reply::Later)
            }
            _ => Err(Refusal::Nonsense),
        }
    }

    fn leave(&mut self, line: LineId, _: Leave, _: &mut Answers) {
        self.waiting.retain(|&waiting| waiting != line);
    }
}
