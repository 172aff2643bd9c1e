"""The rows of benches/processes.rs with CPython: executor|pool ROW OPERATIONS."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

WORKERS = 2


def nothing(_):
    return None


def length(data):
    return len(data)


def pid(_):
    return os.getpid()


def echo_pipe(line):
    try:
        while True:
            line.send(line.recv())
    except EOFError:
        pass


def echo_queue(there, back):
    while (item := there.get()) is not None:
        back.put(item)


def maps(kind, function, items, chunksize=1):
    """All results, so many items a job, in input order."""
    if kind == "executor":
        with ProcessPoolExecutor(WORKERS) as pool:
            return sum(1 for _ in pool.map(function, items, chunksize=chunksize))
    with multiprocessing.Pool(WORKERS) as pool:
        return sum(1 for _ in pool.imap(function, items, chunksize=chunksize))


def main(kind, row, operations):
    if row == "empty":
        maps(kind, nothing, range(operations))
    elif row == "chunks":
        maps(kind, nothing, range(operations), 1_000)
    elif row in ("kilobyte", "megabyte"):
        data = bytes(1_000 if row == "kilobyte" else 1_000_000)
        maps(kind, length, (data for _ in range(operations)))
    elif row == "start":
        for _ in range(operations):
            maps(kind, nothing, range(WORKERS))
    elif row == "process":
        for _ in range(operations):
            process = multiprocessing.Process(target=nothing, args=(0,))
            process.start()
            process.join()
    elif row == "memory":
        pool = multiprocessing.Pool(WORKERS)
        pids = {worker.pid for worker in pool._pool}
        pool.map(nothing, range(100))
        print(" ".join(map(str, pids)), flush=True)
        sys.stdin.read()
    elif row in ("pipe", "blocking-pipe"):
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=echo_pipe, args=(theirs,))
        process.start()
        theirs.close()
        for number in range(operations):
            ours.send(number)
            assert ours.recv() == number
        ours.close()
        process.terminate()
        process.join()
    elif row == "queue":
        there, back = multiprocessing.Queue(), multiprocessing.Queue()
        process = multiprocessing.Process(target=echo_queue, args=(there, back))
        process.start()
        for number in range(operations):
            there.put(number)
            assert back.get() == number
        there.put(None)
        process.join()


if __name__ == "__main__":
    kind, row, operations = sys.argv[1:]
    # What a program has to use that has threads; otherwise the default of this system, a copy of the process.
    multiprocessing.set_start_method("spawn" if kind == "spawn" else "fork")
    main(kind, row, int(operations))
