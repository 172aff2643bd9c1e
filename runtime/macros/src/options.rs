//! The options between the parentheses: `name = value, …`, each at most once.
//!
//! An option that is wrong is reported and left at its default, so that one compilation shows all mistakes.

use proc_macro::{Ident, TokenStream, TokenTree};

use crate::Kind;
use crate::error::Error;
use crate::parse::{is_punct, unwrap_invisible};

/// What the user asked for, defaults filled in.
pub(crate) struct Options {
    /// The variant of `OnExit`.
    pub(crate) on_exit: &'static str,
    pub(crate) start_paused: bool,
    pub(crate) seed: Option<u64>,
    /// As many simulations.
    pub(crate) seeds: Option<u64>,
    /// As a cluster of so many reactors.
    pub(crate) workers: Option<Workers>,
    /// The variant of `cluster::Mode`.
    pub(crate) mode: &'static str,
    /// The path under which the `runtime` crate is reachable.
    pub(crate) krate: TokenStream,
}

/// How many reactors a cluster has.
#[derive(Clone, Copy)]
pub(crate) enum Workers {
    PerCore,
    Number(u64),
}

const ON_EXIT: &str = r#"`on_exit = "cancel"` or `on_exit = "wait"`"#;
const START_PAUSED: &str = "`start_paused = true` or `start_paused = false`";
const SEED: &str = "`seed = 7`, an integer that fits `u64`";
const SEEDS: &str = "`seeds = 1000`, how many, an integer from 1";
const WORKERS: &str = r#"`workers = "per-core"` or `workers = 4`, how many, an integer from 1"#;
const MODE: &str = r#"`mode = "processes"` or `mode = "threads"`"#;
const CRATE: &str = "`crate = path::to::runtime`, a path without quotes";

impl Options {
    pub(crate) fn parse(kind: Kind, arguments: TokenStream, errors: &mut Vec<Error>) -> Options {
        let mut options = Options {
            on_exit: "Cancel",
            start_paused: false,
            seed: None,
            seeds: None,
            workers: None,
            mode: "Processes",
            krate: "::runtime".parse().expect("a path is a token stream"),
        };
        let mut seen: Vec<Ident> = Vec::new();
        for argument in split_at_commas(arguments) {
            let outcome = Argument::parse(kind, argument).and_then(|argument| {
                let name = argument.name.to_string();
                if seen.iter().any(|other| other.to_string() == name) {
                    return Err(Error::new(argument.name.span(), format!("option `{name}` is given twice")));
                }
                seen.push(argument.name.clone());
                options.set(kind, &argument)
            });
            errors.extend(outcome.err());
        }
        if options.seeds.is_some() {
            errors.extend(seen.iter().filter_map(not_with_seeds));
        }
        if !seen.iter().any(|name| name.to_string() == "workers") {
            errors.extend(seen.iter().filter_map(only_with_workers));
        }
        options
    }

    fn set(&mut self, kind: Kind, argument: &Argument) -> Result<(), Error> {
        match (argument.name.to_string().as_str(), kind) {
            ("on_exit", _) => self.on_exit = argument.on_exit()?,
            ("crate", _) => self.krate = argument.path()?,
            ("workers", Kind::Main) => self.workers = Some(argument.workers()?),
            ("mode", Kind::Main) => self.mode = argument.mode()?,
            ("start_paused", Kind::Test) => self.start_paused = argument.boolean()?,
            ("seed", Kind::Test) => self.seed = Some(argument.seed()?),
            ("seeds", Kind::Test) => self.seeds = Some(argument.seeds()?),
            _ => return Err(unknown(kind, &argument.name)),
        }
        Ok(())
    }
}

/// One `name = value`.
struct Argument {
    name: Ident,
    /// Everything, for an error under the whole of it.
    tokens: Vec<TokenTree>,
    /// What follows the `=`; empty if that is not what was written.
    value: Vec<TokenTree>,
}

impl Argument {
    fn parse(kind: Kind, tokens: Vec<TokenTree>) -> Result<Argument, Error> {
        let Some(TokenTree::Ident(name)) = tokens.first() else {
            return Err(Error::over(&tokens, format!("expected the name of an option: {}", known(kind))));
        };
        let value = match tokens.as_slice() {
            [_, equals, value @ ..] if is_punct(equals, '=') => value.iter().cloned().collect(),
            _ => TokenStream::new(),
        };
        Ok(Argument { name: name.clone(), value: unwrap_invisible(value).into_iter().collect(), tokens })
    }

    /// An error under the value, or under everything if there is none.
    fn refuse(&self, accepted: &str) -> Error {
        let name = &self.name;
        if self.value.is_empty() {
            return Error::over(&self.tokens, format!("option `{name}` needs a value: write {accepted}"));
        }
        Error::over(&self.value, format!("option `{name}` does not take this value: write {accepted}"))
    }

