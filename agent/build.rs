//! Builds the kernel programs for the BPF target and hands the object to `probe` as `$OUT_DIR/netwright`.
//!
//! The BPF target has no precompiled `core`, so this takes a compiler that may use `-Z build-std`: a rustup nightly with
//! `rust-src` if there is one, else Debian's `rustc-web` with `rust-web-src`. (aya-build knows the first way only.)
//! `NETWRIGHT_BPF_OBJECT` names an object that was built before, for machines without either.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TARGET: &str = "bpfel-unknown-none";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const LLVM: &str = "/usr/lib/llvm-22/bin";

fn main() -> ExitCode {
    for path in ["../ebpf/programs", "../ebpf/abi", "../Cargo.lock"] {
        println!("cargo:rerun-if-changed={path}");
    }
    for variable in ["NETWRIGHT_BPF_OBJECT", "NETWRIGHT_BPF_TOOLS"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    match object().and_then(install) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("cargo:error={reason}");
            ExitCode::FAILURE
        }
    }
}

/// The path of the object, built if need be.
fn object() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("NETWRIGHT_BPF_OBJECT") {
        return Ok(path.into());
    }
    let toolchain = Toolchain::find()?;
    let target_dir = out_dir()?.join("bpf");
    let status = toolchain
        .cargo()
        .args(["build", "--release", "--locked", "--package", "netwright-programs", "--target", TARGET])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags()?)
        .env("PATH", path_with_tools())
        .status()
        .map_err(|error| format!("cannot run cargo for the BPF programs: {error}"))?;
    if !status.success() {
        return Err(format!(
            "the BPF programs did not build ({status}); `make setup` installs what they need: bpf-linker and a compiler for {TARGET}"
        ));
    }
    Ok(target_dir.join(TARGET).join("release").join("netwright"))
}

fn install(object: PathBuf) -> Result<(), String> {
    let destination = out_dir()?.join("netwright");
    fs::copy(&object, &destination)
        .map(drop)
        .map_err(|error| format!("cannot copy {} to {}: {error}", object.display(), destination.display()))
}

/// A compiler that can build `core`.
enum Toolchain {
    /// rustup's nightly with `rust-src`.
    Nightly,
    /// Debian's `rustc-web`, told to accept `-Z`.
    Debian,
}

impl Toolchain {
    fn find() -> Result<Self, String> {
        let sysroot = Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]).output();
        let nightly = sysroot
            .ok()
            .filter(|output| output.status.success())
            .is_some_and(|output| has_core_source(Path::new(String::from_utf8_lossy(&output.stdout).trim())));
        if nightly {
            return Ok(Self::Nightly);
        }
        if Path::new(DEBIAN_RUSTC).exists() && has_core_source(Path::new("/usr")) {
            return Ok(Self::Debian);
        }
        Err("no compiler for the BPF target: install a rustup nightly with the rust-src component, or Debian's rustc-web and \
             rust-web-src (`make setup` does), or set NETWRIGHT_BPF_OBJECT to an object built elsewhere"
            .into())
    }

    fn cargo(&self) -> Command {
        let mut command = match self {
            Self::Nightly => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "cargo"]);
                command
            }
            Self::Debian => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        };
        // What cargo set for this build script speaks of the host's compiler.
        for variable in
            ["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CARGO_BUILD_TARGET"]
        {
            command.env_remove(variable);
        }
        if matches!(self, Self::Debian) {
            command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }
}

fn has_core_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
}

fn rustflags() -> Result<String, String> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").map_err(|error| format!("CARGO_CFG_TARGET_ARCH: {error}"))?;
    // bpf-linker asks LLVM to keep memset and memcpy as calls unless told not to; inline they are a store or two.
    let flags = [
        &format!("--cfg=bpf_target_arch=\"{arch}\""),
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        "-Clink-arg=--disable-expand-memcpy-in-order",
        "-Cpanic=abort",
    ];
    Ok(flags.join("\x1f"))
}

/// bpf-linker must be found, and LLVM's own llvm-config before an older one.
fn path_with_tools() -> OsString {
    let tools = env::var_os("NETWRIGHT_BPF_TOOLS").map(PathBuf::from);
    let old = env::var_os("PATH").unwrap_or_default();
    let entries = tools.into_iter().chain([PathBuf::from(LLVM)]).chain(env::split_paths(&old));
    env::join_paths(entries).unwrap_or(old)
}

fn out_dir() -> Result<PathBuf, String> {
    env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| "OUT_DIR is not set: run by cargo only".into())
}
