//! The rules of the house that a compiler does not know: who may build on whom, who may name what, and how long a file may be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use architecture::Workspace;

/// Pure crates: no socket, no clock, no database, no runtime.
const CORES: [&str; 8] = ["model", "auth", "call", "sfu", "livekit", "turn", "container", "client"];

/// What no core may be built on, however far down.
const SHELL: [&str; 13] = [
    "tokio",
    "async-std",
    "axum",
    "hyper",
    "reqwest",
    "sqlx",
    "sqlx-core",
    "socketioxide",
    "mio",
    "control",
    "store",
    "api",
    "server",
];

#[test]
fn cores_stand_on_no_runtime_no_web_and_no_database() {
    let workspace = Workspace::read();
    for core in CORES.into_iter().filter(|core| workspace.members().contains_key(*core)) {
        let reach = workspace.reach(core);
        for shell in SHELL {
            assert!(!reach.contains_key(shell), "{core} reaches {shell}: {}", reach[shell].join(" → "));
        }
    }
}

#[test]
fn the_call_machine_knows_no_media_and_media_no_call() {
    let workspace = Workspace::read();
    for (from, to) in [("call", "sfu"), ("call", "livekit"), ("sfu", "livekit"), ("sfu", "call"), ("livekit", "call")] {
        let reach = workspace.reach(from);
        assert!(!reach.contains_key(to), "{from} reaches {to}: {}", reach[to].join(" → "));
    }
}

#[test]
fn the_api_does_not_touch_the_webrtc_engine_or_the_database() {
    let workspace = Workspace::read();
    for part in ["str0m", "sfu", "sqlx", "store"] {
        assert!(!workspace.direct("api").contains(part), "api depends on {part}");
    }
}

#[test]
fn composing_knows_the_words_and_nothing_of_calls_rooms_or_the_web() {
    let workspace = Workspace::read();
    let reach = workspace.reach("compose");
    for member in workspace.members().keys().filter(|name| !["model", "record", "compose"].contains(&name.as_str())) {
        assert!(!reach.contains_key(member), "compose reaches {member}: {}", reach[member].join(" → "));
    }
}

#[test]
fn storage_knows_no_call_no_database_and_no_web_server() {
    let workspace = Workspace::read();
    let reach = workspace.reach("storage");
    for part in ["call", "control", "store", "api", "server", "sqlx", "axum"] {
        assert!(!reach.contains_key(part), "storage reaches {part}: {}", reach[part].join(" → "));
    }
}

#[test]
fn production_code_is_not_built_on_the_simulation() {
    let workspace = Workspace::read();
    for member in workspace.members().keys().filter(|name| *name != "sim") {
        assert!(!workspace.reach(member).contains_key("sim"), "{member} is built on sim");
    }
}

#[test]
fn str0m_is_named_by_the_peer_module_and_by_the_test_client_alone() {
    let workspace = Workspace::read();
    let allowed = ["crates/sfu/src/peer", "crates/client/src", "crates/sim/", "crates/bench/"];
    for path in tracked(&workspace, &["rs"]) {
        // Tests may bring a peer of their own.
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        if is_test || allowed.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let source = read(&workspace, &path);
        let line = source.lines().position(|line| code(line).contains("str0m::"));
        assert!(line.is_none(), "{}:{} names str0m", path.display(), line.unwrap_or(0) + 1);
    }
}

#[test]
fn each_core_forbids_the_clock_and_unordered_iteration() {
    let workspace = Workspace::read();
    for core in ["call", "sfu", "livekit", "turn", "container", "record"] {
        let path = workspace.members()[core].join("clippy.toml");
        let bans = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        for ban in ["std::time::Instant::now", "std::time::SystemTime::now", "std::collections::HashMap::iter"] {
            assert!(bans.contains(ban), "{} does not ban {ban}", path.display());
        }
    }
}

/// The surfaces of the edge, and what they all stand on.
const SURFACES: [&str; 6] = ["rest", "admin", "socket", "livekit", "dialect", "web"];

