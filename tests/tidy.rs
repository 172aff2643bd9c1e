//! The rules of the house that a machine can check, each as one test that names file and line.
//!
//! Every rule is a function from the files of the repository to its findings, so that the last test can show each rule
//! a small repository that breaks it: a rule that cannot fail is not one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The staircase: what each package, or each of a folder, may have in its `[dependencies]` from among our own. Dev-dependencies
/// are free: the examples in the documentation of the macros are programs that use `runtime`.
const STAIRCASE: [(&str, &[&str]); 8] = [
    ("sync/Cargo.toml", &[]),
    ("executor/Cargo.toml", &["runtime-sync"]),
    ("io/Cargo.toml", &["runtime-executor", "runtime-sync"]),
    ("runtime/macros/Cargo.toml", &[]),
    ("runtime/Cargo.toml", &["runtime-executor", "runtime-io", "runtime-macros", "runtime-sync"]),
    // Examples, story tests and benches see what a user sees.
    ("Cargo.toml", &["runtime"]),
    ("benches/Cargo.toml", &["runtime"]),
    ("examples/ecosystem/", &["runtime"]),
];

/// Where `unsafe` may live: a file, or a folder if it ends in `/`. A new line here is a decision to be defended.
const UNSAFE_ROOMS: [&str; 26] = [
    "executor/src/current.rs",
    "executor/src/future/pinned.rs",
    "executor/src/group/child.rs",
    "executor/src/task/blocks.rs",
    "executor/src/task/cell.rs",
    "executor/src/task/joined.rs",
    "executor/src/task/local.rs",
    "executor/src/task/raw.rs",
    "executor/src/task/slots.rs",
    "executor/src/task/waker.rs",
    "io/src/bridge/",
    "io/src/sys/",
    "runtime/src/green/thread/scope.rs",
    "runtime/src/greenlet/switch/",
    "runtime/src/process/registry.rs",
    "sync/src/flavour.rs",
    "sync/src/lock.rs",
    "sync/src/once_cell.rs",
    "sync/src/rwlock/",
    // Helpers of tests: an allocator that counts, wakers that panic, system calls that no safe crate offers.
    "executor/tests/common/allocator.rs",
    "executor/tests/common/foreign.rs",
    "io/tests/support/sys.rs",
    "sync/tests/explorer/loan.rs",
    "sync/tests/explorer/wakers.rs",
    "sync/tests/museum/stage.rs",
    // The functions of libc, defined anew so that they can fail.
    "tests/faults/interpose.rs",
];

/// The one thread-local of the workspace: whatever is one per runtime hangs on its shelf.
const THREAD_LOCAL_HOME: &str = "executor/src/current.rs";

/// More than this nobody holds in the head. Tests and benches are lists, and may be longer.
const MAX_LINES: usize = 500;

/// Futures of work that goes on whether or not anybody awaits it: to drop one is to detach.
const FUTURES_OF_WORK_THAT_RUNS: [&str; 4] = ["JoinHandle", "SharedJoinHandle", "ScopedHandle", "Shield"];

#[test]
fn packages_use_only_steps_below_them() {
    expect_none(&staircase(&repository()));
}

#[test]
fn unsafe_stays_in_its_rooms() {
    expect_none(&unsafe_rooms(&repository()));
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    expect_none(&inherited_lints(&repository()));
}

#[test]
fn every_workspace_has_the_same_lints() {
    expect_none(&same_lints(&repository()));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    expect_none(&opening_comment(&repository()));
}

#[test]
fn nothing_is_left_for_later() {
    expect_none(&leftovers(&repository()));
}

#[test]
fn files_are_small() {
    expect_none(&file_size(&repository()));
}

#[test]
fn the_readme_names_every_example() {
    expect_none(&examples_in_readme(&repository()));
}

#[test]
fn whoever_ignores_a_test_says_why() {
    expect_none(&ignored_without_reason(&repository()));
}

#[test]
fn there_is_one_thread_local() {
    expect_none(&thread_locals(&repository()));
}

#[test]
fn every_future_says_what_becomes_of_it_unless_it_is_awaited() {
    expect_none(&forgetful_futures(&repository()));
}

#[test]
fn no_path_leads_into_somebodys_machine() {
    expect_none(&private_paths(&repository()));
}

