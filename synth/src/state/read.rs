//! Finds out what a path holds, manifests or an observation, and reads it.

use super::State;
use super::inventory::{remove_gone, state, templates};
use crate::text;
use anyhow::Context;
use netwright_policy::{LoadError, ReadOptions, Source};
use netwright_record::Observation;
use netwright_resolve::inventory::{Manifest, Manifests, read_manifests};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{Cursor, Read};
use std::path::Path;
use std::{fs, io};

/// What a compressed observation begins with: the magic number of zstd (RFC 8878, section 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How many kinds that were passed over a remark names.
const KINDS_NAMED: usize = 8;

/// Reads what is at `path`; its policies as `options` say, and not at all without.
pub(super) fn load(path: &Path, options: Option<ReadOptions>) -> anyhow::Result<State> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).context("cannot read manifests from stdin")?;
        return from_bytes(bytes, Path::new("stdin"), options);
    }
    if path.is_dir() {
        return from_manifests(Source::load(path).map_err(unreadable)?, path, options);
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
    let header = || serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(first_line);
    bytes.starts_with(&ZSTD_MAGIC) || header().is_ok_and(|fields| fields.contains_key("record"))
}

fn from_bytes(bytes: Vec<u8>, path: &Path, options: Option<ReadOptions>) -> anyhow::Result<State> {
    if is_observation(&bytes) {
        let (observation, warnings) = netwright_record::file::read(Cursor::new(bytes), path)?;
        let mut state = from_observation(observation, path, options)?;
        state.remarks.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
        return Ok(state);
    }
    let text = String::from_utf8(bytes).map_err(|error| not_text(path, error.utf8_error().valid_up_to()))?;
    from_manifests(vec![Source { name: path.to_string_lossy().into_owned(), text }], path, options)
}

fn from_manifests(mut sources: Vec<Source>, path: &Path, options: Option<ReadOptions>) -> anyhow::Result<State> {
    let texts: Vec<Manifest> =
        sources.iter().map(|source| Manifest { name: &source.name, text: &source.text }).collect();
    let manifests = read_manifests(&texts, &path.to_string_lossy())?;
    let mut state = state(&manifests.inventory, &manifests.templates);
    state.finished = manifests.finished;
    state.remarks = remarks(&manifests);
    state.targets = manifests.targets;
    if let Some(options) = options {
        // To read a large list twice takes seconds, and most files hold no policy.
        sources.retain(|source| may_hold_policies(&source.text));
        take_policies(&mut state, &sources, path, options)?;
    }
    Ok(state)
}

fn may_hold_policies(text: &str) -> bool {
    const KIND: &[u8] = b"networkpolicy";
    text.as_bytes().windows(KIND.len()).any(|window| window.eq_ignore_ascii_case(KIND))
}

fn from_observation(observation: Observation, path: &Path, options: Option<ReadOptions>) -> anyhow::Result<State> {
    let mut inventory = observation.inventory;
    let finished = remove_gone(&mut inventory);
    let mut state = State { finished, ..state(&inventory, &templates(&inventory)) };
    if let Some(options) = options {
        let source = |policy: &netwright_record::inventory::Policy| Source {
            name: format!("{}, NetworkPolicy {}", path.display(), named(&policy.manifest)),
            text: policy.manifest.to_string(),
        };
        take_policies(&mut state, &inventory.policies.iter().map(source).collect::<Vec<_>>(), path, options)?;
    }
    Ok(state)
}

/// `namespace/name` of an object, for messages. Not escaped.
fn named(manifest: &serde_json::Value) -> String {
    let field = |path| manifest.pointer(path).and_then(serde_json::Value::as_str).unwrap_or("?");
    format!("{}/{}", field("/metadata/namespace"), field("/metadata/name"))
}

fn take_policies(state: &mut State, sources: &[Source], path: &Path, options: ReadOptions) -> Result<(), LoadError> {
    let read = options.parse(sources);
    let parsed = read.map_err(|failure| LoadError::Invalid { path: path.to_owned(), failure })?;
    (state.policies, state.policy_warnings) = (parsed.policies, parsed.warnings);
    Ok(())
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
