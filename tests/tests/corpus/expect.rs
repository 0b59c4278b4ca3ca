//! `expect.yaml`: what has to come of a case. Serves whoever writes one; everything in it is a claim that can fail.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The flags of `netwright synth`, and what is expected of the run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Flags besides the observation and `--out`.
    #[serde(default)]
    pub(crate) flags: Vec<String>,
    /// The exit code.
    #[serde(default)]
    pub(crate) code: i32,
    /// What the policies have to say; see [`crate::question`].
    #[serde(default)]
    pub(crate) questions: Vec<String>,
    /// What stands in the files that were written.
    #[serde(default)]
    contents: Vec<Content>,
    /// Texts that are printed, on stdout or stderr.
    #[serde(default)]
    prints: Vec<String>,
    /// Files and folders that are there afterwards.
    #[serde(default)]
    present: Vec<String>,
    /// Files and folders that are not.
    #[serde(default)]
    absent: Vec<String>,
    /// Further commands on what was written.
    #[serde(default)]
    pub(crate) then: Vec<Then>,
}

/// A command of `netwright` that is run afterwards.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Then {
    /// The verb and its arguments; `{observation}`, `{out}` and `{cluster}` stand for the case's own.
    pub(crate) run: Vec<String>,
    /// The exit code.
    #[serde(default)]
    code: i32,
    /// Texts that are printed.
    #[serde(default)]
    prints: Vec<String>,
    /// Texts that are not.
    #[serde(default)]
    silent: Vec<String>,
}

/// A part that a file holds, or does not hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// The file, below the output folder.
    file: String,
    /// Where in it: a JSON pointer. The whole file where it is not given.
    #[serde(default)]
    at: String,
    /// What is contained there: a field with a value that contains, a list with an element for each that contains it.
    has: Option<Value>,
    /// What is not.
    lacks: Option<Value>,
    /// What is there, no more and no less.
    is: Option<Value>,
    /// A text that stands in the file as it is, comments included.
    text: Option<String>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// stdout and stderr.
    pub(crate) printed: String,
    /// Exit code, stdout and stderr of each further command.
    pub(crate) then: Vec<(Option<i32>, String)>,
    /// Every file below the output folder, by its path there.
    pub(crate) files: BTreeMap<String, String>,
}

impl Expect {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let expect: Self = serde_yaml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        if expect.questions.is_empty() && !expect.claims_more() {
            bail!("{}: neither questions nor contents nor a refusal, so nothing in it can fail", path.display());
        }
        Ok(expect)
    }

    /// Whether it claims something besides the answers to its questions: contents of files, or that the run is refused.
    pub(crate) fn claims_more(&self) -> bool {
        !self.contents.is_empty() || self.code != 0
    }

    /// Each claim that does not hold, the questions left aside.
    pub(crate) fn broken(&self, outcome: &Outcome) -> Vec<String> {
        let code = (outcome.code != Some(self.code))
            .then(|| format!("exit code {:?}, expected {}:\n{}", outcome.code, self.code, indented(&outcome.printed)));
        let prints = self.prints.iter().filter(|text| !outcome.printed.contains(text.as_str()));
        let prints = prints.map(|text| format!("{text:?} is not printed:\n{}", indented(&outcome.printed)));
        let present = self.present.iter().filter(|path| !outcome.holds(path));
        let present = present.map(|path| format!("{path} is missing among {:?}", outcome.files.keys()));
        let absent = self.absent.iter().filter(|path| outcome.holds(path)).map(|path| format!("{path} is there"));
        let contents = self.contents.iter().filter_map(|content| content.broken(&outcome.files).err());
        let contents = contents.map(|error| format!("{error:#}"));
        let then = self.then.iter().zip(&outcome.then).flat_map(|(then, (code, printed))| then.broken(*code, printed));
        code.into_iter().chain(prints).chain(present).chain(absent).chain(contents).chain(then).collect()
    }
}

impl Then {
    fn broken(&self, code: Option<i32>, printed: &str) -> Vec<String> {
        let what = || format!("netwright {}:\n{}", self.run.join(" "), indented(printed));
        let exit =
            (code != Some(self.code)).then(|| format!("exit code {code:?}, expected {}, of {}", self.code, what()));
        let missing = self.prints.iter().filter(|text| !printed.contains(text.as_str()));
        let missing = missing.map(|text| format!("{text:?} is not printed by {}", what()));
        let silent = self.silent.iter().filter(|text| printed.contains(text.as_str()));
        exit.into_iter().chain(missing).chain(silent.map(|text| format!("{text:?} is printed by {}", what()))).collect()
    }
}

