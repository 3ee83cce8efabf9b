//! `check -f`: whether workloads that are not applied yet could pull, over sockets.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Output, Stdio};

use regcred_exporter::cli::{Cli, Command};
use regcred_exporter::config::Check;
use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::objects::{
    annotated, docker_config, namespace, pod, pull_secret, service_account,
};
use regcred_stand_ins::registry::{Behaviour, Registry, Step};
use serde_json::Value;
use tempfile::TempDir;

use super::{exporter, junit};

const PASSWORD: &str = "c4n4ry-pa55word";

/// A cluster with one namespace whose default ServiceAccount lists a Secret that works, and its
/// registry.
struct World {
    api: ApiServer,
    registry: Registry,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let api = ApiServer::start().await;
        let registry = Registry::start(
            Behaviour::basic()
                .user("good", PASSWORD)
                .user_for("narrow", PASSWORD, &["org/other"])
                .manifest("org/app", "1")
                .manifest("org/base", "1")
                .public("org/base"),
        )
        .await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), api.kubeconfig()).unwrap();
        let host = registry.host();
        let config = |user, password| docker_config(&[(host, user, password)]);
        api.apply_all([
            namespace("shop"),
            namespace("other"),
            service_account("shop", "default", &["pull"]),
            service_account("shop", "bare", &[]),
            service_account("other", "default", &[]),
        ]);
        api.apply(pull_secret("shop", "pull", &config("good", PASSWORD)));
        api.apply(pull_secret("shop", "old", &config("gone", "guess")));
        api.apply(pull_secret("other", "theirs", &config("good", PASSWORD)));
        Self {
            api,
            registry,
            folder,
        }
    }

    fn image(&self, repository: &str) -> String {
        format!("{}/{repository}:1", self.registry.host())
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn check(&self, flags: &[&str], stdin: &str) -> Output {
        let mut command = exporter::command();
        command
            .arg("check")
            .args(flags)
            .arg(format!(
                "--kubeconfig={}",
                self.folder.path().join("kubeconfig").display()
            ))
            .arg("--probe.allow=127.0.0.0/8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let stdin = stdin.to_owned();
        // The stand-ins answer on this runtime meanwhile.
        let running = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            child
                .stdin
                .take()
                .unwrap()
                .write_all(stdin.as_bytes())
                .unwrap();
            child.wait_with_output().unwrap()
        });
        let output = running.await.unwrap();
        let said = format!("{output:?}");
        assert!(!said.contains(PASSWORD), "{said}");
        output
    }

    async fn outlooks(&self, flags: &[&str], stdin: &str) -> Vec<(String, String)> {
        let output = self.check(&[flags, &["-o", "json"]].concat(), stdin).await;
        let found = objects(&output);
        let found = found.iter().map(|one| {
            let workload = &one["workload"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = format!("{} {}", text(&workload["kind"]), text(&workload["name"]));
            let outlook = match one["pulls"].as_bool() {
                Some(true) => "pulls".to_owned(),
                _ => text(&one["finding"]["cause"]),
            };
            (name, outlook)
        });
        found.collect()
    }
}

fn objects(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn workload(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {{template: {{spec: {spec}}}}}\n---\n"
    )
}

