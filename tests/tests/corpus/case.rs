//! A case: its folder, and the one run of it that every check looks at.

use crate::expect::{Expect, Outcome};
use crate::question::{self, Question};
use crate::seen::Seen;
use crate::snapshot;
use anyhow::{Context, Result, ensure};
use netwright_record::{Coverage, Ended, Header, Losses, Observation, file};
use netwright_resolve::inventory::read_kubectl;
use netwright_tests::demo::netwright;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where the cases lie.
pub(crate) fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// A case by its folder.
pub(crate) struct Case {
    /// The folder's name.
    pub(crate) name: String,
    folder: PathBuf,
    run: OnceLock<Result<Run, String>>,
}

/// What `netwright synth` made of a case.
pub(crate) struct Run {
    /// What was observed.
    pub(crate) observation: Observation,
    /// What was expected.
    pub(crate) expect: Expect,
    /// The questions of `expect`, read.
    pub(crate) questions: Vec<Question>,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// The output folder.
    pub(crate) out: PathBuf,
}

impl Case {
    /// All cases, by name.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let corpus = corpus();
        let entries = fs::read_dir(&corpus).with_context(|| format!("reading {}", corpus.display()))?;
        let mut cases = Vec::new();
        for entry in entries {
            let folder = entry?.path();
            if folder.is_dir() {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                cases.push(Self { name, folder, run: OnceLock::new() });
            }
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    /// The run of it, made at the first call.
    pub(crate) fn run(&self) -> Result<&Run, String> {
        self.run.get_or_init(|| self.make().map_err(|error| format!("{error:#}"))).as_ref().map_err(Clone::clone)
    }

    /// Whether files of somebody lay in the output folder before.
    pub(crate) fn has_given_files(&self) -> bool {
        self.folder.join("given").exists()
    }

    /// Each claim of the case that does not hold.
    pub(crate) fn broken(&self) -> Result<Vec<String>> {
        let run = self.run().map_err(anyhow::Error::msg)?;
        let mut broken = run.expect.broken(&run.outcome);
        let manifests = snapshot::compared(&run.outcome.files);
        let inventory = &run.observation.inventory;
        match question::wrong(&run.questions, &manifests, inventory) {
            Ok(wrong) => broken.extend(wrong),
            Err(error) => broken.push(format!("the manifests cannot be read: {error:#}")),
        }
        if !run.expect.claims_more() && question::ask_nothing(&run.questions, inventory) {
            broken.push("without any policy every answer would be the same: ask for something that is denied".into());
        }
        Ok(broken)
    }

    /// What differs from the manifests that were approved.
    pub(crate) fn unapproved(&self) -> Result<Vec<String>> {
        let run = self.run().map_err(anyhow::Error::msg)?;
        snapshot::check(&self.folder.join("expected"), &run.outcome.files)
    }

    /// Whether its README is what it should be: the mistake, and what is right.
    pub(crate) fn argue(&self) -> Result<()> {
        let text = fs::read_to_string(self.folder.join("README.md")).context("reading README.md")?;
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        ensure!(
            lines.len() == 2 && lines[0].starts_with("Mistake: ") && lines[1].starts_with("Right: "),
            "README.md: two lines are expected, `Mistake: …` and `Right: …`"
        );
        Ok(())
    }

    fn make(&self) -> Result<Run> {
        let observation = self.observation()?;
        let expect = Expect::read(&self.folder.join("expect.yaml"))?;
        let read = |text: &String| Question::read(text, &observation.inventory);
        let questions: Vec<Question> = expect.questions.iter().map(read).collect::<Result<_>>()?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus").join(&self.name);
        let (file, out) = (folder.join("observation.zst"), folder.join("out"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        copy_tree(&self.folder.join("given"), &out)?;
        file::write_path(&observation, &file)?;
        let fixed: [&Path; 4] = ["synth".as_ref(), &file, "--out".as_ref(), &out];
        let ran = netwright(fixed.into_iter().chain(expect.flags.iter().map(Path::new)))?;
        let files = read_tree(&out)?;
        let then = expect.then.iter().map(|then| self.run_then(&then.run, &file, &out)).collect::<Result<_>>()?;
        let outcome = Outcome { code: ran.code, printed: self.anonymous(ran), then, files };
        Ok(Run { observation, expect, questions, outcome, out })
    }

    /// Runs a further command on what was written.
    fn run_then(&self, command: &[String], file: &Path, out: &Path) -> Result<(Option<i32>, String)> {
        let cluster = self.folder.join("cluster.yaml");
        let argument = |text: &String| match text.as_str() {
            "{observation}" => file.to_owned(),
            "{out}" => out.to_owned(),
            "{cluster}" => cluster.clone(),
            other => PathBuf::from(other),
        };
        let arguments: Vec<PathBuf> = command.iter().map(argument).collect();
        let ran = netwright(arguments.iter().map(PathBuf::as_path))?;
        Ok((ran.code, self.anonymous(ran)))
    }

    /// What was printed, without the case's name: a path must not pass for a word that is looked for.
    fn anonymous(&self, ran: netwright_tests::demo::Outcome) -> String {
        (ran.stdout + &ran.stderr).replace(&self.name, "CASE")
    }

    /// From objects and flows to an observation, by the code that makes one of them in a cluster.
    fn observation(&self) -> Result<Observation> {
        let path = self.folder.join("seen.yaml");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let seen: Seen = serde_yaml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        let window = seen.window();
        let cluster = fs::read_to_string(self.folder.join("cluster.yaml")).context("reading cluster.yaml")?;
        let (mut inventory, _) = read_kubectl(&cluster, "cluster.yaml", window.until)?;
        seen.remember(&mut inventory)?;
        let mut observation = Observation::new(Header::new("netwright-corpus 1", window));
        let watched = inventory.nodes.iter().filter(|node| !seen.unwatched.contains(&node.name));
        observation.coverage = watched.map(|node| coverage(&node.name, &seen)).collect();
        let flows = seen.flows(&inventory)?;
        netwright_resolve::resolve::apply(&mut observation, &flows, inventory);
        observation.sort();
        Ok(observation)
    }
}

fn coverage(node: &str, seen: &Seen) -> Coverage {
    let (window, run) = (seen.window(), format!("run-{node}"));
    let (losses, notes) = (Losses::default(), Vec::new());
    Coverage { node: node.into(), run, from: window.from, to: window.until, ended: Ended::Clean, losses, notes }
}

/// Every file below `folder`, by its path there; none where the folder does not exist.
pub(crate) fn read_tree(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop().filter(|next| next.exists()) {
        for entry in fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
            files.insert(name, fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    Ok(files)
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for (name, text) in read_tree(from)? {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap_or(to))?;
        fs::write(path, text)?;
    }
    Ok(())
}