impl Outcome {
    fn holds(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.keys().any(|file| file == path || file.starts_with(&folder))
    }
}

impl Content {
    fn broken(&self, files: &BTreeMap<String, String>) -> Result<()> {
        let Self { file, at, has, lacks, is, text } = self;
        let whole = files.get(file).with_context(|| format!("{file} is missing among {:?}", files.keys()))?;
        if let Some(text) = text.as_ref().filter(|text| !whole.contains(text.as_str())) {
            bail!("{file} has no {text:?}");
        }
        if has.is_none() && lacks.is_none() && is.is_none() {
            return if text.is_some() { Ok(()) } else { bail!("contents of {file}: nothing is asked for") };
        }
        let mut whole = document(whole).with_context(|| format!("reading {file}"))?;
        if file == EVIDENCE {
            resolve_numbers(&mut whole);
        }
        let found = whole.pointer(at).with_context(|| format!("{file} has nothing at {at:?}"))?;
        let shown = || indented(&serde_json::to_string_pretty(found).unwrap_or_default());
        if let Some(part) = has.as_ref().filter(|part| !contains(found, part)) {
            bail!("{file} at {at:?} lacks {part}:\n{}", shown());
        }
        if let Some(part) = lacks.as_ref().filter(|part| contains(found, part)) {
            bail!("{file} at {at:?} has {part}:\n{}", shown());
        }
        if let Some(part) = is.as_ref().filter(|part| *part != found) {
            bail!("{file} at {at:?} is not {part}:\n{}", shown());
        }
        Ok(())
    }
}

/// The side file, which names edges and webhooks by their place in its own lists.
const EVIDENCE: &str = "evidence.json";
/// Its fields that hold places in `edges`.
const EDGES: [&str; 7] =
    ["edge", "edges", "exposed", "neverEstablished", "moreAddressesThanKept", "namedByPodAddresses", "serviceProxy"];

/// Puts in place of each number what it stands for, so that a claim can say which edge is meant.
fn resolve_numbers(evidence: &mut Value) {
    let list = |field: &str| evidence[field].as_array().cloned().unwrap_or_default();
    let (edges, extensions) = (list("edges"), list("apiExtensions"));
    for field in ["policies", "review"] {
        resolve_within(&mut evidence[field], "", &edges, &extensions);
    }
}

fn resolve_within(value: &mut Value, field: &str, edges: &[Value], extensions: &[Value]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| resolve_within(item, field, edges, extensions)),
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(field, value)| resolve_within(value, field, edges, extensions));
        }
        Value::Number(number) => {
            let list = match field {
                "apiExtensions" => extensions,
                field if EDGES.contains(&field) => edges,
                _ => return,
            };
            let meant = number.as_u64().and_then(|place| list.get(usize::try_from(place).ok()?));
            if let Some(meant) = meant {
                *value = meant.clone();
            }
        }
        _ => {}
    }
}

/// A file as one value; several documents of YAML are a list.
pub(crate) fn document(text: &str) -> Result<Value> {
    let mut documents = documents(text)?;
    Ok(if documents.len() == 1 { documents.remove(0) } else { Value::Array(documents) })
}

/// The documents of a file, empty ones left out.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>> {
    let documents = serde_yaml::Deserializer::from_str(text).map(Value::deserialize);
    let documents: Vec<Value> = documents.collect::<std::result::Result<_, _>>()?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Whether `part` is found in `whole`. A list may be named by one of its elements.
pub(crate) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| contains(whole, part)))
        }
        (Value::Array(whole), Value::Array(parts)) => {
            parts.iter().all(|part| whole.iter().any(|whole| contains(whole, part)))
        }
        (Value::Array(whole), part) => whole.iter().any(|whole| contains(whole, part)),
        (Value::String(whole), Value::String(part)) => match part.strip_prefix('~') {
            // `~word`: a text that has this somewhere in it.
            Some(part) => whole.contains(part),
            None => whole == part,
        },
        _ => whole == part,
    }
}

/// How many lines of a text a message shows.
const LINES: usize = 80;

/// Set in a little, to stand below what it explains; the rest of a long text is left out.
pub(crate) fn indented(text: &str) -> String {
    let lines = text.lines().count();
    let shown: String = text.lines().take(LINES).map(|line| format!("    {line}\n")).collect();
    if lines > LINES { format!("{shown}    … {} more lines\n", lines - LINES) } else { shown }
}
