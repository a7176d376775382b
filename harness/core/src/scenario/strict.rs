//! The strict reader of files in Plumbline's own formats, over serde-saphyr: one document, no unknown field,
//! no duplicate key, budgets, and the place of every value. The only module that knows that crate.

use super::error::InputError;
use super::kube_yaml;
use super::node::Position;
use crate::source::Source;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{
    DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
    value::SeqAccessDeserializer,
};
use serde_yaml::budget::BudgetBreach;
use serde_yaml::{Error, Location, MergeKeyPolicy, Spanned};
use std::borrow::Cow;
use std::marker::PhantomData;

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it is written; for an alias, where the alias is.
    at: Location,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(|Spanned { value, referenced, .. }| Self { value, at: referenced })
    }
}

/// A place is not written, so the schema is that of the value.
impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Where a value was written.
pub(super) fn source<T>(file: &str, value: &Located<T>) -> Source {
    Source {
        file: file.to_owned(),
        line: usize::try_from(value.at.line()).unwrap_or(0),
        column: usize::try_from(value.at.column()).unwrap_or(0),
    }
}

/// A mapping with free keys, in the order written; keys are unique.
#[derive(Debug, Clone)]
pub(super) struct Pairs<T>(pub Vec<(Located<String>, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(key) = map.next_key::<Located<String>>()? {
                    pairs.push((key, map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Pairs<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Pairs_of_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}

/// Either a list or a mapping.
#[derive(Debug, Clone)]
pub(super) enum ListOr<T, M> {
    /// A list.
    List(Vec<T>),
    /// The mapping.
    Map(M),
}

impl<'de, T: Deserialize<'de>, M: Deserialize<'de>> Deserialize<'de> for ListOr<T, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T, M>(PhantomData<(T, M)>);
        impl<'de, T: Deserialize<'de>, M: Deserialize<'de>> Visitor<'de> for Reader<T, M> {
            type Value = ListOr<T, M>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list or a mapping")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(ListOr::List)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                M::deserialize(MapAccessDeserializer::new(map)).map(ListOr::Map)
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl<T: JsonSchema, M: JsonSchema> JsonSchema for ListOr<T, M> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("List_of_{}_or_{}", T::schema_name(), M::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<Vec<T>>(), generator.subschema_for::<M>()] })
    }
}

/// Reads a text as one document of type `T`.
///
/// # Errors
/// The first thing that is wrong, with its place, and the field where the text is YAML at all.
pub(super) fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, InputError> {
    let mut options = serde_yaml::options! {
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    if let Some(budget) = options.budget.as_mut() {
        budget.max_depth = kube_yaml::MAX_DEPTH;
        budget.max_nodes = kube_yaml::MAX_NODES;
        budget.max_documents = 1;
        budget.max_aliases = 64;
    }
    serde_yaml::from_str_with_options(text, options).map_err(|error| explain(file, text, &error))
}

/// A JSON value as YAML text, quoted so that kubectl reads back the same value.
pub fn yaml(value: &serde_json::Value) -> String {
    // libyaml, and so kubectl, refuses a block scalar with a tab where it looks for its indentation.
    let options = serde_yaml::ser_options! { prefer_block_scalars: !has_tabs(value) };
    serde_yaml::to_string_with_options(value, options)
        .unwrap_or_else(|error| format!("# cannot be written as YAML: {error}\n"))
}

fn has_tabs(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\t'),
        serde_json::Value::Array(items) => items.iter().any(has_tabs),
        serde_json::Value::Object(map) => map.values().any(has_tabs),
        _ => false,
    }
}

/// Fields that had another name, with the name that they have now.
const RENAMED: [(&str, &str); 1] = [("rows", "covers")];

/// Turns the crate's error into ours: the field's path, and the likely spelling of an unknown field.
fn explain(file: &str, text: &str, error: &Error) -> InputError {
    let error = error.without_snippet();
    let location = error.location();
    let at = Position {
        line: location.and_then(|l| usize::try_from(l.line()).ok()).unwrap_or(0),
        column: location.and_then(|l| usize::try_from(l.column()).ok()).unwrap_or(0),
    };
    // The tolerant reader gives the path to that place, if it can read the text.
    let documents = kube_yaml::read(file, text).unwrap_or_default();
    let document = documents.first();
    let field = document.map(|node| node.path_at(at)).unwrap_or_default();
    let source = Source { file: file.to_owned(), line: at.line, column: at.column };
    match error {
        Error::SerdeUnknownField { field: name, expected, .. } => {
            let error = InputError::new(source, field, format!("unknown field `{name}`"));
            match RENAMED.iter().find(|(old, new)| old == name && expected.contains(new)) {
                Some((_, new)) => error.help(format!("`{name}` is now `{new}`")),
                None => error
                    .suggest(name, expected.iter().copied())
                    .or_help(|| format!("known here: {}", expected.join(", "))),
            }
        }
        Error::SerdeMissingField { field: name, .. } => InputError::new(source, field, format!("`{name}` is missing")),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            // The other reader refuses it too, and so knows no way to it.
            let field = if field.is_empty() { key.to_owned() } else { field };
            InputError::new(source, field, format!("key `{key}` is defined twice"))
        }
        Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            InputError::new(source, "", "more than one document; a scenario file holds one")
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            InputError::new(source, field, "an alias refers to the value that holds it")
        }
        Error::MergeKeyNotAllowed { .. } => InputError::new(source, field, "merge keys `<<` are not allowed here"),
        Error::Budget { breach, .. } => InputError::new(source, field, format!("too big: {breach:?}")),
        Error::Eof { .. } => InputError::file(file, "empty"),
        Error::InvalidScalar { ty, .. } if ty.starts_with('u') => {
            let found = document.and_then(|node| node.scalar_at(at)).map(|text| format!("is `{text}`; "));
            let range = if *ty == "u32" { "from 0 to 4294967295" } else { "from 0 up" };
            InputError::new(source, field, format!("{}expected a whole number {range}", found.unwrap_or_default()))
        }
        other => {
            let text = other.to_string();
            let line = text.lines().next().unwrap_or("not as expected");
            // The place stands before the message already.
            let line = line.rfind(" at line ").map_or(line, |end| &line[..end]);
            InputError::new(source, field, line)
        }
    }
}
