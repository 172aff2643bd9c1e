//! Looks up the addresses of any number of hosts at the same time.
//!
//! ```text
//! $ cargo run --example resolve -- localhost example.org nowhere.invalid
//! localhost        ::1 127.0.0.1
//! example.org      2606:2800:220:1:248:1893:25c8:1946 93.184.216.34
//! nowhere.invalid  there is no such name
//! ```

use runtime::join_all;
use std::{env, process::ExitCode};

#[runtime::main]
async fn main() -> ExitCode {
    let names: Vec<String> = env::args().skip(1).collect();
    if names.is_empty() || names.iter().any(|name| name.starts_with('-')) {
        eprintln!("usage: resolve NAME ...    asks the name servers of /etc/resolv.conf");
        return ExitCode::from(2);
    }
    let resolver = match dns::resolver() {
        Ok(resolver) => resolver,
        Err(error) => {
            eprintln!("resolve: {error}");
            return ExitCode::FAILURE;
        }
    };

    let found = join_all(names.iter().map(|name| resolver.lookup_ip(name.as_str()))).await;

    let width = names.iter().map(String::len).max().unwrap_or_default();
    let mut all_found = true;
    for (name, found) in names.iter().zip(found) {
        let found = match found {
            Ok(addresses) => {
                addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>().join(" ")
            }
            Err(error) => {
                all_found = false;
                if error.is_nx_domain() { "there is no such name".to_owned() } else { error.to_string() }
            }
        };
        println!("{name:width$}  {found}");
    }
    if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
