//! How file contents are handed in: core itself reads no files.

use super::error::InputError;
use crate::source::Source;

/// Longest file accepted, in bytes: Kubernetes itself takes objects of about 1.5 MiB at most.
/// A [`Loader`] need not read further than one byte more.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a file could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// There is no file of that name.
    NotFound,
    /// There is something, but it can't or may not be read: a folder, no permission,
    /// a link that leads out of the suite. The text is shown to the user.
    Refused(String),
}

/// Gives the contents of files by the path that a user wrote, joined to the folder of the file that names it.
pub trait Loader {
    /// Reads a file: at most [`MAX_FILE_BYTES`] + 1 bytes of it.
    ///
    /// # Errors
    /// [`LoadError`], when it is not there or must not be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, LoadError>;

    /// The folder with the templates that scenarios of every folder may use.
    fn shared_templates(&self) -> Option<&str> {
        None
    }
}

impl<F: Fn(&str) -> Result<Vec<u8>, LoadError>> Loader for F {
    fn read(&self, path: &str) -> Result<Vec<u8>, LoadError> {
        self(path)
    }
}

/// Reads a file of Plumbline's own formats as text: within the size limit, UTF-8, without a byte order mark.
/// `at` and `field` are the place that names the file, for the error.
pub(crate) fn text(loader: &dyn Loader, path: &str, at: &Source, field: &str) -> Result<String, InputError> {
    let text = utf8_text(loader, path, at, field)?;
    if text.starts_with(BYTE_ORDER_MARK) {
        return Err(InputError::file(path, "begins with a byte order mark").help("save it as UTF-8 without one"));
    }
    Ok(text)
}

/// Reads a user's Kubernetes manifest as text, the byte order mark left out, which kubectl reads too.
pub(super) fn manifest(loader: &dyn Loader, path: &str, at: &Source, field: &str) -> Result<String, InputError> {
    let mut text = utf8_text(loader, path, at, field)?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.remove(0);
    }
    Ok(text)
}

/// Reads a user's Kubernetes manifest that no file of ours names.
///
/// # Errors
/// When it can't be read, is too large or is not UTF-8.
pub fn manifest_text(loader: &dyn Loader, path: &str) -> Result<String, InputError> {
    manifest(loader, path, &Source { file: path.to_owned(), line: 0, column: 0 }, "")
}

fn utf8_text(loader: &dyn Loader, path: &str, at: &Source, field: &str) -> Result<String, InputError> {
    let bytes = loader.read(path).map_err(|error| {
        let why = match error {
            LoadError::NotFound => "no such file".to_owned(),
            LoadError::Refused(why) => why,
        };
        InputError::new(at.clone(), field, format!("cannot read `{path}`: {why}"))
    })?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(InputError::file(path, format!("larger than {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..valid];
        let line = before.split(|byte| *byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        InputError::new(Source { file: path.to_owned(), line, column }, "", "not UTF-8")
    })
}

/// Joins a path written in `file` to that file's folder, and takes `NAME/..` out of it by its letters alone,
/// without looking at any file system: findings name files the short way.
pub(super) fn beside(file: &str, path: &str) -> String {
    let joined = match file.rfind('/') {
        Some(end) if !path.starts_with('/') => format!("{}/{path}", &file[..end]),
        _ => path.to_owned(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match (part, parts.last()) {
            (".", _) => {}
            ("..", Some(last)) if !matches!(*last, "" | "." | "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The places where a template named in `file` is looked for: beside the file when the name starts with `./`
/// or `../`, else in a folder `templates` there or in one of eight folders above, and then in the shared folder.
fn template_places(loader: &dyn Loader, file: &str, name: &str) -> Vec<String> {
    if name.starts_with("./") || name.starts_with("../") || name.starts_with('/') {
        return vec![beside(file, name)];
    }
    let mut up = String::new();
    let mut places = Vec::new();
    for _ in 0..=8 {
        places.push(beside(file, &format!("{up}templates/{name}")));
        up.push_str("../");
    }
    places.extend(loader.shared_templates().map(|folder| format!("{folder}/{name}")));
    places
}

/// Finds and reads a template. Gives the place where it was found, and its text.
pub(super) fn template(
    loader: &dyn Loader,
    file: &str,
    name: &str,
    at: &Source,
    field: &str,
) -> Result<(String, String), InputError> {
    let places = template_places(loader, file, name);
    for place in &places {
        if loader.read(place) != Err(LoadError::NotFound) {
            return Ok((place.clone(), text(loader, place, at, field)?));
        }
    }
    Err(InputError::new(at.clone(), field, format!("no template `{name}`")).help(match places.as_slice() {
        [one] => format!("looked for {one}"),
        _ => format!("looked in a folder `templates` beside {file}, in the folders above, and in Plumbline's own"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_shortened_by_their_letters() {
        for (file, path, wanted) in [
            ("s/a.yaml", "b/c.yaml", "s/b/c.yaml"),
            ("s/t/a.yaml", "../../u/b.yaml", "u/b.yaml"),
            ("a.yaml", "../b.yaml", "../b.yaml"),
            ("a.yaml", "../../b.yaml", "../../b.yaml"),
            ("s/a.yaml", "./b.yaml", "s/b.yaml"),
            ("s/a.yaml", "/abs/../b.yaml", "/b.yaml"),
            ("/s/a.yaml", "../../b.yaml", "/../b.yaml"),
        ] {
            assert_eq!(beside(file, path), wanted, "{path} in {file}");
        }
    }
}
