//! A file that is written piece by piece, for what is too large to be held in memory. Its seal is written at the end,
//! where room was left for it.

use super::destination::{Stamp, below};
use super::error::{OutputError, failed};
use super::seal::{Digest, Digester, Form};
use super::{Staged, Staging, Text, no_object};
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// A file that is being written. Dropped without [`Writer::finish`], it does not count.
#[derive(Debug)]
pub struct Writer<'a> {
    staged: &'a Staged,
    name: String,
    form: Form,
    before: Option<Stamp>,
    path: PathBuf,
    file: BufWriter<File>,
    digester: Digesting,
    /// Whether a first byte was written after the seal.
    begun: bool,
}

/// For `Debug`, which has nothing to say of a digest half done.
struct Digesting(Digester);

impl std::fmt::Debug for Digesting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Stands in for the digest until that is known.
const NO_DIGEST: Digest = [b'0'; 16];

impl<'a> Writer<'a> {
    pub(super) fn new(staged: &'a Staged, name: &str, form: Form, before: Option<Stamp>) -> Result<Self, OutputError> {
        let path = below(&staged.tree, name);
        let file = File::create_new(&path).map_err(failed("write", &path))?;
        let mut file = BufWriter::with_capacity(128 * 1024, file);
        file.write_all(&form.seal(&NO_DIGEST)).map_err(failed("write", &path))?;
        let digester = Digesting(Digester::default());
        Ok(Self { staged, name: name.to_owned(), form, before, path, file, digester, begun: false })
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// Writing fails, or what was written is not of the form that its name says.
    pub fn finish(self) -> Result<(), OutputError> {
        if !self.begun && self.form.body(b"").is_none() {
            return Err(no_object(&self.name));
        }
        let Self { staged, name, form, before, path, mut file, digester, .. } = self;
        let digest = digester.0.digest();
        let text = staged.decide(staged.standing(form, &name, before)?, &digest);
        let sealed = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&form.seal(&digest)));
        sealed.and_then(|()| file.flush()).map_err(failed("write", &path))?;
        drop(file);
        if text != Text::New {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        staged.stage(&name, Staging { text, before })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digester.0.take(bytes);
        self.file.write_all(bytes)
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        if !self.begun && !bytes.is_empty() {
            let refusal = || io::Error::new(io::ErrorKind::InvalidData, "the text is no JSON object");
            rest = self.form.body(bytes).ok_or_else(refusal)?;
            self.begun = true;
        }
        self.put(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