fn container(image: &str) -> String {
    format!("containers: [{{name: app, image: \"{image}\"}}]")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_workload_has_its_outlook() {
    let world = World::new().await;
    let app = container(&world.image("org/app"));
    let base = container(&world.image("org/base"));
    let host = world.registry.host();
    let near = docker_config(&[(&format!("{host}/elsewhere"), "good", PASSWORD)]);
    let of = |kind, name, secrets: &str, containers: &str| {
        workload(
            kind,
            name,
            &format!("{{imagePullSecrets: [{secrets}], {containers}}}"),
        )
    };
    let manifest = [
        workload("Deployment", "listed", &format!("{{{app}}}")),
        workload(
            "Deployment",
            "unlisted",
            &format!("{{serviceAccountName: bare, {app}}}"),
        ),
        of("StatefulSet", "absent", "{name: gone}", &app),
        of("DaemonSet", "elsewhere", "{name: theirs}", &app),
        of("Rollout", "refused", "{name: old}", &app),
        of("Deployment", "second", "{name: old}, {name: pull}", &app),
        of("Deployment", "brought", "{name: near}", &app),
        of("Deployment", "public", "{name: gone}", &base),
        of(
            "Deployment",
            "no-image",
            "{name: pull}",
            &container(&format!("{host}/Org/App")),
        ),
        of(
            "Deployment",
            "tag-gone",
            "{name: pull}",
            &container(&format!("{host}/org/app:2")),
        ),
        format!(
            "kind: CronJob\nmetadata: {{name: nightly, namespace: shop}}\n\
             spec: {{jobTemplate: {{spec: {{template: {{spec: {{{app}}}}}}}}}}}\n---\n"
        ),
        format!(
            "kind: Secret\ntype: kubernetes.io/dockerconfigjson\n\
             metadata: {{name: near, namespace: shop}}\n\
             stringData: {{.dockerconfigjson: '{near}'}}\n---\n\
             kind: ConfigMap\nmetadata: {{name: none, namespace: shop}}\n"
        ),
    ]
    .concat();
    let path = world.write("all.yaml", &manifest);
    let found = world.outlooks(&["-A", "-f", &path], "").await;
    let expected = [
        ("Deployment listed", "pulls"),
        ("Deployment unlisted", "service_account_not_configured"),
        ("StatefulSet absent", "secret_not_referenced"),
        ("DaemonSet elsewhere", "secret_not_referenced"),
        ("Rollout refused", "invalid_credentials"),
        ("Deployment second", "pulls"),
        ("Deployment brought", "secret_not_referenced"),
        ("Deployment public", "pulls"),
        ("Deployment no-image", "invalid_image_name"),
        ("Deployment tag-gone", "image_not_found"),
        ("CronJob nightly", "pulls"),
    ];
    let expected = expected.map(|(name, outlook)| (name.to_owned(), outlook.to_owned()));
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_namespace_without_a_secret_what_is_elsewhere_and_what_is_brought_decide() {
    let world = World::new().await;
    let app = container(&world.image("org/app"));
    let manifest = |secrets: &str| {
        format!(
            "kind: Deployment\nmetadata: {{name: web}}\n\
             spec: {{template: {{spec: {{imagePullSecrets: [{secrets}], {app}}}}}}}\n"
        )
    };
    let host = world.registry.host();
    let near = docker_config(&[(&format!("{host}/elsewhere"), "good", PASSWORD)]);
    let good = docker_config(&[(host, "good", PASSWORD)]);
    let brought = |config: &str| {
        format!(
            "---\nkind: Secret\ntype: kubernetes.io/dockerconfigjson\nmetadata: {{name: mine}}\n\
             stringData: {{.dockerconfigjson: '{config}'}}\n"
        )
    };
    let new = "---\nkind: Namespace\nmetadata: {name: new}\n";
    let flags = ["-n", "new", "-f", "-"];
    let everywhere = ["-A", "-f", "-"];
    let rows = [
        (&flags[..], manifest("{name: pull}"), "missing_pull_secret"),
        (
            &flags,
            manifest("{name: mine}") + &brought(&near) + new,
            "registry_mismatch",
        ),
        (
            &flags,
            manifest("{name: mine}") + &brought(&good) + new,
            "pulls",
        ),
        (
            &flags,
            manifest("{name: mine}") + &brought("{}}") + new,
            "malformed_secret",
        ),
        (
            &everywhere,
            manifest("{name: pull}").replace("{name: web}", "{name: web, namespace: new}"),
            "secret_in_other_namespace",
        ),
    ];
    for (flags, manifest, expected) in rows {
        let found = world.outlooks(flags, &manifest).await;
        let expected = [("Deployment web".to_owned(), expected.to_owned())];
        assert_eq!(found, expected, "{manifest}");
    }
    let output = world.check(&flags, &manifest("{name: pull}")).await;
    let text = String::from_utf8(output.stdout).unwrap();
    for piece in [
        "There is no namespace new: it must be made first.",
        "Its Pods would name the pull secret pull.",
        "There is no Secret pull in this namespace.",
        "create secret generic pull",
    ] {
        assert!(text.contains(piece), "{piece:?} in\n{text}");
    }
    for piece in ["rollout", "get pod", "next try"] {
        assert!(!text.contains(piece), "nothing of it runs: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_but_what_is_planned_and_every_form_says_the_same() {
    let world = World::new().await;
    let running = pod("shop", "web-1", &world.image("org/running"), &["old"]);
    world.api.apply(running.running());
    let manifest = workload(
        "Deployment",
        "web",
        &format!("{{{}}}", container(&world.image("org/app"))),
    ) + &workload(
        "Deployment",
        "job",
        &format!(
            "{{imagePullSecrets: [{{name: old}}], {}}}",
            container(&world.image("org/app"))
        ),
    );
    let path = world.write("two.yaml", &manifest);
    let output = world.check(&["-f", &path], "").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<_> = text.lines().take(3).collect();
    assert!(rows[0].starts_with("WORKLOAD"), "{text}");
    assert!(
        rows[1].starts_with("Deployment shop/web") && rows[1].ends_with("pulls"),
        "{text}"
    );
    assert!(rows[2].ends_with("invalid_credentials"), "{text}");
    let asked = world.registry.requests();
    let manifests: BTreeSet<_> = asked
        .iter()
        .filter(|one| one.step == Step::Manifest)
        .map(|one| &*one.path)
        .collect();
    assert_eq!(manifests, ["/v2/org/app/manifests/1"].into());

    let output = world.check(&["-f", &path, "-o", "junit"], "").await;
    let xml = String::from_utf8(output.stdout).unwrap();
    let cases = junit::read(&xml);
    assert_eq!(junit::count(&cases, "failure"), 1, "{xml}");
    assert_eq!(cases.len(), 2, "{xml}");

    let output = world.check(&["-f", &path, "--offline"], "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let flags = ["-f", &path, "--fail-on", "missing"];
    assert_eq!(world.check(&flags, "").await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_nothing_of_it_is_shown() {
    let world = World::new().await;
    let host = world.registry.host();
    let good = workload(
        "Deployment",
        "web",
        &format!("{{{}}}", container(&world.image("org/app"))),
    );
    let folder = world.folder.path().join("manifests");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(folder.join(name), content).unwrap();
    write("a-good.yaml", good.as_bytes());
    write(
        "b-broken.yml",
        format!("kind: [{PASSWORD}\nstringData: }}").as_bytes(),
    );
    write("c-binary.yaml", &[0xff, 0xfe, 0x00, 0xd8]);
    write(
        "d-odd.json",
        br#"{"kind":"Pod","metadata":{"name":"odd"},"spec":{"containers":[{"name":1}]}}"#,
    );
    write("e-nothing.yaml", b"just text\n");
    write("f-elsewhere.yaml", good.replace("shop", "other").as_bytes());
    write(
        "g-bomb.yaml",
        b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n",
    );
    write("h-ignored.txt", b"kind: [");
    let folder = folder.to_str().unwrap();
    let output = world
        .check(
            &[
                "-n",
                "shop",
                "-f",
                folder,
                "-f",
                "/no/such/file",
                "-o",
                "json",
            ],
            "",
        )
        .await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = stderr(&output);
    let lines: Vec<_> = told.lines().collect();
    let expected = [
        ("b-broken.yml", "it is no YAML at line"),
        ("c-binary.yaml", "it is no UTF-8"),
        ("d-odd.json: Pod odd", "its field .spec.containers[0].name"),
        ("e-nothing.yaml", "it is no object"),
        ("f-elsewhere.yaml: Deployment web", "its namespace is other"),
        ("g-bomb.yaml", "it is no YAML"),
        ("/no/such/file", "No such file"),
    ];
    assert_eq!(lines.len(), expected.len(), "{told}");
    for (line, (what, why)) in lines.iter().zip(expected) {
        assert!(line.contains(what) && line.contains(why), "{line}");
    }
    assert_eq!(
        objects(&output).len(),
        1,
        "the good one is told all the same"
    );
    assert!(!told.contains(host));

    let output = world
        .check(&["-f", "-"], "kind: ConfigMap\nmetadata: {name: c}")
        .await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("there is no workload in -"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_manifest_does_not_name_stays_as_it_is() {
    let world = World::new().await;
    let manifest = format!(
        "kind: ServiceAccount\nmetadata: {{name: default, namespace: shop}}\n---\n\
         kind: Namespace\nmetadata: {{name: shop}}\n---\n\
         kind: Secret\ntype: Opaque\nmetadata: {{name: plain, namespace: shop}}\n---\n{}{}",
        workload(
            "Deployment",
            "web",
            &format!("{{{}}}", container(&world.image("org/app")))
        ),
        workload(
            "Deployment",
            "plain",
            &format!(
                "{{imagePullSecrets: [{{name: plain}}], serviceAccountName: bare, {}}}",
                container(&world.image("org/app"))
            )
        ),
    );
    let path = world.write("account.yaml", &manifest);
    let flags = ["-f", &path];
    let found = world.outlooks(&flags, "").await;
    let outlooks: Vec<_> = found.iter().map(|(_, outlook)| &**outlook).collect();
    assert_eq!(
        outlooks,
        ["pulls", "secret_not_referenced"],
        "its list is kept"
    );
    let logins = world.registry.logins("good");
    assert!(logins > 0);
    let ignoring = annotated(namespace("shop"), "regcred-exporter.io/ignore", "true");
    world.api.apply(ignoring);
    let output = world.check(&flags, "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("left alone").count(), 2, "{text}");
    assert_eq!(world.registry.logins("good"), logins, "nothing is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_a_node_would_do_is_told() {
    let world = World::new().await;
    let (app, base) = (world.image("org/app"), world.image("org/base"));
    let list = serde_json::json!({
        "kind": "List",
        "items": [{
            "kind": "Deployment",
            "metadata": {"generateName": "web-", "namespace": "shop"},
            "spec": {"template": {"spec": {
                "serviceAccountName": "nobody",
                "imagePullSecrets": [{"name": "pull"}],
                "volumes": [{"name": "model", "image": {"reference": app}}],
                "initContainers": [{"name": "init", "image": base, "imagePullPolicy": "Never"}],
                "containers": [{"name": "app", "image": app}],
            }}},
        }],
    });
    let flags = ["-f", "-"];
    let output = world.check(&flags, &list.to_string()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .take(3)
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        words[0],
        ["Deployment shop/web-", "model", &app, "pulls"],
        "{text}"
    );
    assert_eq!(
        words[1],
        ["Deployment shop/web-", "init", &base, "never pulled"]
    );
    assert_eq!(words[2], ["Deployment shop/web-", "app", &app, "pulls"]);
    assert!(
        text.contains("There is no ServiceAccount shop/nobody"),
        "{text}"
    );
}

#[test]
fn usage_is_told() {
    let complaints = |flags: &[&str]| {
        let words = ["regcred-exporter", "check"].into_iter();
        let read = Cli::read(words.chain(flags.iter().copied()));
        let Ok(Command::Check(args)) = read.map(Cli::into_command) else {
            panic!("check is a command");
        };
        let complaints = Check::try_from_args(&args).err().unwrap_or_default();
        complaints
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(complaints(&["-f", "-"]), Vec::<String>::new());
    let rows: [(&[&str], &str); 3] = [
        (&["-f", "a", "--image", "b"], "--filename: excludes --image"),
        (
            &["-f", "a", "--docker-config", "b"],
            "--filename: there is no cluster where --docker-config is given",
        ),
        (
            &["-f", "a", "--fail-on", "expires=1d"],
            "--fail-on: `expires` is about credentials, and --filename about workloads",
        ),
    ];
    for (flags, expected) in rows {
        assert_eq!(complaints(flags), [expected], "{flags:?}");
    }
}
