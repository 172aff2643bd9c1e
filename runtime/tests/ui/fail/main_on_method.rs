//! A method has a `self` that nobody could pass.
struct Server;

impl Server {
    #[runtime::main]
    async fn serve(&self) {
        self.serve()
    }
}

fn main() {
    let _ = Server;
}
