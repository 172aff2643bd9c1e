//! `select!`: the code of one, between the user's patterns, futures and handlers.
//!
//! ```text
//! {
//!     enum __SelectOutput<T0, T1, T2> { B0(T0), B1(T1), B2(T2), Else }
//!     let output = {
//!         let is_enabled2: bool = GUARD2;                        // all guards before any future
//!         let mut future0 = pin!(into_future(FUTURE0));          // `Some(…)` if it may have to be disabled
//!         match into_future(FUTURE1) { future1 => {              // if it could borrow temporaries: they live until `;`
//!             let mut future1 = pin!(future1);                   // moved whole, so that it has one place
//!             let mut future2 = pin!(if is_enabled2 { Some(into_future(FUTURE2)) } else { None });
//!             poll_fn(|context| …).await
//!         }}
//!     };                                                         // the futures end here
//!     match { output } { B0(PATTERN0) => HANDLER0, …, Else => … }
//! }
//! ```
//!
//! Handlers stand in no closure and no loop of ours, so that `?`, `break`, `return` and `.await` mean what they mean
//! outside. That is why a pattern is tried before, on a reference to the output; unless it is seen to match anything.

mod parse;

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

use parse::{Branch, Select};

/// `input`: the path to the `runtime` crate in parentheses, then what the user wrote.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut input = input.into_iter();
    let krate = match input.next() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => group.stream(),
        _ => unreachable!("called by `runtime::select!` alone"),
    };
    let expansion = match Select::parse(input.collect()) {
        Ok(select) => Expansion { krate, select }.block(),
        Err(error) => error.into_tokens(),
    };
    braces(expansion)
}

struct Expansion {
    krate: TokenStream,
    select: Select,
}

impl Expansion {
    fn block(&self) -> TokenStream {
        let count = self.select.branches.len();
        let list = |item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
        let types = list(&|number| format!("T{number}"));
        let variants = list(&|number| format!("B{number}(T{number})"));
        let mut block = ours(&format!("enum __SelectOutput<{types}> {{ {variants}, Else }} let output ="));
        block.extend(braces(self.futures()));
        block.extend(ours("; match { output }"));
        block.extend(braces(self.arms()));
        block
    }

    /// Guards, then futures, each where it will stay, then the polling.
    fn futures(&self) -> TokenStream {
        let mut inside = ours("::core::future::poll_fn");
        inside.extend(parentheses([ours("|context|"), braces(self.poll())].into_iter().collect()));
        inside.extend(ours(".await"));
        for (number, branch) in self.select.branches.iter().enumerate().rev() {
            inside = place(number, branch, inside);
        }
        let mut guards = TokenStream::new();
        for (number, branch) in self.select.branches.iter().enumerate() {
            if let Some(guard) = &branch.guard {
                guards.extend(ours(&format!("let is_enabled{number}: bool =")));
                guards.extend(guard.clone());
                guards.extend(ours(";"));
            }
        }
        guards.extend(inside);
        guards
    }

    /// The body of the closure: each branch once, in an order that begins anywhere, or in that of the source.
    fn poll(&self) -> TokenStream {
        let branches = &self.select.branches;
        let mut poll = ours("let mut is_pending = false;");
        if self.select.is_biased || branches.len() == 1 {
            for (number, branch) in branches.iter().enumerate() {
                poll.extend(poll_branch(number, branch));
            }
        } else {
            let count = branches.len();
            poll.extend(ours("let mut branch ="));
            poll.extend(self.krate.clone());
            poll.extend(ours(&format!("::__private::select_start({count}u32); let mut left = {count}u32;")));
            let mut turn = TokenStream::new();
            for (number, branch) in branches.iter().enumerate() {
                let is_last = number + 1 == count;
                turn.extend(if is_last { ours("_ =>") } else { ours(&format!("{number}u32 =>")) });
                turn.extend(braces(poll_branch(number, branch)));
            }
            let mut body = ours("match branch");
            body.extend(braces(turn));
            body.extend(ours(&format!(
                "branch = if branch + 1 == {count}u32 {{ 0 }} else {{ branch + 1 }};
                 left -= 1;
                 if left == 0 {{ break; }}"
            )));
            poll.extend(ours("loop"));
            poll.extend(braces(body));
        }
        poll.extend(ours(
            "if is_pending { ::core::task::Poll::Pending } else { ::core::task::Poll::Ready(__SelectOutput::Else) }",
        ));
        poll
    }

