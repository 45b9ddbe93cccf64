//! Schemas kept on disk, so that a process starts and goes on without the registry. Ids are immutable: what was true
//! of one stays true.
//!
//! ```text
//! <cache folder>/<hash of the registry's URL>/id-7.avsc                               the schema as registered
//!                                             writer-<hash of subject and schema>.id  the id it was registered under
//! ```
//!
//! A file is written whole or not at all; one that cannot be read counts as none.

use std::{
    env, fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use apache_avro::Schema;
use sha2::{Digest as _, Sha256};

use super::board::IDS_MAX;
use crate::config;

/// Files in one folder.
const FILES_MAX: usize = IDS_MAX;
/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The files of one registry.
pub(super) struct Disk {
    folder: PathBuf,
    files: AtomicUsize,
}

impl Disk {
    /// The folder of the registry at `url`, made if need be; none when it is turned off or cannot be written.
    pub(super) fn open(config: &config::Schemas, url: &str) -> Option<Self> {
        if config.cache_folder.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            return None;
        }
        let opened = folder(config, url)
            .ok_or_else(|| "neither XDG_CACHE_HOME nor HOME is set".to_owned())
            .and_then(|folder| prepare(&folder).map_err(|error| format!("{}: {error}", folder.display())));
        match opened {
            Ok(disk) => Some(disk),
            Err(why) => {
                tracing::warn!(%why, "schemas are not kept on disk: no start without the registry; set schemas.cache_folder");
                None
            }
        }
    }

    /// The same folder, to read only, if there is one.
    pub(super) fn look(config: &config::Schemas, url: &str) -> Option<Self> {
        let folder = folder(config, url).filter(|folder| folder.is_dir())?;
        Some(Self { folder, files: AtomicUsize::new(FILES_MAX) })
    }

    /// Whether there may be a schema for `id`.
    pub(super) fn has(&self, id: u32) -> bool {
        self.schema_path(id).exists()
    }

    /// The schema that was registered under `id`.
    pub(super) fn schema(&self, id: u32) -> Option<String> {
        let path = self.schema_path(id);
        let text = read(&path)?;
        sound(&path, Schema::parse_str(&text).is_ok()).then_some(text)
    }

    /// Keeps what the registry says of `id`, which wins over what was kept before.
    pub(super) fn keep_schema(&self, id: u32, schema: &str) {
        let path = self.schema_path(id);
        let kept = self.schema(id);
        if kept.as_deref() == Some(schema) {
            return;
        }
        if kept.is_some_and(|kept| canonical(&kept) != canonical(schema)) {
            tracing::error!(
                id,
                path = %path.display(),
                "the registry gives another schema for an id than it did before; its answer is taken. Was it wiped?"
            );
        }
        self.keep(&path, schema);
    }

    /// The id under which `schema` was registered for `subject`.
    pub(super) fn writer(&self, subject: &str, schema: &str) -> Option<u32> {
        let path = self.writer_path(subject, schema);
        let id = read(&path)?.trim().parse().ok();
        sound(&path, id.is_some());
        id
    }

    /// Keeps the id of a schema of ours, and the schema under it: its readers need it too.
    pub(super) fn keep_writer(&self, subject: &str, schema: &str, id: u32) {
        self.keep_schema(id, schema);
        let path = self.writer_path(subject, schema);
        match self.writer(subject, schema) {
            Some(kept) if kept == id => return,
            Some(kept) => tracing::error!(
                subject,
                kept,
                id,
                "the registry gives another id for a schema than it did before; its answer is taken. Was it wiped?"
            ),
            None => {}
        }
        self.keep(&path, &format!("{id}\n"));
    }

    /// Failures are logged: the registry has what could not be kept.
    fn keep(&self, path: &Path, content: &str) {
        if !path.exists() && self.files.fetch_add(1, Ordering::Relaxed) >= FILES_MAX {
            tracing::warn!(path = %path.display(), "not kept: the folder has {FILES_MAX} files; remove old ones");
        } else if let Err(error) = write(path, content) {
            tracing::warn!(path = %path.display(), %error, "a schema could not be kept on disk");
        }
    }

    fn schema_path(&self, id: u32) -> PathBuf {
        self.folder.join(format!("id-{id}.avsc"))
    }

    fn writer_path(&self, subject: &str, schema: &str) -> PathBuf {
        self.folder.join(format!("writer-{}.id", &hex(&[subject, schema])[..32]))
    }
}

