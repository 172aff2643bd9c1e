//! Reads the annotated item just far enough to take its signature apart.
//!
//! rustc has parsed the item before it calls us, so the tokens are known to be well formed and nobody needs a
//! grammar here: a function is attributes, visibility, qualifiers, `fn`, a name, and a few landmarks up to the
//! body. Everything between the landmarks is carried along untouched, with its spans.
//!
//! Pieces that went through a `macro_rules!` matcher (`$vis`, `$body:block`, `$path:path` …) arrive wrapped in
//! groups without delimiters; [`unwrap_invisible`] takes them out where we have to look inside.

use std::iter::Peekable;

use proc_macro::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree, token_stream};

use crate::Kind;
use crate::error::Error;

/// The annotated function, in the order in which it is written.
pub(crate) struct Function {
    pub(crate) attributes: TokenStream,
    pub(crate) visibility: TokenStream,
    pub(crate) is_async: bool,
    pub(crate) fn_token: Ident,
    pub(crate) name: Ident,
    pub(crate) generics: Vec<TokenTree>,
    pub(crate) parameters: Group,
    /// `-> R`, or nothing.
    pub(crate) output: TokenStream,
    /// `where …`, or nothing.
    pub(crate) where_clause: TokenStream,
    pub(crate) body: Group,
}

impl Function {
    /// Takes the item apart. What is wrong with a function goes to `errors`; an item that is not a function, or
    /// one without a body, cannot be taken apart and is the `Err`.
    pub(crate) fn parse(kind: Kind, item: TokenStream, errors: &mut Vec<Error>) -> Result<Function, Error> {
        let mut tokens = unwrap_invisible(item).into_iter().peekable();
        let attributes = attributes(kind, &mut tokens, errors);
        let visibility = visibility(&mut tokens);
        let (is_async, fn_token) = qualifiers(kind, &mut tokens, errors)?;
        let Some(TokenTree::Ident(name)) = tokens.next() else {
            return Err(Error::new(fn_token.span(), format!("{kind} needs a function with a name")));
        };
        let generics = generics(&mut tokens);
        let Some(TokenTree::Group(parameters)) = tokens.next() else {
            return Err(Error::new(name.span(), format!("{kind} needs a function with a parameter list")));
        };
        let mut rest = tokens.collect::<Vec<_>>();
        let Some(body) = rest.pop().and_then(braces) else {
            return Err(Error::new(name.span(), format!("{kind} needs a function with a body")));
        };
        let where_at = rest.iter().position(|token| is_ident(token, "where")).unwrap_or(rest.len());
        let where_clause = rest.drain(where_at..).collect();
        let output = rest.into_iter().collect();

        let function = Function {
            attributes,
            visibility,
            is_async,
            fn_token,
            name,
            generics,
            parameters,
            output,
            where_clause,
            body,
        };
        function.check_signature(kind, errors);
        Ok(function)
    }

    /// Whether the function is a method, which cannot be repeated inside another function.
    pub(crate) fn takes_self(&self) -> bool {
        self.parameters.stream().into_iter().any(|token| is_ident(&token, "self"))
    }

    /// Nobody is there to pass arguments or to choose types.
    fn check_signature(&self, kind: Kind, errors: &mut Vec<Error>) {
        if !self.generics.is_empty() {
            let message = format!("{kind} cannot be generic: nobody is there to choose the parameters");
            errors.push(Error::over(&self.generics, message));
        }
        if self.takes_self() {
            let message = format!("{kind} goes on a free function: nobody is there to pass `self`");
            errors.push(Error::new(self.parameters.span(), message));
        } else if !self.parameters.stream().is_empty() {
            let message = match kind {
                Kind::Main => format!("{kind} takes no arguments: read them from `std::env::args()`"),
                Kind::Test => format!("{kind} takes no arguments: nobody is there to pass them"),
            };
            errors.push(Error::new(self.parameters.span(), message));
        }
    }
}

/// The item from some landmark on.
type Tokens = Peekable<token_stream::IntoIter>;

/// `#[…]` as often as it comes. Doc comments are among them.
fn attributes(kind: Kind, tokens: &mut Tokens, errors: &mut Vec<Error>) -> TokenStream {
    let mut attributes = Vec::new();
    while tokens.peek().is_some_and(|token| is_punct(token, '#')) {
        let attribute: Vec<TokenTree> = tokens.by_ref().take(2).collect();
        if let Some(rival) = rival_entry(&attribute) {
            errors.push(rival_error(kind, &rival, &attribute));
        }
        attributes.extend(attribute);
    }
    attributes.into_iter().collect()
}

