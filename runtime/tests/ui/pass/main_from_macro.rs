//! Pieces matched by `macro_rules!` come in invisible groups.
macro_rules! entry {
    ($(#[$meta:meta])* $vis:vis, $name:ident, $return:ty, $path:path, $on_exit:expr, $body:block) => {
        $(#[$meta])*
        #[runtime::main(crate = $path, on_exit = $on_exit)]
        $vis async fn $name() -> $return $body
    };
}

macro_rules! whole {
    ($item:item) => {
        #[runtime::main]
        $item
    };
}

entry! {
    /// Documented.
    #[must_use]
    pub(crate), seven, u32, ::runtime, "wait", { 7 }
}

mod vendored {
    pub use runtime as rt;
}

macro_rules! at_home {
    ($name:ident) => {
        #[runtime::main(crate = $crate::vendored::rt)]
        async fn $name() -> u32 {
            #![allow(unused_variables)]
            let nine = 9;
            9
        }
    };
}

at_home!(nine);

entry!(, private, u32, ::runtime, "cancel", { 8 });

whole! {
    async fn main() {
        std::future::ready(()).await;
    }
}

#[allow(dead_code)]
fn uses() -> u32 {
    seven() + private() + nine()
}
