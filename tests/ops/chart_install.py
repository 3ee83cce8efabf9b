#!/usr/bin/env python3
"""Installs the chart on the API server of $KUBECONFIG, as an operator does, and looks at what is there.

    chart_install.py                 install, look, upgrade, look, roll back, uninstall, look; once cluster-wide,
                                     once with Roles in namespaces
    chart_install.py --install-only  install, and print as JSON what a program needs to run as that pod:
                                     {"server", "token", "args", "namespace", "service_account"}
    chart_install.py --uninstall     take that away again

No kubelet is needed: instead of running, the pod is given to admission, in a namespace that enforces PodSecurity
`restricted`. Exit code 0 if all is well.
"""

import argparse
import atexit
import base64
import copy
import json
import os
import pathlib
import ssl
import sys
import tempfile
import urllib.error
import urllib.request

import helm_python
import yaml

CHART = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "helm" / "regcred-exporter"
NAMESPACE, RELEASE = "regcred-chart-test", "regcred-exporter"
OTHERS = ("regcred-chart-shop", "regcred-chart-web")
READS = ("secrets", "pods", "serviceaccounts", "events")
FORBIDDEN = ("get", "create", "update", "patch", "delete", "deletecollection")
failed = 0


def claim(text, holds):
    global failed
    failed += not holds
    print("ok  " if holds else "FAIL", text, file=sys.stderr)


class Api:
    """As much of a client as this needs: JSON over the kubeconfig's server."""

    def __init__(self, path):
        config = yaml.safe_load(pathlib.Path(path).read_text())
        named = lambda kind, name: next(one[kind] for one in config[f"{kind}s"] if one["name"] == name)  # noqa: E731
        context = named("context", config["current-context"])
        cluster, user = named("cluster", context["cluster"]), named("user", context["user"])
        self.server, self.headers = cluster["server"], {}
        self.context = None
        if self.server.startswith("https://"):
            self.context = ssl.create_default_context(cafile=self.file(cluster, "certificate-authority"))
            if cluster.get("insecure-skip-tls-verify"):
                self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
            certificate = self.file(user, "client-certificate")
            if certificate:
                self.context.load_cert_chain(certificate, self.file(user, "client-key"))
        if "token" in user:
            self.headers["Authorization"] = f"Bearer {user['token']}"

    @staticmethod
    def file(part, key):
        if f"{key}-data" not in part:
            return part.get(key)
        with tempfile.NamedTemporaryFile(delete=False) as made:
            made.write(base64.b64decode(part[f"{key}-data"]))
        atexit.register(os.unlink, made.name)
        return made.name

    def call(self, method, path, body=None, **headers):
        """Status and JSON."""
        request = urllib.request.Request(f"{self.server}{path}", method=method)
        for name, value in {**self.headers, **headers, "Accept": "application/json"}.items():
            request.add_header(name.replace("_", "-"), value)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def exists(self, path):
        return self.call("GET", path)[0] == 200

    def make_namespace(self, name, **labels):
        body = {"metadata": {"name": name, "labels": labels}}
        return self.call("POST", "/api/v1/namespaces", body)[0] in (201, 409)

    def may(self, account, verb, resource, namespace="", name="", group=""):
        asked = {"verb": verb, "resource": resource, "namespace": namespace, "name": name, "group": group}
        body = {"spec": {"user": account, "groups": ["system:serviceaccounts"], "resourceAttributes": asked}}
        return self.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)[1]["status"]["allowed"]


def deployment_path(name=RELEASE):
    return f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}"


def live(api):
    return api.call("GET", deployment_path())[1]["spec"]


def admitted(api, spec, **changes):
    """What admission says to the pod that the Deployment would make."""
    template = copy.deepcopy(spec["template"])
    template["metadata"]["name"] = "would-run"
    template["spec"].update(changes)
    body = {"apiVersion": "v1", "kind": "Pod", **template}
    return api.call("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", body)


def install(config, values, **more):
    return config.install(CHART, RELEASE, values, namespace=NAMESPACE, **more)


def prepare(api):
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    claim("a namespace that enforces `restricted`", api.make_namespace(NAMESPACE, **restricted))


def account():
    return f"system:serviceaccount:{NAMESPACE}:{RELEASE}"


