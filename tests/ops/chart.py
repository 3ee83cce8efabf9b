#!/usr/bin/env python3
"""Holds deploy/helm/regcred-exporter to what it promises, without a cluster.

    chart.py [--flags-file FILE]   FILE: the program's --help, or a list of its flags
    chart.py --write-readme        writes the chart's README from values.yaml

Lints it; renders it with its defaults and with every ci/*-values.yaml; checks the objects against the schemas of
Kubernetes, against PodSecurity `restricted` and for read-only roles; gives the values schema what it must refuse.
"""

import argparse
import io
import json
import pathlib
import re
import sys

import helm_python
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "regcred-exporter"
VALUES = pathlib.Path(__file__).resolve().parent / "chart-values"
# The oldest that Chart.yaml allows, one between, the newest that has schemas.
KUBERNETES = ("1.25.0", "1.31.0", "1.37.0")
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
COPIES = {
    "files/regcred.rules.yaml": ROOT / "alerts" / "regcred.rules.yaml",
    "files/pull-credentials.json": ROOT / "dashboards" / "pull-credentials.json",
}
WRITES_EVENTS = {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]}
READABLE = {"secrets", "pods", "serviceaccounts", "events", "namespaces"}
complaints = []
checked = 0


def claim(text, holds):
    global checked
    checked += 1
    if not holds:
        complaints.append(text)
        print(f"FAIL  {text}")


def load(path):
    return yaml.safe_load(path.read_text()) or {}


