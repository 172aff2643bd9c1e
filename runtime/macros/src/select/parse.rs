//! Reads the branches of a `select!`, and says what is wrong with them where it is wrong.
//!
//! ```text
//! select    = [ "biased" ";" ] branch*  [ "else" "=>" handler ]
//! branch    = pattern "=" future [ "," "if" guard ] "=>" handler
//! handler   = block [ "," ] | expression ","          (no comma needed at the end)
//! ```
//!
//! No expression is parsed, that is rustc's affair: it is enough to find where each ends. `=>` cannot stand inside one
//! but in brackets, and a comma only between the arguments of a turbofish.

use proc_macro::{Delimiter, Spacing, Span, TokenStream, TokenTree};

use crate::error::Error;
use crate::parse::{is_ident, is_punct};

/// As many as a program that a human wrote could need, and as few as still compile quickly.
pub(crate) const MAX_BRANCHES: usize = 64;

pub(crate) struct Select {
    pub(crate) is_biased: bool,
    pub(crate) branches: Vec<Branch>,
    pub(crate) otherwise: Option<TokenStream>,
}

pub(crate) struct Branch {
    pub(crate) pattern: Vec<TokenTree>,
    pub(crate) future: TokenStream,
    pub(crate) guard: Option<TokenStream>,
    pub(crate) handler: TokenStream,
}

impl Select {
    /// The first error is the last one looked for: what follows it is anybody's guess.
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self, Error> {
        let mut tokens = Tokens { rest: tokens.into_iter().collect::<Vec<_>>(), at: 0 };
        let is_biased = tokens.take_biased()?;
        let mut select = Self { is_biased, branches: Vec::new(), otherwise: None };
        while let Some(first) = tokens.peek() {
            let first = first.span();
            if tokens.begins_else() {
                tokens.at += 1;
                tokens.take_arrow();
                select.otherwise = Some(tokens.take_handler(first)?);
                if let Some(behind) = tokens.peek() {
                    return Err(Error::new(behind.span(), "`else` is the last branch of a `select!`"));
                }
                break;
            }
            if select.branches.len() == MAX_BRANCHES {
                let message = format!(
                    "`select!` takes up to {MAX_BRANCHES} branches: put some into a `race` or a `select!` of their own"
                );
                return Err(Error::new(first, message));
            }
            select.branches.push(tokens.take_branch()?);
        }
        if select.branches.is_empty() {
            let message = "`select!` needs a branch: `pattern = future => handler`";
            return Err(Error::new(Span::call_site(), message));
        }
        Ok(select)
    }
}

struct Tokens {
    rest: Vec<TokenTree>,
    at: usize,
}

impl Tokens {
    fn peek(&self) -> Option<&TokenTree> {
        self.rest.get(self.at)
    }

    fn is_arrow(&self, at: usize) -> bool {
        self.is_joint(at, '=') && self.rest.get(at + 1).is_some_and(|token| is_punct(token, '>'))
    }

    /// That character, and another directly behind it.
    fn is_joint(&self, at: usize, character: char) -> bool {
        matches!(self.rest.get(at), Some(TokenTree::Punct(punct))
            if punct.as_char() == character && punct.spacing() == Spacing::Joint)
    }

    /// The `=` of a branch: not one of `=>`, `==` or `..=`.
    fn is_assignment(&self, at: usize) -> bool {
        self.rest.get(at).is_some_and(|token| is_punct(token, '='))
            && !self.is_arrow(at)
            && !(self.is_joint(at, '=') && self.rest.get(at + 1).is_some_and(|token| is_punct(token, '=')))
            && !(at > 0 && (self.is_joint(at - 1, '.') || self.is_joint(at - 1, '=')))
    }

    /// `biased;`
    fn take_biased(&mut self) -> Result<bool, Error> {
        let Some(first) = self.rest.first().filter(|token| is_ident(token, "biased")) else {
            return Ok(false);
        };
        match self.rest.get(1) {
            Some(second) if is_punct(second, ';') => {
                self.at = 2;
                Ok(true)
            }
            // A branch whose pattern is called so.
            Some(_) if self.is_assignment(1) => Ok(false),
            _ => Err(Error::new(first.span(), "`biased` ends with a semicolon: `biased;`")),
        }
    }

    fn begins_else(&self) -> bool {
        self.peek().is_some_and(|token| is_ident(token, "else")) && self.is_arrow(self.at + 1)
    }

    fn take_arrow(&mut self) {
        self.at += 2;
    }

    fn take_branch(&mut self) -> Result<Branch, Error> {
        let pattern = self.take_pattern()?;
        let (future, guard) = self.take_future()?;
        let arrow = self.rest[self.at].span();
        self.take_arrow();
        let handler = self.take_handler(arrow)?;
        Ok(Branch { pattern, future, guard, handler })
    }