/// Where the files of the registry at `url` are, or would be.
fn folder(config: &config::Schemas, url: &str) -> Option<PathBuf> {
    let folder = config.cache_folder.clone().or_else(default_folder)?;
    (!folder.as_os_str().is_empty()).then(|| folder.join(&hex(&[url])[..16]))
}

fn default_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("assize").join("schemas"))
}

/// Makes the folder and tries to write into it.
fn prepare(folder: &Path) -> std::io::Result<Disk> {
    fs::create_dir_all(folder)?;
    let files = fs::read_dir(folder)?.count();
    let probe = folder.join("writable");
    write(&probe, "")?;
    fs::remove_file(&probe).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    Ok(Disk { folder: folder.to_owned(), files: AtomicUsize::new(files) })
}

/// Writes beside, then renames: a reader sees the old file or the new one. The name is the writer's own.
fn write(path: &Path, content: &str) -> std::io::Result<()> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_extension(format!("{}-{number}.new", std::process::id()));
    let mut file = fs::File::create(&beside)?;
    let written = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| drop(fs::remove_file(&beside)))
}

fn read(path: &Path) -> Option<String> {
    let small = |metadata: fs::Metadata| metadata.len() <= FILE_BYTES_MAX;
    match fs::metadata(path)
        .map(small)
        .and_then(|small| if small { fs::read_to_string(path) } else { Ok(String::new()) })
    {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a kept schema cannot be read; going on without it");
            None
        }
    }
}

fn sound(path: &Path, sound: bool) -> bool {
    if !sound {
        tracing::warn!(path = %path.display(), "a kept schema is corrupt; going on without it");
    }
    sound
}

/// What of a schema decides how bytes are read.
fn canonical(schema: &str) -> Option<String> {
    Schema::parse_str(schema).ok().map(|schema| schema.canonical_form())
}

fn hex(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::schema::{MESSAGE, VERDICT};

    fn open(folder: &Path, url: &str) -> Option<Disk> {
        let config = config::Schemas { cache_folder: Some(folder.to_owned()), ..config::Schemas::default() };
        Disk::open(&config, url)
    }

    #[test]
    fn what_is_kept_comes_back_to_the_next_process_and_to_no_other_registry() {
        let folder = tempfile::tempdir().unwrap();
        let disk = open(folder.path(), "http://a").unwrap();
        disk.keep_writer("verdicts-value", VERDICT, 7);
        let next = open(folder.path(), "http://a").unwrap();
        assert_eq!(next.writer("verdicts-value", VERDICT), Some(7));
        assert_eq!(next.schema(7).as_deref(), Some(VERDICT));
        assert_eq!((next.writer("other-value", VERDICT), next.writer("verdicts-value", MESSAGE)), (None, None));
        assert_eq!(open(folder.path(), "http://b").unwrap().schema(7), None);
        let names = fs::read_dir(&next.folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.count(), 2, "nothing half-written stays");
    }

    #[test]
    fn the_registry_wins_over_what_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let disk = open(folder.path(), "http://a").unwrap();
        disk.keep_writer("s", VERDICT, 7);
        disk.keep_schema(7, MESSAGE);
        disk.keep_writer("s", VERDICT, 8);
        assert_eq!(disk.schema(7).as_deref(), Some(MESSAGE));
        assert_eq!(disk.writer("s", VERDICT), Some(8));
    }

    #[test]
    fn a_corrupt_file_counts_as_none_and_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let disk = open(folder.path(), "http://a").unwrap();
        disk.keep_writer("s", VERDICT, 7);
        for damage in [&VERDICT.as_bytes()[..VERDICT.len() / 2], b"", b"\xff\xfe"] {
            fs::write(disk.schema_path(7), damage).unwrap();
            fs::write(disk.writer_path("s", VERDICT), damage).unwrap();
            assert_eq!((disk.schema(7), disk.writer("s", VERDICT)), (None, None));
        }
        disk.keep_writer("s", VERDICT, 7);
        assert_eq!(disk.schema(7).as_deref(), Some(VERDICT));
        assert_eq!(disk.writer("s", VERDICT), Some(7));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(open(&file, "http://a").is_none());
        assert!(open(Path::new(""), "http://a").is_none(), "turned off");
    }

    #[test]
    fn files_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let disk = open(folder.path(), "http://a").unwrap();
        disk.files.store(FILES_MAX, Ordering::Relaxed);
        disk.keep_schema(7, VERDICT);
        assert_eq!(disk.schema(7), None);
    }
}
