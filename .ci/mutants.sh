#!/usr/bin/env bash
# Puts old bugs into copies of `sync`, one at a time (sync/tests/mutants/*.toml), and checks that they are found: each by
# the stories of the museum that its entry names, and by the explorer. It works on copies; the tree is not touched.
#
# usage: .ci/mutants.sh [--quick] [--museum | --explorer] [WORD...]
#   --quick    one mutant of each primitive, for a smoke test
#   --museum   only the museum; --explorer: only the explorer
#   WORD       mutants whose name (FILE/NAME) has one of these in it
#
# An entry:
#   [[mutant]]
#   name = "what-is-wrong"
#   file = "semaphore"            sync/src/semaphore.rs, or a file in sync/src/semaphore/
#   find = '''…'''                is there once, whatever the white space; if it is not, that is an error
#   replace = '''…'''             `also = [{ file, find, replace }, …]` changes more places
#   killed_by = ["lock::local::…", …]   stories: each has to fail (or to hang)
#   quick = true                  for --quick
#   explorer = "…"                why the explorer cannot see it, if it cannot
# `explored_by` at the top of a file, or in an entry: names, or beginnings of names, of the tests of the explorer that
# deal with it.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 - "$@" <<'PYTHON'
import json, os, pathlib, re, shutil, signal, subprocess, sys, tempfile, threading, time, tomllib

ROOT = pathlib.Path.cwd()
HANGS_AFTER_S = 10  # a story takes milliseconds
# The explorer goes from short runs to long ones, and a mutant ends it soon; one that lives costs all of this.
EXPLORER_HANGS_AFTER_S = 120
OPTIONS = {word for word in sys.argv[1:] if word.startswith("--")}
WORDS = [word for word in sys.argv[1:] if not word.startswith("--")]
if not OPTIONS <= {"--quick", "--museum", "--explorer"}:
    sys.exit(f"what is {OPTIONS}?")
# The museum is built in any case: it knows its stories.
RUNS_MUSEUM, RUNS_EXPLORER = "--explorer" not in OPTIONS, "--museum" not in OPTIONS


def entries():
    for path in sorted((ROOT / "sync/tests/mutants").glob("*.toml")):
        table = tomllib.loads(path.read_text())
        for entry in table["mutant"]:
            entry["name"] = f"{path.stem}/{entry['name']}"
            entry.setdefault("explored_by", table["explored_by"])
            yield entry


def is_wanted(entry):
    wanted = not WORDS or any(word in entry["name"] for word in WORDS)
    return wanted and (entry.get("quick", False) or "--quick" not in OPTIONS)


def edits(entry):
    return [entry, *entry.get("also", [])]


def places(text, find):
    """Where `find` is in `text`, white space aside."""
    tokens = re.findall(r"\w+|[^\w\s]", find)
    return [match.span() for match in re.finditer(r"\s*".join(map(re.escape, tokens)), text)]


def mutated(entry):
    """The changed files; raises if a place is not there, or not there once."""
    texts = {}
    for edit in edits(entry):
        found = []
        for path in copies[0].pristine.glob("sync/src/**/*.rs"):
            file = str(path.relative_to(copies[0].pristine))
            if file.startswith(f"sync/src/{edit['file']}"):
                text = texts.get(file) or path.read_text()
                found += [(file, text, span) for span in places(text, edit["find"])]
        if len(found) != 1:
            raise LookupError(f"{len(found)} times in sync/src/{edit['file']}*: {edit['find'].strip()}")
        file, text, (begin, end) = found[0]
        texts[file] = text[:begin] + edit["replace"].strip() + text[end:]
    return texts


class Copy:
    """A workspace of `sync` alone, and where it is built."""

    def __init__(self, folder):
        self.root, self.pristine = folder, folder.parent / "pristine"
        if not self.pristine.exists():  # one state for all, whatever somebody edits meanwhile
            shutil.copytree(ROOT / "sync", self.pristine / "sync")
        shutil.copytree(self.pristine / "sync", folder / "sync")
        for name in ["Cargo.lock", "clippy.toml"]:
            shutil.copy(ROOT / name, folder)
        sections = re.split(r"(?m)^(?=\[)", (ROOT / "Cargo.toml").read_text())
        kept = "".join(section for section in sections if section.startswith("[workspace"))
        (folder / "Cargo.toml").write_text(re.sub(r"members = \[.*\]", 'members = ["sync"]', kept, count=1))
        manifest = (folder / "Cargo.toml").read_text()
        (folder / "Cargo.toml").write_text(re.sub(r"(?m)^default-members.*\n", "", manifest))

    def build(self, *targets):
        """Test programs; raises with what the compiler says."""
        command = ["cargo", "test", "--offline", "-p", "runtime-sync", "--no-run", "--message-format=json", "-q"]
        for target in targets:
            command += ["--test", target]
        environment = os.environ | {
            "CARGO_TARGET_DIR": str(self.root / "target"),
            "CARGO_BUILD_JOBS": str(max(1, CORES // len(copies))),
            "CARGO_INCREMENTAL": "1",
            "CARGO_PROFILE_DEV_DEBUG": "0",
            "CARGO_PROFILE_DEV_OPT_LEVEL": os.environ.get("MUTANTS_OPT_LEVEL", "0"),
            "RUSTFLAGS": "--cap-lints=allow",
        }
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)
        messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode != 0:
            said = [message["message"]["rendered"] for message in messages if message.get("message")]
            raise RuntimeError("".join(said) + done.stderr)
        return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}

    def write(self, texts):
        for file, text in texts.items():
            (self.root / file).write_text(text)

    def fails(self, program, *arguments, seconds):
        """What a run of a test program ends in: nothing if all is well. The first test that fails ends it."""
        running = subprocess.Popen(
            [program, *arguments], cwd=self.root / "sync",
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
        )
        is_late = threading.Event()
        alarm = threading.Timer(seconds, lambda: (is_late.set(), running.kill()))
        alarm.start()
        try:
            for line in running.stdout:
                if line.rstrip().endswith("FAILED"):
                    return "fails"
            code = running.wait()
            return "hangs" if is_late.is_set() else None if code == 0 else "crashes"
        finally:
            alarm.cancel()
            running.kill()
            running.wait()


