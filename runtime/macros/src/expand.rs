//! The function that rustc and the test harness get to see.
//!
//! The user's `async fn` is put, as it was written, inside an ordinary function of the same name:
//!
//! ```text
//! fn main() -> R {
//!     async fn main() -> R { … }
//!     ::runtime::__private::main(::runtime::__private::MainOptions { … }, main())
//! }
//! ```
//!
//! A `fn` without `async` is made a future by `__private::green(main)`, which runs it as a greenlet.
//!
//! With `workers` it is `fn main() -> ExitCode`, and `__private::cluster` gets `main` itself: each worker calls it.
//!
//! Because body and return type are not rewritten, every error in them keeps its place: rustc underlines the
//! expression that has the wrong type, not the attribute.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::Kind;
use crate::error::Error;
use crate::options::{Options, Workers};
use crate::parse::Function;

/// Expands either attribute.
pub(crate) fn expand(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let options = Options::parse(kind, arguments, &mut errors);
    let expansion = match Function::parse(kind, item.clone(), &mut errors) {
        Ok(function) if errors.is_empty() => entry(kind, &options, function),
        Ok(function) => stand_in(function),
        Err(error) => {
            errors.push(error);
            item
        }
    };
    errors.into_iter().map(Error::into_tokens).chain([expansion]).collect()
}

/// The function that runs the user's.
fn entry(kind: Kind, options: &Options, function: Function) -> TokenStream {
    // "Needless `async`" would be no advice to give.
    let mut body = tokens("#[allow(clippy::unused_async)]");
    body.extend(inner(&function, function.is_async));
    body.extend(call(kind, options, &function));
    let mut entry = function.attributes;
    if matches!(kind, Kind::Test) {
        entry.extend(tokens("#[::core::prelude::v1::test]"));
    }
    entry.extend(function.visibility);
    entry.extend([TokenTree::from(function.fn_token), TokenTree::from(function.name)]);
    entry.extend(tokens("()"));
    if options.workers.is_some() {
        entry.extend(tokens("-> ::std::process::ExitCode"));
    } else if options.seeds.is_none() {
        entry.extend(function.output);
    }
    entry.extend(function.where_clause);
    entry.extend([TokenTree::from(Group::new(Delimiter::Brace, body))]);
    entry
}

/// What takes the place of a function that cannot be run as it is.
///
/// It exists so that our error stays the only one: there is a `main`, whoever calls the function finds it, and the
/// body is still checked (and its imports still used), but nothing calls it.
fn stand_in(function: Function) -> TokenStream {
    let mut body = TokenStream::new();
    if !function.takes_self() {
        body.extend(tokens("#[allow(dead_code, clippy::unused_async)]"));
        // The body may be that of an `async fn` whose `async` is what is missing.
        body.extend(inner(&function, true));
    }
    let mut stand_in = tokens("#[allow(dead_code, missing_docs)]");
    stand_in.extend(function.visibility);
    stand_in.extend([TokenTree::from(function.fn_token), TokenTree::from(function.name)]);
    stand_in.extend(tokens("()"));
    stand_in.extend([TokenTree::from(Group::new(Delimiter::Brace, body))]);
    stand_in
}

/// The user's function without its attributes and visibility, which belong to the outer one.
fn inner(function: &Function, is_async: bool) -> TokenStream {
    let mut inner = TokenStream::new();
    if is_async {
        inner.extend([TokenTree::from(Ident::new("async", function.fn_token.span()))]);
    }
    inner.extend([TokenTree::from(function.fn_token.clone()), TokenTree::from(function.name.clone())]);
    inner.extend(function.generics.iter().cloned());
    inner.extend([TokenTree::from(function.parameters.clone())]);
    inner.extend(function.output.clone());
    inner.extend(function.where_clause.clone());
    inner.extend([TokenTree::from(function.body.clone())]);
    inner
}

/// `<krate>::__private::main(<krate>::__private::MainOptions { … }, name())`, and likewise for `test`. With `seeds` it is
/// `simulate`, which gets `name` itself, to call it for each seed; with `workers` it is `cluster`, likewise.
fn call(kind: Kind, options: &Options, user: &Function) -> TokenStream {
    let krate = || options.krate.clone();
    let (function, arguments) = match (kind, options.seeds) {
        (Kind::Main, _) if options.workers.is_some() => {
            ("::__private::cluster", "::__private::ClusterOptions")
        }
        (Kind::Main, _) => ("::__private::main", "::__private::MainOptions"),
        (Kind::Test, None) => ("::__private::test", "::__private::TestOptions"),
        (Kind::Test, Some(_)) => ("::__private::simulate", "::__private::SimOptions"),
    };

    let mut fields = tokens("on_exit:");
    fields.extend(krate());
    fields.extend(tokens(&format!("::OnExit::{}", options.on_exit)));
    if let Some(workers) = options.workers {
        let workers = match workers {
            Workers::PerCore => "::core::option::Option::None".to_owned(),
            Workers::Number(number) => format!("::core::option::Option::Some({number}_usize)"),
        };
        fields.extend(tokens(&format!(", workers: {workers}, mode:")));
        fields.extend(krate());
        fields.extend(tokens(&format!("::cluster::Mode::{}", options.mode)));
    } else if let Some(seeds) = options.seeds {
        fields.extend(tokens(&format!(", seeds: {seeds}_u64")));
    } else if matches!(kind, Kind::Test) {
        let seed = match options.seed {
            Some(seed) => format!("::core::option::Option::Some({seed}_u64)"),
            None => "::core::option::Option::None".to_owned(),
        };
        fields.extend(tokens(&format!(", start_paused: {}, seed: {seed}", options.start_paused)));
        // By it the harness is told to run this test, in a process that is a child of it.
        let name = &user.name;
        fields.extend(tokens(&format!(
            ", path: ::core::concat!(::core::module_path!(), \"::\", ::core::stringify!({name}))"
        )));
    }

    let mut parameters = krate();
    parameters.extend(tokens(arguments));
    parameters.extend([TokenTree::from(Group::new(Delimiter::Brace, fields))]);
    parameters.extend(tokens(","));
    let is_called_later = options.seeds.is_some() || options.workers.is_some();
    if user.is_async {
        parameters.extend([TokenTree::from(user.name.clone())]);
        if !is_called_later {
            parameters.extend(tokens("()"));
        }
    } else {
        if is_called_later {
            parameters.extend(tokens("||"));
        }
        parameters.extend(krate());
        parameters.extend(tokens("::__private::green"));
        let name = TokenTree::from(user.name.clone()).into();
        parameters.extend([TokenTree::from(Group::new(Delimiter::Parenthesis, name))]);
    }

    let mut call = krate();
    call.extend(tokens(function));
    call.extend([TokenTree::from(Group::new(Delimiter::Parenthesis, parameters))]);
    call
}

/// Source text of ours as tokens; their span is the attribute.
fn tokens(source: &str) -> TokenStream {
    source.parse().expect("our own source text is well formed")
}
