//! Claims and shapes: what pods need, each distinct need once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::holder::Candidate;
use super::mark::Mark;
use super::slots::{Slot, Slots};
use super::{Created, Named, PodSeen, PullPolicy, pulls};
use crate::domain::attempts::waits_for;
use crate::domain::image::Reference;
use crate::domain::name::Names;

/// What must hold for one image of one namespace.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) namespace: Arc<str>,
    /// Names of Secrets in the kubelet's order, repeats included: it tries them twice as well.
    pub(super) secrets: Arc<[Arc<str>]>,
    pub(super) image: Arc<Reference>,
    /// The entries that the kubelet tries, in its order.
    pub(super) candidates: Box<[Candidate]>,
    /// How the pods stand that need it.
    pub(super) standing: Standing,
    /// What its registry's use was told of it.
    pub(super) told: Told,
    shapes: u32,
}

/// How many pods stand how with one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// That need it.
    pub(super) pods: u32,
    /// Of which a container was started from it: the image came from its registry at some time.
    pub(super) started: u32,
    /// Of which a container waits since its pull failed.
    pub(super) failing: u32,
}

/// What a claim makes of its registry's use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Whether its repository is public is to be asked: it is, or would be, pulled without a
    /// credential, and its pods wait for that or were meant to have one.
    pub(super) is_question: bool,
    /// A container was started from its repository.
    pub(super) has_started: bool,
}

impl Claim {
    /// What is to be told of it now.
    pub(super) fn telling(&self) -> Told {
        let was_meant = self.standing.started > 0 && !self.secrets.is_empty();
        Told {
            is_question: self.candidates.is_empty() && (self.standing.failing > 0 || was_meant),
            has_started: self.standing.started > 0,
        }
    }
}

/// How one pod stands with the images of its shape, a bit each: few pods have more than 64, and no
/// status may make a pod dear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    started: u64,
    failing: u64,
}

impl Places {
    /// As its status says. A mirror pod says nothing: its node pulls with what it has itself.
    pub(super) fn of(pod: &PodSeen, images: &BTreeSet<Reference>) -> Self {
        let mut places = Self::default();
        if pod.mirror {
            return places;
        }
        for container in &pod.containers {
            let (started, failing) = (pulls::has_started(container), pulls::is_waiting(container));
            if !(started || failing) || container.pull_policy == PullPolicy::Never {
                continue;
            }
            let place = |image: &str| {
                let image = Reference::parse(image).ok()?;
                images.iter().take(64).position(|of| *of == image)
            };
            if let Some(place) = place(&container.image) {
                places.started |= u64::from(started) << place;
            }
            if let Some(place) = place(waits_for(pod, container)) {
                places.failing |= u64::from(failing) << place;
            }
        }
        places
    }

    /// A container waits that did not before.
    pub(super) fn newly_failing(self, before: Self) -> impl Iterator<Item = usize> {
        let new = self.failing & !before.failing;
        (0..64).filter(move |place| new >> place & 1 == 1)
    }

    /// A container waits for the image at this place.
    pub(super) fn is_failing(self, place: usize) -> bool {
        place < 64 && self.failing >> place & 1 == 1
    }

    /// A container was started from the image at this place.
    pub(super) fn has_started(self, place: usize) -> bool {
        place < 64 && self.started >> place & 1 == 1
    }
}

impl Standing {
    fn add(&mut self, other: Self) {
        self.pods += other.pods;
        self.started += other.started;
        self.failing += other.failing;
    }

    fn take_off(&mut self, other: Self) {
        self.pods = self.pods.saturating_sub(other.pods);
        self.started = self.started.saturating_sub(other.started);
        self.failing = self.failing.saturating_sub(other.failing);
    }
}

/// Names a claim.
pub(super) type ClaimId = Slot<Claim>;