/// A text file, its path relative to the root and with `/`.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// Whether it is that file, or in that folder, which ends in `/`.
    fn is_in(&self, place: &str) -> bool {
        self.path == place || place.ends_with('/') && self.path.starts_with(place)
    }

    fn is_manifest(&self) -> bool {
        self.path.rsplit('/').next() == Some("Cargo.toml")
    }

    /// A program that trybuild compiles.
    fn is_ui_program(&self) -> bool {
        self.path.contains("/tests/ui/")
    }

    /// Unit tests in a file of their own are tests too.
    fn is_test_or_bench(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs" | "bench.rs"))
    }

    /// Lines with their numbers, as an editor counts.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines that are not comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn staircase(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for manifest in files.iter().filter(|file| file.is_manifest()) {
        let step = STAIRCASE.iter().find(|(place, _)| manifest.is_in(place));
        for (line, package) in own_dependencies(manifest) {
            match step {
                None => findings.push(manifest.finding(line, "this package has no place in the staircase")),
                Some((_, below)) if !below.contains(&package.as_str()) => {
                    findings.push(manifest.finding(line, &format!("{package} is no step below this one")));
                }
                Some(_) => {}
            }
        }
    }
    findings
}

/// The packages of ours under `[dependencies]`, `[build-dependencies]` and their forms per target and per package. A
/// manifest is read line by line, which is how we write them.
fn own_dependencies(manifest: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut section_lists_dependencies = false;
    for (number, line) in manifest.lines() {
        let line = line.trim();
        let name = if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let (table, last) = header.rsplit_once('.').unwrap_or(("", header));
            let is_list = |name: &str| name == "dependencies" || name == "build-dependencies";
            // The table of versions in the root gives nothing to anybody.
            section_lists_dependencies = is_list(last) && table != "workspace";
            let of_one_package =
                is_list(table.rsplit('.').next().unwrap_or(table)) && table != "workspace.dependencies";
            if !of_one_package {
                continue;
            }
            last
        } else if section_lists_dependencies {
            let alias = line.split(['.', '=', ' ']).next().unwrap_or(line);
            line.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or(alias)
        } else {
            continue;
        };
        if name == "runtime" || name.starts_with("runtime-") {
            found.push((number, name.to_owned()));
        }
    }
    found
}

fn unsafe_rooms(files: &[File]) -> Vec<String> {
    let lint = "unsafe_code";
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path != "tests/tidy.rs") {
        let is_room = UNSAFE_ROOMS.iter().any(|room| file.is_in(room));
        for (line, code) in file.code().filter(|(_, code)| code.contains(lint)) {
            if !is_room {
                findings.push(file.finding(line, "unsafe code outside the rooms that are meant for it"));
            } else if !code.contains("expect(") || !code.contains("reason = ") {
                findings.push(file.finding(line, "a room opens with `expect(unsafe_code, reason = …)`"));
            }
        }
    }
    findings
}

fn inherited_lints(files: &[File]) -> Vec<String> {
    let manifests = files.iter().filter(|file| file.is_manifest() && file.text.contains("[package]"));
    manifests
        .filter(|manifest| !manifest.text.contains("[lints]\nworkspace = true"))
        .map(|manifest| manifest.finding(1, "`[lints] workspace = true` is missing"))
        .collect()
}

/// The workspace at the root has the lints of the house; another one has a copy.
fn same_lints(files: &[File]) -> Vec<String> {
    let ours = files.iter().find(|file| file.path == "Cargo.toml").map(lint_tables).unwrap_or_default();
    let workspaces =
        files.iter().filter(|file| file.is_manifest() && file.lines().any(|(_, line)| line == "[workspace]"));
    workspaces
        .filter(|manifest| lint_tables(manifest) != ours)
        .map(|manifest| manifest.finding(1, "`[workspace.lints]` are not those of the root"))
        .collect()
}

/// The tables of lints of a workspace, without comments and empty lines.
fn lint_tables(manifest: &File) -> Vec<&str> {
    let mut is_about_lints = false;
    let lines = manifest.lines().map(|(_, line)| line.trim());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter(|line| {
            if line.starts_with('[') {
                is_about_lints = line.starts_with("[workspace.lints");
            }
            is_about_lints
        })
        .collect()
}

fn opening_comment(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.is_ui_program() && !file.text.starts_with("//! "))
        .map(|file| file.finding(1, "the first line says, after `//!`, what the file is for"))
        .collect()
}

