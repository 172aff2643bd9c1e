//! A dependency under another name, reached through a path.
mod vendored {
    pub use runtime as rt;
}

#[runtime::main(crate = crate::vendored::rt)]
async fn main() {
    std::future::ready(()).await;
}
