//! The configuration keys that each plugin reads, for each release.
//!
//! The table `keys/table.txt` is made from the sources of the plugins (`images/keys`) and embedded here. It has one
//! line for each key: path, JSON type, first release, first release without it, place in the source.
//!
//! ```text
//! KeyTable::embedded().plugin("bridge")?.find(&[], "vlanTrunk")?.state_in(release) -> Read | NotYet | NoLonger | Unknown
//! ```
//! Not every release can be read; a source lists those that were. Between two of them a key's state is unknown.

mod json_type;
mod key;
mod read;
mod table;

pub use crate::release::Release;
pub use json_type::{JsonType, TextFormat};
pub use key::{Key, KeyState};
pub use read::TableError;
pub use table::{KeyTable, Kind, Object, PluginKeys, Source};
