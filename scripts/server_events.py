#!/usr/bin/env python3
"""Turns the lines of `knul serve --json` on standard input into text, with a label before each."""
import json
import sys

# Shown at the end, beside the seven figures of the contract.
DETAILS = (
    "handshakes_completed", "connections_accepted", "packets_received", "packets_sent", "packets_lost",
    "udp_receive_calls", "udp_send_calls", "datagrams_received", "datagrams_sent", "handovers_out", "requests_completed",
)
CONTRACT = (
    "total_requests", "active_connections", "total_bytes_in", "total_bytes_out", "avg_latency_ms", "error_count",
    "uptime_ms",
)


def bits(count):
    for unit, factor in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bit/s"


def live_line(now, before):
    seconds = max(now["uptime_ms"] - before.get("uptime_ms", 0), 1) / 1e3

    def rate(name):
        return (now[name] - before.get(name, 0)) / seconds

    return (
        f"{now['active_connections']:4d} connections  {rate('total_requests'):9.0f} requests/s  "
        f"in {bits(8 * rate('total_bytes_in')):>13}  out {bits(8 * rate('total_bytes_out')):>13}  "
        f"errors {now['error_count']}"
    )


def had_traffic(now, before):
    return any(now[name] != before.get(name, 0) for name in ("total_bytes_in", "total_bytes_out"))


def final_lines(event):
    stats = event["stats"]
    yield (
        f"drained in {event['elapsed_ms']} ms: {event['connections_closed']} connections closed, "
        f"{event['streams_completed']} streams completed, {event['streams_cut']} cut"
    )
    for name in CONTRACT + tuple(name for name in DETAILS if name in stats):
        value = stats[name]
        yield f"  {name:24} {value:>14.3f}" if isinstance(value, float) else f"  {name:24} {value:>14,}"


def main():
    label = sys.argv[1]
    before = {}

    def show(text):
        print(f"  [{label}] {text}", flush=True)

    for line in sys.stdin:
        event = json.loads(line)
        if event["event"] == "listening":
            show(f"listening on {event['host']}:{event['port']}, {event['workers']} workers, pid {event['pid']}")
        elif event["event"] == "stats":
            if had_traffic(event["stats"], before):
                show(live_line(event["stats"], before))
            before = event["stats"]
        elif event["event"] == "stopped":
            for text in final_lines(event):
                show(text)
        else:
            show(event["event"])


if __name__ == "__main__":
    main()
