//! What the stories share: something to say, and to say when dropped.

use std::{cell::RefCell, rc::Rc};

/// What was said, in order. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Talk(Rc<RefCell<Vec<String>>>);

impl Talk {
    #[expect(clippy::needless_pass_by_value, reason = "words are literals, numbers and results of `format!`")]
    pub(crate) fn say(&self, word: impl ToString) {
        self.0.borrow_mut().push(word.to_string());
    }

    /// Says `word` when it is dropped.
    pub(crate) fn farewell(&self, word: &'static str) -> Farewell {
        Farewell(self.clone(), word)
    }

    /// All words so far, with a space between.
    pub(crate) fn heard(&self) -> String {
        self.0.borrow().join(" ")
    }

    /// How many share it.
    pub(crate) fn holders(&self) -> usize {
        Rc::strong_count(&self.0)
    }
}

pub(crate) struct Farewell(Talk, &'static str);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something else")
}
