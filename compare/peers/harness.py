"""A harness in Python, with the peers that are Python's: psutil's recipe for killing a process tree, and the process
spawner of Avocado.

    harness.py serve PEER             does as it is told on standard input, as src/server.rs does
    harness.py keep PEER              starts the command that a line names, ends it at the next line, and says what
                                      became of it
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

GRACE = 0.3


class Psutil:
    """https://psutil.readthedocs.io: "Kill process tree", and "Terminate my children" for asking first."""

    def __init__(self):
        import psutil

        self.psutil = psutil

    async def start(self, argv):
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=sys.stderr)

    async def wait(self, task):
        task.wait()

    def kill_proc_tree(self, pid, sig, timeout):
        psutil = self.psutil
        try:
            parent = psutil.Process(pid)
        except psutil.NoSuchProcess:
            return []
        children = parent.children(recursive=True)
        children.append(parent)
        for process in children:
            try:
                process.send_signal(sig)
            except psutil.NoSuchProcess:
                pass
        _gone, alive = psutil.wait_procs(children, timeout=timeout)
        return alive

    async def end(self, task, grace):
        if task.poll() is not None:
            return "Done"
        if grace and not self.kill_proc_tree(task.pid, signal.SIGTERM, grace):
            return "Done"
        alive = self.kill_proc_tree(task.pid, signal.SIGKILL, 3)
        return {"Left": [process.pid for process in alive]} if alive else "Done"


class Avocado:
    """avocado.plugins.spawners.process, with a task of the kind exec-test."""

    def __init__(self):
        from avocado.core.nrunner.runnable import Runnable
        from avocado.core.nrunner.task import Task
        from avocado.core.settings import settings
        from avocado.core.task.runtime import RuntimeTask
        from avocado.plugins.spawners.process import ProcessSpawner

        self.kinds = Runnable, Task, RuntimeTask
        config = settings.as_dict()
        # What the plugin nrunner has by default.
        config.setdefault("runner.task.interval.from_soft_to_hard_termination", 1)
        config.setdefault("runner.task.interval.from_hard_termination_to_verification", 0)
        self.spawner = ProcessSpawner(config)
        self.folder = tempfile.TemporaryDirectory()

    async def start(self, argv):
        runnable, task, runtime_task = self.kinds
        one = runnable("exec-test", argv[0], *argv[1:], output_dir=tempfile.mkdtemp(dir=self.folder.name))
        one = runtime_task(task(one, identifier="1-compare", job_id="compare"))
        if not await self.spawner.spawn_task(one):
            raise RuntimeError("it was not spawned")
        return one

    async def wait(self, task):
        await self.spawner.wait_task(task)

    async def end(self, task, _grace):
        if not self.spawner.is_task_alive(task):
            return "Done"
        # True where the process that it started has ended.
        ended = await self.spawner.terminate_task(task)
        return "Done" if ended else {"Unsure": "terminate_task returned False"}


PEERS = {"psutil recipe": Psutil, "Avocado process spawner": Avocado}


def herd(count, fifo):
    program = (
        "open my $f, '>', $ARGV[0] or die; for (1..%d) { my $p = fork; defined $p or die; "
        "if (!$p) { sleep 120; exit } } syswrite $f, '.'; sleep 120"
    ) % (count - 1)
    return ["perl", "-e", program, fifo]


async def obey(peer, order):
    (what, words), = order.items()
    if what == "Life":
        began = time.monotonic()
        task = await peer.start(["/bin/true"])
        started = time.monotonic()
        await peer.wait(task)
        await peer.end(task, 0)
        return [started - began, time.monotonic() - began]
    if what == "Destroy":
        fifo = words["fifo"]
        if os.path.exists(fifo):
            os.remove(fifo)
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        task = await peer.start(herd(words["count"], fifo))
        give_up = time.monotonic() + 60
        while True:
            try:
                if os.read(reader, 1):
                    break
            except BlockingIOError:
                pass
            if time.monotonic() > give_up:
                raise RuntimeError("a task of many processes does not come up")
            await asyncio.sleep(0.001)
        os.set_blocking(reader, True)
        began = time.monotonic()
        await peer.end(task, 0)
        said = time.monotonic()
        os.read(reader, 1)
        os.close(reader)
        return [said - began, time.monotonic() - began]
    raise RuntimeError("not measured for this one")


async def serve(peer):
    for line in sys.stdin:
        try:
            answer = {"Ok": await obey(peer, json.loads(line))}
        except Exception as error:  # Whatever it is, whoever asked gets to know.
            answer = {"Err": "%s: %s" % (type(error).__name__, error)}
        print(json.dumps(answer), flush=True)


async def keep(peer):
    task = await peer.start(json.loads(sys.stdin.readline()))
    print("started", flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    print(json.dumps(await peer.end(task, GRACE)), flush=True)


if __name__ == "__main__":
    verb, name = sys.argv[1:3]
    chosen = PEERS[name]()
    asyncio.run(serve(chosen) if verb == "serve" else keep(chosen))
