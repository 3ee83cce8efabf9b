#!/usr/bin/env python3
"""Holds dashboards/*.json to the rules of Grafana's dashboard-linter, and to a few of ours.

Left out on purpose: template-instance-rule and target-instance-rule. The exporter runs once per cluster; a variable
`instance` would only hide what its restarts leave behind.

Each rule is also tried on a spoilt copy of each dashboard; a rule that does not complain there fails.
"""

import copy
import json
import pathlib
import re
import sys

DASHBOARDS = pathlib.Path(__file__).resolve().parents[2] / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {
    "bytes", "dateTimeAsIso", "dateTimeFromNow", "ops", "percentunit", "reqps", "s", "short",
}  # fmt: skip
NO_DATA = {"row", "text"}
INSTANT = {"stat", "table"}
OURS = re.compile(r"(?<![\w:])((?:regcred|process)_\w+|ALERTS)(?![\w:])(\{[^}]*\})?")
COUNTER_FUNCTION = re.compile(r"\b(?:rate|increase|irate)\(\s*$")


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] not in NO_DATA]


def targets(dashboard):
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield panel, target


def variables(dashboard):
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def queries(dashboard):
    """Where, and PromQL: of panels and annotations."""
    for panel, target in targets(dashboard):
        yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation {annotation['name']}", annotation["expr"]


def dashboard_rule(dashboard):
    """uneditable-dashboard-rule, and what provisioning wants."""
    wanted = {"id": None, "editable": False}
    for key, value in wanted.items():
        if dashboard.get(key, "absent") != value:
            yield f"{key} must be {value}"
    if not re.fullmatch(r"[a-z0-9-]{8,40}", dashboard.get("uid") or ""):
        yield "uid must be fixed, lower case and at most 40 long"
    if dashboard.get("schemaVersion") not in (39, 40, 41):
        yield "schemaVersion must be 39 to 41"
    if not dashboard.get("title") or not dashboard.get("description") or not dashboard.get("tags"):
        yield "title, description and tags must be there"
    for key in ("__inputs", "__requires", "__elements"):
        if key in dashboard:
            yield f"{key} is not resolved when a dashboard is provisioned"


def template_datasource_rule(dashboard):
    found = [variable for variable in dashboard["templating"]["list"] if variable["type"] == "datasource"]
    if [variable["name"] for variable in found] != ["datasource"]:
        yield "there must be one data source variable, named `datasource`"
    for variable in found:
        if variable["query"] != "prometheus" or variable["label"] != "Data source":
            yield "its query must be `prometheus` and its label `Data source`"


def template_job_rule(dashboard):
    for name, all_value in (("cluster", ".*"), ("job", ".+")):
        variable = variables(dashboard).get(name)
        if not variable:
            yield f"no variable `{name}`"
        elif (variable["label"], variable["allValue"]) != (name.capitalize(), all_value):
            yield f"`{name}` needs the label {name.capitalize()} and the value {all_value} for all"


def template_query_rule(dashboard):
    """template-label-promql-rule, template-on-time-change-reload-rule."""
    for name, variable in variables(dashboard).items():
        if variable["type"] != "query":
            continue
        if variable["refresh"] != 2:
            yield f"`{name}` must be read again when the time range changes"
        if not (variable["multi"] and variable["includeAll"]):
            yield f"`{name}` must offer several values and all"
        if variable["datasource"] != DATASOURCE:
            yield f"`{name}` must use ${{datasource}}"
        if not re.fullmatch(r"label_values\([a-z_]+(\{.*\})?, [a-z_]+\)", variable["definition"]):
            yield f"`{name}` must be label_values(metric, label)"


def variable_use_rule(dashboard):
    """Every variable is used, and every one that is used is there."""
    known = set(variables(dashboard))
    text = " ".join(query for _, query in queries(dashboard))
    text += " ".join(variable.get("definition", "") for variable in variables(dashboard).values())
    used = {name for name in re.findall(r"\$\{?([a-z_]\w*)", text) if not name.startswith("__")}
    for name in sorted(used - known):
        yield f"`{name}` is used and not there"
    for name in sorted(known - used - {"datasource"}):
        yield f"`{name}` is there and not used"


def panel_title_description_rule(dashboard):
    seen = set()
    for panel in panels(dashboard):
        if not panel.get("title") or not panel.get("description"):
            yield f"panel {panel['id']} needs a title and a description"
        if panel.get("title") in seen:
            yield f"two panels are called {panel['title']}"
        seen.add(panel.get("title"))


def panel_units_rule(dashboard):
    for panel in panels(dashboard):
        config = panel["fieldConfig"]
        units = [config["defaults"].get("unit")]
        for override in config["overrides"]:
            units += [change["value"] for change in override["properties"] if change["id"] == "unit"]
        for unit in units:
            if unit not in UNITS:
                yield f"{panel['title']}: unit {unit}"


def panel_datasource_rule(dashboard):
    for panel in panels(dashboard):
        if panel["datasource"] != DATASOURCE:
            yield f"{panel['title']} must use ${{datasource}}"
    for panel, target in targets(dashboard):
        if target["datasource"] != DATASOURCE:
            yield f"{panel['title']} {target['refId']} must use ${{datasource}}"


def panel_no_targets_rule(dashboard):
    for panel in panels(dashboard):
        if not panel.get("targets"):
            yield f"{panel['title']} asks for nothing"
        refs = [target["refId"] for target in panel.get("targets", [])]
        if len(set(refs)) != len(refs):
            yield f"{panel['title']} has a refId twice"


