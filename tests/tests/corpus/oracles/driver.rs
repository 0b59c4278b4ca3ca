//! Python programs that judge files: paths go in, one a line, and an answer comes out for each, as one line of JSON.

use super::program;
use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Lies beside the interpreter that has the packages.
const INTERPRETER: &str = "NETWRIGHT_NCA";

/// A program, by its name in this folder, and what it is told before it is asked.
pub(super) struct Driver {
    pub(super) script: &'static str,
    pub(super) arguments: Vec<PathBuf>,
}

impl Driver {
    /// What it says of each file, in their order.
    pub(super) fn ask<T: DeserializeOwned>(&self, files: &[PathBuf]) -> Result<Vec<T>> {
        let interpreter = program(INTERPRETER)?.with_file_name("python3");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/oracles").join(self.script);
        let mut child = Command::new(&interpreter)
            .arg(&script)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("running {}", interpreter.display()))?;
        let paths: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
        let mut stdin = child.stdin.take().context("no stdin")?;
        // It answers while it is still being asked.
        let writer = std::thread::spawn(move || stdin.write_all(paths.as_bytes()));
        let output = child.wait_with_output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} failed:\n{errors}", script.display());
        writer.join().map_err(|_| anyhow::anyhow!("the thread that asks panicked"))??;
        let text = String::from_utf8_lossy(&output.stdout);
        let answers: Vec<T> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        ensure!(answers.len() == files.len(), "{} files, {} answers", files.len(), answers.len());
        Ok(answers)
    }

    /// What it says of a file of this text.
    pub(super) fn ask_about<T: DeserializeOwned>(&self, text: &str) -> Result<T> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("asked.yaml");
        fs::write(&file, text)?;
        self.ask(&[file])?.pop().context("no answer")
    }
}
