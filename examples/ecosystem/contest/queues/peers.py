"""The rows of brokers.rs by Python's libraries: LIBRARY ADDRESS JOBS_AT_ONCE JOBS. Prints microseconds of processor time, and on the
wall, for each job that does nothing: to push it, to take it and to be done with it, all in this process."""

import asyncio
import importlib
import logging
import sys
import time


async def empty(_context):
    pass


def nothing():
    pass


def rq(address, _at_once):
    """Its workers take one job at a time; this one, unlike the usual, does not fork for each."""
    from redis import Redis
    from rq import Queue, SimpleWorker

    connection = Redis.from_url(f"redis://{address}")
    queue = Queue(connection=connection)
    logging.disable()

    def run(jobs):
        # What can be imported, as this file cannot: a function of the standard library that does as little.
        for _ in range(jobs):
            queue.enqueue("time.monotonic", result_ttl=0)
        SimpleWorker([queue], connection=connection).work(burst=True)

    return run


def arq(address, at_once):
    from arq import create_pool, func
    from arq.connections import RedisSettings
    from arq.worker import Worker

    host, port = address.split(":")
    settings = RedisSettings(host=host, port=int(port))

    async def work(jobs):
        pool = await create_pool(settings)
        for first in range(0, jobs, at_once):
            await asyncio.gather(*(pool.enqueue_job("empty") for _ in range(first, min(first + at_once, jobs))))
        # It looks for jobs at an interval, which would be all that is measured.
        worker = Worker([func(empty, keep_result=0)], redis_settings=settings, burst=True, max_jobs=at_once, poll_delay=0.001)
        await worker.async_run()
        assert worker.jobs_complete == jobs
        await worker.close()
        await pool.aclose()

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return lambda jobs: loop.run_until_complete(work(jobs))


def dramatiq(address, at_once):
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=f"redis://{address}")
    dramatiq.set_broker(broker)
    actor = dramatiq.actor(nothing)

    def run(jobs):
        for _ in range(jobs):
            actor.send()
        worker = dramatiq.Worker(broker, worker_threads=at_once)
        worker.start()
        broker.join(actor.queue_name, interval=1)
        worker.join()
        worker.stop()

    return run


def main(library, address, at_once, jobs):
    try:
        importlib.import_module(library)
    except ImportError:
        sys.exit(3)
    run = {"rq": rq, "arq": arq, "dramatiq": dramatiq}[library](address, int(at_once))
    jobs = int(jobs)
    run(max(jobs // 10, 1))  # to get going
    processor, wall = time.process_time(), time.perf_counter()
    run(jobs)
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    print(processor * 1e6 / jobs, wall * 1e6 / jobs)


main(*sys.argv[1:])