    fn arms(&self) -> TokenStream {
        let mut arms = TokenStream::new();
        for (number, branch) in self.select.branches.iter().enumerate() {
            let irrefutable = irrefutable(&branch.pattern);
            if irrefutable.is_some() {
                arms.extend(ours("#[allow(clippy::redundant_pattern)]"));
            }
            arms.extend(ours(&format!("__SelectOutput::B{number}")));
            arms.extend(parentheses(irrefutable.unwrap_or_else(|| branch.pattern.iter().cloned().collect())));
            arms.extend(ours("=>"));
            arms.extend(branch.handler.clone());
            arms.extend(ours(","));
        }
        arms.extend(ours("__SelectOutput::Else =>"));
        if let Some(otherwise) = &self.select.otherwise {
            arms.extend(otherwise.clone());
        } else {
            arms.extend(self.krate.clone());
            arms.extend(ours("::__private::select_has_no_else()"));
        }
        arms.extend(ours(
            ", #[allow(unreachable_patterns)] _ => ::core::unreachable!(\"it matched when it was tried\"),",
        ));
        arms
    }
}

/// Pins the future of a branch around what comes after. At once, if nothing in its expression could be a temporary
/// that it borrows; else by way of a `match`, which costs a move.
fn place(number: usize, branch: &Branch, after: TokenStream) -> TokenStream {
    let mut future = ours("::core::future::IntoFuture::into_future");
    future.extend(parentheses(branch.future.clone()));
    let (before, wrapped) = if branch.guard.is_some() {
        let mut if_enabled = ours(&format!("if is_enabled{number}"));
        if_enabled.extend(braces(
            [ours("::core::option::Option::Some"), parentheses(future)].into_iter().collect(),
        ));
        if_enabled.extend(ours("else { ::core::option::Option::None }"));
        (None, if_enabled)
    } else {
        let is_simple = has_no_temporaries(&branch.future);
        let (before, future) =
            if is_simple { (None, future) } else { (Some(future), ours(&format!("future{number}"))) };
        let wrapped = if is_sure(branch) {
            future
        } else {
            [ours("::core::option::Option::Some"), parentheses(future)].into_iter().collect()
        };
        (before, wrapped)
    };
    let mut placed = ours(&format!("let mut future{number} = ::core::pin::pin!"));
    placed.extend(parentheses(wrapped));
    placed.extend(ours(";"));
    placed.extend(after);
    let Some(before) = before else { return placed };
    let mut matched = ours("match");
    matched.extend(before);
    let mut arm = ours(&format!("future{number} =>"));
    arm.extend(braces(placed));
    matched.extend(braces(arm));
    matched
}

/// Whether it is seen at once that the expression makes no temporary which its value could borrow: a name, a call with
/// names as arguments, an `async` block.
fn has_no_temporaries(expression: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = expression.clone().into_iter().collect();
    let is_async = matches!(tokens.first(), Some(TokenTree::Ident(word)) if word.to_string() == "async");
    let mut groups = tokens.iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group),
        _ => None,
    });
    let (call, more) = (groups.next(), groups.next());
    let is_plain = |token: &TokenTree| match token {
        TokenTree::Group(_) => false,
        TokenTree::Punct(punct) => matches!(punct.as_char(), '&' | '.' | ':' | ',' | '*'),
        TokenTree::Ident(_) | TokenTree::Literal(_) => true,
    };
    more.is_none()
        && tokens.iter().all(|token| is_plain(token) || matches!(token, TokenTree::Group(_)))
        && call.is_none_or(|call| match call.delimiter() {
            Delimiter::Parenthesis => call.stream().into_iter().all(|token| is_plain(&token)),
            delimiter => delimiter == Delimiter::Brace && is_async,
        })
}

/// Whether it is never disabled.
fn is_sure(branch: &Branch) -> bool {
    branch.guard.is_none() && irrefutable(&branch.pattern).is_some()
}

fn poll_branch(number: usize, branch: &Branch) -> TokenStream {
    if is_sure(branch) {
        return ours(&format!(
            "match ::core::future::Future::poll(future{number}.as_mut(), context) {{
                 ::core::task::Poll::Ready(output) => {{
                     return ::core::task::Poll::Ready(__SelectOutput::B{number}(output));
                 }}
                 ::core::task::Poll::Pending => is_pending = true,
             }}"
        ));
    }
    let mut ready = trial(&branch.pattern);
    ready.extend(ours(&format!(
        "if is_match {{ return ::core::task::Poll::Ready(__SelectOutput::B{number}(output)); }}
         future{number}.set(::core::option::Option::None);"
    )));
    let mut arms = ours("::core::task::Poll::Ready(output) =>");
    arms.extend(braces(ready));
    arms.extend(ours("::core::task::Poll::Pending => is_pending = true,"));
    let mut poll = ours("match ::core::future::Future::poll(future, context)");
    poll.extend(braces(arms));
    let mut enabled =
        ours(&format!("if let ::core::option::Option::Some(future) = future{number}.as_mut().as_pin_mut()"));
    enabled.extend(braces(poll));
    enabled
}

