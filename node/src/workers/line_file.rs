//! A file that is appended to a line at a time: what the journals are made of.
//!
//! Owns: whole lines, also after one that was cut short. Must never: say that a line is there before the kernel has it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Appends to one file. Clones append to the same.
#[derive(Debug, Clone)]
pub(super) struct LineFile(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    file: File,
    /// The last line has no end yet: a crash or a full disk cut it short.
    torn: bool,
}

impl LineFile {
    /// Opens `path`, made when missing. A line that a crash left half-written is ended before the next, so that readers can skip it.
    ///
    /// # Errors
    /// What the file system said.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(path)?;
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        let torn = last != *b"\n";
        Ok(Self(Arc::new(Mutex::new(Lines { file, torn }))))
    }

    /// One that refuses every line, as a full disk does.
    #[cfg(test)]
    pub(super) fn read_only(path: &Path) -> io::Result<Self> {
        let (file, torn) = (File::open(path)?, false);
        Ok(Self(Arc::new(Mutex::new(Lines { file, torn }))))
    }

    /// Appends what `line` makes, which has no end of line in it. It is made when it is this line's turn, so that a time in it
    /// is never older than that of the line before.
    ///
    /// # Errors
    /// What the file system said; then part of the line may be there.
    pub(super) async fn append(
        &self,
        line: impl FnOnce() -> String + Send + 'static,
    ) -> io::Result<()> {
        let lines = Arc::clone(&self.0);
        let writing = tokio::task::spawn_blocking(move || {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            let line = line();
            lines.append(&line)
        });
        writing.await.map_err(io::Error::other).flatten()
    }
}

impl Lines {
    fn append(&mut self, line: &str) -> io::Result<()> {
        let before = if self.torn { "\n" } else { "" };
        let bytes = format!("{before}{line}\n");
        self.torn = true;
        self.file.write_all(bytes.as_bytes())?;
        self.torn = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_was_cut_short_is_ended_and_the_next_is_whole() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("lines");
        std::fs::write(&path, "one\ntw").expect("written");
        for line in ["three", "four"] {
            let file = LineFile::open(&path).expect("opened");
            let appended = file.append(move || line.to_owned()).await;
            assert!(appended.is_ok());
        }
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "one\ntw\nthree\nfour\n");
    }
}