def render(values):
    """The objects, by kind, namespace and name; and the notes."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        texts = chart.render(values, name="test", namespace="monitoring")
    notes = next((text for name, text in texts.items() if name.endswith("NOTES.txt")), "")
    objects = {}
    for name, text in texts.items():
        if name.endswith((".tpl", "NOTES.txt")):
            continue
        for one in yaml.safe_load_all(io.StringIO(text)):
            if one:
                meta = one["metadata"]
                key = one["kind"], meta.get("namespace", ""), meta["name"]
                claim(f"{key} is there once", key not in objects)
                objects[key] = one
    return objects, notes


def kinds(objects, *wanted):
    return [one for (kind, _, _), one in objects.items() if kind in wanted]


def check_schemas(case, objects, kubernetes):
    for key, one in objects.items():
        if key[0] in CUSTOM:
            continue
        problem = None
        try:
            kubernetes_validate.validate(one, kubernetes, strict=True)
        except kubernetes_validate.ValidationError as error:
            problem = error
        claim(f"{case}: {key} on {kubernetes}: {problem}", problem is None)


def check_names(case, objects):
    for (kind, namespace, name), one in objects.items():
        cluster_wide = kind in ("ClusterRole", "ClusterRoleBinding")
        claim(f"{case}: {kind} {name} says its namespace", bool(namespace) != cluster_wide)
        labels = one["metadata"]["labels"]
        claim(f"{case}: {kind} {name} has the common labels", {
            "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version", "helm.sh/chart",
        } <= labels.keys())  # fmt: skip


def check_pod(case, objects, helps):
    (deployment,) = kinds(objects, "Deployment")
    spec = deployment["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    labels = spec["template"]["metadata"]["labels"]
    context = {**pod["securityContext"], **container["securityContext"]}
    claim(f"{case}: one replica, never two at once", (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate"))
    claim(f"{case}: the selector finds the pod", spec["selector"]["matchLabels"].items() <= labels.items())
    claim(f"{case}: the selector leaves the version out", not any("version" in key or "chart" in key for key in spec["selector"]["matchLabels"]))
    # PodSecurity `restricted`, field by field.
    claim(f"{case}: no host namespaces, no host paths", not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")) and all("hostPath" not in volume for volume in pod.get("volumes", [])))
    claim(f"{case}: only volumes that restricted allows", all(len(volume) == 2 and {"configMap", "secret"} & volume.keys() for volume in pod.get("volumes", [])))
    claim(f"{case}: not root", context.get("runAsNonRoot") is True and context.get("runAsUser", 1) != 0)
    claim(f"{case}: no new privileges", context.get("allowPrivilegeEscalation") is False and not context.get("privileged"))
    claim(f"{case}: no capabilities", context.get("capabilities") == {"drop": ["ALL"]})
    claim(f"{case}: seccomp", context.get("seccompProfile") == {"type": "RuntimeDefault"})
    claim(f"{case}: root file system cannot be written", context.get("readOnlyRootFilesystem") is True)
    claim(f"{case}: no host port", all("hostPort" not in port for port in container["ports"]))
    claim(f"{case}: every port says its protocol", all(port.get("protocol") for port in container["ports"]))
    claim(f"{case}: quantities are strings", all(isinstance(value, str) for part in container["resources"].values() for value in part.values()))
    claim(f"{case}: a memory limit", "memory" in container["resources"]["limits"])
    claim(f"{case}: the token is mounted here", pod["automountServiceAccountToken"] is True)
    claim(f"{case}: probes", (container["livenessProbe"]["httpGet"]["path"], container["readinessProbe"]["httpGet"]["path"]) == ("/livez", "/readyz"))
    claim(f"{case}: two arenas", {"name": "MALLOC_ARENA_MAX", "value": "2"} in container["env"])
    claim(f"{case}: every argument is a flag with a value, or a switch", container["args"][0] == "run" and all(re.match(r"--[a-z.-]+=.|--status.listen-address=$|--kubernetes-events$", argument) for argument in container["args"][1:]))
    for mount in container.get("volumeMounts", []):
        claim(f"{case}: {mount['name']} is a volume", mount["name"] in [volume["name"] for volume in pod["volumes"]])
    if helps is not None:
        for argument in container["args"][1:]:
            flag = argument.split("=")[0]
            claim(f"{case}: the program has {flag}", flag in helps)
    for service in kinds(objects, "Service"):
        claim(f"{case}: the Service finds the pod", service["spec"]["selector"].items() <= labels.items())
        claim(f"{case}: the Service says its protocol", all(port.get("protocol") for port in service["spec"]["ports"]))
    accounts = [account["metadata"]["name"] for account in kinds(objects, "ServiceAccount")]
    claim(f"{case}: the pod has the account", not accounts or pod["serviceAccountName"] in accounts)
    for account in kinds(objects, "ServiceAccount"):
        claim(f"{case}: no token for other pods", account["automountServiceAccountToken"] is False)
    for monitor in kinds(objects, "ServiceMonitor"):
        for service in kinds(objects, "Service"):
            claim(f"{case}: the ServiceMonitor finds the Service", monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items())
            claim(f"{case}: it asks a port of it", monitor["spec"]["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]])
    for policy in kinds(objects, "NetworkPolicy"):
        claim(f"{case}: the NetworkPolicy is about the pod", policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items())


def check_roles(case, objects):
    for role in kinds(objects, "Role", "ClusterRole"):
        if role["metadata"]["name"].endswith("-ledger"):
            claim(f"{case}: of Leases it reads and updates its own, and makes one", role["rules"] == ledger_rules(objects))
            continue
        events = [rule for rule in role["rules"] if rule == WRITES_EVENTS]
        wanted = "--kubernetes-events" in arguments(objects) and "pods" in role["rules"][0]["resources"]
        claim(f"{case}: {role['kind']} may write Events where that is wanted, and only then", len(events) == wanted)
        for rule in role["rules"]:
            if rule == WRITES_EVENTS:
                continue
            claim(f"{case}: {role['kind']} only lists and watches", sorted(rule["verbs"]) == ["list", "watch"])
            claim(f"{case}: {role['kind']} names no more than needed", set(rule["resources"]) <= READABLE and rule["apiGroups"] == [""])
    for binding in kinds(objects, "RoleBinding", "ClusterRoleBinding"):
        reference, meta = binding["roleRef"], binding["metadata"]
        claim(f"{case}: {meta['name']} binds a role of ours", (reference["kind"], meta.get("namespace", ""), reference["name"]) in objects)
        (deployment,) = kinds(objects, "Deployment")
        (subject,) = binding["subjects"]
        claim(f"{case}: {meta['name']} binds the pod's account", subject["name"] == deployment["spec"]["template"]["spec"]["serviceAccountName"] and subject["namespace"] == "monitoring")


def arguments(objects):
    (deployment,) = kinds(objects, "Deployment")
    return deployment["spec"]["template"]["spec"]["containers"][0]["args"]


def ledger_rules(objects):
    (lease,) = [argument.removeprefix("--lease=monitoring/") for argument in arguments(objects) if argument.startswith("--lease=")]
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    return [leases | {"resourceNames": [lease], "verbs": ["get", "update"]}, leases | {"verbs": ["create"]}]


def check_cases(helps):
    cases = {"defaults": {}}
    cases |= {path.stem: load(path) for path in sorted((CHART / "ci").glob("*-values.yaml"))}
    cases |= {path.stem: load(path) for path in sorted((VALUES / "valid").glob("*.yaml"))}
    rendered = {}
    for case, values in cases.items():
        objects, notes = render(values)
        rendered[case] = objects
        for kubernetes in KUBERNETES:
            check_schemas(case, objects, kubernetes)
        check_names(case, objects)
        check_pod(case, objects, helps)
        check_roles(case, objects)
        claim(f"{case}: notes", "port-forward" in notes)
    return rendered


def check_known_cases(rendered):
    """What the cases were made to show."""
    everything = rendered["all-values"]
    (rule,) = kinds(everything, "PrometheusRule")
    claim("the PrometheusRule holds the very alerts", rule["spec"] == load(COPIES["files/regcred.rules.yaml"]))
    (dashboard,) = kinds(everything, "ConfigMap")
    claim("the ConfigMap holds the very dashboard", json.loads(dashboard["data"]["pull-credentials.json"]) == json.loads(COPIES["files/pull-credentials.json"].read_text()))
    claim("Grafana's sidecar finds it", dashboard["metadata"]["labels"]["grafana_dashboard"] == "1")
    claim("the ServiceMonitor is where it was wanted", ("ServiceMonitor", "monitoring", "regcred") in everything)
    namespaced = rendered["namespaced-values"]
    claim("namespaced: no cluster-wide object", not kinds(namespaced, "ClusterRole", "ClusterRoleBinding"))
    roles = {(role["metadata"]["namespace"], role["metadata"]["name"].endswith("-ledger")) for role in kinds(namespaced, "Role")}
    claim("namespaced: a Role in each, and the ledger's with the release", roles == {("shop", False), ("web", False), ("api", False), ("monitoring", True)})
    without, _ = render({"ledger": {"lease": False}})
    claim("without a Lease: no Role for it", not kinds(without, "Role", "RoleBinding"))
    claim("without a Lease: no flag for it", not [argument for argument in arguments(without) if argument.startswith("--lease")])
    claim("namespaced: the flag", "--namespaces=shop,web,api" in arguments(namespaced))
    claim("defaults: nothing of an operator's", not kinds(rendered["defaults"], *CUSTOM, "ConfigMap", "NetworkPolicy"))
    context = kinds(rendered["openshift-values"], "Deployment")[0]["spec"]["template"]["spec"]["securityContext"]
    claim("openshift: the platform chooses the user", "runAsUser" not in context and "runAsGroup" not in context)
    claim("openshift: no account, no roles", not kinds(rendered["openshift-values"], "ServiceAccount", "ClusterRole", "Role"))


def check_refusals():
    with helm_python.Chart.load(CHART) as chart:
        for path in sorted((VALUES / "invalid").glob("*.yaml")):
            expected = path.read_text().splitlines()[0].removeprefix("# ")
            try:
                chart.validate_schema(load(path))
                claim(f"{path.name} is refused", False)
            except helm_python.HelmError as error:
                claim(f"{path.name} is refused with `{expected}`: {error}", expected in str(error))


def check_copies():
    for copy, original in COPIES.items():
        claim(f"{copy} is a copy of {original.relative_to(ROOT)}", (CHART / copy).read_bytes() == original.read_bytes())


def check_schema_is_whole():
    """Every value has a place in the schema and the other way round."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    def both(values, schema, path):
        properties = schema.get("properties")
        if properties is None:
            return
        claim(f"schema and values of {path or 'the top'} are one", values.keys() == properties.keys() - {"global", "claims"})
        claim(f"{path or 'the top'} refuses what it does not know", schema.get("additionalProperties") is False)
        for key, value in values.items():
            if isinstance(value, dict):
                both(value, properties.get(key, {}), f"{path}.{key}".lstrip("."))

    both(load(CHART / "values.yaml"), schema, "")