/// Whether the output matches, found out without moving it.
fn trial(pattern: &[TokenTree]) -> TokenStream {
    if irrefutable(pattern).is_some() {
        return ours("let is_match = true;");
    }
    let (scrutinee, pattern) = if binds_nothing(pattern) {
        ("output", pattern.iter().cloned().collect())
    } else {
        ("&output", by_reference(pattern.iter().cloned()))
    };
    let mut arms = pattern;
    arms.extend(ours("=> true, _ => false,"));
    let mut trial = ours(&format!(
        "#[allow(unused, unreachable_patterns, non_snake_case, clippy::all, clippy::pedantic)] let is_match = match {scrutinee}"
    ));
    trial.extend(braces(arms));
    trial.extend(ours(";"));
    trial
}

/// A pattern that matches whatever there is, if it is seen at once that this is one: a name, `_`, or a tuple of those. A
/// name becomes `name @ _`, so that rustc refuses it if it is that of a constant.
fn irrefutable(pattern: &[TokenTree]) -> Option<TokenStream> {
    let mut result = TokenStream::new();
    let mut is_named = false;
    for token in pattern {
        match token {
            TokenTree::Ident(word) if !is_named => {
                let word = word.to_string();
                result.extend([token.clone()]);
                if word == "ref" || word == "mut" {
                    continue;
                }
                is_named = true;
                if word != "_" {
                    if !word.starts_with(char::is_lowercase) || word == "true" || word == "false" {
                        return None;
                    }
                    result.extend(ours("@ _"));
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' && is_named => {
                is_named = false;
                result.extend([token.clone()]);
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis && !is_named => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                result.extend(parentheses(irrefutable(&inside)?));
                is_named = true;
            }
            _ => return None,
        }
    }
    Some(result)
}

/// No name in it could be a new one: constants and variants are written in capitals.
fn binds_nothing(pattern: &[TokenTree]) -> bool {
    pattern.iter().enumerate().all(|(at, token)| match token {
        TokenTree::Ident(word) => {
            let word = word.to_string();
            let is_path =
                matches!(pattern.get(at + 1), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
            is_path
                || word == "_"
                || word == "true"
                || word == "false"
                || word.starts_with(char::is_uppercase)
        }
        TokenTree::Group(group) => binds_nothing(&group.stream().into_iter().collect::<Vec<_>>()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => true,
    })
}

/// The pattern for a reference to what it is for: without the words about how to bind, which have no place there.
fn by_reference(pattern: impl Iterator<Item = TokenTree>) -> TokenStream {
    pattern
        .filter_map(|token| match token {
            TokenTree::Ident(word) if matches!(word.to_string().as_str(), "ref" | "mut") => None,
            TokenTree::Punct(punct) if punct.as_char() == '&' => None,
            TokenTree::Group(group) => {
                let mut inside = Group::new(group.delimiter(), by_reference(group.stream().into_iter()));
                inside.set_span(group.span());
                Some(inside.into())
            }
            token => Some(token),
        })
        .collect()
}

fn braces(inside: TokenStream) -> TokenStream {
    group(Delimiter::Brace, inside)
}

fn parentheses(inside: TokenStream) -> TokenStream {
    group(Delimiter::Parenthesis, inside)
}

fn group(delimiter: Delimiter, inside: TokenStream) -> TokenStream {
    let mut group = Group::new(delimiter, inside);
    group.set_span(Span::mixed_site());
    TokenTree::from(group).into()
}

/// Source text of ours as tokens whose local names the user's code cannot see.
fn ours(source: &str) -> TokenStream {
    fn hide(tokens: TokenStream) -> TokenStream {
        let hide_one = |mut token: TokenTree| {
            if let TokenTree::Group(group) = &token {
                token = Group::new(group.delimiter(), hide(group.stream())).into();
            }
            token.set_span(Span::mixed_site());
            token
        };
        tokens.into_iter().map(hide_one).collect()
    }
    hide(source.parse().expect("our own source text is well formed"))
}
