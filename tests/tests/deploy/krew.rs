//! The manifest for krew: what a release makes of it is one that krew takes.

use crate::tools::{path, text};
use std::fs;
use std::process::Command;

const VERSION: &str = "1.2.3";

fn release(folder: &std::path::Path) -> (bool, String) {
    let output = Command::new(path("deploy/krew/release.sh"))
        .args([VERSION, "https://netwright.example", "https://netwright.example/releases/"])
        .arg(folder)
        .output()
        .unwrap();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// The rules of krew's `ValidatePlugin` and `ValidatePlatform`.
#[test]
fn a_release_makes_a_manifest_that_krew_takes() {
    let folder = tempfile::tempdir().unwrap();
    let (made, said) = release(folder.path());
    assert!(!made && said.contains("is not there"), "{said}");
    for platform in ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64", "windows-amd64"] {
        fs::write(folder.path().join(format!("netwright-{VERSION}-{platform}.tar.gz")), platform).unwrap();
    }
    let (made, manifest) = release(folder.path());
    assert!(made && !manifest.contains('@'), "{manifest}");
    let manifest: serde_yaml::Value = serde_yaml::from_str(&manifest).unwrap();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!((&manifest["kind"], &manifest["metadata"]["name"]), (&"Plugin".into(), &"netwright".into()));
    let spec = &manifest["spec"];
    assert_eq!(spec["version"], "v1.2.3");
    let short = spec["shortDescription"].as_str().unwrap();
    assert!(!short.is_empty() && short.len() <= 50 && !short.contains('\n'), "{short}");
    let platforms = spec["platforms"].as_sequence().unwrap();
    assert_eq!(platforms.len(), 5);
    let mut sums = Vec::new();
    for platform in platforms {
        let sum = platform["sha256"].as_str().unwrap();
        assert!(sum.len() == 64 && sum.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{sum}");
        sums.push(sum);
        let (uri, labels) = (platform["uri"].as_str().unwrap(), &platform["selector"]["matchLabels"]);
        let (os, arch) = (labels["os"].as_str().unwrap(), labels["arch"].as_str().unwrap());
        assert_eq!(uri, format!("https://netwright.example/releases/netwright-1.2.3-{os}-{arch}.tar.gz"));
        assert_eq!(platform["bin"], if os == "windows" { "netwright.exe" } else { "netwright" });
    }
    sums.sort_unstable();
    sums.dedup();
    assert_eq!(sums.len(), 5, "each archive has its own checksum");
}

#[test]
fn the_template_itself_is_none() {
    let template = fs::read_to_string(path("deploy/krew/netwright.yaml")).unwrap();
    assert!(serde_yaml::from_str::<serde_yaml::Value>(&template).is_err(), "it must not pass for a manifest");
}