def described(text):
    """Rows (value, default, description) of values.yaml, from the `# --` comments."""
    rows, parents, description = [], [], None
    for line in text.splitlines():
        comment = re.match(r" *# -- (.+)", line)
        key = re.match(r"( *)([A-Za-z]+):", line)
        if comment:
            description = comment[1]
        elif key:
            depth = len(key[1]) // 2
            parents = [*parents[:depth], key[2]]
            if description:
                rows.append((".".join(parents), description))
                description = None
    return rows


def readme():
    values = load(CHART / "values.yaml")
    lines = []
    for name, description in described((CHART / "values.yaml").read_text()):
        default = values
        for part in name.split("."):
            default = default[part]
        shown = json.dumps(default)
        lines.append(f"| `{name}` | `{shown}` | {description} |".replace("`\"\"`", ""))
    text = (CHART / "README.md").read_text()
    start, end = "<!-- values -->\n", "<!-- end -->\n"
    head, rest = text.split(start)
    return f"{head}{start}| Value | Default | Meaning |\n|---|---|---|\n" + "\n".join(lines) + f"\n{end}{rest.split(end)[1]}"


def flags(path):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z.-]*[a-z]", pathlib.Path(path).read_text()))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--flags-file", help="text that names every flag of the program")
    arguments.add_argument("--write-readme", action="store_true", help="write README.md from values.yaml")
    given = arguments.parse_args()
    if given.write_readme:
        (CHART / "README.md").write_text(readme())
        return 0
    claim(f"lint: {lint()}", not lint())
    check_copies()
    check_schema_is_whole()
    check_refusals()
    check_known_cases(check_cases(given.flags_file and flags(given.flags_file)))
    claim("README.md is what values.yaml says; --write-readme writes it", readme() == (CHART / "README.md").read_text())
    print(f"{checked} claims, {len(complaints)} fail")
    return 1 if complaints else 0


def lint():
    """What lint complains about; that there is no icon is known."""
    report = helm_python.lint(CHART, strict=True)
    messages = [message["error"] for message in report["messages"]] + report["errors"]
    return [message for message in messages if "icon is recommended" not in message]


if __name__ == "__main__":
    sys.exit(main())
