//! What the user got wrong, and where: a message that becomes a `compile_error!` under exactly those tokens.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// A message and the source range it belongs to.
pub(crate) struct Error {
    start: Span,
    end: Span,
    message: String,
}

impl Error {
    /// An error under one token.
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Error { start: span, end: span, message: message.into() }
    }

    /// An error under everything from the first to the last of `tokens`; under the attribute if there are none.
    pub(crate) fn over(tokens: &[TokenTree], message: impl Into<String>) -> Self {
        let end_or_attribute =
            |token: Option<&TokenTree>| token.map_or_else(Span::call_site, TokenTree::span);
        Error {
            start: end_or_attribute(tokens.first()),
            end: end_or_attribute(tokens.last()),
            message: message.into(),
        }
    }

    /// `::core::compile_error! { "message" }`.
    ///
    /// rustc underlines a macro call from its first token to its closing brace, so the two spans on the outside
    /// are what the user sees; joining spans is not possible on stable.
    pub(crate) fn into_tokens(self) -> TokenStream {
        let punct = |character, spacing| {
            let mut punct = Punct::new(character, spacing);
            punct.set_span(self.start);
            TokenTree::from(punct)
        };
        let ident = |name| TokenTree::from(Ident::new(name, self.start));
        let mut message = Literal::string(&self.message);
        message.set_span(self.end);
        let mut braces = Group::new(Delimiter::Brace, TokenTree::from(message).into());
        braces.set_span(self.end);

        TokenStream::from_iter([
            punct(':', Spacing::Joint),
            punct(':', Spacing::Alone),
            ident("core"),
            punct(':', Spacing::Joint),
            punct(':', Spacing::Alone),
            ident("compile_error"),
            punct('!', Spacing::Alone),
            TokenTree::from(braces),
        ])
    }
}