/// The name of another attribute that would make the function an entry once more: `test`, `tokio::test`,
/// `runtime::main` …
fn rival_entry(attribute: &[TokenTree]) -> Option<String> {
    let Some(TokenTree::Group(brackets)) = attribute.last() else { return None };
    let mut last = None;
    for token in unwrap_invisible(brackets.stream()) {
        match token {
            TokenTree::Ident(ident) => last = Some(ident.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            _ => break,
        }
    }
    last.filter(|name| name == "test" || name == "main")
}

fn rival_error(kind: Kind, rival: &str, attribute: &[TokenTree]) -> Error {
    let message = match (kind, rival) {
        (Kind::Test, "test") => {
            format!("{kind} already makes this a test: remove the other `test` attribute")
        }
        (Kind::Main, "main") => format!("{kind} already starts a runtime: remove the other `main` attribute"),
        _ => format!("a function is either `main` or a test: keep {kind} or `#[{rival}]`"),
    };
    Error::over(attribute, message)
}

/// `pub`, `pub(crate)` …, or the group that `$vis` leaves behind, which may be empty.
fn visibility(tokens: &mut Tokens) -> TokenStream {
    let mut visibility = Vec::new();
    if tokens.peek().is_some_and(|token| is_ident(token, "pub") || is_group(token, Delimiter::None)) {
        visibility.extend(tokens.next());
    }
    if tokens.peek().is_some_and(|token| is_group(token, Delimiter::Parenthesis)) {
        visibility.extend(tokens.next());
    }
    visibility.into_iter().collect()
}

/// `async` and its like, up to and with `fn`; whether `async` is among them.
fn qualifiers(kind: Kind, tokens: &mut Tokens, errors: &mut Vec<Error>) -> Result<(bool, Ident), Error> {
    let first = tokens.peek().map(TokenTree::span);
    let mut is_async = false;
    // Held back until `fn` turns up: the `const` of a constant is not a qualifier.
    let mut refused = Vec::new();
    loop {
        match tokens.next() {
            Some(TokenTree::Ident(word)) => match word.to_string().as_str() {
                "fn" => {
                    if !is_async && !cfg!(feature = "greenlet") {
                        let message = format!(
                            "the `async` keyword is missing: {kind} runs an `async fn`, and a `fn` without it only with \
                             the feature `greenlet` of the crate `runtime`"
                        );
                        refused.push(Error::new(word.span(), message));
                    }
                    errors.append(&mut refused);
                    return Ok((is_async, word));
                }
                "async" => is_async = true,
                qualifier @ ("const" | "unsafe" | "extern" | "safe" | "gen") => {
                    refused.push(Error::new(word.span(), format!("{kind} cannot be `{qualifier}`")));
                }
                _ => break,
            },
            // The ABI after `extern`.
            Some(TokenTree::Literal(_)) => {}
            _ => break,
        }
    }
    Err(Error::new(first.unwrap_or_else(Span::call_site), format!("{kind} goes on an `async fn`")))
}

/// `<…>`, or nothing. The arrow of `F: Fn() -> T` does not close it.
fn generics(tokens: &mut Tokens) -> Vec<TokenTree> {
    let mut generics = Vec::new();
    if !tokens.peek().is_some_and(|token| is_punct(token, '<')) {
        return generics;
    }
    let mut depth = 0_usize;
    let mut after_dash = false;
    for token in tokens {
        if let TokenTree::Punct(punct) = &token {
            match punct.as_char() {
                '<' => depth += 1,
                '>' if !after_dash => depth -= 1,
                _ => {}
            }
            after_dash = punct.as_char() == '-' && punct.spacing() == Spacing::Joint;
        } else {
            after_dash = false;
        }
        generics.push(token);
        if depth == 0 {
            break;
        }
    }
    generics
}

/// The braces of a body, which are wrapped if they came as `$body:block`.
fn braces(token: TokenTree) -> Option<Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            let mut inside = group.stream().into_iter();
            let body = inside.next().and_then(braces)?;
            inside.next().is_none().then_some(body)
        }
        _ => None,
    }
}

/// The stream itself or, if it is nothing but a group without delimiters, what that holds.
pub(crate) fn unwrap_invisible(stream: TokenStream) -> TokenStream {
    let mut tokens = stream.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => {
            unwrap_invisible(group.stream())
        }
        _ => stream,
    }
}

pub(crate) fn is_ident(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

pub(crate) fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}
