//! Finds the built web app to embed, or makes a page that says how to build it, so that cargo builds on its own.

use std::path::{Path, PathBuf};
use std::{env, fs};

const PLACEHOLDER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Stoa</title>\
<p>The web app is not part of this build. Run <code>make build</code>.</p></html>\n";

fn main() {
    let web = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../web/app");
    let dist = web.join("dist");
    let folder = if dist.join("index.html.br").is_file() {
        println!("cargo::rerun-if-changed={}", dist.display());
        dist
    } else {
        println!("cargo::rerun-if-changed={}", web.display());
        placeholder()
    };
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=STOA_WEB_DIR={}", folder.display());
}

fn placeholder() -> PathBuf {
    let folder = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("web");
    fs::create_dir_all(&folder).expect("the build may write its output");
    fs::write(folder.join("index.html"), PLACEHOLDER).expect("the build may write its output");
    folder
}
