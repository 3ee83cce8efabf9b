//! Manifests: workloads that are not applied yet, and what comes with them.
//!
//! Objects are read by the decoders of the cluster's own, so that a manifest means here what it will
//! mean there. A workload is whatever holds the template of a Pod, also where its kind is not one of
//! Kubernetes' own. What cannot be read is told by file and object, never by content: manifests hold
//! Secrets.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::intake::OUR_POD;
use crate::domain::cluster::{
    Change, ContainerSeen, ObjectName, OwnerSeen, PodSeen, Resource, Uid, Watch,
};
use crate::domain::docker_config::SecretKind;
use crate::kubernetes::decode::{self, Broken, Decoded, Place, Wanted};

/// The most that is read of a file: more than the charts of a whole platform render to.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The endings that kubectl reads of a directory (k8s.io/cli-runtime pkg/resource: `FileExtensions`).
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];

/// Where a Pod's template may stand: of a Deployment and its like, of a CronJob, of a PodTemplate.
const TEMPLATES: [&str; 3] = [
    "/spec/template",
    "/spec/jobTemplate/spec/template",
    "/template",
];

/// What a container waits for that was not pulled.
const NOT_PULLED: &str = "ErrImagePull";

/// What manifests hold.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    /// A Pod for each workload, named as the workload is.
    pub(super) planned: Vec<PodSeen>,
    /// Everything else of the manifests that matters to pulls.
    pub(super) brought: Vec<Change>,
    /// What could not be read, a line each.
    pub(super) unreadable: Vec<String>,
}

impl Manifests {
    /// Where there would be something to pull.
    pub(super) fn namespaces(&self) -> Vec<String> {
        let names = self.planned.iter().map(|pod| &pod.object.namespace);
        let distinct: BTreeSet<&String> = names.collect();
        distinct.into_iter().cloned().collect()
    }
}

/// Where objects go that name no namespace, and whether others may be named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Namespaces<'a> {
    /// The one of `--namespace`, or of the context.
    pub(super) default: &'a str,
    /// `--namespace` was given: kubectl applies nothing then that names another.
    pub(super) is_only: bool,
}

/// Reads each file, the manifests of each directory, and stdin for `-`.
pub(super) fn read(paths: &[PathBuf], namespaces: Namespaces<'_>, wanted: &Wanted) -> Manifests {
    let mut reader = Reader {
        namespaces,
        wanted,
        found: Manifests::default(),
    };
    for path in paths {
        match files(path) {
            Ok(files) => files.iter().for_each(|file| reader.file(file)),
            Err(why) => reader.cannot_read(&path.display(), &why),
        }
    }
    let mut found = reader.found;
    if found.planned.is_empty() && found.unreadable.is_empty() {
        let names: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let line = format!("there is no workload in {}", names.join(", "));
        found.unreadable.push(line);
    }
    found
}

/// Why a manifest, or an object of it, gave nothing. Whoever wrote it can mend it.
#[derive(Debug, Error)]
enum Why {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is larger than 16 MiB")]
    TooLarge,
    #[error("it is no UTF-8")]
    NoText,
    #[error("the directory has no `*.json`, `*.yaml` or `*.yml`")]
    NoFiles,
    /// Without what the parser says beside it, which quotes the text.
    #[error("it is no YAML{0}")]
    NoYaml(String),
    #[error("it is no object with kind and metadata.name")]
    NoObject,
    #[error("its namespace is {0}, not that of --namespace")]
    OtherNamespace(String),
    #[error("its field {0} has a value of another type than Kubernetes has")]
    OddField(String),
    #[error(transparent)]
    Broken(#[from] Broken),
}

struct Reader<'a> {
    namespaces: Namespaces<'a>,
    wanted: &'a Wanted,
    found: Manifests,
}