fn leftovers(files: &[File]) -> Vec<String> {
    // In two halves, or this file would be the first finding.
    let words =
        [concat!("to", "do!("), concat!("db", "g!("), concat!("unimple", "mented!("), concat!(".on", "ly(")];
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (line, text) in file.lines() {
            for word in words.iter().filter(|word| text.contains(**word)) {
                findings.push(file.finding(line, &format!("`{word}` is for the time before the review")));
            }
        }
    }
    findings
}

fn file_size(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.is_test_or_bench())
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| {
            file.finding(MAX_LINES + 1, &format!("{lines} lines, at most {MAX_LINES} are allowed"))
        })
        .collect()
}

fn examples_in_readme(files: &[File]) -> Vec<String> {
    let readme = files.iter().find(|file| file.path == "README.md").map_or("", |file| file.text.as_str());
    let part_of_a_name = |character: char| character.is_alphanumeric() || "_-".contains(character);
    let names =
        |example: &str| readme.split(|character| !part_of_a_name(character)).any(|word| word == example);
    files
        .iter()
        .filter_map(|file| Some((file, name_of_example(&file.path)?)))
        .filter(|(_, example)| !names(example))
        .map(|(file, example)| file.finding(1, &format!("README.md does not name the example `{example}`")))
        .collect()
}

/// What the program is called that begins in this file, if it is an example.
fn name_of_example(path: &str) -> Option<&str> {
    let program = path.strip_prefix("examples/")?.strip_suffix(".rs")?;
    let program = match program.strip_prefix("ecosystem/").and_then(|rest| rest.split_once('/')) {
        // A package that is a program has its name.
        Some((package, "src/main")) => package,
        Some((_, rest)) => rest.strip_prefix("examples/")?,
        None => program,
    };
    let example = program.strip_suffix("/main").unwrap_or(program);
    // Further files of an example with a folder of its own.
    (!example.contains('/')).then_some(example)
}

fn ignored_without_reason(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (line, text) in file.lines() {
            let text = text.trim_start();
            let dense: String = text.split_whitespace().collect();
            let attribute = dense.starts_with("#[")
                && [concat!("#[ig", "nore]"), ",ignore)]", ",ignore,"]
                    .iter()
                    .any(|form| dense.contains(form));
            let fence = text.strip_prefix("///").or(text.strip_prefix("//!")).map(str::trim_start);
            let info = fence.and_then(|fence| fence.strip_prefix("```")).unwrap_or("");
            let example = info.split(',').any(|word| word.trim() == "ignore");
            if attribute {
                findings.push(file.finding(line, "say why: `#[ignore = \"…\"]`"));
            } else if example {
                findings.push(file.finding(line, "an example runs, or says why not: ```ignore (…)"));
            }
        }
    }
    findings
}

fn thread_locals(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in
        files.iter().filter(|file| file.is_rust() && file.path.contains("src/") && !file.is_test_or_bench())
    {
        let allowed = usize::from(file.path == THREAD_LOCAL_HOME);
        let uses = file.code().filter(|(_, code)| code.contains("thread_local!"));
        for (line, _) in uses.skip(allowed) {
            let what = format!("the only thread-local is in {THREAD_LOCAL_HOME}: hang it on the shelf there");
            findings.push(file.finding(line, &what));
        }
    }
    findings
}

/// A public type that is a future (the compiler warns of `impl Future` by itself), without `#[must_use = "…"]`. One that is given
/// out in a pair, such as a receiver, is left alone: the compiler would not warn of it there.
fn forgetful_futures(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path.contains("src/")) {
        let mut warns = false;
        for (line, text) in file.lines() {
            let text = text.trim_start();
            let name = text.strip_prefix("pub struct ").or(text.strip_prefix("pub enum ")).unwrap_or("");
            let name = name.split(|character: char| !character.is_alphanumeric()).next().unwrap_or("");
            let is_future =
                || file.code().any(|(_, code)| code.contains(" Future for ") && names_type(code, name));
            let is_exempt = name == "Receiver" || FUTURES_OF_WORK_THAT_RUNS.contains(&name);
            if !name.is_empty() && !warns && !is_exempt && is_future() {
                let what = format!(
                    "`{name}` is a future: `#[must_use = \"…\"]` says what is not done unless it is awaited"
                );
                findings.push(file.finding(line, &what));
            }
            let is_prelude = text.starts_with("#[") || text.starts_with("///");
            warns = is_prelude && (warns || text.starts_with("#[must_use = \""));
        }
    }
    findings
}

/// Whether a line `impl … for NAME…` is about that type.
fn names_type(code: &str, name: &str) -> bool {
    let rest = code.split(" for ").last().and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
}