def panel_thresholds_rule(dashboard):
    for panel in panels(dashboard):
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        if not steps or steps[0]["value"] is not None:
            yield f"{panel['title']} needs thresholds, the first from minus infinity"


def layout_rule(dashboard):
    taken = {}
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(ids)) != len(ids):
        yield "two panels have one id"
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        if at["x"] + at["w"] > 24:
            yield f"{panel['title']} is too far to the right"
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            if cell in taken:
                yield f"{panel['title']} lies on {taken[cell]}"
                break
            taken[cell] = panel["title"]


def target_kind_rule(dashboard):
    for panel, target in targets(dashboard):
        instant = panel["type"] in INSTANT
        if target.get("instant") is not instant or target.get("range") is not (not instant):
            yield f"{panel['title']} {target['refId']}: {'instant' if instant else 'range'} only"
        if panel["type"] == "table" and target.get("format") != "table":
            yield f"{panel['title']} {target['refId']}: format table"
        if panel["type"] == "timeseries" and not target.get("legendFormat"):
            yield f"{panel['title']} {target['refId']}: legend"


def target_job_rule(dashboard):
    """target-job-rule, for `cluster` as well."""
    for where, query in queries(dashboard):
        for metric, matchers in OURS.findall(query):
            for name in ("cluster", "job"):
                if f'{name}=~"${name}"' not in matchers:
                    yield f"{where}: {metric} without {name}"


def target_rate_interval_rule(dashboard):
    for where, query in queries(dashboard):
        for span in re.findall(r"\[([^\]]+)\]", query):
            if span != "$__rate_interval":
                yield f"{where}: [{span}] must be [$__rate_interval]"


def target_counter_rule(dashboard):
    """target-counter-agg-rule: counters only through rate, irate or increase, and nothing else through them."""
    for where, query in queries(dashboard):
        for found in OURS.finditer(query):
            counter = found[1].endswith(("_total", "_bucket", "_count", "_sum"))
            if counter != bool(COUNTER_FUNCTION.search(query[: found.start()])):
                yield f"{where}: {found[1]} {'without' if counter else 'within'} a rate"


def spoil_panel(**changes):
    return lambda dashboard: panels(dashboard)[0].update(changes)


def spoil_target(**changes):
    return lambda dashboard: next(targets(dashboard))[1].update(changes)


def spoil_query(old, new):
    def spoil(dashboard):
        target = next(target for _, target in targets(dashboard) if old in target["expr"])
        target["expr"] = target["expr"].replace(old, new)

    return spoil


def spoil_variable(of, /, **changes):
    return lambda dashboard: variables(dashboard)[of].update(changes)


# Each rule with ways to break it.
RULES = {
    dashboard_rule: [
        lambda dashboard: dashboard.update(editable=True),
        lambda dashboard: dashboard.update(id=7),
        lambda dashboard: dashboard.update(uid=None),
        lambda dashboard: dashboard.update(__inputs=[]),
        lambda dashboard: dashboard.update(schemaVersion=30),
    ],
    template_datasource_rule: [spoil_variable("datasource", name="DS"), spoil_variable("datasource", query="loki")],
    template_job_rule: [spoil_variable("job", allValue=None), spoil_variable("cluster", name="region")],
    template_query_rule: [
        spoil_variable("job", refresh=1),
        spoil_variable("job", multi=False),
        spoil_variable("registry", definition="query_result(regcred_registry_up)"),
    ],
    variable_use_rule: [
        spoil_query("$job", "$jobs"),
        lambda dashboard: dashboard["templating"]["list"].append({"name": "unused", "type": "custom"}),
    ],
    panel_title_description_rule: [spoil_panel(description=""), spoil_panel(title="")],
    panel_units_rule: [spoil_panel(fieldConfig={"defaults": {}, "overrides": []})],
    panel_datasource_rule: [spoil_panel(datasource=None), spoil_target(datasource={"uid": "fixed"})],
    panel_no_targets_rule: [spoil_panel(targets=[])],
    panel_thresholds_rule: [spoil_panel(fieldConfig={"defaults": {"unit": "short"}, "overrides": []})],
    layout_rule: [spoil_panel(gridPos={"x": 20, "y": 0, "w": 8, "h": 2}), spoil_panel(id=1)],
    target_kind_rule: [spoil_target(instant=False), spoil_target(range=True)],
    target_job_rule: [spoil_query('job=~"$job"', 'job="a"'), spoil_query('cluster=~"$cluster", ', "")],
    target_rate_interval_rule: [spoil_query("$__rate_interval", "5m")],
    target_counter_rule: [spoil_query("rate(", "sum("), spoil_query("count(regcred_credential_valid", "rate(regcred_credential_valid")],
}


def main():
    complaints, files = [], sorted(DASHBOARDS.glob("*.json"))
    for path in files:
        dashboard = json.loads(path.read_text())
        for rule, ways in RULES.items():
            complaints += [f"{path.name}: {rule.__name__}: {what}" for what in rule(dashboard)]
            for number, spoil in enumerate(ways, 1):
                spoilt = copy.deepcopy(dashboard)
                spoil(spoilt)
                if not list(rule(spoilt)):
                    complaints.append(f"{path.name}: {rule.__name__} did not see spoilt copy {number}")
    uids = [json.loads(path.read_text())["uid"] for path in files]
    if len(set(uids)) != len(uids):
        complaints.append("two dashboards have one uid")
    print(*complaints, f"{len(files)} dashboards, {len(RULES)} rules, {len(complaints)} complaints", sep="\n")
    return 1 if complaints or not files else 0


if __name__ == "__main__":
    sys.exit(main())
