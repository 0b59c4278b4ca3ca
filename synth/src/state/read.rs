//! Finds out what a path holds, manifests or an observation, and reads it.

use super::State;
use super::inventory::{remove_gone, state, templates};
use crate::text;
use anyhow::Context;
use netwright_collector::inventory::{Manifest, Manifests, read_manifests};
use netwright_policy::{LoadError, Parsed, ReadOptions, Source};
use netwright_record::Observation;
use std::fmt::Display;
use std::io::{Cursor, Read};
use std::path::Path;
use std::{fs, io};

/// What a compressed observation begins with: the magic number of zstd (RFC 8878, section 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How many kinds that were passed over a remark names.
const KINDS_NAMED: usize = 8;

pub(super) fn load(path: &Path, options: ReadOptions) -> anyhow::Result<State> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).context("cannot read manifests from stdin")?;
        return from_bytes(bytes, Path::new("stdin"), options);
    }
    if path.is_dir() {
        return from_manifests(&Source::load(path).map_err(unreadable)?, path, options);
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read manifests from {path:?}"))?;
    from_bytes(bytes, path, options)
}

/// The loader speaks of policies, and these are any manifests.
fn unreadable(error: LoadError) -> anyhow::Error {
    match error {
        LoadError::Read { path, source } => anyhow::anyhow!("cannot read manifests from {path:?}: {source}"),
        LoadError::NotText { path, valid_up_to } => not_text(&path, valid_up_to),
        LoadError::NoFiles { path } => {
            anyhow::anyhow!("no manifests in {path:?}: found no file named *.yaml, *.yml or *.json; check the path")
        }
        invalid @ LoadError::Invalid { .. } => invalid.into(),
    }
}

fn not_text(path: &Path, valid_up_to: usize) -> anyhow::Error {
    anyhow::anyhow!("cannot read manifests from {path:?}: not UTF-8 text from byte {valid_up_to} on")
}

/// Whether these are the bytes of an observation, compressed or as lines of JSON.
pub(crate) fn is_observation(bytes: &[u8]) -> bool {
    let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let record = || serde_json::from_slice::<serde_json::Value>(first_line).ok()?.get("record").cloned();
    bytes.starts_with(&ZSTD_MAGIC) || record().is_some()
}

fn from_bytes(bytes: Vec<u8>, path: &Path, options: ReadOptions) -> anyhow::Result<State> {
    if is_observation(&bytes) {
        let (observation, warnings) = netwright_record::file::read(Cursor::new(bytes), path)?;
        let mut state = from_observation(observation, path, options)?;
        state.remarks.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
        return Ok(state);
    }
    let text = String::from_utf8(bytes).map_err(|error| not_text(path, error.utf8_error().valid_up_to()))?;
    from_manifests(&[Source { name: path.to_string_lossy().into_owned(), text }], path, options)
}

fn from_manifests(sources: &[Source], path: &Path, options: ReadOptions) -> anyhow::Result<State> {
    let texts: Vec<Manifest> =
        sources.iter().map(|source| Manifest { name: &source.name, text: &source.text }).collect();
    let manifests = read_manifests(&texts, &path.to_string_lossy())?;
    // To read a large list twice takes seconds, and most files hold no policy.
    let with_policies: Vec<Source> = sources.iter().filter(|source| may_hold_policies(&source.text)).cloned().collect();
    let policies = policies(&with_policies, path, options)?;
    let mut state = state(&manifests.inventory, &manifests.templates);
    state.finished = manifests.finished;
    state.remarks = remarks(&manifests);
    state.targets = manifests.targets;
    Ok(with_parsed(state, policies))
}

fn may_hold_policies(text: &str) -> bool {
    const KIND: &[u8] = b"networkpolicy";
    text.as_bytes().windows(KIND.len()).any(|window| window.eq_ignore_ascii_case(KIND))
}

fn from_observation(observation: Observation, path: &Path, options: ReadOptions) -> anyhow::Result<State> {
    let mut inventory = observation.inventory;
    let finished = remove_gone(&mut inventory);
    let source = |policy: &netwright_record::inventory::Policy| Source {
        name: format!("{}, NetworkPolicy {}", path.display(), named(&policy.manifest)),
        text: policy.manifest.to_string(),
    };
    let policies = policies(&inventory.policies.iter().map(source).collect::<Vec<_>>(), path, options)?;
    let state = State { finished, ..state(&inventory, &templates(&inventory)) };
    Ok(with_parsed(state, policies))
}

/// `namespace/name` of an object, for messages. Not escaped.
fn named(manifest: &serde_json::Value) -> String {
    let field = |path| manifest.pointer(path).and_then(serde_json::Value::as_str).unwrap_or("?");
    format!("{}/{}", field("/metadata/namespace"), field("/metadata/name"))
}

fn policies(sources: &[Source], path: &Path, options: ReadOptions) -> anyhow::Result<Parsed> {
    options.parse(sources).map_err(|failure| LoadError::Invalid { path: path.to_owned(), failure }.into())
}

fn with_parsed(state: State, parsed: Parsed) -> State {
    State { policies: parsed.policies, policy_warnings: parsed.warnings, ..state }
}

/// What a person should know about the reading.
fn remarks(manifests: &Manifests) -> Vec<String> {
    let warnings = manifests.warnings.iter().map(|warning| format!("warning: {warning}"));
    warnings.chain(passed_over(manifests)).collect()
}

fn passed_over(manifests: &Manifests) -> Option<String> {
    let kind = |((kind, version), count): (&(String, String), &usize)| -> Box<dyn Display> {
        Box::new(format!("{count} {} ({})", text::plain(kind), text::plain(version)))
    };
    let mut kinds: Vec<Box<dyn Display>> = manifests.passed_over.iter().map(kind).collect();
    if manifests.no_objects > 0 {
        kinds.push(Box::new(format!("{} documents that are no Kubernetes objects", manifests.no_objects)));
    }
    (!kinds.is_empty()).then(|| format!("note: passed over {}", text::some_of(kinds, KINDS_NAMED)))
}