fn private_paths(files: &[File]) -> Vec<String> {
    let roots = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let mut findings = Vec::new();
    for file in files {
        for (line, text) in file.lines() {
            for root in roots {
                // In `a/work/b` it is the middle of another path.
                let begins_a_path = |(at, _): (usize, &str)| {
                    !text[..at].ends_with(|before: char| before.is_alphanumeric() || "_-.})".contains(before))
                };
                if text.match_indices(root).any(begins_a_path) {
                    findings.push(file.finding(line, &format!("`{root}` exists on one machine only")));
                }
            }
        }
    }
    findings
}

/// Every text file of the repository.
fn repository() -> Vec<File> {
    let mut files = Vec::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(
        files.iter().any(|file| file.path == "tests/tidy.rs"),
        "the walk through the repository is broken"
    );
    assert!(
        files.iter().any(|file| file.path == "executor/src/lib.rs"),
        "the walk through the repository is broken"
    );
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    const TEXT: [&str; 9] = ["rs", "toml", "md", "sh", "py", "yml", "yaml", "stderr", "supp"];
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let name = entry.file_name().into_string().expect("our names are UTF-8");
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            let is_ours = name != "target" && (!name.starts_with('.') || name == ".ci" || name == ".github");
            if is_ours {
                collect(&entry.path(), &format!("{path}/"), files);
            }
        } else if prefix.starts_with(".ci/")
            || name.rsplit_once('.').is_some_and(|(_, end)| TEXT.contains(&end))
        {
            let bytes = fs::read(entry.path()).expect("the file can be read");
            files.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
}

fn expect_none(findings: &[String]) {
    let list = findings.iter().fold(String::new(), |mut list, finding| {
        let _ = write!(list, "\n  {finding}");
        list
    });
    assert!(findings.is_empty(), "{} finding(s):{list}", findings.len());
}

