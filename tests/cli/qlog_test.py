#!/usr/bin/env python3
"""The qlog files of knul serve: their format, their content beside the server's counters, their limits.
qlog_test.py --knul PATH [unittest arguments]"""
import json
import os
import random
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import knul_process
from knul_process import KnulTest, Server, run
import qlog_schema

SEED = int(os.environ.get("KNUL_SEED", "1"))


class LossyPath:
    """A UDP proxy that drops a share of the datagrams, by the seed."""

    def __init__(self, port, loss):
        self.loss, self.random = loss, random.Random(SEED)
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outside.bind(("127.0.0.1", 0))
        self.port = self.outside.getsockname()[1]
        self.server = ("127.0.0.1", port)
        self.clients = {}  # address: socket to the server
        self.is_open = True
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_open = False
        self.thread.join()
        for one in [self.outside, *self.clients.values()]:
            one.close()

    def carry(self):
        while self.is_open:
            ready, _, _ = select.select([self.outside, *self.clients.values()], [], [], 0.05)
            for one in ready:
                self.carry_one(one)

    def carry_one(self, one):
        datagram, sender = one.recvfrom(65536)
        if one is self.outside and sender not in self.clients:
            self.clients[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if self.random.random() < self.loss:
            return
        if one is self.outside:
            self.clients[sender].sendto(datagram, self.server)
        else:
            client = next(address for address, to_server in self.clients.items() if to_server is one)
            self.outside.sendto(datagram, client)


class QlogTest(KnulTest):
    def setUp(self):
        print(f"KNUL_SEED={SEED}")
        self.logs = tempfile.mkdtemp(prefix="qlog_", dir=self.folder)

    def server(self, *arguments, folder=None, service="perf"):
        return Server(self.folder, "--workers", "2", "--service", service, "--qlog-folder", folder or self.logs,
                      *arguments)

    def requests(self, port, *arguments):
        result = run("perf", f"127.0.0.1:{port}", "--ca", self.ca, *(arguments or ("--requests", "3")))
        self.assertEqual(result.returncode, 0, result.stderr)

    def handshakes(self, port, count):
        self.requests(port, "--handshakes", str(count), "--parallel", "8")

    def files(self):
        return sorted(f"{self.logs}/{name}" for name in os.listdir(self.logs))

    def read_all(self):
        """The events of each file. Checks every file's form, mode and name."""
        found = []
        for path in self.files():
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            header, events = qlog_schema.read_file(path)
            self.assertEqual(os.path.basename(path), header["trace"]["common_fields"]["ODCID"] + "_server.sqlog")
            found.append(events)
        return found


def packets(events, name):
    return [event["data"] for event in events if event["name"] == f"transport:{name}"]


def is_close(packet):
    return any(frame["frame_type"] == "connection_close" for frame in packet["frames"])


def total(values):
    return sum(packet["raw"]["length"] for packet in values)


class QlogContent(QlogTest):
    def expect_agreement(self, events, stats):
        """The packets of the only connection beside the counters of the server."""
        sent, received = packets(events, "packet_sent"), packets(events, "packet_received")
        datagrams = {packet["datagram_id"] for packet in sent}
        closes = {packet["datagram_id"] for packet in sent if is_close(packet)}
        self.assertEqual(len(datagrams - closes), stats["packets_sent"])  # its closes are not counted there
        self.assertEqual(sorted(datagrams), list(range(1, len(datagrams) + 1)))
        self.assertEqual(total(sent), stats["total_bytes_out"])
        dropped = packets(events, "packet_dropped")
        arrived = {packet["datagram_id"] for packet in received + dropped if "datagram_id" in packet}
        self.assertEqual(len(arrived), stats["packets_received"])
        self.assertLessEqual(total(received + dropped), stats["total_bytes_in"])
        self.assertGreater(total(received), stats["total_bytes_in"] * 0.9)
        acked = [frame for packet in received for frame in packet["frames"] if frame["frame_type"] == "ack"]
        self.assertTrue(acked)
        for packet in sent + received:
            self.assertGreaterEqual(packet["raw"]["length"], packet["raw"]["payload_length"] + 16)

    def expect_stages(self, events):
        states = [event["data"]["new"] for event in events if event["name"] == "connectivity:connection_state_updated"]
        self.assertEqual(states, ["attempted", "handshake_started", "handshake_complete", "handshake_confirmed",
                                  "draining"])
        owners = [event["data"].get("owner") for event in events if event["name"] == "transport:parameters_set"]
        self.assertEqual(owners, ["local", "remote", "local"])
        metrics = [event["data"] for event in events if event["name"] == "recovery:metrics_updated"]
        for name in ("smoothed_rtt", "congestion_window", "bytes_in_flight"):
            self.assertTrue(any(name in values for values in metrics), name)

    def test_agrees_with_the_counters_of_the_server(self):
        with self.server() as server:
            self.requests(server.port)
            _, stopped = server.drain()
        (events,) = self.read_all()
        self.expect_stages(events)
        self.expect_agreement(events, stopped["stats"])

    def test_agrees_with_the_counters_under_loss(self):
        with self.server("--qlog-file-bytes", str(1 << 28)) as server, LossyPath(server.port, 0.05) as path:
            self.requests(path.port, "--download", "2M")
            _, stopped = server.drain()
        (events,) = self.read_all()
        self.expect_agreement(events, stopped["stats"])
        self.assertEqual(stopped["stats"]["qlog_events_dropped"], 0)
        offsets = [frame["offset"] for packet in packets(events, "packet_sent") for frame in packet["frames"]
                   if frame["frame_type"] == "stream" and frame["length"] > 0]
        self.assertLess(len(set(offsets)), len(offsets), "lost stream data is sent again")

    def test_hq_downloads_are_logged(self):
        root = tempfile.mkdtemp(dir=self.folder)
        with open(f"{root}/file", "wb") as file:
            file.write(bytes(100_000))
        with self.server("--root", root, service="hq") as server:
            result = run("get", f"localhost:{server.port}", "/file", "--ca", self.ca, "--out", f"{root}/copy")
            self.assertEqual(result.returncode, 0, result.stderr)
            server.drain()
        (events,) = self.read_all()
        sent = sum(frame["length"] for packet in packets(events, "packet_sent") for frame in packet["frames"]
                   if frame["frame_type"] == "stream")
        self.assertGreaterEqual(sent, 100_000)
        alpn = [event["data"]["chosen_alpn"] for event in events if event["name"] == "transport:alpn_information"]
        self.assertEqual(alpn, ["hq-interop"])


class QlogLimits(QlogTest):
    def stats_of(self, *arguments, use, **options):
        with self.server(*arguments, **options) as server:
            use(server.port)
            _, stopped = server.drain()
            self.log = server.error_text()
            return stopped["stats"]

    def test_is_off_without_a_folder(self):
        with Server(self.folder, "--workers", "1", "--service", "perf") as server:
            self.requests(server.port)
            _, stopped = server.drain()
        self.assertEqual(stopped["stats"]["qlog"], 0)
        self.assertEqual(self.files(), [])

    def test_logs_the_next_connections_only(self):
        stats = self.stats_of("--qlog-connections", "5", use=lambda port: self.handshakes(port, 200))
        self.assertEqual((stats["qlog"], stats["qlog_files"], len(self.read_all())), (1, 5, 5))
        self.assertEqual(stats["qlog_bytes"], sum(os.path.getsize(path) for path in self.files()))
        self.assertIn("qlog_folder", self.log)

    def test_a_reload_logs_the_next_ones_again(self):
        with self.server("--qlog-connections", "1") as server:
            for _ in range(2):
                self.handshakes(server.port, 3)
                server.send(signal.SIGHUP)
                server.event("reloaded")
            self.handshakes(server.port, 3)
            server.drain()
        self.assertEqual(len(self.read_all()), 3)

    def test_logs_the_peers_of_the_prefix_only(self):
        for prefix, files in (("127.0.0.0/8", 1), ("10.0.0.0/8", 0)):
            stats = self.stats_of("--qlog-peers", prefix, use=self.requests)
            self.assertEqual(stats["qlog_files"], files, prefix)

    def test_a_file_at_its_size_limit_is_whole(self):
        self.stats_of("--qlog-file-bytes", "65536", use=lambda port: self.requests(port, "--download", "4M"))
        (events,) = self.read_all()
        self.assertLessEqual(os.path.getsize(self.files()[0]), 65536)
        self.assertGreater(os.path.getsize(self.files()[0]), 60000)
        self.assertEqual(events[-1]["name"], "loglevel:warning")
        self.assertIn("largest size", events[-1]["data"]["message"])

    def test_all_files_together_keep_their_size_limit(self):
        stats = self.stats_of("--qlog-total-bytes", "65536", "--qlog-file-bytes", "65536", "--qlog-connections", "100",
                              use=lambda port: self.handshakes(port, 100))
        self.read_all()
        size = sum(os.path.getsize(path) for path in self.files())
        self.assertLessEqual(size, 65536)
        self.assertEqual(stats["qlog_bytes"], size)
        self.assertGreater(len(self.files()), 1)

    def test_refuses_a_missing_folder_and_a_file(self):
        for folder, words in ((f"{self.logs}/nothing", "No such file"), (self.ca, "Not a directory")):
            result = run("serve", *self.credentials, "--port", "0", "--qlog-folder", folder)
            self.assert_fails(result, 2, "qlog_folder", words)

    def test_refuses_peers_that_are_no_prefix(self):
        result = run("serve", *self.credentials, "--qlog-folder", self.logs, "--qlog-peers", "10.0.0.0/33")
        self.assert_fails(result, 2, "qlog_peers", "10.0.0.0/33")
        self.assert_fails(run("serve", *self.credentials, "--qlog-peers", "10.0.0.0/8"), 2, "qlog_peers", "qlog_folder")

    def test_a_folder_that_has_gone_costs_no_connection(self):
        def use(port):
            os.rmdir(self.logs)
            self.handshakes(port, 20)

        stats = self.stats_of(use=use)
        self.assertEqual((stats["qlog_files"], stats["qlog_files_failed"]), (0, 10))
        self.assertEqual(stats["handshakes_completed"], 20)
        self.assertEqual(self.log.count("cannot be created"), 1)

    def test_a_full_disk_costs_no_connection(self):
        # The limit of the process's files stands for the disk: write() fails in the same way.
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
        try:
            server = self.server()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        with server:
            self.requests(server.port, "--download", "4M")
            _, stopped = server.drain()
            log = server.error_text()
        stats = stopped["stats"]
        self.assertEqual((stats["qlog_files"], stats["qlog_files_failed"]), (1, 1))
        self.assertGreater(stats["qlog_events_dropped"], 0)
        self.assertEqual(stats["requests_failed"], 0)
        self.assertEqual(log.count("cannot be written"), 1)
        self.assertLessEqual(os.path.getsize(self.files()[0]), 40_000)
        self.read_all()


class QlogSchema(unittest.TestCase):
    """The checks themselves refuse files that break a rule."""

    HEADER = {"qlog_version": "0.3", "qlog_format": "JSON-SEQ", "title": "t", "trace": {
        "vantage_point": {"type": "server"}, "common_fields": {
            "ODCID": "00ff", "group_id": "00ff", "time_format": "relative", "reference_time": 1,
            "protocol_type": ["QUIC"]}}}
    STARTED = {"time": 0.0, "name": "connectivity:connection_started", "data": {}}

    @staticmethod
    def sent(number=1, **data):
        return {"time": 1.0, "name": "transport:packet_sent", "data": {
            "header": {"packet_type": "1RTT", "packet_number": number}, **data}}

    def check(self, *events, header=None):
        return qlog_schema.check(b"".join(
            b"\x1e" + json.dumps(one).encode() + b"\n" for one in (header or self.HEADER, self.STARTED, *events)))

    def test_accepts_what_follows_the_rules(self):
        self.check(self.sent(frames=[{"frame_type": "ping"}, {"frame_type": "ack", "acked_ranges": [[1], [3, 4]]}]))

    def test_refuses_what_breaks_a_rule(self):
        self.assertRaises(ValueError, self.check, header={**self.HEADER, "qlog_version": "0.4"})
        for event in (
                self.sent(frames=[{"frame_type": "pong"}]), self.sent(frames=[{"frame_type": "max_data"}]),
                self.sent(frames=[{"frame_type": "ack", "acked_ranges": []}]), self.sent(extra=1),
                self.sent(number=-1), self.sent(number="1"), {"time": 1.0, "name": "transport:packet_sent", "data": {}},
                {"time": 1.0, "name": "transport:other", "data": {}},
                {"time": 1.0, "name": "connectivity:connection_state_updated", "data": {"new": "done"}}):
            self.assertRaises(ValueError, self.check, event)
        self.assertRaises(ValueError, self.check, self.sent(2), self.sent(2))
        self.assertRaises(ValueError, self.check, {**self.sent(), "time": 2.0}, self.sent(2))

    def test_refuses_records_that_are_cut(self):
        whole = b"\x1e" + json.dumps(self.HEADER).encode() + b"\n"
        qlog_schema.check(whole)
        for data in (whole[:-1], whole[1:], whole + whole[:20], whole + b"\x1e{}"):
            self.assertRaises(ValueError, qlog_schema.check, data)


if __name__ == "__main__":
    knul_process.main(__doc__)