#[test]
fn a_surface_of_the_edge_knows_no_other_and_what_it_stands_on_knows_none() {
    let workspace = Workspace::read();
    let mut wrong = Vec::new();
    for path in tracked(&workspace, &["rs"]).into_iter().filter(|path| path.starts_with("crates/api/src")) {
        let inside = path.strip_prefix("crates/api/src").expect("just filtered");
        let room = inside.components().next().expect("a file").as_os_str().to_string_lossy().replace(".rs", "");
        // These put the surfaces together.
        if ["lib", "openapi"].contains(&room.as_str()) {
            continue;
        }
        let source = read(&workspace, &path);
        for (at, line) in source.lines().enumerate() {
            let named = SURFACES.iter().filter(|surface| **surface != room);
            wrong.extend(
                named
                    .filter(|surface| code(line).contains(&format!("crate::{surface}::")))
                    .map(|surface| format!("{}:{} names {surface}", path.display(), at + 1)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_web_client_does_not_build_on_react() {
    let workspace = Workspace::read();
    let path = workspace.root().join("web/packages/client/package.json");
    let package: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path).expect("the client's package.json")).expect("JSON");
    for kind in ["dependencies", "peerDependencies"] {
        for name in package[kind].as_object().into_iter().flat_map(|table| table.keys()) {
            assert!(!name.starts_with("react") && !name.contains("/react"), "@stoa/client: {kind} has {name}");
        }
    }
}

#[test]
fn no_file_is_longer_than_800_lines() {
    let workspace = Workspace::read();
    let long: Vec<String> = tracked(&workspace, &["rs", "ts", "tsx", "mjs", "css"])
        .into_iter()
        .map(|path| (read(&workspace, &path), path))
        .filter(|(source, _)| !source.lines().take(4).any(|line| line.to_lowercase().contains("auto-generated")))
        .map(|(source, path)| (source.lines().count(), path))
        .filter(|(lines, _)| *lines > 800)
        .map(|(lines, path)| format!("{} has {lines}", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Where the rule on documentation does not hold yet.
const TERSE: [&str; 3] = ["crates/sfu/", "crates/livekit/", "crates/server/src/media/"];

#[test]
fn documentation_is_more_than_a_word() {
    let workspace = Workspace::read();
    let mut wrong = Vec::new();
    for path in tracked(&workspace, &["rs"]) {
        if !path.starts_with("crates") || TERSE.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let source = read(&workspace, &path);
        let lines: Vec<Option<&str>> = source.lines().map(|line| line.trim().strip_prefix("///")).collect();
        for (at, text) in lines.iter().enumerate() {
            let Some(text) = text.map(str::trim) else { continue };
            let stands_alone = at.checked_sub(1).is_none_or(|above| lines[above].is_none())
                && lines.get(at + 1).is_none_or(Option::is_none);
            if stands_alone && text.ends_with('.') && text.chars().rev().skip(1).all(char::is_alphanumeric) {
                wrong.push(format!("{}:{} says no more than {text}", path.display(), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dependencies_of_the_workspace_are_pinned() {
    let workspace = Workspace::read();
    let manifest = fs::read_to_string(workspace.root().join("Cargo.toml")).expect("the workspace's manifest");
    let table = manifest.split("[workspace.dependencies]").nth(1).expect("a table of dependencies");
    for line in table.lines().map(str::trim).take_while(|line| !line.starts_with('[')) {
        let given = !line.is_empty() && !line.starts_with('#') && !line.contains("path =");
        assert!(!given || line.contains("\"="), "not pinned: {line}");
    }
}

#[test]
fn the_program_shares_its_build_with_the_tests() {
    let workspace = Workspace::read();
    let features = |selection: &[&str]| -> BTreeSet<String> {
        let shape = ["--prefix", "none", "--format", "{p} with {f}"];
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--locked"])
            .args(selection)
            .args(shape)
            .current_dir(workspace.root())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    };
    let tests = features(&["--workspace", "--edges", "normal,build,dev"]);
    let program = features(&["--package", "server", "--edges", "normal,build"]);
    let alone: Vec<&String> = program.difference(&tests).collect();
    assert!(program.len() > 100 && alone.is_empty(), "built twice, with all that stands on them: {alone:#?}");

    // The fuzz targets are built as a part of the workspace, or they would need every dependency once more.
    let fuzz = features(&["--workspace", "--features", "fuzz/instrumented", "--edges", "normal,build"]);
    let ours = ["fuzz ", "livekit "];
    let theirs = ["libfuzzer-sys ", "arbitrary ", "stun-types ", "byteorder ", "digest ", "hmac ", "md-5 "];
    let known = |package: &&String| ours.iter().chain(&theirs).any(|name| package.starts_with(name));
    let alone: Vec<&String> = fuzz.difference(&tests).filter(|package| !known(package)).collect();
    assert!(fuzz.len() > 100 && alone.is_empty(), "built once more to fuzz: {alone:#?}");
}

/// Files under version control with one of the endings, relative to the checkout.
fn tracked(workspace: &Workspace, endings: &[&str]) -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(workspace.root()).output().expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
        .split('\0')
        .map(PathBuf::from)
        .filter(|path| path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)))
        .filter(|path| workspace.root().join(path).exists())
        .collect();
    assert!(files.len() > 20, "git lists {} files", files.len());
    files
}

fn read(workspace: &Workspace, path: &Path) -> String {
    fs::read_to_string(workspace.root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}
