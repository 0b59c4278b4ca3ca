//! Many questions for network-config-analyzer at once, a few processes for all of them. For tests that generate questions.

use super::Oracle;
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// How many processes ask side by side.
const PROCESSES: usize = 2;

/// What the program prints first, whatever it finds; without it nothing was answered.
const ANSWERED: &str = "global: cluster has ";

/// Policies, and what they are about.
#[derive(Debug, Clone)]
pub struct Question {
    /// A List of NetworkPolicies.
    pub policies: serde_json::Value,
    /// A List of Namespaces and Pods. Pods of one owner would be taken for one, so none may have an owner.
    pub cluster: serde_json::Value,
}

/// What the driver prints for one question.
#[derive(Deserialize)]
struct Printed {
    output: String,
    errors: String,
    code: i32,
}

/// The answers in the order of the questions. The questions are kept in `folder`, which exists.
///
/// # Errors
/// The program is not installed as a Python package beside its interpreter, refuses a question (the message names the
/// files), or prints something that cannot be understood.
pub fn ask_all(program: &Path, folder: &Path, questions: &[Question]) -> Result<Vec<Oracle>> {
    let driver = folder.join("driver.py");
    fs::write(&driver, include_str!("driver.py"))?;
    for (number, question) in questions.iter().enumerate() {
        fs::write(folder.join(format!("{number}-policies.json")), question.policies.to_string())?;
        fs::write(folder.join(format!("{number}-cluster.json")), question.cluster.to_string())?;
    }
    let numbers: Vec<usize> = (0..questions.len()).collect();
    let (interpreter, driver) = (&program.with_file_name("python3"), &driver);
    let share = numbers.len().div_ceil(PROCESSES).max(1);
    thread::scope(|scope| {
        let ask = |share| scope.spawn(move || ask_some(interpreter, driver, folder, share));
        let threads: Vec<_> = numbers.chunks(share).map(ask).collect();
        let mut answers = Vec::new();
        for thread in threads {
            answers.extend(thread.join().map_err(|_| anyhow!("a thread that asks panicked"))??);
        }
        Ok(answers)
    })
}

fn ask_some(interpreter: &Path, driver: &Path, folder: &Path, numbers: &[usize]) -> Result<Vec<Oracle>> {
    let output = Command::new(interpreter)
        .arg(driver)
        .arg(folder)
        .args(numbers.iter().map(ToString::to_string))
        .output()
        .with_context(|| format!("running {}", interpreter.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{} failed:\n{text}{}", driver.display(), String::from_utf8_lossy(&output.stderr));
    }
    let answers: Vec<_> = text.lines().zip(numbers).map(|(line, number)| answer(line, *number, folder)).collect();
    ensure!(answers.len() == numbers.len(), "{} questions, {} answers", numbers.len(), answers.len());
    answers.into_iter().collect()
}

fn answer(line: &str, number: usize, folder: &Path) -> Result<Oracle> {
    let printed: Printed = serde_json::from_str(line).with_context(|| format!("reading {line:?}"))?;
    let question = || format!("question {number} in {}", folder.display());
    if printed.code != 0 || !printed.output.contains(ANSWERED) {
        bail!("{}: refused with code {}:\n{}{}", question(), printed.code, printed.output, printed.errors);
    }
    Oracle::read(&printed.output).with_context(question)
}
