"""The rows of benches/greenlets.rs with gevent: ROW OPERATIONS."""

import sys

import gevent
import greenlet
from gevent.event import Event
from gevent.server import StreamServer

row, operations = sys.argv[1], int(sys.argv[2])

if row == "switch":
    def body():
        parent = greenlet.getcurrent().parent
        while True:
            parent.switch()

    other = greenlet.greenlet(body)
    for _ in range(operations):
        other.switch()
elif row == "yield":
    def give_way():
        for _ in range(operations // 2):
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(give_way) for _ in range(2)])
elif row == "spawn":
    for _ in range(operations):
        gevent.spawn(lambda: None).join()
elif row == "idle":
    never = Event()
    waiting = [gevent.spawn(never.wait) for _ in range(operations)]
    gevent.sleep(0)
    print("ready", flush=True)
    gevent.sleep(3600)
elif row == "echo":
    def echo(connection, _):
        while True:
            read = connection.recv(16 * 1024)
            if not read:
                return
            connection.sendall(read)

    server = StreamServer(("127.0.0.1", 0), echo)
    server.start()
    print(f"127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
