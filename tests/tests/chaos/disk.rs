//! A disk that can be full: a small tmpfs, and a file that takes all that is left of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// A mounted disk; it goes with this.
pub(crate) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `size`, in the words of tmpfs.
    pub(crate) fn mount(path: PathBuf, size: &str) -> Self {
        fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "netwright-chaos"]).arg(&path);
        assert!(mount.status().unwrap().success(), "cannot mount {}", path.display());
        Self { path }
    }

    /// Takes all that is left.
    pub(crate) fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.path.join("ballast")).unwrap();
        for size in [64 << 10, 1 << 10, 1] {
            let block = vec![0; size];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    /// Gives it back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps that, and nothing else is in the way.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