/// Each rule with files that break it, and where it must say so.
#[test]
fn every_rule_can_fail() {
    type Rule = fn(&[File]) -> Vec<String>;
    let long = "//! Long.\n".repeat(MAX_LINES + 1);
    let placeholder = format!("//! Late.\nfn f() {{\n    {}!()\n}}\n", concat!("to", "do"));
    let debugging = format!("//! Late.\n/// {}!(1)\n", concat!("db", "g"));
    let path = format!("# Title\n\nsee `{}someone/x`, not a{0}\n", concat!("/ho", "me/"));
    let cases: &[(Rule, &str, &str, &[usize])] = &[
        (staircase, "sync/Cargo.toml", "[dependencies]\nruntime-executor.workspace = true", &[2]),
        (staircase, "sync/Cargo.toml", "[dev-dependencies]\nruntime-executor.workspace = true", &[]),
        (
            staircase,
            "io/Cargo.toml",
            "[dependencies]\nslab = \"1\"\nruntime-sync = { path = \"../sync\" }",
            &[],
        ),
        (staircase, "io/Cargo.toml", "[dependencies]\nrt = { package = \"runtime\", path = \"x\" }", &[2]),
        (staircase, "executor/Cargo.toml", "[dependencies.runtime-io]\nworkspace = true", &[1]),
        (
            staircase,
            "executor/Cargo.toml",
            "\n[target.'cfg(unix)'.dependencies]\nruntime-io.workspace = true",
            &[3],
        ),
        (staircase, "runtime/macros/Cargo.toml", "[build-dependencies]\nruntime = { path = \"..\" }", &[2]),
        (staircase, "Cargo.toml", "[workspace.dependencies]\nruntime-io = { path = \"io\" }", &[]),
        (staircase, "new/Cargo.toml", "[dependencies]\nruntime-sync.workspace = true", &[2]),
        (staircase, "examples/ecosystem/web/Cargo.toml", "[dependencies]\nruntime.workspace = true", &[]),
        (staircase, "examples/ecosystem/web/Cargo.toml", "[dependencies]\nruntime-io = \"1\"", &[2]),
        (unsafe_rooms, "io/src/net.rs", "//! Net.\n#![expect(unsafe_code, reason = \"r\")]", &[2]),
        (unsafe_rooms, "io/src/sys_x.rs", "//! Net.\n\n#[allow(\n    unsafe_code,\n)]", &[4]),
        (unsafe_rooms, "io/src/sys/fd.rs", "//! Fd.\n#![expect(unsafe_code, reason = \"r\")]", &[]),
        (unsafe_rooms, "io/src/sys/fd.rs", "//! Fd.\n#![allow(unsafe_code, reason = \"r\")]", &[2]),
        (unsafe_rooms, "executor/src/task/raw.rs", "#![expect(unsafe_code)]", &[1]),
        (inherited_lints, "io/Cargo.toml", "[package]\nname = \"x\"\n[lints]\nworkspace = false", &[1]),
        (opening_comment, "io/src/net.rs", "use std::io;\n//! Late.", &[1]),
        (opening_comment, "runtime/tests/ui/fail/x.rs", "fn main() {}", &[]),
        (leftovers, "io/src/net.rs", &placeholder, &[3]),
        (leftovers, "tests/story.rs", &debugging, &[2]),
        (file_size, "io/src/net.rs", &long, &[MAX_LINES + 1]),
        (file_size, "io/src/net/tests.rs", &long, &[]),
        (file_size, "io/tests/net.rs", &long, &[]),
        (examples_in_readme, "examples/chat.rs", "", &[1]),
        (examples_in_readme, "examples/chat/main.rs", "", &[1]),
        (examples_in_readme, "examples/chat/room.rs", "", &[]),
        (examples_in_readme, "examples/ecosystem/web/examples/chat.rs", "", &[1]),
        (examples_in_readme, "examples/ecosystem/web/tests/chat.rs", "", &[]),
        (examples_in_readme, "examples/ecosystem/chat/src/main.rs", "", &[1]),
        (examples_in_readme, "examples/ecosystem/chat/src/room.rs", "", &[]),
        (ignored_without_reason, "tests/a.rs", "\n    #[ignore]\n", &[2]),
        (ignored_without_reason, "tests/a.rs", "#[cfg_attr(miri, ignore)]", &[1]),
        (ignored_without_reason, "tests/a.rs", "#[ignore = \"needs two machines\"]", &[]),
        (ignored_without_reason, "io/src/a.rs", "/// ```ignore\n/// x\n/// ```rust,ignore", &[1, 3]),
        (ignored_without_reason, "io/src/a.rs", "/// ```ignore (needs two machines)", &[]),
        (thread_locals, "io/src/a.rs", "//! No thread_local! here.\nthread_local! {}", &[2]),
        (thread_locals, THREAD_LOCAL_HOME, "thread_local! {}\nstd::thread_local! {}", &[2]),
        (thread_locals, "executor/tests/a.rs", "thread_local! {}", &[]),
        (forgetful_futures, "io/src/a.rs", "pub struct A<F> {}\nimpl<F> Future for A<F> {}", &[1]),
        (forgetful_futures, "io/src/a.rs", "#[must_use = \"x\"]\npub struct A;\nimpl Future for A {}", &[]),
        (forgetful_futures, "io/src/a.rs", "#[must_use]\npub enum A {}\nimpl Future for A {}", &[2]),
        (forgetful_futures, "io/src/a.rs", "pub struct A;\nimpl Future for Ab {}", &[]),
        (private_paths, "README.md", &path, &[3]),
    ];
    for (rule, path, text, lines) in cases {
        let file = File { path: (*path).to_owned(), text: (*text).to_owned() };
        let places: Vec<String> = lines.iter().map(|line| format!("{path}:{line}: ")).collect();
        let findings = rule(&[file]);
        let agree = findings.len() == places.len()
            && findings.iter().zip(&places).all(|(finding, place)| finding.starts_with(place));
        assert!(agree, "{path}: {text:?}\nexpected {places:?}\n     got {findings:?}");
    }
}

/// Likewise those that compare one file with another.
#[test]
fn every_comparison_can_fail() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let other = |lints: &str| {
        let root = "[workspace]\n# Ours\n[workspace.lints.rust]\na = \"deny\"\n\n[package]\nname = \"x\"\n";
        same_lints(&[file("Cargo.toml", root), file("a/Cargo.toml", &format!("[workspace]\n{lints}"))])
    };
    assert!(other("[workspace.lints.rust]\na = \"deny\"\n[profile.bench]\nlto = true").is_empty());
    assert_eq!(other("[workspace.lints.rust]\na = \"warn\"").len(), 1);
    assert_eq!(other("").len(), 1);

    let named = |readme: &str| examples_in_readme(&[file("examples/echo.rs", ""), file("README.md", readme)]);
    assert!(named("cargo run --example echo -- --help").is_empty());
    assert_eq!(named("cargo run --example echo_server").len(), 1);
}