def cluster_wide(api, config):
    try:
        install(config, {"probe": {"intervall": "1m"}})
        claim("a typing error in the values is refused", False)
    except helm_python.HelmError as error:
        claim("a typing error in the values is refused", "intervall" in str(error))

    release = install(config, {"networkPolicy": {"enabled": True}, "dashboard": {"enabled": True}})
    claim("installed", release["status"] == "deployed")
    spec = live(api)
    claim("one replica, recreated", (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate"))
    status, pod = admitted(api, spec)
    claim(f"its pod passes PodSecurity restricted: {status} {pod.get('message', '')}", status == 201)
    mounts = [volume for volume in pod.get("spec", {}).get("volumes", []) if "projected" in volume]
    claim("its pod gets a token", len(mounts) == 1)
    status, _ = admitted(api, spec, securityContext={"runAsUser": 0})
    claim("admission would have refused another", status == 403)
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{RELEASE}-dashboard"
    claim("the dashboard is there", "pull-credentials.json" in api.call("GET", path)[1].get("data", {}))

    for resource in (*READS, "namespaces"):
        allowed = [verb for verb in ("list", "watch") if api.may(account(), verb, resource)]
        claim(f"may list and watch {resource}", allowed == ["list", "watch"])
        allowed = [verb for verb in FORBIDDEN if api.may(account(), verb, resource)]
        claim(f"may do nothing else to {resource}: {allowed}", not allowed)
    for resource in ("configmaps", "nodes", "pods/exec", "pods/log", "serviceaccounts/token"):
        allowed = [verb for verb in ("list", "watch", *FORBIDDEN) if api.may(account(), verb, resource)]
        claim(f"has nothing to do with {resource}: {allowed}", not allowed)

    arguments = live(api)["template"]["spec"]["containers"][0]["args"]
    (lease,) = [argument.removeprefix(f"--lease={NAMESPACE}/") for argument in arguments if argument.startswith("--lease=")]
    for name, verbs in ((lease, ["get", "update", "create"]), ("other", ["create"])):
        allowed = [verb for verb in ("get", "update", "create", "delete", "list") if api.may(account(), verb, "leases", NAMESPACE, name, "coordination.k8s.io")]
        claim(f"of Leases called {name} it may {allowed}", allowed == verbs)

    release = config.upgrade(CHART, RELEASE, {"probe": {"interval": "30m"}, "namespaces": ["default"]}, namespace=NAMESPACE)
    arguments = live(api)["template"]["spec"]["containers"][0]["args"]
    claim("upgraded", "--probe.interval=30m" in arguments and "--namespaces=default" in arguments)
    claim("what was switched off is gone", not api.exists(path))
    config.rollback(RELEASE)
    arguments = live(api)["template"]["spec"]["containers"][0]["args"]
    claim("rolled back", "--probe.interval=15m" in arguments and api.exists(path))
    config.uninstall(RELEASE)
    claim("uninstalled", not api.exists(deployment_path()))
    claim("its roles are gone", not api.may(account(), "list", "secrets"))


def namespaced(api, config):
    for name in OTHERS:
        claim(f"namespace {name}", api.make_namespace(name))
    install(config, {"rbac": {"namespaced": True}, "namespaces": list(OTHERS)})
    for resource in READS:
        claim(f"may list {resource} there", all(api.may(account(), "list", resource, name) for name in OTHERS))
        claim(f"may list {resource} nowhere else", not any(api.may(account(), "list", resource, name) for name in ("", "default", NAMESPACE)))
    selected = f"/api/v1/namespaces?fieldSelector=metadata.name%3D{OTHERS[0]}"
    claim("sees the Namespace objects it must", api.call("GET", selected, Impersonate_User=account())[0] == 200)
    claim("and no others", api.call("GET", "/api/v1/namespaces", Impersonate_User=account())[0] == 403)
    config.uninstall(RELEASE)
    claim("uninstalled", not api.may(account(), "list", "secrets", OTHERS[0]))


def install_only(api, config):
    install(config, {})
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{RELEASE}/token"
    token = api.call("POST", path, {"spec": {"expirationSeconds": 3600}})[1]["status"]["token"]
    container = live(api)["template"]["spec"]["containers"][0]
    json.dump({
        "server": api.server, "token": token, "args": container["args"],
        "namespace": NAMESPACE, "service_account": RELEASE,
    }, sys.stdout)  # fmt: skip
    print()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--install-only", action="store_true")
    arguments.add_argument("--uninstall", action="store_true")
    given = arguments.parse_args()
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig:
        print("KUBECONFIG says where to install", file=sys.stderr)
        return 64
    api = Api(kubeconfig)
    with helm_python.Config(kubeconfig_path=kubeconfig, namespace=NAMESPACE) as config:
        if given.uninstall:
            config.uninstall(RELEASE, ignore_not_found=True)
            return 0
        prepare(api)
        if given.install_only:
            install_only(api, config)
        else:
            cluster_wide(api, config)
            namespaced(api, config)
    print(f"{failed} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
