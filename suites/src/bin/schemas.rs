//! Writes everything that is generated from the types of Plumbline's own files. A test compares the committed files with what
//! this writes.

use plumbline::root;
use plumbline_suites::reference::render;

fn main() -> anyhow::Result<()> {
    for (file, text) in render(&root::find()?)? {
        if std::fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(file, text)?;
        }
    }
    Ok(())
}
