//! From text to policies. For [`PolicySet::parse`](crate::PolicySet::parse).
//!
//! [`documents`] cuts a text into documents and [`ahead`] has several read at a time, [`Reading::object`] sorts them by
//! kind, [`policy`] reads those that count.
//! Whatever is wrong goes to the [`Report`] and reading goes on, so that an author sees all of it at once; what is
//! read from a broken manifest is never handed out.

mod address;
mod ahead;
mod documents;
mod kept;
mod names;
mod path;
mod places;
mod policy;
mod ports;
mod report;
mod selector;
mod value;
mod yaml11;

use crate::error::{ParseFailure, Problem, Remark};
use crate::load::{Parsed, ReadOptions, Source};
use crate::model::{NetworkPolicy, Origin};
use crate::set::PolicySet;
use documents::{Broken, Document};
pub(crate) use kept::{Kept, line};
use path::Path;
use report::{Report, present};
use std::collections::BTreeMap;
use value::{Mapping, Value};

const API_VERSION: &str = "networking.k8s.io/v1";
const KIND: &str = "NetworkPolicy";
const LIST_KIND: &str = "NetworkPolicyList";

/// Reads all documents of all sources.
pub(crate) fn parse(sources: &[Source], options: ReadOptions) -> Result<Parsed, ParseFailure> {
    let mut reading = Reading {
        report: Report::new(options.strict),
        policies: Vec::new(),
        kept: options.keep_text.then(Vec::new),
        named: BTreeMap::new(),
        skipped: 0,
    };
    ahead::read_ahead(sources, |source, number, document| reading.document(&source.name, number, document));
    let Reading { report, policies, kept, skipped, .. } = reading;
    let warnings = report.finish()?;
    Ok(Parsed { policies: PolicySet::with_texts(policies, kept.unwrap_or_default()), warnings, skipped })
}

/// What was read so far.
struct Reading<'t> {
    report: Report<'t>,
    policies: Vec<NetworkPolicy>,
    /// The texts they were read from, if those are kept.
    kept: Option<Vec<Kept>>,
    /// Namespace and name to where it was first read.
    named: BTreeMap<(String, String), Origin>,
    skipped: usize,
}

impl<'t> Reading<'t> {
    fn document(&mut self, file: &str, number: usize, document: Document<'t>) {
        let origin = Origin { file: file.to_owned(), document: number, line: document.line, item: String::new() };
        self.report.begin(origin, &document);
        let first = self.policies.len();
        match &document.content {
            Ok(value) => self.object(&Path::Document, value, None),
            Err(Broken { message, line }) => self.report.unreadable(message.clone(), *line),
        }
        if let Some(kept) = self.kept.as_mut().filter(|_| first < self.policies.len()) {
            kept.push(Kept::new(&document, first..self.policies.len()));
        }
    }

    /// Reads one object, or each object of a list. `list` is the kind of the list it stands in, where that says
    /// of what kind its items are.
    fn object(&mut self, at: &Path, value: &Value, list: Option<&str>) {
        let Some(object) = self.report.mapping(at, value) else { return };
        let kind = match present(object, "kind") {
            Some(kind) => self.report.text(&at.field("kind"), kind),
            None if list == Some(LIST_KIND) => Some(KIND),
            None => return self.without_kind(at, object),
        };
        match kind {
            Some(KIND) => self.policy(at, object, list),
            Some(kind @ ("List" | LIST_KIND)) => self.list(at, object, kind),
            Some(kind) if kind.eq_ignore_ascii_case(KIND) => {
                self.report.error(&at.field("kind"), Problem::Kind { value: kind.to_owned() });
            }
            Some(_) => self.skipped += 1,
            None => {}
        }
    }

    fn list(&mut self, at: &Path, object: &Mapping, kind: &str) {
        if kind == LIST_KIND && !self.is_networking_v1(at, object, None) {
            return;
        }
        let items = at.field("items");
        for (index, item) in self.report.list(&items, present(object, "items")).iter().enumerate() {
            self.object(&items.item(index), item, Some(kind));
        }
    }

    fn policy(&mut self, at: &Path, object: &Mapping, list: Option<&str>) {
        if !self.is_networking_v1(at, object, list) {
            return;
        }
        self.report.origin.item = at.to_string();
        let policy = policy::read(&mut self.report, at, object);
        self.report.origin.item.clear();
        let Some(policy) = policy else { return };
        let name = (policy.namespace.clone(), policy.name.clone());
        if let Some(first) = self.named.get(&name) {
            let problem = Problem::Duplicate { namespace: name.0, name: name.1, first: first.clone() };
            return self.report.error(&at.field("metadata").field("name"), problem);
        }
        self.named.insert(name, policy.origin.clone());
        self.policies.push(policy);
    }

    /// Another API's NetworkPolicy is enforced too, so to skip it would make every verdict doubtful.
    fn is_networking_v1(&mut self, at: &Path, object: &Mapping, list: Option<&str>) -> bool {
        let at = at.field("apiVersion");
        let problem = match present(object, "apiVersion") {
            Some(version) => match self.report.text(&at, version) {
                Some(API_VERSION) => return true,
                Some(other) => Problem::ApiVersion { value: other.to_owned() },
                None => return false,
            },
            None if list == Some(LIST_KIND) => return true,
            None => Problem::Missing { advice: "write networking.k8s.io/v1" },
        };
        self.report.error(&at, problem);
        false
    }

    /// A Kustomization needs no kind, and a Helm values file is no object; anything else has lost its kind.
    fn without_kind(&mut self, at: &Path, object: &Mapping) {
        let version = present(object, "apiVersion").and_then(Value::as_str);
        let kustomization = version.is_some_and(|version| version.starts_with("kustomize.config.k8s.io/"));
        let like_object = ["apiVersion", "metadata", "spec"].iter().any(|field| object.contains_key(field));
        if like_object && !kustomization {
            let advice = "write NetworkPolicy, or what else the object is";
            return self.report.error(&at.field("kind"), Problem::Missing { advice });
        }
        if !kustomization {
            self.report.warn(at, Remark::NoObject);
        }
        self.skipped += 1;
    }
}
