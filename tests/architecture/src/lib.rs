//! The workspace as `cargo metadata` tells it: which crate depends on which, directly and through others, as production code.
//! It owns no rule; those stand in `tests/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The resolved dependency graph, without dev-dependencies and build-dependencies.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    members: BTreeMap<String, PathBuf>,
    direct: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    /// Asks cargo about the workspace that this crate belongs to. The lock file must be whole; packages of other platforms
    /// may have to be fetched.
    ///
    /// # Panics
    /// When cargo cannot be run or answers something else than metadata: there is no test without it.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout");
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--locked", "--all-features"])
            .current_dir(&root)
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
        let members = members(&metadata);
        let direct = direct(&metadata);
        Self { root, members, direct }
    }

    /// The checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Our own crates and the folders they lie in.
    pub fn members(&self) -> &BTreeMap<String, PathBuf> {
        &self.members
    }

    /// What a crate names in its manifest as a normal dependency.
    pub fn direct(&self, name: &str) -> &BTreeSet<String> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.direct.get(name).unwrap_or(&NONE)
    }

    /// Everything that a crate is built on, with the way that leads there.
    pub fn reach(&self, name: &str) -> BTreeMap<String, Vec<String>> {
        let mut ways = BTreeMap::new();
        let mut queue = vec![vec![name.to_owned()]];
        while let Some(way) = queue.pop() {
            let last = way.last().expect("a way starts at a crate");
            for next in self.direct(last) {
                if ways.contains_key(next) {
                    continue;
                }
                let longer: Vec<String> = way.iter().cloned().chain([next.clone()]).collect();
                ways.insert(next.clone(), longer.clone());
                queue.push(longer);
            }
        }
        ways
    }
}

fn members(metadata: &Value) -> BTreeMap<String, PathBuf> {
    let ids: BTreeSet<&str> = array(&metadata["workspace_members"]).filter_map(Value::as_str).collect();
    array(&metadata["packages"])
        .filter(|package| package["id"].as_str().is_some_and(|id| ids.contains(id)))
        .map(|package| {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            (text(&package["name"]), manifest.parent().expect("a manifest lies in a folder").to_owned())
        })
        .collect()
}

/// Names, not versions: two versions of a crate are one here, which can only make a rule stricter.
fn direct(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeMap<String, String> =
        array(&metadata["packages"]).map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in array(&metadata["resolve"]["nodes"]) {
        let edges = graph.entry(names[&text(&node["id"])].clone()).or_default();
        for dependency in array(&node["deps"]) {
            if array(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()) {
                edges.insert(names[&text(&dependency["pkg"])].clone());
            }
        }
    }
    graph
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