def stories(program):
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout
    return {line.removesuffix(": test") for line in listed.splitlines() if line.endswith(": test")}


def check(copy, entry):
    """Kills one mutant; says what is wrong if it lives."""
    texts = mutated(entry)
    copy.write(texts)
    try:
        programs = copy.build(*(["museum"] if RUNS_MUSEUM else []), *(["explorer"] if RUNS_EXPLORER else []))
        outcomes = {}
        for story in entry["killed_by"] if RUNS_MUSEUM else []:
            outcomes[story] = copy.fails(programs["museum"], "--exact", story, seconds=HANGS_AFTER_S)
        explored = "not run"
        if RUNS_EXPLORER and "explorer" not in entry:
            tests = [arg for name in entry["explored_by"] for arg in explorer_tests if arg.startswith(name)]
            explored = copy.fails(programs["explorer"], "--exact", *tests, seconds=EXPLORER_HANGS_AFTER_S) or "SURVIVED"
        return outcomes, explored
    finally:
        copy.write({file: (copy.pristine / file).read_text() for file in texts})


def work(copy):
    while True:
        with guard:
            if not queue:
                return
            entry = queue.pop(0)
        began = time.monotonic()
        wrong = []
        outcomes, explored = {}, "not run"
        try:
            outcomes, explored = check(copy, entry)
            wrong += [f"survives {story}" for story, outcome in outcomes.items() if outcome is None]
            if explored == "SURVIVED":
                wrong.append(f"survives the explorer's {', '.join(entry['explored_by'])}")
        except LookupError as error:
            wrong.append(f"its place is gone: {error}")
        except RuntimeError as error:
            wrong.append(f"does not compile:\n{error}")
        except Exception as error:  # a thread that ends early would leave mutants untried
            wrong.append(f"could not be tried: {error!r}")
        ended = sorted({outcome for outcome in outcomes.values() if outcome})
        took = time.monotonic() - began
        with guard:
            print(f"{'LIVES ' if wrong else 'killed'} {entry['name']:<48} museum: {', '.join(ended) or '-':<8}"
                  f" explorer: {explored:<10} {took:5.1f} s", flush=True)
            for line in wrong:
                print(f"       {line}", flush=True)
            results.append((entry, bool(wrong), explored))


signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and the copies are removed
began = time.monotonic()
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
all_entries = list(entries())
names = [entry["name"] for entry in all_entries]
if len(set(names)) != len(names):
    sys.exit("two mutants have one name")
queue = [entry for entry in all_entries if is_wanted(entry)]
if not queue:
    sys.exit("no such mutant")
guard, results = threading.Lock(), []
with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
    copies = [Copy(pathlib.Path(folder) / str(number)) for number in range(min(CORES, 4, len(queue)))]
    # Without a mutant all is well, or nothing that follows means anything.
    programs = copies[0].build("museum", *(["explorer"] if RUNS_EXPLORER else []))
    known = stories(programs["museum"])
    # (The explorer only for a moment: to its full depth it is run by the tests.)
    os.environ.update(EXPLORE_DEPTH="3", EXPLORE_WALKS="20", RUST_BACKTRACE="0")
    for name, program in programs.items():
        if outcome := copies[0].fails(program, seconds=300):
            sys.exit(f"{name} {outcome} without any mutant")
    for setting in ["EXPLORE_DEPTH", "EXPLORE_WALKS"]:
        del os.environ[setting]
    explorer_tests = stories(programs["explorer"]) if RUNS_EXPLORER else set()
    for entry in all_entries:
        for story in set(entry["killed_by"]) - known:
            sys.exit(f"{entry['name']}: there is no story {story}")
        if not entry["killed_by"]:
            sys.exit(f"{entry['name']}: no story kills it")
        for name in entry["explored_by"] if RUNS_EXPLORER else []:
            if not any(test.startswith(name) for test in explorer_tests):
                sys.exit(f"{entry['name']}: the explorer has no test {name}…")
    for other in copies[1:]:  # what they depend on need not be built again
        shutil.copytree(copies[0].root / "target", other.root / "target")
    print(f"{len(known)} stories, {len(all_entries)} mutants; built after {time.monotonic() - began:.0f} s", flush=True)
    threads = [threading.Thread(target=work, args=(copy,), daemon=True) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
alive = [entry["name"] for entry, lives, _ in results if lives]
explored = sum(outcome not in ("SURVIVED", "not run") for _, _, outcome in results)
print(f"{len(results) - len(alive)} of {len(results)} mutants killed; by the explorer {explored if RUNS_EXPLORER else 'none (not run)'};"
      f" in {time.monotonic() - began:.0f} s")
if alive:
    sys.exit("alive: " + ", ".join(alive))
PYTHON
