#!/usr/bin/env python3
"""The files of deploy/ with Debian's Prometheus. deploy_test.py --knul PATH [unittest arguments]

KNUL_PROMETHEUS and KNUL_PROMTOOL are the paths of its programs, PYTHONPATH has the folder of knul_process.py.
"""
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import knul_process
from knul_process import KnulTest, Server, run

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "knul.rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "knul.rules_test.yml"
DASHBOARD = DEPLOY / "grafana" / "knul.json"
# The target in deploy/prometheus/prometheus.yml, which the test replaces by that of its server.
TARGET = "127.0.0.1:9464"
REQUESTS = 1_000
# Longer than two scrapes of the configuration in deploy/ on a machine that is slow and busy.
LIMIT_SECONDS = 120

# Queries of the dashboard that have no sample in this test, with the reason.
WITHOUT_SAMPLE = {
    "resets(knul_uptime_seconds": "has a sample only after a restart of the server",
}


def promtool(*arguments, text=None):
    """Output and exit code."""
    done = subprocess.run([os.environ["KNUL_PROMTOOL"], *map(str, arguments)], input=text, capture_output=True,
                          text=True, timeout=LIMIT_SECONDS)
    return done.stdout + done.stderr, done.returncode


def dashboard():
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def members(node, name):
    """Every value of `name` anywhere below `node`."""
    if isinstance(node, dict):
        if name in node:
            yield node[name]
        for value in node.values():
            yield from members(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from members(value, name)


def dashboard_queries():
    """With Grafana's variables replaced as Grafana does."""
    for query in members(dashboard(), "expr"):
        yield query.replace("$__rate_interval", "1m").replace("$instance", ".*")


def within_limit(condition, failure):
    """Waits for the condition."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(failure())
        time.sleep(0.05)


class Files(KnulTest):
    def assert_clean(self, *arguments):
        output, code = promtool(*arguments)
        self.assertEqual(code, 0, output)

    def test_promtool_accepts_the_configuration_and_the_rules(self):
        self.assert_clean("check", "config", DEPLOY / "prometheus" / "prometheus.yml")
        self.assert_clean("check", "rules", RULES)

    def test_the_tests_of_the_rules_pass(self):
        self.assert_clean("test", "rules", RULE_TESTS)

    def test_every_alert_has_a_test_in_which_it_fires(self):
        alerts = re.findall(r"^ +- alert: (\w+)$", RULES.read_text(encoding="utf-8"), re.MULTILINE)
        tested = set(re.findall(r'alertname="(\w+)"', RULE_TESTS.read_text(encoding="utf-8")))
        self.assertGreater(len(alerts), 20)
        self.assertEqual(set(alerts), tested)

    def test_every_panel_has_a_place_of_its_own_a_title_and_a_description(self):
        places = collections.Counter()
        panels = dashboard()["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        for panel in panels:
            self.assertTrue(panel["title"])
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            places.update((x, y) for x in range(place["x"], place["x"] + place["w"])
                          for y in range(place["y"], place["y"] + place["h"]))
            if panel["type"] != "row":
                self.assertTrue(panel["description"], panel["title"])
                self.assertTrue(panel["targets"], panel["title"])
        self.assertEqual([place for place, panels in places.items() if panels > 1], [])

    def test_the_dashboard_asks_only_the_data_source_of_its_variable(self):
        sources = list(members(dashboard(), "datasource"))
        self.assertGreater(len(sources), 20)
        for source in sources:
            self.assertEqual(source, {"type": "prometheus", "uid": "${datasource}"})


class Prometheus:
    """Prometheus with the configuration of deploy/ for another target, on a free port."""

    def __init__(self, folder, target):
        self.folder = pathlib.Path(folder)
        shutil.copytree(DEPLOY / "prometheus", self.folder / "configuration")
        configuration = self.folder / "configuration" / "prometheus.yml"
        text = configuration.read_text(encoding="utf-8")
        if text.count(TARGET) != 1:
            raise AssertionError(f"{configuration} has no target {TARGET}")
        configuration.write_text(text.replace(TARGET, target), encoding="utf-8")
        self.child = subprocess.Popen(
            [os.environ["KNUL_PROMETHEUS"], f"--config.file={configuration}",
             f"--storage.tsdb.path={self.folder}/data", "--web.listen-address=127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.log = []
        self.address = None
        self.is_listening = threading.Event()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        if not self.is_listening.wait(LIMIT_SECONDS) or self.address is None:
            self.end()
            raise AssertionError("Prometheus does not listen:\n" + "".join(self.log))
        within_limit(self.is_ready, lambda: "Prometheus is not ready:\n" + "".join(self.log))

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=LIMIT_SECONDS):
                return True
        except urllib.error.HTTPError:
            return False

    def _read(self):
        for line in self.child.stderr:
            self.log.append(line)
            if found := re.search(r'"?Listening on"? address=(\S+)', line):
                self.address = found[1]
                self.is_listening.set()
        self.is_listening.set()

    def end(self):
        self.child.kill()
        self.child.wait()
        self.reader.join()
        self.child.stderr.close()

    def ask(self, path, **parameters):
        """The data of an answer of the HTTP interface. An error has Prometheus' text."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=LIMIT_SECONDS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def query(self, query):
        return self.ask("query", query=query)["result"]

    def value(self, query):
        """Of the only sample; None without one."""
        samples = self.query(query)
        return float(samples[0]["value"][1]) if len(samples) == 1 else None

    def wait_for(self, query, wanted):
        within_limit(lambda: self.value(query) == wanted,
                     lambda: f"{query} is {self.value(query)}, expected {wanted}\n" + "".join(self.log))


class Scrape(KnulTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place = tempfile.TemporaryDirectory(prefix="knul_deploy_")
        cls.addClassCleanup(cls.place.cleanup)
        cls.server = Server(cls.folder, "--service", "perf", "--admin", "127.0.0.1:0")
        cls.addClassCleanup(cls.server.__exit__)
        cls.admin = cls.server.listening["admin"]
        cls.prometheus = Prometheus(cls.place.name, cls.admin)
        cls.addClassCleanup(cls.prometheus.end)
        cls.prometheus.wait_for('up{job="knul"}', 1)
        # After the first scrape, so that the counters grow between two scrapes.
        done = run("perf", f"127.0.0.1:{cls.server.port}", "--ca", cls.ca, "--requests", str(REQUESTS))
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.prometheus.wait_for("knul_requests_completed_total", REQUESTS)
        before = cls.evaluations()
        within_limit(lambda: not before & cls.evaluations(), lambda: f"rules are not evaluated: {before}")

    @classmethod
    def rules(cls):
        return [rule for group in cls.prometheus.ask("rules")["groups"] for rule in group["rules"]]

    @classmethod
    def evaluations(cls):
        return {(rule["name"], rule["lastEvaluation"]) for rule in cls.rules()}

    def test_the_target_is_up_and_named(self):
        targets = self.prometheus.ask("targets")["activeTargets"]
        self.assertEqual([(target["health"], target["labels"]) for target in targets],
                         [("up", {"job": "knul", "instance": self.admin})])

    def test_counts_the_requests_that_were_made(self):
        for metric in ("knul_requests_started_total", "knul_requests_completed_total",
                       "knul_request_duration_seconds_count"):
            self.assertEqual(self.prometheus.value(metric), REQUESTS, metric)
        self.assertEqual(self.prometheus.value("knul_requests_failed_total"), 0)

    def test_promtool_has_nothing_to_say_about_the_metrics(self):
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=LIMIT_SECONDS) as answer:
            text = answer.read().decode()
        self.assertEqual(promtool("check", "metrics", text=text), ("", 0))
        self.assertIn("knul_requests_completed_total", text)

    def test_every_query_of_the_dashboard_has_samples(self):
        queries = list(dashboard_queries())
        self.assertGreater(len(queries), 50)
        for query in queries:
            samples = self.prometheus.query(query)
            is_expected = not any(query.startswith(beginning) for beginning in WITHOUT_SAMPLE)
            self.assertEqual(bool(samples), is_expected, query)
            self.assertNotIn("$", query)

    def test_the_dashboard_finds_the_server(self):
        variables = {variable["name"]: variable for variable in dashboard()["templating"]["list"]}
        selector = re.fullmatch(r"label_values\((.*), instance\)", variables["instance"]["query"]["query"])[1]
        self.assertEqual([found["metric"]["instance"] for found in self.prometheus.query(selector)], [self.admin])

    def test_every_rule_is_evaluated_and_every_selector_of_it_finds_series(self):
        self.assertGreater(len(self.rules()), 20)
        for rule in self.rules():
            self.assertEqual(rule["health"], "ok", rule)
            self.prometheus.query(rule["query"])
            # Metrics with labels in braces, and names of recording rules, which end with the time of their rate.
            selectors = re.findall(r"[a-z][\w:]*(?:\{[^}]*\}|(?<=rate5m)\b)", rule["query"])
            self.assertTrue(selectors, rule["query"])
            for selector in selectors:
                self.assertTrue(self.prometheus.query(selector), f"{rule['name']}: {selector}")

    def test_a_healthy_server_causes_no_alert(self):
        alerts = self.prometheus.ask("alerts")["alerts"]
        self.assertEqual([alert for alert in alerts if alert["state"] == "firing"], [])


def main():
    knul_process.main(__doc__)


if __name__ == "__main__":
    main()
