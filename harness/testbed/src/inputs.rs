//! What users name on a command line: files, folders, archives, standard input. All of it is untrusted.
//!
//! Reading is bounded in size, number and depth ([`limits`]), follows no link to a folder, opens nothing but regular files,
//! and writes nothing: members of archives are read in memory.
//!
//! | module | content |
//! |---|---|
//! | [`limits`] | the bounds, and what is left of them |
//! | [`text`] | from bytes to texts with a name, and problems with a place |
//! | [`archive`] | texts in archives |
//! | `paths` | files, folders and standard input |

pub mod archive;
pub mod limits;
mod paths;
pub mod text;

pub use paths::{Inputs, STDIN, read};
pub use text::{InputProblem, InputText};
