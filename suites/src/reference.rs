//! What is generated from the types of Plumbline's own files: the schemas in `schemas/`, the tables of `docs/scenario.md`, and
//! the line in each shipped file by which an editor finds its schema.

use anyhow::Context as _;
use plumbline::schema::{FileSchema, PROFILE, SCENARIO, SCHEMAS, TEMPLATE};
use plumbline::select;
use plumbline_core::scenario::PLACEHOLDER;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The page with the tables.
pub const PAGE: &str = "docs/scenario.md";
/// How the line begins by which an editor finds a schema.
pub const MODELINE: &str = "# yaml-language-server: $schema=";
/// What begins and ends a generated part of the page.
const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end of generated -->";
/// The table of the forms of names, addresses and numbers.
const FORMS: &str = "forms";

/// Every generated file with the text that it must have.
///
/// # Errors
/// When the page can't be read, or its parts are not those of the schemas.
pub fn render(root: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    let mut tables = BTreeMap::new();
    for schema in SCHEMAS {
        files.push((root.join(schema.file), schema.text()?));
        let mut value = schema.value();
        remove_placeholders(&mut value);
        read_tables(&value, &mut tables);
    }
    let page = root.join(PAGE);
    let text = std::fs::read_to_string(&page).with_context(|| PAGE.to_owned())?;
    files.push((page, fill(&text, &tables)?));
    for (file, schema) in shipped(root)? {
        let text = std::fs::read_to_string(&file)?;
        files.push((file.clone(), with_modeline(&text, &modeline(root, &file, &schema)?)));
    }
    Ok(files)
}

/// Every shipped scenario, profile and template, with its schema.
///
/// # Errors
/// When a folder can't be read.
pub fn shipped(root: &Path) -> anyhow::Result<Vec<(PathBuf, FileSchema)>> {
    let mut files = Vec::new();
    for folder in ["suites/scenarios", "suites/negative", "suites/tests/no-del"] {
        files.extend(select::scenario_files(&root.join(folder))?.into_iter().map(|file| (file, SCENARIO)));
    }
    for folder in ["suites/templates/nad", "suites/templates/pod"] {
        files.extend(select::scenario_files(&root.join(folder))?.into_iter().map(|file| (file, TEMPLATE)));
    }
    for name in plumbline_cluster::profile::list_profiles(root) {
        files.push((root.join("clusters").join(name).join("profile.yaml"), PROFILE));
    }
    Ok(files)
}

fn modeline(root: &Path, file: &Path, schema: &FileSchema) -> anyhow::Result<String> {
    let below = file.strip_prefix(root)?.components().count() - 1;
    Ok(format!("{MODELINE}{}{}", "../".repeat(below), schema.file))
}

fn with_modeline(text: &str, line: &str) -> String {
    let rest = match text.split_once('\n') {
        Some((first, rest)) if first.starts_with(MODELINE) => rest,
        _ => text,
    };
    format!("{line}\n{rest}")
}

/// The page with each generated part replaced.
fn fill(page: &str, tables: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let mut unused: Vec<&String> = tables.keys().collect();
    let mut parts = page.split(BEGIN);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").with_context(|| format!("{PAGE}: `{BEGIN}` without its end"))?;
        let (_, after) = rest.split_once(END).with_context(|| format!("{PAGE}: {name}: no `{END}`"))?;
        let table = tables.get(name).with_context(|| format!("{PAGE}: {name}: no type has this name"))?;
        unused.retain(|known| *known != name);
        filled.push_str(&format!("{BEGIN}{name} -->\n{table}{END}{after}"));
    }
    anyhow::ensure!(unused.is_empty(), "{PAGE}: no part `{BEGIN}NAME -->` for: {unused:?}");
    Ok(filled)
}