    fn on_exit(&self) -> Result<&'static str, Error> {
        match self.single().as_deref() {
            Some(r#""cancel""#) => Ok("Cancel"),
            Some(r#""wait""#) => Ok("Wait"),
            _ => Err(self.refuse(ON_EXIT)),
        }
    }

    fn boolean(&self) -> Result<bool, Error> {
        match self.single().as_deref() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => Err(self.refuse(START_PAUSED)),
        }
    }

    fn seed(&self) -> Result<u64, Error> {
        self.single().as_deref().and_then(integer).ok_or_else(|| self.refuse(SEED))
    }

    fn seeds(&self) -> Result<u64, Error> {
        let seeds = self.single().as_deref().and_then(integer).filter(|&seeds| seeds > 0);
        seeds.ok_or_else(|| self.refuse(SEEDS))
    }

    fn workers(&self) -> Result<Workers, Error> {
        let value = self.single();
        if value.as_deref() == Some(r#""per-core""#) {
            return Ok(Workers::PerCore);
        }
        let number = value.as_deref().and_then(integer).filter(|&number| number > 0);
        number.map(Workers::Number).ok_or_else(|| self.refuse(WORKERS))
    }

    fn mode(&self) -> Result<&'static str, Error> {
        match self.single().as_deref() {
            Some(r#""processes""#) => Ok("Processes"),
            Some(r#""threads""#) => Ok("Threads"),
            _ => Err(self.refuse(MODE)),
        }
    }

    /// `a::b`, `::a::b`, `crate`, `$crate`, with the user's spans: a wrong path is then reported at the option.
    fn path(&self) -> Result<TokenStream, Error> {
        let mut segment_may_follow = true;
        let mut colons = 0;
        for token in &self.value {
            match token {
                TokenTree::Ident(_) if segment_may_follow && colons % 2 == 0 => segment_may_follow = false,
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    segment_may_follow = colons % 2 == 0;
                }
                _ => return Err(self.refuse(CRATE)),
            }
        }
        if segment_may_follow || colons % 2 != 0 {
            return Err(self.refuse(CRATE));
        }
        Ok(self.value.iter().cloned().collect())
    }

    /// The source text of a value that is a single token.
    fn single(&self) -> Option<String> {
        match self.value.as_slice() {
            [token] => Some(token.to_string()),
            _ => None,
        }
    }
}

fn known(kind: Kind) -> String {
    match kind {
        Kind::Main => format!("{kind} knows `workers`, `mode`, `on_exit` and `crate`"),
        Kind::Test => format!("{kind} knows `start_paused`, `seed`, `seeds`, `on_exit` and `crate`"),
    }
}

/// An option that says something else than `seeds`.
fn not_with_seeds(name: &Ident) -> Option<Error> {
    let why = match name.to_string().as_str() {
        "seed" => {
            "which chooses them itself: to run one seed alone, set RUNTIME_SIM_SEED or leave `seeds` out"
        }
        "start_paused" => "with which the clock is always virtual: leave it out",
        _ => return None,
    };
    Some(Error::new(name.span(), format!("option `{name}` does not go with `seeds`, {why}")))
}

/// An option that says how the workers of a cluster run.
fn only_with_workers(name: &Ident) -> Option<Error> {
    (name.to_string() == "mode").then(|| {
        let message = "option `mode` says how the workers of a cluster run: say also how many, `workers = \"per-core\"`";
        Error::new(name.span(), message)
    })
}

/// An unknown name, with a word to those who have reason to expect it.
fn unknown(kind: Kind, name: &Ident) -> Error {
    let message = match name.to_string().as_str() {
        "workers" | "mode" => {
            format!("option `{name}` belongs to {}: a test runs on one reactor", Kind::Main)
        }
        "worker_threads" | "flavor" => format!(
            "option `{name}` is not supported: a reactor has one thread, and `workers = \"per-core\"` starts one \
             reactor per core, as processes or as threads"
        ),
        "seeds" => format!(
            "option `seeds` belongs to {}, or to `runtime::testing::Sim`: {}",
            Kind::Test,
            known(kind)
        ),
        "start_paused" | "seed" => format!(
            "option `{name}` belongs to {}, or to `runtime::Builder` in a program: {}",
            Kind::Test,
            known(kind)
        ),
        _ => format!("unknown option `{name}`: {}", known(kind)),
    };
    Error::new(name.span(), message)
}

/// The arguments between top-level commas. A trailing comma is fine; where an argument is missing, its comma takes
/// its place, so that the error has a token to point at.
fn split_at_commas(arguments: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for token in arguments {
        let is_comma = is_punct(&token, ',');
        if !is_comma || part.is_empty() {
            part.push(token);
        }
        if is_comma {
            parts.push(std::mem::take(&mut part));
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// The value of a Rust integer literal, in any radix, with `_` and with or without the suffix `u64`.
fn integer(literal: &str) -> Option<u64> {
    let digits = literal.strip_suffix("u64").unwrap_or(literal).replace('_', "");
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        Some("0b") => (&digits[2..], 2),
        _ => (digits.as_str(), 10),
    };
    u64::from_str_radix(digits, radix).ok()
}
