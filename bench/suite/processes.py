"""What the benchmarks ask of the kernel about a process, and how they run a program that prints JSON."""
import json
import subprocess
import time


def cpu_seconds(pid):
    """User and system time of a process so far, in nanoseconds' steps: its CPU clock (clock_getcpuclockid)."""
    return time.clock_gettime(~pid << 3 | 2)


def resident_bytes(pid, kind):
    """Memory of a process; `kind` is a line of smaps_rollup: "Rss", or "Pss_Anon" for what it allocated itself."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {kind} in smaps_rollup")


def run_json(command):
    """The last line that a program prints, as JSON. RuntimeError with its complaint when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def on_cpus(cpus, command):
    """The command, kept on these CPUs ("0", "0,1")."""
    return ["taskset", "-c", cpus, *command]