/// Removes the texts with placeholders that stand beside every value of a scenario: the tables name the value alone.
fn remove_placeholders(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove(PLACEHOLDER);
            object.values_mut().for_each(remove_placeholders);
            let is_placeholder = |form: &Value| form["$ref"] == format!("#/definitions/{PLACEHOLDER}");
            let Some(Value::Array(forms)) = object.get_mut("anyOf") else { return };
            if let [Value::Object(value), other] = forms.as_slice()
                && is_placeholder(other)
            {
                let value = value.clone();
                object.remove("anyOf");
                object.extend(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(remove_placeholders),
        _ => {}
    }
}

/// A table for each mapping of a schema, and one for all forms.
fn read_tables(schema: &Value, tables: &mut BTreeMap<String, String>) {
    let top = schema.get("else").unwrap_or(schema);
    let definitions = schema["definitions"].as_object().cloned().unwrap_or_default();
    let title = schema["title"].as_str().unwrap_or_default().to_owned();
    let mut objects: Vec<(String, &Value)> = vec![(title, top)];
    let mut forms: Vec<(&String, &Value)> = Vec::new();
    for (name, definition) in &definitions {
        match definition["properties"].is_object() {
            true => objects.push((name.trim_end_matches("File").to_owned(), definition)),
            false => forms.push((name, definition)),
        }
    }
    let inline = top["properties"].as_object().into_iter().flatten();
    objects.extend(inline.filter_map(|(name, field)| {
        let entry = field.get("items").filter(|items| items["properties"].is_object())?;
        Some((name.clone(), entry))
    }));
    for (name, object) in objects {
        tables.insert(name, table(object));
    }
    if !forms.is_empty() {
        let text =
            tables.entry(FORMS.to_owned()).or_insert_with(|| "| form | values | meaning |\n|---|---|---|\n".to_owned());
        for (name, form) in forms {
            let row = format!("| {} | {} | {} |\n", words(name), values(form), description(form));
            if !text.contains(&row) {
                text.push_str(&row);
            }
        }
    }
}

fn table(object: &Value) -> String {
    let mut text = "| field | type | meaning |\n|---|---|---|\n".to_owned();
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = object["properties"].as_object().cloned().unwrap_or_default();
    let (first, second): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| required.contains(&name.as_str()));
    for (name, field) in first.into_iter().chain(second) {
        let needed = if required.contains(&name.as_str()) { ", required" } else { "" };
        text.push_str(&format!("| `{name}` | {}{needed} | {} |\n", kind(field), description(field)));
    }
    text
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('|', "\\|").replace("\n\n", " ")
}

/// The type of a value in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return words(name.trim_end_matches("File"));
    }
    if let Some(one) = schema["allOf"].as_array().and_then(|all| all.first()) {
        return kind(one);
    }
    if let Some(all) = schema["anyOf"].as_array().filter(|all| all.iter().all(|one| one.get("required").is_none())) {
        let all: Vec<String> = all.iter().map(kind).collect();
        return all.join(", or ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") if schema["properties"].is_object() => "entry".to_owned(),
        Some("object") => match &schema["additionalProperties"] {
            inner if inner.is_object() => format!("mapping to {}", kind(inner)),
            _ => "mapping".to_owned(),
        },
        _ => values(schema),
    }
}

/// The values that a scalar can have.
fn values(schema: &Value) -> String {
    let texts = |list: &[Value]| {
        let texts: Vec<String> = list.iter().filter_map(Value::as_str).map(|text| format!("`{text}`")).collect();
        texts.join(", ")
    };
    if let Some(all) = schema["enum"].as_array() {
        return texts(all);
    }
    if let Some(one) = schema.get("const") {
        return texts(std::slice::from_ref(one));
    }
    if let Some(all) = schema["oneOf"].as_array() {
        let all: Vec<String> = all
            .iter()
            .map(|one| match one["properties"].as_object().and_then(|fields| fields.keys().next()) {
                Some(key) => format!("`{{ {key}: ... }}`"),
                None => values(one),
            })
            .collect();
        return all.join(", ");
    }
    match schema["type"].as_str() {
        Some("integer") => match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            (Some(low), Some(high)) => format!("integer, {low} to {high}"),
            (Some(low), None) => format!("integer from {low}"),
            _ => "integer".to_owned(),
        },
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("string") => "text".to_owned(),
        _ => "any value".to_owned(),
    }
}

/// A type's name as words: `InterfaceName` is `interface name`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{fill, with_modeline, words};
    use std::collections::BTreeMap;

    #[test]
    fn a_part_of_the_page_is_replaced_and_none_is_missing() {
        let tables = BTreeMap::from([("A".to_owned(), "new\n".to_owned())]);
        let page = "x\n<!-- generated: A -->\nold\n<!-- end of generated -->\ny\n";
        let filled = fill(page, &tables).unwrap();
        assert_eq!(filled, "x\n<!-- generated: A -->\nnew\n<!-- end of generated -->\ny\n");
        assert_eq!(fill(&filled, &tables).unwrap(), filled);
        assert!(fill("nothing", &tables).unwrap_err().to_string().contains("\"A\""));
        assert!(fill(&page.replace("A -->", "B -->"), &tables).is_err());
    }

    #[test]
    fn a_modeline_is_added_once() {
        let once = with_modeline("a: 1\n", "# yaml-language-server: $schema=x");
        assert_eq!(once, "# yaml-language-server: $schema=x\na: 1\n");
        assert_eq!(
            with_modeline(&once, "# yaml-language-server: $schema=y"),
            "# yaml-language-server: $schema=y\na: 1\n"
        );
        assert_eq!(words("InterfaceName"), "interface name");
    }
}