    /// Up to the `=`, and past it.
    fn take_pattern(&mut self) -> Result<Vec<TokenTree>, Error> {
        let begin = self.at;
        let end = (begin..self.rest.len()).find(|at| self.is_arrow(*at) || self.is_assignment(*at));
        let pattern = &self.rest[begin..end.unwrap_or(self.rest.len())];
        match end {
            Some(end) if self.is_assignment(end) && !pattern.is_empty() => {
                self.at = end + 1;
                Ok(pattern.to_vec())
            }
            _ => Err(no_pattern(pattern, &self.rest[begin..])),
        }
    }

    /// Up to the `=>`: the future, and what stands behind `, if`.
    fn take_future(&mut self) -> Result<(TokenStream, Option<TokenStream>), Error> {
        let begin = self.at;
        let Some(end) = (begin..self.rest.len()).find(|at| self.is_arrow(*at)) else {
            let message = "a branch needs a handler: `pattern = future => handler`";
            return Err(Error::over(&self.rest[begin - 1..], message));
        };
        self.at = end;
        let comma = self.next_comma(begin, end);
        let Some(comma) = comma else {
            return match &self.rest[begin..end] {
                [] => Err(Error::new(
                    self.rest[end].span(),
                    "the future is missing: `pattern = future => handler`",
                )),
                future => Ok((future.iter().cloned().collect(), None)),
            };
        };
        if !self.rest.get(comma + 1).is_some_and(|token| is_ident(token, "if")) {
            let message = "expected `=> handler` or `, if guard => handler` behind the future of this branch";
            return Err(Error::new(self.rest[comma].span(), message));
        }
        let stream =
            |range: std::ops::Range<usize>| self.rest[range].iter().cloned().collect::<TokenStream>();
        if comma + 2 == end {
            return Err(Error::new(self.rest[comma + 1].span(), "the guard is missing: `if condition`"));
        }
        Ok((stream(begin..comma), Some(stream(comma + 2..end))))
    }

    /// A block, or anything up to a comma, and past that; `arrow` is what stands before.
    fn take_handler(&mut self, arrow: Span) -> Result<TokenStream, Error> {
        let begin = self.at;
        let Some(first) = self.peek().cloned() else {
            return Err(Error::new(arrow, "the handler is missing behind `=>`: write `{}` to do nothing"));
        };
        let end = if matches!(&first, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace) {
            begin + 1
        } else {
            self.next_comma(begin, self.rest.len()).unwrap_or(self.rest.len())
        };
        if end == begin {
            return Err(Error::new(
                first.span(),
                "the handler is missing behind `=>`: write `{}` to do nothing",
            ));
        }
        if (begin..end).any(|at| self.is_arrow(at)) {
            let message = "a handler that is not a block ends with a comma, which is missing here";
            return Err(Error::over(&self.rest[begin..end], message));
        }
        self.at = end;
        match self.peek() {
            Some(next) if is_punct(next, ',') => self.at += 1,
            Some(next) if is_punct(next, '.') || is_punct(next, '?') => {
                let message = "a handler that begins with a brace ends with that brace: put the whole of it into `{ … }`";
                return Err(Error::new(next.span(), message));
            }
            _ => {}
        }
        Ok(self.rest[begin..end].iter().cloned().collect())
    }

    /// The first comma that does not stand in a turbofish, or in `<T as Trait<A, B>>` at the beginning.
    fn next_comma(&self, begin: usize, end: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in begin..end {
            let TokenTree::Punct(punct) = &self.rest[at] else { continue };
            match punct.as_char() {
                '<' if depth > 0 || at == begin || is_punct(&self.rest[at - 1], ':') => depth += 1,
                // Not the arrow of `Fn() -> T`.
                '>' if depth > 0 && !self.is_joint(at - 1, '-') => depth -= 1,
                ',' if depth == 0 => return Some(at),
                _ => {}
            }
        }
        None
    }
}

/// What is wrong with a branch that has no `=` before its `=>`.
fn no_pattern(begun: &[TokenTree], rest: &[TokenTree]) -> Error {
    match begun {
        [] => Error::new(
            rest.first().map_or_else(Span::call_site, TokenTree::span),
            "a branch begins with a pattern: `pattern = future => handler`",
        ),
        [word] if is_ident(word, "default") || is_ident(word, "complete") => {
            let remedy = if is_ident(word, "complete") {
                "write `else => handler`, which runs when every branch is disabled"
            } else {
                "end a `biased;` select with `_ = std::future::ready(()) => handler`, which wins if no other is ready"
            };
            Error::new(word.span(), format!("`select!` has no `{word}`: {remedy}"))
        }
        begun => Error::over(
            begun,
            "a branch is `pattern = future => handler`: write `_ = …` to ignore what the future gives",
        ),
    }
}
