//! A small editor: what you type, what you see and what is saved are three activities over one text.
//!
//! ```text
//! $ cargo run --example editor -- notes.txt
//! notes.txt: 2 lines, saved
//!   1  hello
//!   2  world
//! > .d 1
//! ```
//!
//! Each activity waits for something else: for a line, for a change to show, for the moment to save. None of them keeps the
//! others waiting, not even in the middle of a line that is being typed. The text needs no lock: the activities take turns on one
//! thread, and nobody keeps it borrowed over an `.await`.

use runtime::{fs, io, join, sync::watch, time::timeout};
use std::{
    cell::RefCell, env, fmt::Write as _, io::Write as _, mem, path::PathBuf, process::ExitCode,
    time::Duration,
};

const HELP: &str = "\
Edits a text, line by line, and saves it by itself.

usage: editor [--autosave MILLISECONDS] FILE

  --autosave N   save so long after the first change that is not saved [1000]
  -h, --help     print this

A line that you type is appended. `.d N` deletes line N, `.i N TEXT` puts TEXT before it, `.q` or Ctrl-D saves and ends; a line
that begins with two dots loses one of them.";

/// So many lines are shown, the last ones.
const ROWS: usize = 20;

#[runtime::main]
async fn main() -> ExitCode {
    let mut autosave = Duration::from_secs(1);
    let mut path = None;
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => {
                let _ = writeln!(std::io::stdout(), "{HELP}");
                return ExitCode::SUCCESS;
            }
            "--autosave" => match arguments.next().and_then(|number| number.parse().ok()) {
                Some(milliseconds) => autosave = Duration::from_millis(milliseconds),
                None => return complain("`--autosave` needs a number of milliseconds"),
            },
            option if option.starts_with('-') => return complain(&format!("there is no option `{option}`")),
            _ => path = Some(PathBuf::from(argument)),
        }
    }
    let Some(path) = path else { return complain("which file?") };
    match edit(path, autosave).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "editor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn complain(complaint: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "editor: {complaint}\nTry `editor --help`.");
    ExitCode::from(2)
}

/// What the three activities share.
struct Desk {
    path: PathBuf,
    lines: RefCell<Vec<String>>,
    /// What went wrong or was not understood last.
    notice: RefCell<String>,
    state: watch::Sender<State>,
}

/// What they tell each other.
#[derive(Clone, Copy, PartialEq)]
struct State {
    /// How often the text or the notice has changed.
    version: u64,
    /// The version that is in the file.
    saved: u64,
    /// Nothing more will be typed.
    closing: bool,
}

async fn edit(path: PathBuf, autosave: Duration) -> io::Result<()> {
    let text = match fs::read_to_string(&path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let desk = Desk {
        path,
        lines: RefCell::new(text.lines().map(str::to_owned).collect()),
        notice: RefCell::default(),
        state: watch::channel(State { version: 0, saved: 0, closing: false }).0,
    };
    let typing = async {
        let typed = type_lines(&desk).await;
        desk.state.send_modify(|state| state.closing = true);
        typed
    };
    // Whatever happens to one, the others do their work to the end: what was typed is saved, also if the terminal is gone.
    let (typed, shown, saved) = join!(typing, show(&desk), save(&desk, autosave));
    saved.and(typed).and(shown)
}

/// The first activity: takes what is typed.
async fn type_lines(desk: &Desk) -> io::Result<()> {
    let mut typed = io::stdin().lines();
    while let Some(line) = typed.next_line().await? {
        if line == ".q" {
            break;
        }
        let notice = desk.apply(&line).err().unwrap_or_default();
        desk.tell(notice);
    }
    Ok(())
}

/// The second activity: shows the text whenever it has changed.
async fn show(desk: &Desk) -> io::Result<()> {
    let stdout = io::stdout();
    let mut states = desk.state.subscribe();
    let mut shown = None;
    loop {
        let state = *states.borrow_and_update();
        let drawing = match shown {
            _ if !stdout.is_terminal() => format!("{}\n", desk.status(state)),
            // In the middle of a line that is typed only the first row may change: there, and back to where we were.
            Some(version) if version == state.version => {
                format!("\x1b7\x1b[1;1H\x1b[2K{}\x1b8", desk.status(state))
            }
            _ => desk.page(state),
        };
        stdout.write_all(drawing.as_bytes()).await?;
        shown = Some(state.version);
        if state.closing && state.version == state.saved {
            return stdout.write_all(b"\n").await;
        }
        // The desk has the sender, and is there as long as we are.
        if states.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// The third activity: saves a while after a change, and whatever is left at the end.
async fn save(desk: &Desk, pause: Duration) -> io::Result<()> {
    let mut states = desk.state.subscribe();
    loop {
        let Ok(state) = states.wait_for(|state| state.version != state.saved || state.closing).await else {
            return Ok(());
        };
        let (unsaved, closing) = (state.version != state.saved, state.closing);
        if !unsaved {
            return Ok(());
        }
        if !closing {
            let _ = timeout(pause, states.wait_for(|state| state.closing)).await;
        }
        let (version, text) = (desk.state.borrow().version, desk.text());
        // Meanwhile more may be typed, and is saved the next time.
        match fs::write_atomic(&desk.path, text).await {
            Ok(()) => desk.state.send_modify(|state| state.saved = version),
            Err(error) if desk.state.borrow().closing => {
                desk.state.send_modify(|state| state.saved = state.version);
                return Err(error);
            }
            Err(error) => desk.tell(error.to_string()),
        }
    }
}

impl Desk {
    /// Does what a line says; the error says what was not understood.
    fn apply(&self, line: &str) -> Result<(), String> {
        let mut lines = self.lines.borrow_mut();
        if let Some(text) = line.strip_prefix("..") {
            lines.push(format!(".{text}"));
            return Ok(());
        }
        let Some(command) = line.strip_prefix('.') else {
            lines.push(line.to_owned());
            return Ok(());
        };
        let mut words = command.splitn(3, ' ');
        let (name, number) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let index = number.parse().ok().filter(|number| (1..=lines.len()).contains(number));
        match (name, index) {
            ("d", Some(number)) => drop(lines.remove(number - 1)),
            ("i", Some(number)) => lines.insert(number - 1, words.next().unwrap_or_default().to_owned()),
            ("d" | "i", None) => return Err(format!("there is no line `{number}`")),
            _ => return Err(format!("`.{command}` is no command: .d N, .i N TEXT, .q")),
        }
        Ok(())
    }

    /// Has the others look, and shows them this.
    fn tell(&self, notice: String) {
        *self.notice.borrow_mut() = notice;
        self.state.send_modify(|state| state.version += 1);
    }

    fn text(&self) -> String {
        self.lines.borrow().iter().fold(String::new(), |text, line| text + line + "\n")
    }

    fn status(&self, state: State) -> String {
        let saved = if state.version == state.saved { "saved" } else { "not saved yet" };
        let count = self.lines.borrow().len();
        let plural = if count == 1 { "" } else { "s" };
        format!("{}: {count} line{plural}, {saved}", self.path.display())
    }

    /// The whole screen.
    fn page(&self, state: State) -> String {
        let mut page = format!("\x1b[2J\x1b[H{}\n", self.status(state));
        let lines = self.lines.borrow();
        for (index, line) in lines.iter().enumerate().skip(lines.len().saturating_sub(ROWS)) {
            let _ = writeln!(page, "{:>3}  {line}", index + 1);
        }
        let notice = mem::take(&mut *self.notice.borrow_mut());
        if !notice.is_empty() {
            let _ = writeln!(page, "({notice})");
        }
        page + "> "
    }
}
