//! What the programs have to have said.

mod ending;
mod entering;
mod managing;
mod pooling;
mod sharing;
mod starting;
mod talking;

type Story = (&'static str, fn());

/// Stories by their names.
macro_rules! stories {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}
use stories;

pub(crate) fn all() -> impl Iterator<Item = &'static Story> {
    starting::ALL
        .iter()
        .chain(ending::ALL)
        .chain(entering::ALL)
        .chain(pooling::ALL)
        .chain(managing::ALL)
        .chain(talking::ALL)
        .chain(sharing::ALL)
}
