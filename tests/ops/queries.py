#!/usr/bin/env python3
"""Every PromQL query that operators get from us: rules, dashboards, runbooks and documents.

    queries.py                   promtool parses each of them
    queries.py --url URL         a Prometheus answers each of them: none may fail, none may be empty
                                 but those that MAY_BE_EMPTY gives a reason for
    queries.py --list            prints them as JSON
    queries.py --fast-rules OUT  writes the rules with every `for` at zero, for tests that cannot wait

Variables of dashboards stand for everything. Exit code 0 if all is well.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "alerts" / "regcred.rules.yaml"
DASHBOARDS = ROOT / "dashboards"
DOCUMENTS = ROOT / "docs"

# Where a query comes from -> why it may find nothing where all is well.
MAY_BE_EMPTY = {
    "rule credential:regcred_credential_issued_timestamp_seconds:max": "no credential tells when it was issued",
    "rule credential:regcred_credential_expiry_timestamp_seconds:expired": "nothing has expired",
    "rule secret:regcred_credential_first_rejected_timestamp_seconds:min": "nothing is refused",
    "rule secret:regcred_probe_outcome:not_ok": "everything works",
    "pull-credentials: Credentials by expiry A": "no credential has a date",
    "pull-credentials: Credentials by expiry B": "no credential has a date",
    "pull-credentials: Credentials by expiry C": "no credential has a date",
    "pull-credentials: Credentials by expiry D": "no credential has a date",
    "pull-credentials: Verdict by Secret D": "nothing is refused",
    "pull-credentials: Verdict by Secret F": "everything is probed",
    "pull-credentials: Limited accounts B": "nothing is limited",
    "pull-credentials: Quotas by account F": "nothing is limited",
    "pull-credentials: Faults in Secrets A": "no Secret has a fault",
    "pull-credentials: Faults in Secrets B": "no Secret has a fault",
    "pull-credentials: Names that lead nowhere A": "every name leads somewhere",
    "pull-credentials: Watch restarts A": "no watch has ended by an error",
    "pull-credentials: Panics and dropped series B": "no cap is reached",
    "pull-credentials: annotation Alerts": "nothing fires",
    "pull-credentials: variable cluster": "the scrape configuration may set no label `cluster`",
}
# An alert that does not fire finds nothing; a document's query names one credential as an example.
MAY_ALL_BE_EMPTY = ("alert ", "docs/")

# What Grafana would put in.
VARIABLES = {
    "$__rate_interval": "1m",
    "$__interval": "1m",
    "$__range": "1h",
    "$cluster": ".*",
    "$job": ".+",
    "$secret_namespace": ".*",
    "$registry": ".*",
}


def replaced(query):
    """The query with every variable replaced; fails on one that nobody knows."""
    for name, value in sorted(VARIABLES.items(), key=lambda item: -len(item[0])):
        query = query.replace("${" + name[1:] + "}", value).replace(name, value)
    left = re.search(r"(?<!\\)\$\{?[A-Za-z_]+", query)
    if left:
        raise SystemExit(f"unknown variable {left[0]} in {query}")
    return query


def of_rules():
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                yield f"rule {rule['record']}", rule["expr"]
            else:
                view = "".join(f" {rule['labels'][label]}" for label in ("severity", "view") if label in rule["labels"])
                yield f"alert {rule['alert']}{view}", rule["expr"]


def of_dashboards():
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']} {target['refId']}", replaced(target["expr"])
        for annotation in dashboard["annotations"]["list"]:
            if "expr" in annotation:
                yield f"{path.stem}: annotation {annotation['name']}", replaced(annotation["expr"])
        for variable in dashboard["templating"]["list"]:
            values = re.fullmatch(r"label_values\((.+), (\w+)\)", variable.get("definition", ""))
            if values:
                # A query that finds what the variable lists.
                yield f"{path.stem}: variable {variable['name']}", f"count by ({values[2]}) ({replaced(values[1])})"


def of_documents():
    for path in sorted(DOCUMENTS.rglob("*.md")):
        blocks = re.findall(r"^```promql\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
        for number, block in enumerate(blocks, 1):
            yield f"{path.relative_to(ROOT)} {number}", block


def every_query():
    found = []
    for name, query in (*of_rules(), *of_dashboards(), *of_documents()):
        found.append({"name": name, "query": " ".join(query.split())})
    return found


def parse(queries):
    """promtool reads each as a rule of its own."""
    rules = [{"record": f"q:q{number}:q", "expr": one["query"]} for number, one in enumerate(queries)]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "queries.yaml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
        promtool = os.environ.get("REGCRED_PROMTOOL", "promtool")
        done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True)
    for line in (done.stdout + done.stderr).splitlines():
        number = re.search(r"q:q(\d+):q", line)
        if done.returncode and line.strip():
            print(f"{queries[int(number[1])]['name']}: {line.strip()}" if number else line)
    print(f"{len(queries)} queries, {'all parse' if done.returncode == 0 else 'some do not parse'}")
    return done.returncode


def answer(url, query):
    """Number of series, or the complaint."""
    form = urllib.parse.urlencode({"query": query}).encode()
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query", data=form, timeout=30) as response:
            result = json.load(response)["data"]
    except urllib.error.HTTPError as error:
        return json.load(error).get("error", str(error))
    if result["resultType"] != "vector":
        return 1
    labels = [key for one in result["result"] for key in one["metric"]]
    # `count by (label)` finds a series without the label too.
    if query.startswith("count by (") and len(result["result"]) == 1 and not labels:
        return 0
    return len(result["result"])


def may_be_empty(name):
    return name in MAY_BE_EMPTY or name.startswith(MAY_ALL_BE_EMPTY)


def run(url, queries, patience):
    """Asks until each has an answer: a rate needs two scrapes."""
    deadline = time.monotonic() + patience
    answers = {}
    while True:
        for one in queries:
            key = one["name"], one["query"]
            if not isinstance(answers.get(key), int) or answers[key] == 0:
                answers[key] = answer(url, one["query"])
        empty = [key for key, count in answers.items() if count == 0 and not may_be_empty(key[0])]
        failed = [key for key, count in answers.items() if not isinstance(count, int)]
        if failed or not empty or time.monotonic() > deadline:
            break
        time.sleep(1)
    for (name, query), count in answers.items():
        if not isinstance(count, int):
            print(f"FAILED  {name}: {count}\n        {query}")
        elif count or may_be_empty(name):
            print(f"{count or '-':>6}  {name}")
        else:
            print(f"EMPTY   {name}\n        {query}")
    bad = len(empty) + len(failed)
    print(f"{len(queries)} queries, {len(failed)} failed, {len(empty)} empty without a reason")
    return 1 if bad else 0


def fast_rules(path):
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            for wait in ("for", "keep_firing_for"):
                rule.pop(wait, None)
    pathlib.Path(path).write_text(yaml.safe_dump(rules, sort_keys=False))
    return 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--url", help="a Prometheus that has the rules loaded and scrapes the exporter")
    arguments.add_argument("--patience", type=float, default=60, help="seconds until everything must be there")
    arguments.add_argument("--list", action="store_true", help="print the queries as JSON")
    arguments.add_argument("--fast-rules", metavar="OUT", help="write the rules without waiting times")
    given = arguments.parse_args()
    if given.fast_rules:
        return fast_rules(given.fast_rules)
    queries = every_query()
    unknown = MAY_BE_EMPTY.keys() - {one["name"] for one in queries}
    if unknown:
        print(f"allowed to be empty, but there is no such query: {sorted(unknown)}")
        return 1
    if given.list:
        json.dump(queries, sys.stdout, indent=1)
        print()
        return 0
    return run(given.url.rstrip("/"), queries, given.patience) if given.url else parse(queries)


if __name__ == "__main__":
    sys.exit(main())
