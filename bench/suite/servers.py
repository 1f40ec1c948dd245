"""Servers under measurement: each is a process that prints its port, and ends with the `with` block."""
import json
import os
import signal
import socket
import subprocess
import time

from suite.processes import on_cpus

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOREVER_MS = "600000"  # longer than any measurement keeps a connection idle


class Server:
    """A process with `pid` and `port`; `alpn` is what its clients ask for."""

    alpn = "perf"

    def __init__(self, command, environment=None, errors=None):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True,
                                        env={**os.environ, **(environment or {})})
        self.pid = self.process.pid

    def wait_until_ready(self):
        """Reads the port in its first line, a JSON object with `port` and `pid`."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.process.args)}: ended with {self.process.wait()}")
        self.listening = json.loads(line)
        self.port = self.listening["port"]

    def __enter__(self):
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class KnulServer(Server):
    """`knul serve` with the service perf."""

    def __init__(self, suite, workers=1, cpus="0", settings=()):
        super().__init__(on_cpus(cpus, [
            suite.knul, "serve", *settings, "--service", "perf", "--json", "--port", "0", "--workers", str(workers),
            "--cert", f"{suite.folder}/cert.pem", "--key", f"{suite.folder}/key.pem", "--max-streams", "1000",
            "--idle-timeout-ms", FOREVER_MS, "--drain-timeout-ms", "0"]))


def deno_executable():
    """Deno of the npm packages of tests/interop."""
    script = 'import("./tests/interop/setup.mjs").then((m) => console.log(m.deno_executable()))'
    done = subprocess.run(["node", "-e", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class DenoServer(Server):
    """A Deno program: on the adapter ("adapter") or on Deno's built-in QUIC ("builtin")."""

    def __init__(self, deno, bench, kind, arguments, cpus="", environment=None):
        command = [deno, "run", "--quiet", "--no-check", "--cached-only", "--config", f"{bench}/deno/deno.json"]
        rights = {"adapter": ["--allow-ffi", "--allow-env=KREPIS_LIBRARY"], "builtin": ["--allow-net", "--allow-read"]}
        command += [*rights[kind], f"{bench}/deno/{kind}_server.ts", *arguments]
        super().__init__(on_cpus(cpus, command) if cpus else command,
                         {"DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1", **(environment or {})})


class Ngtcp2Server(Server):
    """ngtcp2's own server, HTTP/3, from the folder where scripts/bench_peers.sh unpacked it."""

    alpn = "h3"

    def __init__(self, root, suite, cpus="0"):
        self.port = free_port()
        library_path = {"LD_LIBRARY_PATH": f"{root}/lib"}
        super().__init__(on_cpus(cpus, [
            f"{root}/gtlsserver", "--quiet", "--no-quic-dump", "--no-http-dump", "--timeout", f"{FOREVER_MS}ms",
            "--max-dyn-length", "64G", "127.0.0.1", str(self.port), f"{suite.folder}/key.pem",
            f"{suite.folder}/cert.pem"]), library_path, subprocess.DEVNULL)  # it reports every close as an error

    def wait_until_ready(self):
        wait_until_bound(self.port)


def free_port():
    """For a server that cannot be asked which port it took."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_bound(port, seconds=10):
    """Until a socket listens on the port of 127.0.0.1 (the kernel's table of UDP sockets)."""
    wanted = f"0100007F:{port:04X}"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with open("/proc/net/udp") as file:
            if any(wanted in line for line in file):
                return
        time.sleep(0.01)
    raise RuntimeError(f"no server took port {port} in {seconds} s")