/// The claims of a pod, as many pods as there are of it.
#[derive(Debug)]
pub(super) struct Shape {
    key: Arc<ShapeKey>,
    /// None while they are set aside.
    claims: Box<[ClaimId]>,
    /// For each of its images.
    standing: Box<[Standing]>,
    pods: u32,
    /// Of its ServiceAccount or namespace: with one, its pods are set aside.
    mark: Option<Mark>,
    /// When the first of its pods was made.
    created: Created,
}

/// Names a shape.
pub(super) type ShapeId = Slot<Shape>;

impl Shape {
    pub(super) fn pods(&self) -> u32 {
        self.pods
    }

    pub(super) fn account(&self) -> &Arc<str> {
        &self.key.service_account
    }

    /// Each claim, and how the pods of this shape stand with it.
    pub(super) fn claims(&self) -> impl Iterator<Item = (ClaimId, Standing)> {
        let claims = self.claims.iter().copied();
        claims.zip(self.standing.iter().copied())
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ShapeKey {
    namespace: Arc<str>,
    service_account: Arc<str>,
    secrets: Arc<[Arc<str>]>,
    images: Box<[Arc<Reference>]>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ClaimKey {
    namespace: Arc<str>,
    secrets: Arc<[Arc<str>]>,
    image: Arc<Reference>,
}

/// All claims and shapes.
#[derive(Debug, Default)]
pub(super) struct Claims {
    shapes: Slots<Shape>,
    shape_of: HashMap<Arc<ShapeKey>, ShapeId>,
    claims: Slots<Claim>,
    claim_of: HashMap<ClaimKey, ClaimId>,
    by_secret: HashMap<Named, BTreeSet<ClaimId>>,
}

impl Claims {
    /// The shape of a pod, with one pod more. `link` is called for each claim that is new; with a mark
    /// there are none.
    pub(super) fn acquire(
        &mut self,
        pod: &PodSeen,
        images: BTreeSet<Reference>,
        mark: Option<Mark>,
        names: &mut Names,
        mut link: impl FnMut(&mut Claim),
    ) -> ShapeId {
        let key = shape_key(pod, images, names);
        if let Some(&id) = self.shape_of.get(&key) {
            if let Some(shape) = self.shapes.get_mut(id) {
                shape.pods += 1;
            }
            return id;
        }
        let claims = match mark {
            None => self.claims_of(&key, &mut link),
            Some(_) => Box::default(),
        };
        let key = Arc::new(key);
        let id = self.shapes.insert(Shape {
            standing: vec![Standing::default(); key.images.len()].into(),
            key: Arc::clone(&key),
            claims,
            pods: 1,
            mark,
            created: pod.created,
        });
        self.shape_of.insert(key, id);
        id
    }

    /// One pod less. Returns the claims that nobody makes any more.
    pub(super) fn release(&mut self, id: ShapeId) -> Vec<Claim> {
        let Some(shape) = self.shapes.get_mut(id) else {
            return Vec::new();
        };
        shape.pods -= 1;
        if shape.pods > 0 {
            return Vec::new();
        }
        let Some(shape) = self.shapes.remove(id) else {
            return Vec::new();
        };
        self.shape_of.remove(&shape.key);
        shape
            .claims
            .iter()
            .filter_map(|claim| self.release_claim(*claim))
            .collect()
    }

    /// The mark of a shape, and of how many pods it is.
    pub(super) fn marked(&self, id: ShapeId) -> (Option<Mark>, u32) {
        let shape = self.shapes.get(id);
        shape.map_or((None, 0), |shape| (shape.mark, shape.pods))
    }

    /// Puts a shape under another mark: its claims are made or made no more, and `link` is called for
    /// each that is new. Returns those that nobody makes any more, and those that it made before.
    pub(super) fn mark(
        &mut self,
        id: ShapeId,
        mark: Option<Mark>,
        mut link: impl FnMut(&mut Claim, Created),
    ) -> (Vec<Claim>, Box<[ClaimId]>) {
        let Some(shape) = self.shapes.get_mut(id) else {
            return Default::default();
        };
        shape.mark = mark;
        let (key, created) = (Arc::clone(&shape.key), shape.created);
        let before = std::mem::take(&mut shape.claims);
        let standing = shape.standing.clone();
        if mark.is_none() {
            let claims = self.claims_of(&key, &mut |claim| link(claim, created));
            for (claim, standing) in claims.iter().zip(&standing) {
                if let Some(claim) = self.claims.get_mut(*claim) {
                    claim.standing.add(*standing);
                }
            }
            if let Some(shape) = self.shapes.get_mut(id) {
                shape.claims = claims;
            }
        }
        let mut over = Vec::new();
        for (claim, standing) in before.iter().zip(&standing) {
            if let Some(claim) = self.claims.get_mut(*claim) {
                claim.standing.take_off(*standing);
            }
            over.extend(self.release_claim(*claim));
        }
        (over, before)
    }

    /// One pod more of a shape stands so with its images.
    pub(super) fn stands(&mut self, id: ShapeId, places: Places) {
        self.count(id, places, Standing::add);
    }

    /// One pod less.
    pub(super) fn stands_no_more(&mut self, id: ShapeId, places: Places) {
        self.count(id, places, Standing::take_off);
    }

    fn count(&mut self, id: ShapeId, places: Places, count: fn(&mut Standing, Standing)) {
        let Some(shape) = self.shapes.get_mut(id) else {
            return;
        };
        for (place, standing) in shape.standing.iter_mut().enumerate() {
            let pod = Standing {
                pods: 1,
                started: places.has_started(place).into(),
                failing: places.is_failing(place).into(),
            };
            count(standing, pod);
            let claim = shape.claims.get(place).copied();
            if let Some(claim) = claim.and_then(|claim| self.claims.get_mut(claim)) {
                count(&mut claim.standing, pod);
            }
        }
    }

    /// The claims of a shape, in the order of its images; none while they are set aside.
    pub(super) fn of_shape(&self, id: ShapeId) -> &[ClaimId] {
        self.shapes.get(id).map_or(&[], |shape| &shape.claims)
    }

    /// The images of a shape, in the order of its claims.
    pub(super) fn images_of(&self, id: ShapeId) -> &[Arc<Reference>] {
        self.shapes.get(id).map_or(&[], |shape| &shape.key.images)
    }

    /// Every shape, with its number of pods and how these stand with each of its claims.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (ShapeId, &Shape)> {
        let all = self.shape_of.values();
        all.filter_map(|id| Some((*id, self.shapes.get(*id)?)))
    }

    /// The shapes of a namespace, or of one of its ServiceAccounts.
    pub(super) fn shapes_of(&self, namespace: &str, account: Option<&str>) -> Vec<ShapeId> {
        let is_of = |key: &ShapeKey| {
            *key.namespace == *namespace && account.is_none_or(|name| *key.service_account == *name)
        };
        let shapes = self.shape_of.iter().filter(|(key, _)| is_of(key));
        shapes.map(|(_, id)| *id).collect()
    }

    /// The ServiceAccount of a shape.
    pub(super) fn account_of(&self, id: ShapeId) -> Option<Named> {
        let key = &self.shapes.get(id)?.key;
        Some(Named {
            namespace: key.namespace.clone(),
            name: key.service_account.clone(),
        })
    }

    /// The Secrets that pods of this shape name, each once.
    pub(super) fn secrets_named(&self, id: ShapeId) -> Vec<Named> {
        let Some(shape) = self.shapes.get(id) else {
            return Vec::new();
        };
        distinct_names(&shape.key.namespace, &shape.key.secrets)
    }

    /// The claim that a pod of this shape makes for an image, as written.
    pub(super) fn of_image(&self, id: ShapeId, image: &str) -> Option<&Claim> {
        self.claims.get(self.id_of_image(id, image)?)
    }

    /// Its name.
    pub(super) fn id_of_image(&self, id: ShapeId, image: &str) -> Option<ClaimId> {
        let image = Reference::parse(image).ok()?;
        let shape = self.shapes.get(id)?;
        let place = shape.key.images.iter().position(|of| **of == image)?;
        shape.claims.get(place).copied()
    }

    /// The claims that name a Secret.
    pub(super) fn naming(&self, secret: &Named) -> Vec<ClaimId> {
        self.by_secret
            .get(secret)
            .map(|ids| ids.iter().copied().collect())
            .unwrap_or_default()
    }

    pub(super) fn get(&self, id: ClaimId) -> Option<&Claim> {
        self.claims.get(id)
    }

    pub(super) fn get_mut(&mut self, id: ClaimId) -> Option<&mut Claim> {
        self.claims.get_mut(id)
    }

    /// Distinct claims and shapes held.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.claims.len(), self.shapes.len())
    }

    fn claims_of(&mut self, key: &ShapeKey, link: &mut impl FnMut(&mut Claim)) -> Box<[ClaimId]> {
        let images = key.images.iter();
        images.map(|image| self.claim(key, image, link)).collect()
    }

    fn claim(
        &mut self,
        shape: &ShapeKey,
        image: &Arc<Reference>,
        link: &mut impl FnMut(&mut Claim),
    ) -> ClaimId {
        let key = ClaimKey {
            namespace: shape.namespace.clone(),
            secrets: shape.secrets.clone(),
            image: image.clone(),
        };
        if let Some(&id) = self.claim_of.get(&key) {
            if let Some(claim) = self.claims.get_mut(id) {
                claim.shapes += 1;
            }
            return id;
        }
        let mut claim = Claim {
            namespace: key.namespace.clone(),
            secrets: key.secrets.clone(),
            image: key.image.clone(),
            candidates: Box::default(),
            standing: Standing::default(),
            told: Told::default(),
            shapes: 1,
        };
        link(&mut claim);
        let names = distinct_names(&claim.namespace, &claim.secrets);
        let id = self.claims.insert(claim);
        self.claim_of.insert(key, id);
        for name in names {
            self.by_secret.entry(name).or_default().insert(id);
        }
        id
    }

    fn release_claim(&mut self, id: ClaimId) -> Option<Claim> {
        let claim = self.claims.get_mut(id)?;
        claim.shapes -= 1;
        if claim.shapes > 0 {
            return None;
        }
        let claim = self.claims.remove(id)?;
        self.claim_of.remove(&ClaimKey {
            namespace: claim.namespace.clone(),
            secrets: claim.secrets.clone(),
            image: claim.image.clone(),
        });
        for name in distinct_names(&claim.namespace, &claim.secrets) {
            if let Some(ids) = self.by_secret.get_mut(&name) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_secret.remove(&name);
                }
            }
        }
        Some(claim)
    }
}

