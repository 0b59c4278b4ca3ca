//! Images by the script that makes those that are shipped.

use netwright_tests::world::prerequisites::is_root;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_same_files_give_the_same_image() {
    if !is_root() || Command::new("buildah").arg("--version").output().is_err() {
        return netwright_tests::skipped("images need root and buildah (`scripts/setup.sh cluster` installs it)");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("scripts/images.sh");
    let [first, second] = [(); 2].map(|()| {
        let directory = tempfile::tempdir().unwrap();
        let output = Command::new(&script).arg(directory.path()).arg("busybox").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(directory.path().join("busybox.tar")).unwrap()
    });
    assert!(first == second, "two images of the same files differ");
}
