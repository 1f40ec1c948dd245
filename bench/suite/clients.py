"""Clients of the benchmarks: `knul perf`, and idle_client, which holds connections."""
import subprocess

from suite.processes import on_cpus, run_json

CONNECTIONS_A_PROCESS = 20_000


def perf(suite, server, flags, cpus="1"):
    """One measurement by `knul perf`, with the CPU time of the server over the same time."""
    return run_json(on_cpus(cpus, [suite.knul, "perf", f"127.0.0.1:{server.port}", "--insecure", "--json",
                                   "--idle-timeout", "600000", "--server-pid", str(server.pid), *flags]))


def knows_flag(suite, flag):
    """Whether this `knul perf` has the flag."""
    told = subprocess.run([suite.knul, "perf", "--help"], capture_output=True, text=True, check=True).stdout
    return flag in told.split()


class Holders:
    """Connections that are there and do nothing, as many processes as they need; closed with the `with` block."""

    def __init__(self, suite, server, connections, cpus="1"):
        self.processes = []
        for left in range(connections, 0, -CONNECTIONS_A_PROCESS):
            count = min(left, CONNECTIONS_A_PROCESS)
            command = [f"{suite.bins}/bench/idle_client", str(server.port), str(count), server.alpn]
            self.processes.append(subprocess.Popen(on_cpus(cpus, command), stdin=subprocess.PIPE,
                                                   stdout=subprocess.PIPE, text=True))
            self.expect(self.processes[-1], "ready")

    def work(self):
        """Lets every connection make 64 requests at once and a download of 1 MiB; returns when all have."""
        for process in self.processes:
            process.stdin.write("work\n")
            process.stdin.flush()
        for process in self.processes:
            self.expect(process, "worked")

    @staticmethod
    def expect(process, word):
        said = process.stdout.readline().strip()
        if said != word:
            raise RuntimeError(f"idle_client said {said!r}, not {word!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.stdin.close()
            process.wait(timeout=60)
            process.stdout.close()