/// The images that a pod needs to have pulled, each once, but for those whose name is none.
pub(super) fn images(pod: &PodSeen) -> BTreeSet<Reference> {
    let containers = pod.containers.iter();
    let volumes = pod.image_volumes.iter();
    containers
        .map(|container| (&container.image, container.pull_policy))
        .chain(volumes.map(|volume| (&volume.image, volume.pull_policy)))
        .filter(|(_, policy)| *policy != PullPolicy::Never)
        .filter_map(|(image, _)| Reference::parse(image).ok())
        .collect()
}

/// A mirror pod stands for a static one, which cannot name API objects: the kubelet pulls it with
/// the node's credentials, whatever the mirror says.
fn shape_key(pod: &PodSeen, images: BTreeSet<Reference>, names: &mut Names) -> ShapeKey {
    let secrets = if pod.mirror {
        &[][..]
    } else {
        &pod.pull_secrets
    };
    ShapeKey {
        namespace: names.intern(&pod.object.namespace),
        service_account: names.intern(&pod.service_account),
        secrets: secrets.iter().map(|name| names.intern(name)).collect(),
        images: images.into_iter().map(Arc::new).collect(),
    }
}

fn distinct_names(namespace: &Arc<str>, secrets: &[Arc<str>]) -> Vec<Named> {
    let mut names: Vec<Named> = secrets
        .iter()
        .map(|name| Named {
            namespace: namespace.clone(),
            name: name.clone(),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