impl Reader<'_> {
    fn cannot_read(&mut self, what: &dyn Display, why: &Why) {
        let line = format!("failed to read `{what}`: {why}");
        self.found.unreadable.push(line);
    }

    fn file(&mut self, path: &Path) {
        match content(path).and_then(|text| documents(&text)) {
            Ok(documents) => {
                for document in documents {
                    self.object(path, document);
                }
            }
            Err(why) => self.cannot_read(&path.display(), &why),
        }
    }

    /// One object; a list is its items.
    fn object(&mut self, path: &Path, mut object: Value) {
        let kind = text(&object, "/kind").unwrap_or_default().to_owned();
        if kind.ends_with("List") && object.get("items").is_some_and(Value::is_array) {
            if let Some(Value::Array(items)) = object.get_mut("items").map(Value::take) {
                for item in items {
                    self.object(path, item);
                }
            }
            return;
        }
        let name =
            text(&object, "/metadata/name").or_else(|| text(&object, "/metadata/generateName"));
        let name = name.unwrap_or_default().to_owned();
        if let Err(why) = self.take(&kind, &name, object) {
            match (&*kind, &*name) {
                ("", _) | (_, "") => self.cannot_read(&path.display(), &why),
                _ => self.cannot_read(&format!("{}: {kind} {name}", path.display()), &why),
            }
        }
    }

    fn take(&mut self, kind: &str, name: &str, mut object: Value) -> Result<(), Why> {
        if kind.is_empty() || name.is_empty() {
            return Err(Why::NoObject);
        }
        if kind == "Namespace" {
            let read = decode::namespace(&bytes(&object), Place::Item, self.wanted)?;
            let namespace = sound(read)?;
            let watch = watch(Resource::Namespaces);
            let change = Change::NamespaceApplied(watch, namespace);
            self.found.brought.push(change);
            return Ok(());
        }
        let id = ObjectName {
            namespace: self.namespace_of(&object)?,
            name: name.to_owned(),
        };
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".to_owned(), Value::from(&*id.namespace));
        }
        match kind {
            "Secret" => self.secret(id, &mut object),
            "ServiceAccount" => {
                let read = decode::service_account(&bytes(&object), Place::Item, self.wanted)?;
                let change =
                    Change::ServiceAccountApplied(watch(Resource::ServiceAccounts), sound(read)?);
                self.found.brought.push(change);
                Ok(())
            }
            _ => self.workload(kind, id, &object),
        }
    }

    fn namespace_of(&self, object: &Value) -> Result<String, Why> {
        let Namespaces { default, is_only } = self.namespaces;
        match text(object, "/metadata/namespace").filter(|name| !name.is_empty()) {
            Some(own) if is_only && own != default => Err(Why::OtherNamespace(own.to_owned())),
            own => Ok(own.unwrap_or(default).to_owned()),
        }
    }

    fn secret(&mut self, id: ObjectName, object: &mut Value) -> Result<(), Why> {
        let kind = text(object, "/type").unwrap_or("Opaque").to_owned();
        let of_pulls = SecretKind::ALL
            .into_iter()
            .find(|known| known.type_name() == kind);
        let Some(kind) = of_pulls else {
            let change = Change::NameLookedUp(id, Some(kind));
            self.found.brought.push(change);
            return Ok(());
        };
        encode_string_data(object);
        let read = decode::secret(&bytes(object), Place::Item, kind, self.wanted)?;
        let resource = match kind {
            SecretKind::DockerConfigJson => Resource::DockerConfigJsonSecrets,
            SecretKind::DockerCfg => Resource::DockerCfgSecrets,
        };
        let seen = sound(read)?;
        let change = seen.map(|seen| Change::SecretApplied(watch(resource), seen));
        self.found.brought.extend(change);
        Ok(())
    }

    /// Whatever makes Pods; all else has no images.
    fn workload(&mut self, kind: &str, id: ObjectName, object: &Value) -> Result<(), Why> {
        let spec = match kind {
            "Pod" => object.get("spec"),
            _ => TEMPLATES.iter().find_map(|template| {
                let spec = object.pointer(template)?.get("spec")?;
                spec.get("containers")?.is_array().then_some(spec)
            }),
        };
        let Some(spec) = spec else {
            return Ok(());
        };
        let pod = json!({
            "metadata": {"namespace": id.namespace, "name": id.name},
            "spec": spec,
        });
        let read = decode::pod(&bytes(&pod), Place::Item)?;
        let mut pod = sound(read)?;
        pod.uid = Uid(OUR_POD.0 + self.found.planned.len() as u128);
        pod.owner = (kind != "Pod").then(|| OwnerSeen {
            kind: kind.to_owned(),
            name: id.name,
        });
        // An image volume is pulled as a container's image is, before any of them.
        let volumes = pod.image_volumes.drain(..).map(|volume| ContainerSeen {
            name: volume.name,
            image: volume.image,
            pull_policy: volume.pull_policy,
            ..ContainerSeen::default()
        });
        pod.containers.splice(..0, volumes);
        for container in &mut pod.containers {
            container.waiting_reason = Some(NOT_PULLED.to_owned());
        }
        self.found.planned.push(pod);
        Ok(())
    }
}

/// A directory is its manifests, and none of a directory below.
fn files(path: &Path) -> Result<Vec<PathBuf>, Why> {
    if path == Path::new("-") || !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            files.push(path);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(Why::NoFiles),
        false => Ok(files),
    }
}

fn content(path: &Path) -> Result<String, Why> {
    let mut content = Vec::new();
    let most = LARGEST + 1;
    match path == Path::new("-") {
        true => io::stdin().lock().take(most).read_to_end(&mut content)?,
        false => File::open(path)?.take(most).read_to_end(&mut content)?,
    };
    if content.len() as u64 > LARGEST {
        return Err(Why::TooLarge);
    }
    String::from_utf8(content).map_err(|_| Why::NoText)
}

/// JSON is YAML too. Documents that hold nothing are left out, as kubectl does.
fn documents(text: &str) -> Result<Vec<Value>, Why> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        let at = error.location();
        let at = at.map(|at| format!(" at line {}, column {}", at.line(), at.column()));
        Why::NoYaml(at.unwrap_or_default())
    })?;
    Ok(documents.into_iter().filter(|one| !one.is_null()).collect())
}

/// `stringData` over `data`, as the API server writes it.
fn encode_string_data(secret: &mut Value) {
    let Some(Value::Object(plain)) = secret.get_mut("stringData").map(Value::take) else {
        return;
    };
    let encoded = plain.into_iter().map(|(key, value)| {
        let value = match value {
            Value::String(text) => Value::from(STANDARD.encode(text)),
            other => other,
        };
        (key, value)
    });
    let encoded: Map<String, Value> = encoded.collect();
    match secret.get_mut("data").and_then(Value::as_object_mut) {
        Some(data) => data.extend(encoded),
        None => secret["data"] = Value::Object(encoded),
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// The cluster takes what it can of an odd object; who is about to apply one wants to know.
fn sound<T>(read: Decoded<T>) -> Result<T, Why> {
    match read.first_fault {
        Some(path) => Err(Why::OddField(path)),
        None => Ok(read.record),
    }
}

fn watch(resource: Resource) -> Watch {
    Watch {
        resource,
        namespace: None,
    }
}
